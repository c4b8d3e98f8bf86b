//! `ReduceL2`, `ReduceLogSum` and `ReduceSumSquare` of int64, which the engine has for other numbers.
//!
//! In: integers, and constant axes. Out: integers, of which a root and a logarithm lose their fraction.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::Reducer;
use tract_onnx::tract_hir::internal::*;

use super::either::as_theirs;
use super::lower::{Built, lowered};
use super::reduce_extreme::Along;

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let along = Along::of(node)?;
    let op_type = node.op_type.clone();
    let ours = lowered(node, move |g, inputs| {
        let mut x = inputs.need(0)?;
        let dtype = g.dtype(x)?;
        let axes = along.axes(g, inputs)?;
        if op_type != "ReduceLogSum" {
            x = g.mul(x, x)?;
        }
        let mut y = g.reduce(x, Reducer::Sum, &axes)?;
        if op_type != "ReduceSumSquare" {
            let wide = g.cast(y, DatumType::F64)?;
            let root = op_type == "ReduceL2";
            let made = if root { g.op(math::sqrt(), &[wide])? } else { g.op(math::ln(), &[wide])? };
            y = g.cast(made, dtype)?;
        }
        Ok(tvec!(along.kept(g, y, axes)?))
    })?;
    as_theirs(super::theirs(ctx, node)?, ours, |inputs| {
        inputs.first().is_none_or(|x| x.datum_type != DatumType::I64)
    })
}
