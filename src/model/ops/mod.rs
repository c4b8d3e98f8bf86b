//! The operator table: which ONNX operators the engine has, by domain, and where ours are registered.
//!
//! In: nothing. Out: tract's importer with our operators in it. tract keys its table by operator
//! type alone. So ours of other domains than ONNX's own are registered as `domain.Type` ([`key`]), to
//! which the nodes are renamed before import, and [`CONTRIB`] says which of tract's names belong to
//! other domains; a custom domain's `Relu` is not mistaken for ONNX's.
//!
//! To add an operator: one file, one row in [`OURS`], one case.

mod affine_grid;
pub(super) mod at_opset;
mod attention;
mod batch_norm;
mod bit_cast;
mod branch;
mod center_crop_pad;
mod col2im;
mod compress;
mod contrib_attention;
mod cum_prod;
mod deform_conv;
mod det;
mod fused;
mod gather_blocks;
mod host;
mod loss;
mod lower;
mod lp_pool;
mod max_unpool;
mod ml;
mod nbits;
mod pad;
mod qlinear;
mod qlinear_product;
mod quantize;
mod quantize_linear;
mod quotient;
mod recurrent;
mod reduce_bool;
mod refused;
mod reverse_sequence;
mod roi_align;
mod rotary;
mod round_to;
mod skip_norm;
mod tensor_scatter;
mod text;
mod tfidf;
mod unique;
mod upsample;
mod wires;

pub(crate) use quotient::Quotient;
pub(crate) use round_to::RoundTo;

use std::sync::OnceLock;

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::TractResult;
use tract_onnx::tract_hir::infer::InferenceOp;
use tract_onnx::tract_hir::internal::format_err;

/// Makes an operator from its node; the names are of values that it captures from outer graphs.
type Builder = fn(&ParsingContext, &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

/// Operators of ours: (domain, type, builder). They come before tract's of the same name.
const OURS: &[(&str, &str, Builder)] = &[
    (DEFAULT_DOMAIN, "AffineGrid", affine_grid::build),
    (DEFAULT_DOMAIN, "Attention", attention::build),
    (DEFAULT_DOMAIN, "BatchNormalization", batch_norm::build),
    (DEFAULT_DOMAIN, "BitCast", bit_cast::build),
    (DEFAULT_DOMAIN, "CenterCropPad", center_crop_pad::build),
    (DEFAULT_DOMAIN, "Col2Im", col2im::build),
    (DEFAULT_DOMAIN, "Compress", compress::build),
    (DEFAULT_DOMAIN, "CumProd", cum_prod::build),
    (DEFAULT_DOMAIN, "DeformConv", deform_conv::build),
    (DEFAULT_DOMAIN, "DequantizeLinear", quantize_linear::dequantize),
    (DEFAULT_DOMAIN, "Det", det::build),
    (DEFAULT_DOMAIN, "GRU", recurrent::build),
    (DEFAULT_DOMAIN, "If", branch::build),
    (DEFAULT_DOMAIN, "LSTM", recurrent::build),
    (DEFAULT_DOMAIN, "LpPool", lp_pool::build),
    (DEFAULT_DOMAIN, "MaxUnpool", max_unpool::build),
    (DEFAULT_DOMAIN, "NegativeLogLikelihoodLoss", loss::build),
    (DEFAULT_DOMAIN, "Pad", pad::build),
    (DEFAULT_DOMAIN, "QLinearConv", qlinear_product::conv),
    (DEFAULT_DOMAIN, "QLinearMatMul", qlinear_product::matmul),
    (DEFAULT_DOMAIN, "QuantizeLinear", quantize_linear::quantize),
    (DEFAULT_DOMAIN, "RNN", recurrent::build),
    (DEFAULT_DOMAIN, "ReduceMax", reduce_bool::build),
    (DEFAULT_DOMAIN, "ReduceMin", reduce_bool::build),
    (DEFAULT_DOMAIN, "ReverseSequence", reverse_sequence::build),
    (DEFAULT_DOMAIN, "RoiAlign", roi_align::build),
    (DEFAULT_DOMAIN, "SoftmaxCrossEntropyLoss", loss::build),
    (DEFAULT_DOMAIN, "SpaceToDepth", refused::space_to_depth),
    (DEFAULT_DOMAIN, "StringConcat", text::concat),
    (DEFAULT_DOMAIN, "StringNormalizer", text::normalize),
    (DEFAULT_DOMAIN, "StringSplit", text::split),
    (DEFAULT_DOMAIN, "Swish", refused::swish),
    (DEFAULT_DOMAIN, "TensorScatter", tensor_scatter::build),
    (DEFAULT_DOMAIN, "TfIdfVectorizer", tfidf::build),
    (DEFAULT_DOMAIN, "Unique", unique::build),
    (DEFAULT_DOMAIN, "Upsample", upsample::build),
    (ML, "ArrayFeatureExtractor", ml::array_feature_extractor::build),
    (ML, "Binarizer", ml::binarizer::build),
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
    (MICROSOFT, "Attention", contrib_attention::attention),
    (MICROSOFT, "DequantizeLinear", quantize_linear::dequantize),
    (MICROSOFT, "DynamicQuantizeMatMul", qlinear_product::dynamic),
    (MICROSOFT, "EmbedLayerNormalization", skip_norm::embed),
    (MICROSOFT, "FusedConv", fused::conv),
    (MICROSOFT, "FusedGemm", fused::gemm),
    (MICROSOFT, "FusedMatMul", fused::matmul),
    (MICROSOFT, "GatherBlockQuantized", gather_blocks::build),
    (MICROSOFT, "MatMulIntegerToFloat", qlinear_product::to_float),
    (MICROSOFT, "MatMulNBits", nbits::build),
    (MICROSOFT, "MultiHeadAttention", contrib_attention::multi_head),
    (MICROSOFT, "QAttention", contrib_attention::quantized),
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
    (MICROSOFT, "RotaryEmbedding", rotary::build),
    (MICROSOFT, "SkipLayerNormalization", skip_norm::skip),
    (MICROSOFT, "SkipSimplifiedLayerNormalization", skip_norm::skip_simplified),
    (MICROSOFT, "TransposeMatMul", fused::matmul),
];

/// The domain of classical machine learning.
const ML: &str = "ai.onnx.ml";
/// ONNX Runtime's own domain.
const MICROSOFT: &str = "com.microsoft";

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
    static THEIRS: OnceLock<Onnx> = OnceLock::new();
    let build = THEIRS.get_or_init(tract_onnx::onnx).op_register.0.get(&node.op_type);
    build.ok_or_else(|| format_err!("the engine has no {}", node.op_type))?(ctx, node)
}

/// The importer with every operator that the engine has.
pub(crate) fn importer() -> &'static Onnx {
    static IMPORTER: OnceLock<Onnx> = OnceLock::new();
    IMPORTER.get_or_init(|| {
        // Declared shapes of inner values and outputs are often stale or symbolic in exported
        // files; ours come from the inputs alone.
        let mut onnx =
            tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
        for (domain, op_type, build) in OURS {
            let key = key(domain, op_type).unwrap_or_else(|| (*op_type).to_owned());
            onnx.op_register.0.insert(key, *build);
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
    let supported = key(domain, op_type).is_some()
        || super::values::is_known(domain, op_type)
        || registered && is_default(domain) && !NOT_DEFAULT.contains(&op_type)
        || registered && CONTRIB.iter().any(contrib);
    let known = is_default(domain)
        || domain == super::tflite::DOMAIN
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
