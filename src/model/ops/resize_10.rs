//! `Resize` of operator set 10, to the nearest element, where an axis shrinks.
//!
//! In: a tensor and a constant scale for each axis. Out: one gather an axis: of the element before where the axis
//! grows, of the one behind where it shrinks, as ONNX Runtime takes them. (The engine's own, to which all else is
//! left, takes the same side for all axes.)

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::Gather;
use tract_onnx::tract_hir::internal::*;

use super::either::as_theirs;
use super::lower::{Built, lowered};
use super::resize_point;

const OPSET: i64 = 10;

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let theirs = super::theirs(ctx, node)?;
    let nearest = node.get_attr_opt("mode")?.unwrap_or("nearest") == "nearest";
    if resize_point::applies(node)? {
        return resize_point::build(ctx, node);
    }
    if ctx.onnx_operator_set_version != OPSET || !nearest {
        return Ok(theirs);
    }
    let grows = |inputs: &[&TypedFact]| {
        let scales = inputs.get(1).and_then(|fact| fact.konst.as_ref());
        !scales.is_some_and(|scales| of(scales).is_ok_and(|s| s.iter().any(|s| *s < 1.)))
    };
    as_theirs(theirs, ours(node)?, grows)
}

fn of(scales: &Tensor) -> TractResult<Vec<f32>> {
    Ok(scales.cast_to::<f32>()?.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
}

fn ours(node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let mut x = inputs.need(0)?;
        let scales = g.known(inputs.need(1)?, "scales")?;
        let scales = of(&scales)?;
        let shape = g.lengths(x)?;
        ensure!(scales.len() == shape.len(), "one scale for each axis");
        ensure!(scales.iter().all(|s| *s > 0. && *s < 1e6), "a scale is out of range");
        for (axis, (scale, length)) in scales.into_iter().zip(&shape).enumerate() {
            if scale == 1. {
                continue;
            }
            let place = |at: usize| {
                let at = at as f32 / scale;
                let at = if scale < 1. { at.ceil() } else { at.floor() };
                (at as i64).min(*length as i64 - 1)
            };
            let places: Vec<i64> = (0..(*length as f32 * scale) as usize).map(place).collect();
            let places = g.constant(tensor1(&places))?;
            x = g.op(Gather::new(axis), &[x, places])?;
        }
        Ok(tvec!(x))
    })
}
