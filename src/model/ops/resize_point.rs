//! `Resize` by a cubic to one pixel, where PyTorch's half pixels are asked for.
//!
//! In: a tensor of which axes become one element long. Out: the first element along these, as ONNX defines it; the
//! engine's own operator, which takes the place before it and so mixes in what lies behind, for all else.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, Part, lowered, their_part, their_whole};
use super::wires::Wires;

/// Where the importer wants scales and sizes.
pub(super) const SCALES: usize = 2;
pub(super) const SIZES: usize = 3;

pub(super) fn applies(node: &NodeProto) -> TractResult<bool> {
    let is = |name: &str, value: &str| TractResult::Ok(node.get_attr_opt(name)? == Some(value));
    Ok(is("mode", "cubic")? && is("coordinate_transformation_mode", "pytorch_half_pixel")?)
}

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let whole = their_whole(ctx, node)?;
    let axes: Option<Vec<i64>> = node.get_attr_opt_vec("axes")?;
    let [by_scales, by_sizes] = parts(ctx, node)?;
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let y = g.part(&whole, &inputs.present())?;
        let (from, to) = (g.shape(x)?, g.shape(y)?);
        let one = |at: &usize| to[*at].is_one() && !from[*at].is_one();
        let points: TVec<usize> = (0..from.len().min(to.len())).filter(one).collect();
        if points.is_empty() {
            return Ok(tvec!(y));
        }
        let mut first = x;
        for axis in &points {
            first = g.slice(first, *axis, 0.to_dim(), 1.to_dim())?;
        }
        let given = inputs.get(SCALES).and_then(|s| g.fact(s).ok()?.konst.clone());
        let y = match given.filter(|scales| scales.len() > 0) {
            Some(given) => {
                let mut scales = scales(&given, axes.as_deref(), from.len())?;
                points.iter().for_each(|at| scales[*at] = 1.);
                rest(g, &by_scales, first, &[tensor1(&scales)])?
            }
            None => {
                let sizes: Vec<i64> = to.iter().map(TDim::to_i64).collect::<Result<_, _>>()?;
                rest(g, &by_sizes, first, &[tensor1::<f32>(&[]), tensor1(&sizes)])?
            }
        };
        Ok(tvec!(y))
    })
}

/// The node for all axes: by scales, and by sizes.
pub(super) fn parts(ctx: &ParsingContext, node: &NodeProto) -> TractResult<[Part; 2]> {
    let mut every = node.clone();
    every.attribute.retain(|a| !["axes", "keep_aspect_ratio_policy"].contains(&a.name.as_str()));
    let part = |at: usize| their_part(ctx, &every, "Resize", at + 1);
    Ok([part(SCALES)?, part(SIZES)?])
}

/// The axes that are left to resize.
pub(super) fn rest(
    g: &mut Wires<'_>,
    part: &Part,
    x: OutletId,
    how: &[Tensor],
) -> TractResult<OutletId> {
    let mut inputs = tvec!(x, g.constant(tensor1::<f32>(&[]))?);
    for tensor in how {
        inputs.push(g.constant(tensor.clone())?);
    }
    g.part(part, &inputs)
}

/// One for each axis.
pub(super) fn scales(given: &Tensor, axes: Option<&[i64]>, rank: usize) -> TractResult<Vec<f32>> {
    let given = given.cast_to::<f32>()?;
    let given = given.try_as_plain_ram()?;
    let mut scales = vec![1.; rank];
    for (at, scale) in given.as_slice::<f32>()?.iter().enumerate() {
        let axis = axes.map_or(Some(at as i64), |axes| axes.get(at).copied());
        let axis = axis.context("a scale for each axis")?;
        *scales.get_mut(super::host::axis_of(axis, rank)?).context("a scale for each axis")? =
            *scale;
    }
    Ok(scales)
}
