//! The operators of `ai.onnx.ml`: what scikit-learn, XGBoost and LightGBM export to.
//!
//! In: nodes of that domain. Out: operators with ONNX Runtime's semantics, where the specification
//! leaves a choice. Arithmetic on tables is lowered to the engine's own operators; what branches per
//! row (trees, support vectors, look-ups) runs as a [`kernel::Kernel`].

pub(super) mod array_feature_extractor;
pub(super) mod binarizer;
pub(super) mod cast_map;
pub(super) mod dict_vectorizer;
pub(super) mod feature_vectorizer;
pub(super) mod imputer;
mod kernel;
pub(super) mod label_encoder;
mod labels;
pub(super) mod linear;
mod lookup;
pub(super) mod normalizer;
pub(super) mod one_hot_encoder;
pub(super) mod scaler;
mod scores;
pub(super) mod svm_classifier;
mod svm_kernel;
pub(super) mod svm_regressor;
pub(super) mod tree;
pub(super) mod zip_map;
