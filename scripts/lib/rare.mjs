// What few models have, and is left to the whole engine, which a page fetches when it meets it. In: the name of a case, the
// operators of its model. Out: whether it is such a case.
// The one decision: only cases of single operators are ever left out. What a real model or one of the common networks
// does is in the first engine, whatever it is.

/**
 * Files of cases: the formats of images, what generated graphs and the forms of single operators led to, graphs whose shapes
 * only a run tells, so that they go in pieces, products of more than two and convolutions by weights that the model computes,
 * and com.microsoft's rarest.
 */
const FILES = new Set(['images.json', 'found.json', 'edges.json', 'told.json', 'products.json', 'rare.json']);

const list = (text) => new Set(text.trim().split(/\s+/));
const OPERATORS = list(`
  Tan Acos Asin Acosh Asinh Atanh Cosh Sinh
  BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BitShift BitCast Xor
  Bernoulli Multinomial Adagrad Adam Gradient Momentum NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss
  AffineGrid CenterCropPad Col2Im Crop ImageDecoder ImageScaler LpPool GlobalLpPool MaxRoiPool MaxUnpool Shrink
  CausalConvWithState CumProd FlexAttention LinearAttention TensorScatter
  CDist Det DFT Inverse MelWeightMatrix RegexFullMatch Scan SparseToDenseMatMul StringSplit Unique
`);

const CASES = [
  // The same operators, written out in others.
  /^test_(bernoulli|affine_grid|center_crop_pad|nllloss|sce_|causal_conv|linear_attention|flexattention)/,
  // float64 beside float32, and training.
  /^test_(einsum|.*_double)|training_mode/,
  // Convolutions whose weights are inputs: converters make them constants.
  /^test_(basic_conv|conv|qlinearconv)|^Conv_(computed|without_the_last)$/,
  // Transposed ones whose windows leave gaps or reach beyond the padding.
  /^(opset.*)?test_convtranspose|^ConvTranspose_(smaller_than_stride|much_padding|dilated)$/,
  // Two operands that are both broadcast; maxima with their places; sums that only Einsum can write; joined integers.
  /^whole_.*_outer$|bcast4v4d|^test_maxpool_with_argmax|^Einsum_(sum|dot)$|^NonZero_Shape|^put_.*_int64$/,
];

export const isRareFile = (name) => FILES.has(name);

/** @param {string} name @param {{ type: string }[]} operators */
export const isRare = (name, operators) => CASES.some((pattern) => pattern.test(name)) || operators.some(({ type }) => OPERATORS.has(type));
