//! `Resize` to the nearest element: of operator set 10, where an axis shrinks, and of int32.
//!
//! In: a tensor and a constant scale for each axis. Out: one gather an axis: of the element before where the axis
//! grows, of the one behind where it shrinks, as ONNX Runtime takes them. (The engine's own, to which all else is
//! left, takes the same side for all axes.)

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::Gather;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::BitAnd;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_hir::internal::*;

use super::either::as_theirs;
use super::lower::{Built, lowered, their_whole};
use super::wires::Wires;
use super::{resize_point, resize_whole};

const OPSET: i64 = 10;

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let theirs = super::theirs(ctx, node)?;
    let nearest = node.get_attr_opt("mode")?.unwrap_or("nearest") == "nearest";
    let point = resize_point::applies(node)?;
    let theirs = if point { resize_point::build(ctx, node)? } else { theirs };
    if resize_whole::applies(node)? {
        return resize_whole::build(ctx, node, theirs);
    }
    if point {
        return Ok(theirs);
    }
    let crops = "tf_crop_and_resize";
    let mode = node.get_attr_opt("coordinate_transformation_mode")?;
    if !nearest || mode == Some(crops) {
        return Ok(theirs);
    }
    // Of what a float does not hold, the engine's own takes another number.
    let exact =
        |inputs: &[&TypedFact]| inputs.first().is_none_or(|x| x.datum_type != DatumType::I32);
    if ctx.onnx_operator_set_version != OPSET {
        return as_theirs(theirs, halves(ctx, node)?, exact);
    }
    let grows = move |inputs: &[&TypedFact]| {
        let scales = inputs.get(1).and_then(|fact| fact.konst.as_ref());
        let shrinks = |scales: &Tensor| of(scales).is_ok_and(|s| s.iter().any(|s| *s < 1.));
        exact(inputs) && !scales.is_some_and(|scales| shrinks(scales))
    };
    as_theirs(theirs, ours(node)?, grows)
}

/// The upper and the lower halves of integers, each of which a float holds.
fn halves(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let whole = their_whole(ctx, node)?;
    lowered(node, move |g, inputs| {
        let (mut all, x) = (inputs.present(), inputs.need(0)?);
        let (steps, mask) = (g.constant(tensor0(1i32 << 16))?, g.constant(tensor0(0xffff_i32))?);
        let low = g.binary(TypedBinOp(Box::new(BitAnd), None), x, mask)?;
        let rest = g.sub(x, low)?;
        let high = g.binary(math::div(), rest, steps)?;
        let mut made = |g: &mut Wires<'_>, half| {
            all[0] = half;
            g.part(&whole, &all)
        };
        let (high, low) = (made(g, high)?, made(g, low)?);
        let high = g.mul(high, steps)?;
        Ok(tvec!(g.add(high, low)?))
    })
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
