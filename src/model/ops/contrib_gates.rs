//! com.microsoft's gates of recent language models, each a few of the engine's operators.
//!
//! In: activations and what scales them. Out: the same, normalised, gated or mixed, computed in float32 and given in the
//! input's type.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::{Reducer, sigmoid};
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered, part};
use super::wires::Wires;

/// `x + y * gate`.
pub(super) fn add(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let gated = g.mul(inputs.need(1)?, inputs.need(2)?)?;
        Ok(tvec!(g.add(inputs.need(0)?, gated)?))
    })
}

fn silu(g: &mut Wires<'_>, x: OutletId) -> TractResult<OutletId> {
    let gate = g.op(sigmoid(), &[x])?;
    g.mul(x, gate)
}

/// `z * sigmoid(z)` of `z = scale * x`.
pub(super) fn scaled_silu(_: &ParsingContext, node: &NodeProto) -> Built {
    let alpha: f32 = node.get_attr_opt("alpha")?.unwrap_or(1.);
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let dtype = g.dtype(x)?;
        let wide = g.f32(x)?;
        let scaled = match inputs.get(1) {
            Some(scale) => {
                let scale = g.parameter(scale)?;
                let scale = g.f32(scale)?;
                g.mul(wide, scale)?
            }
            None => g.scaled(wide, alpha)?,
        };
        let y = silu(g, scaled)?;
        Ok(tvec!(g.cast(y, dtype)?))
    })
}

/// Splits the last axis into groups of `size`.
fn grouped(g: &mut Wires<'_>, x: OutletId, size: usize) -> TractResult<OutletId> {
    let last = g.rank(x)?.checked_sub(1).context("a scalar has no last axis")?;
    let width = g.shape(x)?[last].to_usize()?;
    ensure!(size > 0 && width.is_multiple_of(size), "a width of {width} in groups of {size}");
    let groups = tvec!((width / size).to_dim(), size.to_dim());
    g.reshape(x, last, tvec!(width.to_dim()), groups)
}

/// The last two axes become one again.
fn ungrouped(g: &mut Wires<'_>, x: OutletId) -> TractResult<OutletId> {
    let last = g.rank(x)?.checked_sub(2).context("no groups")?;
    let pair: TVec<TDim> = g.shape(x)?[last..].into();
    let width = pair.iter().product::<TDim>();
    g.reshape(x, last, pair, tvec!(width))
}

/// Over the last axis.
fn root_mean_square(g: &mut Wires<'_>, x: OutletId, epsilon: f32) -> TractResult<OutletId> {
    let last = g.rank(x)?.checked_sub(1).context("a scalar has no last axis")?;
    let width = g.shape(x)?[last].to_usize()?.max(1) as f32;
    let squares = g.op(math::square(), &[x])?;
    let sum = g.reduce(squares, Reducer::Sum, &[last])?;
    let mean = g.scaled(sum, 1. / width)?;
    let epsilon = g.scalar(epsilon)?;
    let mean = g.add(mean, epsilon)?;
    let inverse = g.op(math::rsqrt(), &[mean])?;
    g.mul(x, inverse)
}

/// A norm of each group as long as the scale, times a function of the gate.
pub(super) fn gated_norm(_: &ParsingContext, node: &NodeProto) -> Built {
    let epsilon: f32 = node.get_attr_opt("epsilon")?.unwrap_or(1e-5);
    let activation = node.get_attr_opt("activation")?.unwrap_or("silu");
    ensure!(["silu", "swish", "sigmoid"].contains(&activation), "the activation {activation}");
    let plain = activation == "sigmoid";
    lowered(node, move |g, inputs| {
        let (x, scale, gate) = (inputs.need(0)?, inputs.need(1)?, inputs.need(2)?);
        let dtype = g.dtype(x)?;
        let [size] = g.lengths(scale)?[..] else { bail!("a scale that is no list") };
        let (x, scale, gate) = (g.f32(x)?, g.f32(scale)?, g.f32(gate)?);
        let x = grouped(g, x, size)?;
        let y = root_mean_square(g, x, epsilon)?;
        let y = g.mul(y, scale)?;
        let y = ungrouped(g, y)?;
        let gate = if plain { g.op(sigmoid(), &[gate])? } else { silu(g, gate)? };
        let y = g.mul(y, gate)?;
        Ok(tvec!(g.cast(y, dtype)?))
    })
}

/// How many streams lie side by side in the last axis; 0 where they have an axis of their own.
fn branches(node: &NodeProto) -> TractResult<usize> {
    let count = node.get_attr_opt::<i64>("num_branches")?.unwrap_or(0);
    usize::try_from(count).with_context(|| format!("{count} branches"))
}

/// `x` with an axis of its own for the streams.
fn streams(g: &mut Wires<'_>, x: OutletId, count: usize) -> TractResult<OutletId> {
    if count == 0 {
        ensure!(g.rank(x)? >= 2, "streams without an axis");
        return Ok(x);
    }
    let width = g.shape(x)?.last().context("a scalar has no streams")?.to_usize()?;
    ensure!(width.is_multiple_of(count), "a width of {width} in {count} branches");
    grouped(g, x, width / count)
}

/// A norm of each stream.
pub(super) fn branch_norm(_: &ParsingContext, node: &NodeProto) -> Built {
    let epsilon: f32 = node.get_attr_opt("epsilon")?.unwrap_or(1e-5);
    let count = branches(node)?;
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let dtype = g.dtype(x)?;
        let wide = g.f32(x)?;
        let wide = streams(g, wide, count)?;
        let mut y = root_mean_square(g, wide, epsilon)?;
        if let Some(scale) = inputs.get(1) {
            let mut scale = g.f32(scale)?;
            let width = g.shape(y)?.last().context("no width")?.to_usize()?;
            if let [length] = g.lengths(scale)?[..]
                && length != width
            {
                scale = grouped(g, scale, width)?;
            }
            y = g.mul(y, scale)?;
        }
        if count > 0 {
            y = ungrouped(g, y)?;
        }
        Ok(tvec!(g.cast(y, dtype)?))
    })
}

/// What weighs streams of the shape of `x`: one number a stream, with or without an axis for it, or one an element.
fn mix(g: &mut Wires<'_>, by: OutletId, x: OutletId) -> TractResult<OutletId> {
    let by = g.f32(by)?;
    let (shape, own) = (g.shape(x)?, g.shape(by)?);
    let rank = shape.len();
    if own.len() == rank {
        return Ok(by);
    }
    ensure!(own.len() + 1 == rank, "weights of rank {} for streams of rank {rank}", own.len());
    if own[rank - 2] == shape[rank - 2] {
        return g.add_axis(by, rank - 1);
    }
    grouped(g, by, shape[rank - 1].to_usize()?)
}

/// The streams, weighed and summed up.
pub(super) fn pre_mix(_: &ParsingContext, node: &NodeProto) -> Built {
    let scale: f32 = node.get_attr_opt("reduction_scale")?.unwrap_or(1.);
    let count = branches(node)?;
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let dtype = g.dtype(x)?;
        let x = g.f32(x)?;
        let x = streams(g, x, count)?;
        let by = mix(g, inputs.need(1)?, x)?;
        let axis = g.rank(x)? - 2;
        let weighed = g.mul(x, by)?;
        let sum = g.reduce(weighed, Reducer::Sum, &[axis])?;
        let sum = g.remove_axis(sum, axis)?;
        let y = g.scaled(sum, scale)?;
        Ok(tvec!(g.cast(y, dtype)?))
    })
}

/// The streams mixed with each other, and one output weighed into each.
pub(super) fn post_mix(_: &ParsingContext, node: &NodeProto) -> Built {
    let count = branches(node)?;
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let dtype = g.dtype(x)?;
        let x = g.f32(x)?;
        let x = streams(g, x, count)?;
        let by = mix(g, inputs.need(2)?, x)?;
        let axis = g.rank(x)? - 2;
        let block = g.f32(inputs.need(1)?)?;
        let block = g.add_axis(block, axis)?;
        let mixed = match inputs.get(3) {
            Some(matrix) => {
                let matrix = g.f32(matrix)?;
                g.matmul(matrix, x, true, false)?
            }
            None => x,
        };
        let added = g.mul(by, block)?;
        let mut y = g.add(mixed, added)?;
        if count > 0 {
            y = ungrouped(g, y)?;
        }
        Ok(tvec!(g.cast(y, dtype)?))
    })
}

/// Decay and update rate of a gated recurrence.
pub(super) fn recurrence(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let softplus = part(ctx, node, "Softplus", 1)?;
    lowered(node, move |g, inputs| {
        let a = inputs.need(0)?;
        let dtype = g.dtype(a)?;
        let a = g.f32(a)?;
        let bias = g.f32(inputs.need(1)?)?;
        let sum = g.add(a, bias)?;
        let sum = g.part(&softplus, &[sum])?;
        let scale = g.f32(inputs.need(2)?)?;
        let decay = g.mul(sum, scale)?;
        let mut outputs = tvec!(g.cast(decay, dtype)?);
        if let Some(b) = inputs.get(3) {
            let b = g.f32(b)?;
            let rate = g.op(sigmoid(), &[b])?;
            outputs.push(g.cast(rate, dtype)?);
        }
        Ok(outputs)
    })
}

/// A product of 16-bit integers in 32 bits.
pub(super) fn integer_16(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let (a, b) = (inputs.need(0)?, inputs.need(1)?);
        let types = [g.dtype(a)?, g.dtype(b)?];
        let small = types.iter().all(|t| matches!(t, DatumType::I16 | DatumType::U16));
        ensure!(small, "a product of {types:?}");
        let unsigned = types.iter().all(|t| *t == DatumType::U16);
        let (a, b) = (g.cast(a, DatumType::I32)?, g.cast(b, DatumType::I32)?);
        let y = g.matmul(a, b, false, false)?;
        Ok(tvec!(if unsigned { g.cast(y, DatumType::U32)? } else { y }))
    })
}
