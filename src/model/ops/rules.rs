//! What operators take for granted of their inputs and attributes, by operator.
//!
//! In: a node and its inputs as far as they are known. Out: nothing, or what does not fit. To add a rule: one entry in
//! [`ROWS`].

use tract_onnx::tract_hir::internal::*;

use super::checked::Known;
use super::relations::*;

/// Something that must hold; what is not known is not judged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// An input has a rank from the first number to the second.
    Rank(usize, usize, usize),
    /// An input holds one value.
    One(usize),
    /// Two inputs have the same rank.
    SameRank(usize, usize),
    /// An attribute, where given, is an axis of the first input.
    Axis(&'static str),
    /// An attribute, or what it is where it is not given, is an axis of the first input, or the end of its axes.
    Cut(&'static str, i64),
    /// An attribute, where given, has axes of the first input, each once.
    Axes(&'static str),
    /// An input has axes of the first input, each once.
    AxesIn(usize),
    /// Something else.
    Holds(fn(&Known) -> TractResult<()>),
}

use Rule::{Axes, AxesIn, Axis, Cut, Holds, One, Rank, SameRank};

const ANY: usize = usize::MAX;

const REDUCE: &[Rule] = &[Axes("axes"), AxesIn(1)];
const PRODUCT: &[Rule] = &[Rank(0, 1, ANY), Rank(1, 1, ANY), Holds(numbers), Holds(matmul)];
const GEMM: &[Rule] = &[Rank(0, 2, 2), Rank(1, 2, 2), Rank(2, 0, 2), Holds(numbers), Holds(gemm)];
const DYNAMIC: &[Rule] = &[Rank(0, 1, ANY), Rank(1, 1, ANY), Holds(matmul), Holds(by_column)];
const QUANTIZE: &[Rule] = &[Holds(quantized)];
const SCATTER: &[Rule] =
    &[Rank(0, 1, ANY), SameRank(0, 1), SameRank(1, 2), Axis("axis"), Holds(along), Holds(scatter)];
const PAD: &[Rule] = &[Rank(1, 1, 1), Holds(pad)];
const SOFTMAX: &[Rule] = &[Rank(0, 1, ANY), Axis("axis")];
const WINDOW: &[Rule] = &[Rank(0, 3, ANY), Holds(window)];
const EACH: &[Rule] = &[Holds(broadcast)];

/// (operator, what must hold)
const ROWS: &[(&str, &[Rule])] = &[
    ("Add", EACH),
    ("And", EACH),
    ("ArgMax", SOFTMAX),
    ("ArgMin", SOFTMAX),
    ("Attention", &[Rank(0, 3, 4), Holds(attention)]),
    ("AveragePool", WINDOW),
    ("BatchNormalization", &[Rank(0, 1, ANY), Holds(channels)]),
    ("BitShift", EACH),
    ("BitwiseAnd", EACH),
    ("BitwiseOr", EACH),
    ("BitwiseXor", EACH),
    ("BlackmanWindow", &[One(0), Holds(length)]),
    ("Clip", &[One(1), One(2)]),
    ("Concat", &[Rank(0, 1, ANY), Axis("axis"), Holds(concat)]),
    ("ConstantOfShape", &[Rank(0, 1, 1), Holds(extents)]),
    (
        "Conv",
        &[
            Rank(0, 3, ANY),
            SameRank(0, 1),
            Rank(1, 3, ANY),
            Holds(floats),
            Holds(window),
            Holds(conv),
        ],
    ),
    (
        "ConvInteger",
        &[Rank(0, 3, ANY), SameRank(0, 1), Rank(1, 3, ANY), Holds(window), Holds(conv)],
    ),
    (
        "ConvTranspose",
        &[
            Rank(0, 3, ANY),
            SameRank(0, 1),
            Rank(1, 3, ANY),
            Holds(floats),
            Holds(window),
            Holds(conv_transpose),
        ],
    ),
    ("CumProd", &[Rank(0, 1, ANY), One(1), AxesIn(1)]),
    ("CumSum", &[Rank(0, 1, ANY), One(1), AxesIn(1)]),
    ("DFT", &[Rank(0, 2, ANY), One(1), One(2), Axis("axis"), AxesIn(2), Holds(dft)]),
    ("DepthToSpace", &[Rank(0, 4, 4), Holds(blocks)]),
    ("DequantizeLinear", QUANTIZE),
    ("Div", &[Holds(broadcast), Holds(divisor)]),
    ("Dropout", &[One(1), One(2)]),
    ("Einsum", &[Holds(numbers), Holds(einsum)]),
    ("Equal", EACH),
    ("Expand", &[Rank(1, 1, 1), Holds(expanded)]),
    ("Flatten", &[Cut("axis", 1)]),
    ("Gather", &[Rank(0, 1, ANY), Axis("axis"), Holds(along)]),
    (
        "GatherElements",
        &[Rank(0, 1, ANY), SameRank(0, 1), Axis("axis"), Holds(along), Holds(within)],
    ),
    ("GatherND", &[Rank(0, 1, ANY), Rank(1, 1, ANY), Holds(nd)]),
    ("Gemm", GEMM),
    ("GlobalAveragePool", &[Rank(0, 3, ANY)]),
    ("GlobalLpPool", &[Rank(0, 3, ANY)]),
    ("GlobalMaxPool", &[Rank(0, 3, ANY)]),
    ("Greater", EACH),
    ("GreaterOrEqual", EACH),
    ("GridSample", &[Rank(0, 3, ANY), SameRank(0, 1), Rank(1, 3, ANY), Holds(grid)]),
    ("GroupNormalization", &[Rank(0, 3, ANY), Rank(1, 1, 1), Rank(2, 1, 1), Holds(groups)]),
    ("HammingWindow", &[One(0), Holds(length)]),
    ("HannWindow", &[One(0), Holds(length)]),
    ("Hardmax", SOFTMAX),
    ("InstanceNormalization", &[Rank(0, 3, ANY), Rank(1, 1, 1), Rank(2, 1, 1), Holds(channels)]),
    ("LRN", &[Rank(0, 3, ANY)]),
    ("LayerNormalization", &[Rank(0, 1, ANY), Axis("axis"), Holds(mean_of_some)]),
    ("Less", EACH),
    ("LessOrEqual", EACH),
    ("LogSoftmax", SOFTMAX),
    ("LpNormalization", &[Rank(0, 1, ANY), Axis("axis")]),
    ("LpPool", WINDOW),
    ("MatMul", PRODUCT),
    ("MatMulInteger", PRODUCT),
    ("Max", EACH),
    ("MaxPool", WINDOW),
    ("MaxRoiPool", &[Rank(0, 4, 4), Rank(1, 2, 2)]),
    ("MaxUnpool", &[Rank(0, 3, ANY), SameRank(0, 1), Rank(1, 3, ANY)]),
    ("Mean", EACH),
    ("MeanVarianceNormalization", &[Axes("axes")]),
    ("MelWeightMatrix", &[Holds(mel)]),
    ("Min", EACH),
    ("Mod", &[Holds(broadcast), Holds(divisor)]),
    ("Mul", EACH),
    ("Multinomial", &[Rank(0, 2, 2)]),
    ("NonMaxSuppression", &[Rank(0, 3, 3), Rank(1, 3, 3), One(2), One(3), One(4)]),
    ("OneHot", &[One(1)]),
    ("Or", EACH),
    ("PRelu", EACH),
    ("Pad", PAD),
    ("Pow", EACH),
    (
        "QLinearConv",
        &[Rank(0, 3, ANY), Rank(3, 3, ANY), SameRank(0, 3), Holds(window), Holds(conv)],
    ),
    ("QuantizeLinear", QUANTIZE),
    ("RMSNormalization", &[Rank(0, 1, ANY), Axis("axis")]),
    ("Range", &[One(0), One(1), One(2)]),
    ("ReduceL1", REDUCE),
    ("ReduceL2", REDUCE),
    ("ReduceLogSum", REDUCE),
    ("ReduceLogSumExp", REDUCE),
    ("ReduceMax", REDUCE),
    ("ReduceMean", REDUCE),
    ("ReduceMin", REDUCE),
    ("ReduceProd", REDUCE),
    ("ReduceSum", REDUCE),
    ("ReduceSumSquare", REDUCE),
    ("Reshape", &[Rank(1, 1, 1), Holds(reshape)]),
    ("Resize", &[Holds(resize)]),
    ("RoiAlign", &[Rank(0, 4, 4), Rank(1, 2, 2), Rank(2, 1, 1)]),
    (
        "RotaryEmbedding",
        &[Rank(0, 3, 4), Rank(1, 2, 3), Rank(2, 2, 3), Rank(3, 2, 2), Holds(positions)],
    ),
    ("STFT", &[Rank(0, 2, 3), Rank(2, 1, 1), One(1), One(3), Holds(stft)]),
    ("Scatter", SCATTER),
    ("ScatterElements", SCATTER),
    ("ScatterND", &[Rank(0, 1, ANY), Rank(1, 1, ANY), Holds(nd), Holds(scatter_nd)]),
    ("Slice", &[AxesIn(3), Holds(slice)]),
    ("Softmax", SOFTMAX),
    ("SpaceToDepth", &[Rank(0, 4, 4), Holds(blocks)]),
    ("Split", &[Rank(0, 1, ANY), Rank(1, 1, 1), Axis("axis"), Holds(split)]),
    ("Squeeze", &[Axes("axes"), AxesIn(1)]),
    ("Sub", EACH),
    ("Sum", EACH),
    ("Tile", &[Holds(tile)]),
    ("TopK", &[Rank(0, 1, ANY), One(1), Axis("axis"), Holds(top_k)]),
    ("Transpose", &[Holds(transpose)]),
    ("Trilu", &[One(1)]),
    ("Unsqueeze", &[Holds(unsqueeze)]),
    ("Where", EACH),
    ("Xor", EACH),
    (
        "com.microsoft.ConvTransposeWithDynamicPads",
        &[
            Rank(0, 3, ANY),
            SameRank(0, 1),
            Rank(1, 3, ANY),
            Rank(2, 1, 1),
            Holds(floats),
            Holds(window),
            Holds(conv_transpose),
        ],
    ),
    ("com.microsoft.DecoderMaskedMultiHeadAttention", &[Rank(10, 1, 1)]),
    ("com.microsoft.DynamicQuantizeMatMul", DYNAMIC),
    (
        "com.microsoft.EmbedLayerNormalization",
        &[
            Rank(0, 2, 2),
            Rank(2, 2, 2),
            Rank(3, 2, 2),
            Rank(4, 2, 2),
            Rank(5, 1, 1),
            Rank(6, 1, 1),
            Rank(7, 2, 2),
            Holds(embed),
        ],
    ),
    (
        "com.microsoft.FusedConv",
        &[Rank(0, 3, ANY), SameRank(0, 1), Rank(1, 3, ANY), Holds(window), Holds(conv)],
    ),
    ("com.microsoft.FusedGemm", GEMM),
    ("com.microsoft.FusedMatMul", &[Rank(0, 1, ANY), Rank(1, 1, ANY), Holds(fused_matmul)]),
    ("com.microsoft.GatherND", &[Rank(0, 1, ANY), Rank(1, 1, ANY), Holds(nd)]),
    ("com.microsoft.GridSample", &[Rank(0, 3, ANY), SameRank(0, 1), Rank(1, 3, ANY), Holds(grid)]),
    (
        "com.microsoft.GroupQueryAttention",
        &[
            Rank(0, 3, 3),
            Rank(1, 3, 3),
            Rank(2, 3, 3),
            Rank(3, 4, 4),
            Rank(4, 4, 4),
            Rank(7, 2, 2),
            Rank(8, 2, 2),
            Rank(10, 4, 4),
            Holds(grouped),
        ],
    ),
    (
        "com.microsoft.MRotaryEmbedding",
        &[Rank(0, 3, 4), Rank(1, 3, 3), Rank(2, 2, 2), Rank(3, 2, 2), Holds(of_three)],
    ),
    ("com.microsoft.MatMulBnb4", &[Rank(0, 1, ANY)]),
    ("com.microsoft.MatMulIntegerToFloat", PRODUCT),
    ("com.microsoft.MultiHeadAttention", &[Rank(3, 1, 1)]),
    ("com.microsoft.NhwcMaxPool", WINDOW),
    ("com.microsoft.Pad", PAD),
    (
        "com.microsoft.QEmbedLayerNormalization",
        &[
            Rank(0, 2, 2),
            Rank(1, 2, 2),
            Rank(2, 2, 2),
            Rank(3, 2, 2),
            Rank(4, 2, 2),
            Rank(5, 1, 1),
            Rank(6, 1, 1),
            Rank(7, 2, 2),
            Holds(embed),
        ],
    ),
    ("com.microsoft.QLinearAveragePool", WINDOW),
    ("com.microsoft.QLinearConv", &[Rank(0, 3, ANY), SameRank(0, 3), Holds(window), Holds(kernel)]),
    (
        "com.microsoft.RotaryEmbedding",
        &[Rank(0, 3, 4), Rank(1, 1, 2), Rank(2, 2, 2), Rank(3, 2, 2), Holds(ms_positions)],
    ),
    ("com.microsoft.TransposeMatMul", &[Rank(0, 1, ANY), Rank(1, 1, ANY), Holds(fused_matmul)]),
    ("com.microsoft.Trilu", &[One(1)]),
    ("com.microsoft.UnfoldTensor", &[Rank(0, 1, ANY), Axis("dim")]),
];

/// (operator, what it makes of no elements): the engine divides by how many there are.
const OF_NOTHING: &[(&str, f32)] = &[
    ("ReduceL1", 0.0),
    ("ReduceL2", 0.0),
    ("ReduceLogSum", f32::NEG_INFINITY),
    ("ReduceLogSumExp", f32::NEG_INFINITY),
    ("ReduceMean", 0.0),
    ("ReduceSum", 0.0),
    ("ReduceSumSquare", 0.0),
];

/// What an operator makes of no elements, where it is one of those that sum up.
pub(super) fn of_nothing(op_type: &str) -> Option<f32> {
    OF_NOTHING.iter().find(|(name, _)| *name == op_type).map(|(_, value)| *value)
}

/// The rules of an operator.
pub(super) fn of(op_type: &str) -> &'static [Rule] {
    ROWS.iter().find(|(name, _)| *name == op_type).map_or(&[], |(_, rules)| *rules)
}

impl Rule {
    pub(super) fn check(self, known: &Known) -> TractResult<()> {
        match self {
            Rank(at, least, most) => {
                let Some(rank) = known.rank(at) else { return Ok(()) };
                ensure!(
                    (least..=most).contains(&rank),
                    "{} is given an input {at} of rank {rank}, and {}",
                    known.site.op_type,
                    wanted(least, most)
                );
            }
            One(at) => {
                let Some(dims) = known.dims(at) else { return Ok(()) };
                ensure!(
                    dims.iter().all(|d| *d == 1),
                    "{} is given an input {at} of shape {dims:?}, and takes one value",
                    known.site.op_type
                );
            }
            SameRank(a, b) => {
                let (Some(x), Some(y)) = (known.rank(a), known.rank(b)) else { return Ok(()) };
                ensure!(
                    x == y,
                    "{} is given inputs {a} and {b} of ranks {x} and {y}, which must be the same",
                    known.site.op_type
                );
            }
            Axis(name) => {
                let (Some(axis), Some(rank)) = (known.int(name), known.rank(0)) else {
                    return Ok(());
                };
                axis_of(known, axis, rank)?;
            }
            Cut(name, default) => {
                let Some(rank) = known.rank(0) else { return Ok(()) };
                let axis = known.int(name).unwrap_or(default);
                if axis != rank as i64 {
                    axis_of(known, axis, rank)?;
                }
            }
            Axes(name) => {
                let (Some(axes), Some(rank)) = (known.list(name), known.rank(0)) else {
                    return Ok(());
                };
                distinct(known, axes, rank)?;
            }
            AxesIn(at) => {
                let (Some(axes), Some(rank)) = (known.ints(at), known.rank(0)) else {
                    return Ok(());
                };
                distinct(known, &axes, rank)?;
            }
            Holds(rule) => {
                rule(known).with_context(|| format!("{} does not fit", known.site.op_type))?;
            }
        }
        Ok(())
    }
}

fn wanted(least: usize, most: usize) -> String {
    match (least, most) {
        (a, b) if a == b => format!("takes one of rank {a}"),
        (a, ANY) => format!("takes one of rank {a} or more"),
        (a, b) => format!("takes one of rank {a} to {b}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ops::importer;

    #[test]
    fn rows_are_of_registered_operators() {
        for (name, _) in ROWS {
            assert!(importer().op_register.0.contains_key(*name), "{name}");
        }
        assert!(ROWS.is_sorted_by_key(|(name, _)| name));
    }
}
