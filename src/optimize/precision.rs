//! float16 graphs are computed in float32; a GPU is told which values were float16 ([`super::halves`]).
//!
//! No engine target of ours has float16 arithmetic worth the name (wasm has none at all, so it is
//! emulated element by element), and ONNX Runtime's CPU provider computes in float32 too, rounding
//! between operators. The plan casts at the model's own inputs and outputs.

use tract_onnx::prelude::{DatumType, TractResult, TypedModel};
use tract_onnx::tract_core::floats::FloatPrecisionTranslator;
use tract_onnx::tract_core::transform::ModelTransform;

pub(super) fn half_to_single(model: TypedModel) -> TractResult<TypedModel> {
    let half = DatumType::F16;
    let uses_half =
        model.nodes().iter().flat_map(|n| &n.outputs).any(|o| o.fact.datum_type == half);
    if !uses_half {
        return Ok(model);
    }
    FloatPrecisionTranslator::new(half, DatumType::F32).transform_into(model)
}
