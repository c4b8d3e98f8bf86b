//! The operator table: which ONNX operators the engine has, by domain, and where ours are registered.
//!
//! In: nothing. Out: tract's importer with our operators in it. tract keys its table by operator
//! type alone. So ours of other domains than ONNX's own are registered as `domain.Type` ([`key`]), to
//! which the nodes are renamed before import, and [`CONTRIB`] says which of tract's names belong to
//! other domains; a custom domain's `Relu` is not mistaken for ONNX's.
//!
//! To add an operator: one file, one row in [`OURS`], one case.

mod activation;
mod affine_grid;
pub(super) mod at_opset;
mod attention;
mod batch_norm;
mod biased;
mod bit_cast;
mod bit_shift;
mod bnb4;
mod branch;
mod center_crop_pad;
mod checked;
mod clip;
mod col2im;
mod compress;
mod contrib_attention;
mod contrib_gates;
mod contrib_math;
mod conv_transpose;
mod corners;
mod crops;
mod cum_prod;
mod deform_conv;
mod det;
mod detection;
mod dft;
mod doubles;
mod einsum;
mod either;
mod engines;
mod equal;
mod experimental;
mod experts;
mod float_class;
mod fused;
mod gather_blocks;
mod global_lp_pool;
mod greatest;
mod grid_sample;
mod group_query;
mod host;
mod integer_product;
mod linear_attention;
mod logs;
mod loss;
mod lower;
mod lp_pool;
mod lrn;
mod matmul;
mod max_roi_pool;
mod max_unpool;
mod ml;
mod multi_head;
mod narrow;
mod nbits;
mod one_hot;
mod pad;
mod parse;
mod power;
mod qlinear;
mod qlinear_product;
mod quantize;
mod quantize_linear;
mod quotient;
mod random;
mod range;
mod recurrent;
mod reduce_extreme;
mod regex;
mod relations;
mod reshape;
mod resize_10;
mod resize_point;
mod resize_whole;
mod reverse_sequence;
mod roi_align;
mod rotary;
mod round_to;
mod rules;
mod shape;
mod shared_cache;
mod skip_norm;
mod slice;
mod slice_computed;
mod small;
mod space_to_depth;
mod squeeze;
mod tensor_scatter;
mod text;
mod tfidf;
mod tokens;
mod unique;
mod upsample;
mod whole_sums;
mod wires;

#[cfg(feature = "gpu")]
pub(crate) use attention::Attention;
pub(crate) use branch::Choice;
#[cfg(feature = "gpu")]
pub(crate) use deform_conv::DeformConv;
#[cfg(feature = "gpu")]
pub(crate) use either::for_gpu;
pub(crate) use gather_blocks::GatherBlocks;
#[cfg(feature = "gpu")]
pub(crate) use group_query::{GroupQuery, Sizes as GroupQuerySizes};
pub(crate) use host::{Coded, code_of};
pub(crate) use integer_product::IntegerProduct;
#[cfg(feature = "gpu")]
pub(crate) use linear_attention::{CausalConv, LinearAttention};
pub(crate) use narrow::ToNarrow;
pub(crate) use nbits::MatMulNBits;
pub(crate) use quotient::Quotient;
pub(crate) use recurrent::{Recurrent, Sizes};
pub(crate) use reduce_extreme::Extreme;
#[cfg(feature = "gpu")]
pub(crate) use roi_align::RoiAlign;
pub(crate) use round_to::RoundTo;
#[cfg(feature = "gpu")]
pub(crate) use tensor_scatter::TensorScatter;

use std::collections::HashMap;
use std::sync::OnceLock;

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::TractResult;
use tract_onnx::tract_hir::infer::InferenceOp;
use tract_onnx::tract_hir::internal::format_err;

use super::expand;

/// Makes an operator from its node; the names are of values that it captures from outer graphs.
type Builder = fn(&ParsingContext, &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

/// Operators of ours: (domain, type, builder). They come before tract's of the same name.
const OURS: &[(&str, &str, Builder)] = &[
    (DEFAULT_DOMAIN, "Affine", experimental::affine),
    (DEFAULT_DOMAIN, "AffineGrid", affine_grid::build),
    (DEFAULT_DOMAIN, "Attention", attention::build),
    (DEFAULT_DOMAIN, "BatchNormalization", batch_norm::build),
    (DEFAULT_DOMAIN, "Bernoulli", random::bernoulli),
    (DEFAULT_DOMAIN, "BitCast", bit_cast::build),
    (DEFAULT_DOMAIN, "BitShift", bit_shift::build),
    (DEFAULT_DOMAIN, "Cast", parse::cast),
    (DEFAULT_DOMAIN, "CausalConvWithState", linear_attention::causal_conv),
    (DEFAULT_DOMAIN, "Celu", activation::celu),
    (DEFAULT_DOMAIN, "CenterCropPad", center_crop_pad::build),
    (DEFAULT_DOMAIN, "Clip", clip::build),
    (DEFAULT_DOMAIN, "Col2Im", col2im::build),
    (DEFAULT_DOMAIN, "Compress", compress::build),
    (DEFAULT_DOMAIN, "ConvTranspose", conv_transpose::build),
    (DEFAULT_DOMAIN, "Crop", experimental::crop),
    (DEFAULT_DOMAIN, "CumProd", cum_prod::build),
    (DEFAULT_DOMAIN, "DFT", dft::build),
    (DEFAULT_DOMAIN, "DeformConv", deform_conv::build),
    (DEFAULT_DOMAIN, "DequantizeLinear", quantize_linear::dequantize),
    (DEFAULT_DOMAIN, "Det", det::build),
    (DEFAULT_DOMAIN, "Dropout", random::dropout),
    (DEFAULT_DOMAIN, "DynamicSlice", slice::dynamic),
    (DEFAULT_DOMAIN, "Einsum", einsum::build),
    (DEFAULT_DOMAIN, "Equal", equal::build),
    (DEFAULT_DOMAIN, "GRU", recurrent::build),
    (DEFAULT_DOMAIN, "Gemm", small::gemm),
    (DEFAULT_DOMAIN, "GlobalLpPool", global_lp_pool::build),
    (DEFAULT_DOMAIN, "GridSample", grid_sample::build),
    (DEFAULT_DOMAIN, "If", branch::build),
    (DEFAULT_DOMAIN, "ImageScaler", experimental::image_scaler),
    (DEFAULT_DOMAIN, "IsInf", float_class::is_inf),
    (DEFAULT_DOMAIN, "IsNaN", float_class::is_nan),
    (DEFAULT_DOMAIN, "LSTM", recurrent::build),
    (DEFAULT_DOMAIN, "LinearAttention", linear_attention::attention),
    (DEFAULT_DOMAIN, "LRN", lrn::build),
    (DEFAULT_DOMAIN, "LogSoftmax", logs::log_softmax),
    (DEFAULT_DOMAIN, "LpPool", lp_pool::build),
    (DEFAULT_DOMAIN, "MatMul", matmul::build),
    (DEFAULT_DOMAIN, "MatMulInteger", qlinear_product::integer),
    (DEFAULT_DOMAIN, "Max", greatest::max),
    (DEFAULT_DOMAIN, "MaxPool", corners::max_pool),
    (DEFAULT_DOMAIN, "MaxRoiPool", max_roi_pool::build),
    (DEFAULT_DOMAIN, "MaxUnpool", max_unpool::build),
    (DEFAULT_DOMAIN, "Mean", small::mean),
    (DEFAULT_DOMAIN, "Min", greatest::min),
    (DEFAULT_DOMAIN, "NegativeLogLikelihoodLoss", loss::build),
    (DEFAULT_DOMAIN, "NonZero", corners::non_zero),
    (DEFAULT_DOMAIN, "OneHot", one_hot::build),
    (DEFAULT_DOMAIN, "Pad", pad::build),
    (DEFAULT_DOMAIN, "ParametricSoftplus", experimental::parametric_softplus),
    (DEFAULT_DOMAIN, "Pow", power::build),
    (DEFAULT_DOMAIN, "QLinearConv", qlinear_product::conv),
    (DEFAULT_DOMAIN, "QLinearMatMul", qlinear_product::matmul),
    (DEFAULT_DOMAIN, "QuantizeLinear", quantize_linear::quantize),
    (DEFAULT_DOMAIN, "RNN", recurrent::build),
    (DEFAULT_DOMAIN, "RandomNormalLike", random::like),
    (DEFAULT_DOMAIN, "RandomUniformLike", random::like),
    (DEFAULT_DOMAIN, "Range", range::build),
    (DEFAULT_DOMAIN, "ReduceL2", whole_sums::build),
    (DEFAULT_DOMAIN, "ReduceLogSum", whole_sums::build),
    (DEFAULT_DOMAIN, "ReduceLogSumExp", logs::log_sum_exp),
    (DEFAULT_DOMAIN, "ReduceMax", reduce_extreme::build),
    (DEFAULT_DOMAIN, "ReduceMin", reduce_extreme::build),
    (DEFAULT_DOMAIN, "ReduceSumSquare", whole_sums::build),
    (DEFAULT_DOMAIN, "RegexFullMatch", regex::full_match),
    (DEFAULT_DOMAIN, "Relu", doubles::relu),
    (DEFAULT_DOMAIN, "Reshape", reshape::build),
    (DEFAULT_DOMAIN, "Resize", resize_10::build),
    (DEFAULT_DOMAIN, "ReverseSequence", reverse_sequence::build),
    (DEFAULT_DOMAIN, "RoiAlign", roi_align::build),
    (DEFAULT_DOMAIN, "Round", doubles::round),
    (DEFAULT_DOMAIN, "STFT", small::stft),
    (DEFAULT_DOMAIN, "Scale", experimental::scale),
    (DEFAULT_DOMAIN, "ScaledTanh", experimental::scaled_tanh),
    (DEFAULT_DOMAIN, "Shape", shape::build),
    (DEFAULT_DOMAIN, "Shrink", small::shrink),
    (DEFAULT_DOMAIN, "Sigmoid", doubles::sigmoid),
    (DEFAULT_DOMAIN, "Slice", slice::build),
    (DEFAULT_DOMAIN, "SoftmaxCrossEntropyLoss", loss::build),
    (DEFAULT_DOMAIN, "Softplus", logs::softplus),
    (DEFAULT_DOMAIN, "SpaceToDepth", space_to_depth::build),
    (DEFAULT_DOMAIN, "Squeeze", small::squeeze),
    (DEFAULT_DOMAIN, "StringConcat", text::concat),
    (DEFAULT_DOMAIN, "StringNormalizer", text::normalize),
    (DEFAULT_DOMAIN, "StringSplit", text::split),
    (DEFAULT_DOMAIN, "SwiGLU", activation::swish),
    (DEFAULT_DOMAIN, "Swish", activation::swish),
    (DEFAULT_DOMAIN, "TensorScatter", tensor_scatter::build),
    (DEFAULT_DOMAIN, "TfIdfVectorizer", tfidf::build),
    (DEFAULT_DOMAIN, "Tile", corners::tile),
    (DEFAULT_DOMAIN, "TopK", small::top_k),
    (DEFAULT_DOMAIN, "Trilu", small::trilu),
    (DEFAULT_DOMAIN, "Unique", unique::build),
    (DEFAULT_DOMAIN, "Upsample", upsample::build),
    (ML, "ArrayFeatureExtractor", ml::array_feature_extractor::build),
    (ML, "Binarizer", ml::binarizer::build),
    (ML, "CastMap", ml::cast_map::build),
    (ML, "CategoryMapper", ml::label_encoder::build_category_mapper),
    (ML, "DictVectorizer", ml::dict_vectorizer::build),
    (ML, "FeatureVectorizer", ml::feature_vectorizer::build),
    (ML, "Imputer", ml::imputer::build),
    (ML, "LabelEncoder", ml::label_encoder::build),
    (ML, "LinearClassifier", ml::linear::build_classifier),
    (ML, "LinearRegressor", ml::linear::build_regressor),
    (ML, "Normalizer", ml::normalizer::build),
    (ML, "OneHotEncoder", ml::one_hot_encoder::build),
    (ML, "SVMClassifier", ml::svm_classifier::build),
    (ML, "SVMRegressor", ml::svm_regressor::build),
    (ML, "Scaler", ml::scaler::build),
    (ML, "TreeEnsemble", ml::tree::nested::build),
    (ML, "TreeEnsembleClassifier", ml::tree::classifier::build),
    (ML, "TreeEnsembleRegressor", ml::tree::regressor::build),
    (ML, "ZipMap", ml::zip_map::build),
    (NEARSIDE, DETECTIONS, detection::detections),
    (NEARSIDE, NARROW, narrow::build),
    (NEARSIDE, SUPPRESSED, detection::suppressed),
    (MICROSOFT, "Attention", contrib_attention::attention),
    (MICROSOFT, "BiasAdd", biased::add),
    (MICROSOFT, "BiasSplitGelu", biased::split_gelu),
    (MICROSOFT, "BranchwiseRMSNorm", contrib_gates::branch_norm),
    (MICROSOFT, "CDist", contrib_math::cdist),
    (MICROSOFT, "CausalConvWithState", linear_attention::causal_conv),
    (MICROSOFT, "ConvTransposeWithDynamicPads", contrib_math::conv_transpose),
    (MICROSOFT, "CropAndResize", crops::build),
    (MICROSOFT, "DecoderMaskedMultiHeadAttention", multi_head::decoder),
    (MICROSOFT, "DequantizeLinear", quantize_linear::dequantize),
    (MICROSOFT, "DynamicQuantizeMatMul", qlinear_product::dynamic),
    (MICROSOFT, "DynamicTimeWarping", tokens::way),
    (MICROSOFT, "EmbedLayerNormalization", skip_norm::embed),
    (MICROSOFT, "ExpandDims", contrib_math::expand_dims),
    (MICROSOFT, "FusedConv", fused::conv),
    (MICROSOFT, "FusedGemm", fused::gemm),
    (MICROSOFT, "FusedMatMul", fused::matmul),
    (MICROSOFT, "GatedAdd", contrib_gates::add),
    (MICROSOFT, "GatedRMSNorm", contrib_gates::gated_norm),
    (MICROSOFT, "GatherBlockQuantized", gather_blocks::build),
    (MICROSOFT, "GatherND", theirs),
    (MICROSOFT, "GridSample", grid_sample::build),
    (MICROSOFT, "GroupQueryAttention", group_query::build),
    (MICROSOFT, "HyperConnectionPostMix", contrib_gates::post_mix),
    (MICROSOFT, "HyperConnectionPreMix", contrib_gates::pre_mix),
    (MICROSOFT, "Inverse", contrib_math::inverse),
    (MICROSOFT, "LinearAttention", linear_attention::attention),
    (MICROSOFT, "LinearAttentionGate", contrib_gates::recurrence),
    (MICROSOFT, "MRotaryEmbedding", rotary::of_three),
    (MICROSOFT, "MatMulBnb4", bnb4::build),
    (MICROSOFT, "MatMulInteger16", contrib_gates::integer_16),
    (MICROSOFT, "MatMulIntegerToFloat", qlinear_product::to_float),
    (MICROSOFT, "MatMulNBits", nbits::build),
    (MICROSOFT, "MoE", experts::build),
    (MICROSOFT, "MultiHeadAttention", multi_head::build),
    (MICROSOFT, "MurmurHash3", tokens::hash),
    (MICROSOFT, "NGramRepeatBlock", tokens::unrepeated),
    (MICROSOFT, "NhwcMaxPool", qlinear::max_pool),
    (MICROSOFT, "Pad", pad::build),
    (MICROSOFT, "QAttention", contrib_attention::quantized),
    (MICROSOFT, "QEmbedLayerNormalization", skip_norm::embed_quantized),
    (MICROSOFT, "QGemm", qlinear_product::gemm),
    (MICROSOFT, "QLinearAdd", qlinear::add),
    (MICROSOFT, "QLinearAveragePool", qlinear::average_pool),
    (MICROSOFT, "QLinearConcat", qlinear::concat),
    (MICROSOFT, "QLinearConv", qlinear_product::conv),
    (MICROSOFT, "QLinearGlobalAveragePool", qlinear::global_average_pool),
    (MICROSOFT, "QLinearLeakyRelu", qlinear::leaky),
    (MICROSOFT, "QLinearMul", qlinear::mul),
    (MICROSOFT, "QLinearSigmoid", qlinear::logistic),
    (MICROSOFT, "QLinearSoftmax", qlinear::softmax),
    (MICROSOFT, "QLinearWhere", qlinear::r#where),
    (MICROSOFT, "QuantizeLinear", quantize_linear::quantize),
    (MICROSOFT, "Range", range::build),
    (MICROSOFT, "RotaryEmbedding", rotary::build),
    (MICROSOFT, "SampleOp", contrib_math::same),
    (MICROSOFT, "ScaledSiLU", contrib_gates::scaled_silu),
    (MICROSOFT, "SkipLayerNormalization", skip_norm::skip),
    (MICROSOFT, "SkipSimplifiedLayerNormalization", skip_norm::skip_simplified),
    (MICROSOFT, "TransposeMatMul", fused::matmul),
    (MICROSOFT, "Trilu", small::trilu),
    (MICROSOFT, "UnfoldTensor", contrib_math::unfold),
    (MICROSOFT, "Unique", unique::in_order),
];

/// The domain of classical machine learning.
const ML: &str = "ai.onnx.ml";
/// ONNX Runtime's own domain.
const MICROSOFT: &str = "com.microsoft";

/// Our own domain: what the rewrites of a file need and ONNX has no word for.
pub(in crate::model) const NEARSIDE: &str = "nearside";
/// What TensorFlow Lite's detectors end in, with outputs of a fixed length.
pub(in crate::model) const DETECTIONS: &str = "DetectionPostProcess";
pub(in crate::model) const SUPPRESSED: &str = "NonMaxSuppression";
/// Rounding to a type that the engine lacks; and the attribute that names such a type.
pub(super) const NARROW: &str = "Narrow";

/// The attribute of an LSTM that bounds its cells, as TensorFlow Lite has it.
pub(in crate::model) const CELL_CLIP: &str = "nearside.cell_clip";

/// The name under which we report ONNX's default domain.
pub(crate) const DEFAULT_DOMAIN: &str = "ai.onnx";

/// Operators of tract's that belong to other domains than the default one.
const CONTRIB: &[(&str, &[&str])] =
    &[(MICROSOFT, &["BiasGelu", "FastGelu", "Gelu", "GroupQueryAttention", "QuickGelu"])];

/// Names that tract registers but that are no operators of ONNX's default domain.
const NOT_DEFAULT: &[&str] = &[
    "ArrayFeatureExtractor",
    "BiasGelu",
    "CategoryMapper",
    "FastGelu",
    "GatherBlockQuantized",
    "GroupQueryAttention",
    "LinearClassifier",
    "LinearRegressor",
    "MatMulNBits",
    "MultiHeadAttention",
    "Normalizer",
    "QuickGelu",
    "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization",
    "TreeEnsembleClassifier",
];

/// The engine's own builder of an operator that ours replaces in some forms only.
fn theirs(
    ctx: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    // Ours of other domains are registered as `domain.Type`.
    let op_type = node.op_type.rsplit('.').next().unwrap_or_default();
    let build = engine().op_register.0.get(op_type);
    build.ok_or_else(|| format_err!("the engine has no {}", node.op_type))?(ctx, node)
}

/// The engine's own importer.
fn engine() -> &'static Onnx {
    static ENGINE: OnceLock<Onnx> = OnceLock::new();
    ENGINE.get_or_init(tract_onnx::onnx)
}

/// The builder under each name: ours, else the engine's.
fn builders() -> &'static HashMap<String, Builder> {
    static BUILDERS: OnceLock<HashMap<String, Builder>> = OnceLock::new();
    BUILDERS.get_or_init(|| {
        let ours = OURS.iter().map(|(domain, op_type, build)| {
            (key(domain, op_type).unwrap_or_else(|| (*op_type).to_owned()), *build)
        });
        let theirs = engine().op_register.0.iter().map(|(name, build)| (name.clone(), *build));
        theirs.chain(ours).collect()
    })
}

/// Any operator, which looks at what it is given first.
fn checked(
    ctx: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let build = builders().get(&node.op_type);
    let build = build.ok_or_else(|| format_err!("the engine has no {}", node.op_type))?;
    checked::checked(node, ctx.onnx_operator_set_version, build(ctx, node))
}

/// The importer with every operator that the engine has.
pub(crate) fn importer() -> &'static Onnx {
    static IMPORTER: OnceLock<Onnx> = OnceLock::new();
    IMPORTER.get_or_init(|| {
        // Declared shapes of inner values and outputs are often stale or symbolic in exported
        // files; ours come from the inputs alone.
        let mut onnx =
            tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
        for name in builders().keys() {
            onnx.op_register.0.insert(name.clone(), checked);
        }
        onnx.op_register.0.insert(at_opset::KEY.to_owned(), at_opset::build);
        onnx
    })
}

pub(crate) fn is_default(domain: &str) -> bool {
    matches!(domain, "" | DEFAULT_DOMAIN)
}

/// The type under which one of our operators of another domain is registered.
pub(crate) fn key(domain: &str, op_type: &str) -> Option<String> {
    let ours = OURS.iter().any(|(d, t, _)| *d == domain && *t == op_type);
    (ours && !is_default(domain)).then(|| format!("{domain}.{op_type}"))
}

/// Why the engine cannot run an operator; `None` when it can.
pub(crate) fn unsupported_reason(domain: &str, op_type: &str) -> Option<String> {
    let registered = importer().op_register.0.contains_key(op_type) && op_type != at_opset::KEY;
    let contrib = |(d, names): &(&str, &[&str])| *d == domain && names.contains(&op_type);
    let supported = expand::knows(domain, op_type)
        || key(domain, op_type).is_some()
        || super::values::is_known(domain, op_type)
        || registered && is_default(domain) && !NOT_DEFAULT.contains(&op_type)
        || registered && CONTRIB.iter().any(contrib);
    let known = is_default(domain)
        || domain == super::tflite::DOMAIN
        || domain == expand::DOMAIN
        || CONTRIB.iter().any(|(d, _)| *d == domain)
        || OURS.iter().any(|(d, _, _)| *d == domain);
    match (supported, known) {
        (true, _) => None,
        (false, true) => Some("not implemented".to_owned()),
        (false, false) => Some(format!("the domain {domain} is unknown here")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_name_registered_operators_only() {
        let registered = &importer().op_register.0;
        for name in CONTRIB.iter().flat_map(|(_, names)| *names).chain(NOT_DEFAULT) {
            assert!(registered.contains_key(*name), "{name}");
        }
    }

    #[test]
    fn the_domain_counts() {
        assert_eq!(unsupported_reason("", "Relu"), None);
        assert_eq!(unsupported_reason("com.microsoft", "FastGelu"), None);
        assert!(unsupported_reason("", "FastGelu").is_some());
        assert!(unsupported_reason("my.company", "Relu").is_some());
        assert!(unsupported_reason("", "NoSuchOperator").is_some());
    }
}
