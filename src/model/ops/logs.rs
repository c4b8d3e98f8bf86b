//! Logarithms of sums of exponentials, without the exponentials growing too large: `LogSoftmax`, `ReduceLogSumExp`, `Softplus`.
//!
//! In: numbers of any size. Out: as ONNX Runtime gives them. (The importer takes the logarithm of the finished sum or
//! softmax, which is infinite from 89 on, and the same for all that is 87 below the largest.)

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::{Reducer, Softmax, SoftmaxKind};
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};
use super::reduce_extreme::Along;

pub(super) fn log_softmax(ctx: &ParsingContext, node: &NodeProto) -> Built {
    // Before operator set 13 all axes from the given one on are one.
    let flat = ctx.onnx_operator_set_version < 13;
    let axis = node.get_attr_opt("axis")?.unwrap_or(if flat { 1i64 } else { -1 });
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let dtype = g.dtype(x)?;
        ensure!(dtype.is_float(), "a softmax of {dtype:?}");
        let rank = g.rank(x)?;
        let axis = if flat && axis == rank as i64 { rank } else { g.axis(x, axis)? };
        let last = if flat { rank } else { axis + 1 };
        let op = Softmax::new((axis..last).collect(), None, SoftmaxKind::LogSoftmax);
        Ok(tvec!(g.op(op, &[x])?))
    })
}

pub(super) fn log_sum_exp(_: &ParsingContext, node: &NodeProto) -> Built {
    let along = Along::of(node)?;
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let dtype = g.dtype(x)?;
        let x = if dtype == DatumType::F64 { x } else { g.f32(x)? };
        let axes = along.axes(g, inputs)?;
        let most = g.reduce(x, Reducer::Max, &axes)?;
        // From an infinity nothing can be taken.
        let most = g.clip(most, Some(f32::MIN), Some(f32::MAX))?;
        let less = g.sub(x, most)?;
        let raised = g.op(math::exp(), &[less])?;
        let sum = g.reduce(raised, Reducer::Sum, &axes)?;
        let sum = g.op(math::ln(), &[sum])?;
        let y = g.add(sum, most)?;
        let y = along.kept(g, y, axes)?;
        Ok(tvec!(g.cast(y, dtype)?))
    })
}

pub(super) fn softplus(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let x = inputs.need(0)?;
        let size = g.op(math::abs(), &[x])?;
        let size = g.op(math::neg(), &[size])?;
        let raised = g.op(math::exp(), &[size])?;
        let one = g.like(x, 1.)?;
        let sum = g.add(raised, one)?;
        let rest = g.op(math::ln(), &[sum])?;
        let above = g.clip(x, Some(0.), None)?;
        Ok(tvec!(g.add(above, rest)?))
    })
}
