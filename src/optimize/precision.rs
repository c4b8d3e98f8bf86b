//! float16 graphs are computed in float32; a GPU is told which values were float16.
//!
//! No engine target of ours has float16 arithmetic worth the name (wasm has none at all, so it is
//! emulated element by element), and ONNX Runtime's CPU provider computes in float32 too, rounding
//! between operators. The plan casts at the model's own inputs and outputs.
//!
//! A GPU may hold what was float16 as float16. Which values those are is the label of their outlet: labels are names
//! that the file gives, so they are on values of the model alone, not on what the import makes in between (a sum before
//! it becomes a mean may be out of range); and every rewrite carries them along, since it must keep values. They are not
//! part of the published form, whose plans are the CPU's: a GPU plans from the graph of the model.

#[cfg(feature = "gpu")]
use tract_onnx::prelude::OutletId;
use tract_onnx::prelude::{DatumType, TractResult, TypedModel};
use tract_onnx::tract_core::floats::FloatPrecisionTranslator;
#[cfg(feature = "gpu")]
use tract_onnx::tract_core::ops::cast::Cast;
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

/// The label of what is float16 in the model.
#[cfg(feature = "gpu")]
pub(crate) const HALF: &str = "float16";

/// Has the labels of a graph that is still as imported say which values are float16, and nothing else.
#[cfg(feature = "gpu")]
pub(crate) fn mark_halves(model: &mut TypedModel) -> TractResult<()> {
    let named = std::mem::take(&mut model.outlet_labels).into_keys();
    let ends = model.input_outlets()?.iter().chain(model.output_outlets()?).copied();
    let mut halves: Vec<OutletId> = vec![];
    for outlet in named.chain(ends) {
        if model.outlet_fact(outlet)?.datum_type == DatumType::F16 && !shares(model, outlet)? {
            halves.push(outlet);
        }
    }
    for outlet in halves {
        model.set_outlet_label(outlet, HALF.to_owned())?;
    }
    Ok(())
}

/// Takes the labels back, but for what the caller hands over: everything in between is float32 then.
#[cfg(feature = "gpu")]
pub(crate) fn forget_halves(model: &mut TypedModel) {
    let inputs = model.inputs.clone();
    model.outlet_labels.retain(|outlet, _| inputs.contains(outlet));
}

/// Whether a value is the rounded form of one that others read as float32: the two become one, which must not lose
/// precision.
#[cfg(feature = "gpu")]
fn shares(model: &TypedModel, outlet: OutletId) -> TractResult<bool> {
    let node = model.node(outlet.node);
    let ([source], true) = (&node.inputs[..], node.op_is::<Cast>()) else { return Ok(false) };
    let readers = &model.node(source.node).outputs[source.slot].successors;
    let float = model.outlet_fact(*source)?.datum_type == DatumType::F32;
    Ok(float && (readers.len() > 1 || model.output_outlets()?.contains(source)))
}
