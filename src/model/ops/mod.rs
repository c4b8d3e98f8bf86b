//! The operator table: which ONNX operators the engine has, by domain, and where ours are registered.
//!
//! In: nothing. Out: tract's importer with our operators in it. tract keys its table by operator
//! type alone, so [`CONTRIB`] says which names it means for the domains beside ONNX's own; a
//! custom domain's `Relu` is not mistaken for ONNX's.

mod branch;

use std::sync::OnceLock;

use tract_onnx::Onnx;

/// The name under which we report ONNX's default domain.
pub(crate) const DEFAULT_DOMAIN: &str = "ai.onnx";

/// Operators of other domains than the default one.
const CONTRIB: &[(&str, &[&str])] = &[
    (
        "com.microsoft",
        &[
            "BiasGelu",
            "FastGelu",
            "GatherBlockQuantized",
            "Gelu",
            "GroupQueryAttention",
            "MatMulNBits",
            "MultiHeadAttention",
            "QuickGelu",
            "RotaryEmbedding",
            "SkipLayerNormalization",
            "SkipSimplifiedLayerNormalization",
        ],
    ),
    (
        "ai.onnx.ml",
        &[
            "ArrayFeatureExtractor",
            "CategoryMapper",
            "LinearClassifier",
            "LinearRegressor",
            "Normalizer",
            "TreeEnsembleClassifier",
        ],
    ),
];

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

/// The importer with every operator that the engine has.
pub(crate) fn importer() -> &'static Onnx {
    static IMPORTER: OnceLock<Onnx> = OnceLock::new();
    IMPORTER.get_or_init(|| {
        // Declared shapes of inner values and outputs are often stale or symbolic in exported
        // files; ours come from the inputs alone.
        let mut onnx =
            tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
        onnx.op_register.insert("If", branch::build);
        onnx
    })
}

/// Why the engine cannot run an operator; `None` when it can.
pub(crate) fn unsupported_reason(domain: &str, op_type: &str) -> Option<String> {
    let registered = importer().op_register.0.contains_key(op_type);
    let supported = registered
        && match domain {
            "" | DEFAULT_DOMAIN => !NOT_DEFAULT.contains(&op_type),
            other => CONTRIB.iter().any(|(d, names)| *d == other && names.contains(&op_type)),
        };
    if supported {
        None
    } else if !matches!(domain, "" | DEFAULT_DOMAIN)
        && CONTRIB.iter().all(|(known, _)| *known != domain)
    {
        Some(format!("the domain {domain} is unknown here"))
    } else {
        Some("not implemented".to_owned())
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
