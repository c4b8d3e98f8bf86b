//! `Resize` of integers with antialiasing, which rounds to integers behind each axis, the last one first.
//!
//! In: integers, and scales or sizes that are known when a plan is made. Out: as ONNX Runtime resizes pictures of bytes. The engine's
//! own, to which all else is left, computes in floats over all axes and drops the fraction.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_hir::internal::*;

use super::either::{Parsed, as_theirs};
use super::lower::{Built, lowered, their_whole};
use super::resize_point::{SCALES, SIZES, parts, rest, scales};

pub(super) fn applies(node: &NodeProto) -> TractResult<bool> {
    let antialias: i64 = node.get_attr_opt("antialias")?.unwrap_or(0);
    let crops = node.get_attr_opt("coordinate_transformation_mode")? == Some("tf_crop_and_resize");
    Ok(antialias != 0 && !crops && node.get_attr_opt("mode")?.unwrap_or("nearest") != "nearest")
}

/// Ours of integers, beside what runs for all else.
pub(super) fn build(ctx: &ParsingContext, node: &NodeProto, other: Parsed) -> Built {
    let whole = their_whole(ctx, node)?;
    let axes: Option<Vec<i64>> = node.get_attr_opt_vec("axes")?;
    let [by_scales, by_sizes] = parts(ctx, node)?;
    let ours = lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let dtype = g.dtype(x)?;
        let whole = g.part(&whole, &inputs.present())?;
        let (mut sizes, to) = (g.lengths(x)?, g.lengths(whole)?);
        ensure!(sizes.len() == to.len(), "an output of another rank");
        let given = inputs.get(SCALES).and_then(|s| g.fact(s).ok()?.konst.clone());
        let given = given.filter(|scales| scales.len() > 0);
        let given = given.map(|g| scales(&g, axes.as_deref(), to.len())).transpose()?;
        ensure!(given.is_some() || inputs.get(SIZES).is_some(), "neither scales nor sizes");
        let mut y = g.f32(x)?;
        for axis in (0..to.len()).rev() {
            let scale = given.as_ref().map(|scales| scales[axis]);
            if sizes[axis] == to[axis] && scale.is_none_or(|scale| scale == 1.) {
                continue;
            }
            sizes[axis] = to[axis];
            y = if let Some(scale) = scale {
                let mut alone = vec![1f32; to.len()];
                alone[axis] = scale;
                rest(g, &by_scales, y, &[tensor1(&alone)])?
            } else {
                let sizes: Vec<i64> = sizes.iter().map(|size| *size as i64).collect();
                rest(g, &by_sizes, y, &[tensor1::<f32>(&[]), tensor1(&sizes)])?
            };
            // Halves away from zero.
            y = g.op(math::round(), &[y])?;
            y = match dtype {
                DatumType::U8 => g.clip(y, Some(0.), Some(255.))?,
                DatumType::I8 => g.clip(y, Some(-128.), Some(127.))?,
                _ => y,
            };
        }
        Ok(tvec!(g.cast(y, dtype)?))
    })?;
    as_theirs(other, ours, |inputs| {
        let whole = |x: &&TypedFact| x.datum_type.is_integer();
        !inputs.first().is_some_and(whole)
    })
}
