//! `Clip`, whose bounds are the least and the greatest finite number where none is given, and which leaves what is no number.
//!
//! In: a tensor and bounds, each an attribute, an input, or left out. Out: the tensor within them. The engine's own, to which integers
//! are left, has no bound where none is given, and computes with constants by operators that pass over what is no number.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::{comp_gt, comp_lt};
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_hir::internal::*;

use super::either::like_first;
use super::lower::{Built, Inputs, lowered};
use super::wires::Wires;

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let given: [Option<f32>; 2] = [node.get_attr_opt("min")?, node.get_attr_opt("max")?];
    let ours = lowered(node, move |g, inputs| {
        let mut x = inputs.need(0)?;
        let known = g.fact(x)?.konst.is_some();
        for (slot, given) in given.into_iter().enumerate() {
            let bound = bound(g, inputs, x, slot, given)?;
            let fact = g.fact(bound)?;
            let number = fact.konst.as_ref().map(|k| k.cast_to_scalar::<f64>()).transpose()?;
            let end = if slot == 0 { f64::NEG_INFINITY } else { f64::INFINITY };
            if number == Some(end) {
                continue;
            }
            // The kernels have a constant bound fused, and leave what is no number.
            let fused = number.is_some() && !known && g.dtype(x)? != DatumType::F64;
            x = if fused {
                g.binary(if slot == 0 { math::max() } else { math::min() }, x, bound)?
            } else {
                let beyond = if slot == 0 { comp_lt() } else { comp_gt() };
                let beyond = g.binary(TypedBinOp(beyond, None), x, bound)?;
                g.select(beyond, bound, x)?
            };
        }
        Ok(tvec!(x))
    })?;
    like_first(super::theirs(ctx, node)?, ours, |inputs| {
        inputs.first().is_none_or(|x| !x.datum_type.is_float())
    })
}

/// A bound as a number of the type of `x`.
fn bound(
    g: &mut Wires<'_>,
    inputs: &Inputs,
    x: OutletId,
    slot: usize,
    given: Option<f32>,
) -> TractResult<OutletId> {
    let dtype = g.dtype(x)?;
    if let Some(bound) = inputs.get(slot + 1) {
        let extents = g.shape(bound)?;
        let bound = g.reshape(bound, 0, extents, tvec!())?;
        return g.cast(bound, dtype);
    }
    let most = match dtype {
        DatumType::F16 => tensor0(f16::MAX),
        DatumType::F32 => tensor0(f32::MAX),
        _ => tensor0(f64::MAX),
    };
    let most = most.cast_to_scalar::<f64>()?;
    let bound = given.map_or(if slot == 0 { -most } else { most }, f64::from);
    g.constant(tensor0(bound).cast_to_dt(dtype)?.into_owned())
}
