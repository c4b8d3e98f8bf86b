//! Convolutions and matrix products of 8-bit integers, from both domains.
//!
//! In: `QLinearConv`, `QLinearMatMul`, `MatMulInteger` of vectors, com.microsoft `QGemm`, `DynamicQuantizeMatMul` and
//! `MatMulIntegerToFloat`. Out: an exact integer product, one float32 scaling, and where the
//! operator wants it a rounding to integers.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::{Iff, comp_eq};
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::Reducer;
use tract_onnx::tract_hir::internal::*;

use super::either::as_chosen;
use super::lower::{Built, lowered, part};
use super::wires::Wires;

/// `a * b / c` of scales, in the kernels' order.
fn combined(
    g: &mut Wires<'_>,
    a: OutletId,
    b: OutletId,
    c: Option<OutletId>,
) -> TractResult<OutletId> {
    let (a, b) = (g.parameter(a)?, g.parameter(b)?);
    let (a, b) = (g.f32(a)?, g.f32(b)?);
    let scale = g.mul(a, b)?;
    match c {
        Some(c) => {
            let c = g.parameter(c)?;
            let c = g.f32(c)?;
            g.div(scale, c)
        }
        None => Ok(scale),
    }
}

pub(super) fn conv(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let last = node.get_attr_opt("channels_last")?.unwrap_or(false);
    let product = part(ctx, node, "ConvInteger", 4)?;
    lowered(node, move |g, inputs| {
        let mut x = inputs.need(0)?;
        let rank = g.rank(x)?;
        ensure!(rank > 2, "a convolution needs spatial axes");
        if last {
            x = g.move_axis(x, rank - 1, 1)?;
        }
        let zero_x = g.parameter(inputs.need(2)?)?;
        let zero_w = g.parameter(inputs.need(5)?)?;
        let mut y = g.part(&product, &[x, inputs.need(3)?, zero_x, zero_w])?;
        if let Some(bias) = inputs.get(8) {
            let bias = g.along(bias, 1, rank)?;
            y = g.add(y, bias)?;
        }
        let y = g.f32(y)?;
        let scale = combined(g, inputs.need(1)?, inputs.need(4)?, inputs.get(6))?;
        let scale = g.along(scale, 1, rank)?;
        let y = g.mul(y, scale)?;
        let zero = g.parameter(inputs.need(7)?)?;
        let y = g.saturate(y, Some(zero), 1)?;
        Ok(tvec!(if last { g.move_axis(y, 1, rank - 1)? } else { y }))
    })
}

pub(super) fn matmul(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let (a, b) = (inputs.need(0)?, inputs.need(3)?);
        let y = g.integer_matmul(a, inputs.get(2), b, inputs.get(5), (false, false))?;
        let rank = g.rank(y)?;
        let y = g.f32(y)?;
        // A scale of `a` may be one a row, one of `b` one a column.
        let row = g.along(inputs.need(1)?, rank - 2, rank)?;
        let scale = combined(g, row, inputs.need(4)?, inputs.get(6))?;
        let y = g.mul(y, scale)?;
        let zero = g.parameter(inputs.need(7)?)?;
        Ok(tvec!(g.saturate(y, Some(zero), rank - 1)?))
    })
}

/// The engine's own takes a vector for a row, on either side.
pub(super) fn integer(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let ours = lowered(node, |g, inputs| {
        let (mut a, mut b) = (inputs.need(0)?, inputs.need(1)?);
        let (row, column) = (g.rank(a)? == 1, g.rank(b)? == 1);
        if row {
            a = g.add_axis(a, 0)?;
        }
        if column {
            b = g.add_axis(b, 1)?;
        }
        let mut y = g.integer_matmul(a, inputs.get(2), b, inputs.get(3), (false, false))?;
        let rank = g.rank(y)?;
        if column {
            y = g.remove_axis(y, rank - 1)?;
        }
        if row {
            y = g.remove_axis(y, rank - 2)?;
        }
        Ok(tvec!(y))
    })?;
    let matrices = |inputs: &[&TypedFact]| inputs.iter().take(2).all(|fact| fact.rank() > 1);
    as_chosen(super::theirs(ctx, node)?, ours, matrices)
}

pub(super) fn gemm(_: &ParsingContext, node: &NodeProto) -> Built {
    let alpha = node.get_attr_opt("alpha")?.unwrap_or(1f32);
    let transposed = (
        node.get_attr_opt("transA")?.unwrap_or(false),
        node.get_attr_opt("transB")?.unwrap_or(false),
    );
    lowered(node, move |g, inputs| {
        let (a, b) = (inputs.need(0)?, inputs.need(3)?);
        ensure!(g.rank(a)? == 2 && g.rank(b)? == 2, "a and b are matrices");
        let mut y = g.integer_matmul(a, inputs.get(2), b, inputs.get(5), transposed)?;
        if let Some(c) = inputs.get(6) {
            y = g.add(y, c)?;
        }
        let y = g.f32(y)?;
        let scale = g.scaled(inputs.need(1)?, alpha)?;
        let scale = combined(g, scale, inputs.need(4)?, inputs.get(7))?;
        let y = g.mul(y, scale)?;
        if inputs.get(7).is_none() {
            return Ok(tvec!(y));
        }
        Ok(tvec!(g.saturate(y, inputs.get(8), 1)?))
    })
}

pub(super) fn to_float(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let (a, b) = (inputs.need(0)?, inputs.need(1)?);
        let y = g.integer_matmul(a, inputs.get(4), b, inputs.get(5), (false, false))?;
        let y = g.f32(y)?;
        let scale = combined(g, inputs.need(2)?, inputs.need(3)?, None)?;
        let mut y = g.mul(y, scale)?;
        if let Some(bias) = inputs.get(6) {
            y = g.add(y, bias)?;
        }
        Ok(tvec!(y))
    })
}

/// (uint8 values, scale, zero point), as DynamicQuantizeLinear gives them.
pub(super) fn quantize_dynamically(
    g: &mut Wires<'_>,
    x: OutletId,
) -> TractResult<(OutletId, OutletId, OutletId)> {
    let flat = g.flat(x)?;
    let zero = g.scalar(0.)?;
    let mut ends = [zero; 2];
    for (end, reducer) in ends.iter_mut().zip([Reducer::Min, Reducer::Max]) {
        let found = g.reduce(flat, reducer, &[0])?;
        let found = g.remove_axis(found, 0)?;
        let op = if reducer == Reducer::Min { math::min() } else { math::max() };
        *end = g.binary(op, found, zero)?;
    }
    let range = g.sub(ends[1], ends[0])?;
    let steps = g.scalar(255.)?;
    let scale = g.div(range, steps)?;
    // All zeros have no range; any scale will do, so 1.
    let one = g.scalar(1.)?;
    let empty = g.binary(TypedBinOp(comp_eq(), None), range, zero)?;
    let scale = g.op(Iff, &[empty, one, scale])?;
    let low = g.sub(zero, ends[0])?;
    let low = g.div(low, scale)?;
    let zero_point = g.saturate(low, None, 0)?;
    let values = g.quantize(x, scale, Some(zero_point), 0)?;
    Ok((values, scale, zero_point))
}

pub(super) fn dynamic(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let (a, a_scale, a_zero) = quantize_dynamically(g, inputs.need(0)?)?;
        let (b, b_zero) = (inputs.need(1)?, inputs.get(3));
        let y = g.integer_matmul(a, Some(a_zero), b, b_zero, (false, false))?;
        let y = g.f32(y)?;
        let scale = combined(g, a_scale, inputs.need(2)?, None)?;
        let mut y = g.mul(y, scale)?;
        if let Some(bias) = inputs.get(4) {
            y = g.add(y, bias)?;
        }
        Ok(tvec!(y))
    })
}
