//! com.microsoft's `QLinear*` operators on tensors: float32 arithmetic between quantised ends.
//!
//! In: nodes whose inputs come as (tensor, scale, zero point). Out: dequantise, compute, quantise.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::nn::{Reducer, Softmax, SoftmaxKind, leaky_relu, sigmoid};
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, Inputs, lowered, part};
use super::quantize::Quantized;
use super::wires::Wires;

/// The three inputs from `at` on.
fn triple(inputs: &Inputs, at: usize) -> TractResult<Quantized> {
    Ok(Quantized {
        values: inputs.need(at)?,
        scale: inputs.need(at + 1)?,
        zero: inputs.get(at + 2),
    })
}

pub(super) fn add(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let (a, b) = (triple(inputs, 0)?, triple(inputs, 3)?);
        let scale = inputs.need(6)?;
        // ratio_a * a + ratio_b * b + (zero - ratio_a * zero_a - ratio_b * zero_b), rounded once:
        // the vector kernel's order, which decides ties.
        let (mut sum, mut zeros) = (None, None);
        for q in [a, b] {
            let ratio = g.div(q.scale, scale)?;
            let ratio = g.parameter(ratio)?;
            let values = g.f32(q.values)?;
            let term = g.mul(values, ratio)?;
            sum = Some(match sum {
                Some(sum) => g.add(sum, term)?,
                None => term,
            });
            if let Some(zero) = q.zero {
                let zero = g.parameter(zero)?;
                let zero = g.f32(zero)?;
                let zero = g.mul(zero, ratio)?;
                zeros = Some(match zeros {
                    Some(zeros) => g.add(zeros, zero)?,
                    None => zero,
                });
            }
        }
        let mut sum = sum.context("two terms")?;
        if let Some(zeros) = zeros {
            sum = g.sub(sum, zeros)?;
        }
        Ok(tvec!(g.saturate(sum, inputs.get(7), 0)?))
    })
}

pub(super) fn mul(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let a = g.dequantize(triple(inputs, 0)?, 0)?;
        let b = g.dequantize(triple(inputs, 3)?, 0)?;
        let y = g.mul(a, b)?;
        requantized(g, inputs, 6, y)
    })
}

/// Quantises by scale and zero point at `at`.
fn requantized(
    g: &mut Wires<'_>,
    inputs: &Inputs,
    at: usize,
    y: OutletId,
) -> TractResult<TVec<OutletId>> {
    let scale = g.parameter(inputs.need(at)?)?;
    Ok(tvec!(g.quantize(y, scale, inputs.get(at + 1), 0)?))
}

pub(super) fn leaky(_: &ParsingContext, node: &NodeProto) -> Built {
    let alpha = node.get_attr_opt("alpha")?.unwrap_or(0.01);
    lowered(node, move |g, inputs| {
        let x = g.dequantize(triple(inputs, 0)?, 0)?;
        let y = g.op(leaky_relu(alpha), &[x])?;
        requantized(g, inputs, 3, y)
    })
}

pub(super) fn logistic(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let x = g.dequantize(triple(inputs, 0)?, 0)?;
        let y = g.op(sigmoid(), &[x])?;
        requantized(g, inputs, 3, y)
    })
}

pub(super) fn softmax(_: &ParsingContext, node: &NodeProto) -> Built {
    let opset: i64 = node.get_attr("opset")?;
    let axis = node.get_attr_opt("axis")?.unwrap_or(-1);
    lowered(node, move |g, inputs| {
        let x = g.dequantize(triple(inputs, 0)?, 0)?;
        let axis = g.axis(x, axis)?;
        let last = if opset < 13 { g.rank(x)? } else { axis + 1 };
        let op = Softmax::new((axis..last).collect(), None, SoftmaxKind::default());
        let y = g.op(op, &[x])?;
        requantized(g, inputs, 3, y)
    })
}

pub(super) fn concat(_: &ParsingContext, node: &NodeProto) -> Built {
    let axis: i64 = node.get_attr("axis")?;
    lowered(node, move |g, inputs| {
        let mut parts: TVec<OutletId> = tvec!();
        for at in (2..inputs.len()).step_by(3) {
            parts.push(g.dequantize(triple(inputs, at)?, 0)?);
        }
        let first = *parts.first().context("nothing to concatenate")?;
        let axis = g.axis(first, axis)?;
        let y = g.concat(axis, &parts)?;
        requantized(g, inputs, 0, y)
    })
}

pub(super) fn r#where(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let choose = part(ctx, node, "Where", 3)?;
    lowered(node, move |g, inputs| {
        let a = g.dequantize(triple(inputs, 1)?, 0)?;
        let b = g.dequantize(triple(inputs, 4)?, 0)?;
        let y = g.part(&choose, &[inputs.need(0)?, a, b])?;
        requantized(g, inputs, 7, y)
    })
}

/// Whether channels are innermost, as a node of the NHWC rewrites has them.
fn channels_last(node: &NodeProto) -> TractResult<bool> {
    Ok(node.get_attr_opt("channels_last")?.unwrap_or(false))
}

pub(super) fn average_pool(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let last = channels_last(node)?;
    let pool = part(ctx, node, "AveragePool", 1)?;
    lowered(node, move |g, inputs| {
        let mut x = g.dequantize(triple(inputs, 0)?, 0)?;
        let rank = g.rank(x)?;
        ensure!(rank > 2, "a pool needs spatial axes");
        if last {
            x = g.move_axis(x, rank - 1, 1)?;
        }
        let mut y = g.part(&pool, &[x])?;
        if last {
            y = g.move_axis(y, 1, rank - 1)?;
        }
        requantized(g, inputs, 3, y)
    })
}

/// `NhwcMaxPool`: of the integers themselves, with the channels last.
pub(super) fn max_pool(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let pool = part(ctx, node, "MaxPool", 1)?;
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let rank = g.rank(x)?;
        ensure!(rank > 2, "a pool needs spatial axes");
        let x = g.move_axis(x, rank - 1, 1)?;
        let y = g.part(&pool, &[x])?;
        Ok(tvec!(g.move_axis(y, 1, rank - 1)?))
    })
}

pub(super) fn global_average_pool(_: &ParsingContext, node: &NodeProto) -> Built {
    let last = channels_last(node)?;
    lowered(node, move |g, inputs| {
        let x = triple(inputs, 0)?;
        let rank = g.rank(x.values)?;
        ensure!(rank > 2, "a pool needs spatial axes");
        let axes: Vec<usize> = if last { (1..rank - 1).collect() } else { (2..rank).collect() };
        // The sum is of integers, exact; it is scaled once.
        let shape = g.shape(x.values)?;
        let count = axes.iter().map(|a| shape[*a].clone()).product::<TDim>().to_i64()?;
        let values = g.cast(x.values, DatumType::I32)?;
        let mut sum = g.reduce(values, Reducer::Sum, &axes)?;
        if let Some(zero) = x.zero {
            let zero = g.parameter(zero)?;
            let zero = g.cast(zero, DatumType::I32)?;
            let count = g.constant(tensor0(i32::try_from(count)?))?;
            let zero = g.mul(zero, count)?;
            sum = g.sub(sum, zero)?;
        }
        let sum = g.f32(sum)?;
        let scale = g.parameter(x.scale)?;
        let count = g.scalar(count as f32)?;
        let divisor = g.parameter(inputs.need(3)?)?;
        let divisor = g.mul(divisor, count)?;
        let scale = g.div(scale, divisor)?;
        let y = g.mul(sum, scale)?;
        Ok(tvec!(g.saturate(y, inputs.get(4), 0)?))
    })
}
