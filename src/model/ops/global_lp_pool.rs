//! `GlobalLpPool`: the p-norm of each channel. (The engine's own takes a mean.)
//!
//! In: `[N, C, …]`. Out: `[N, C, 1, …]`.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::Reducer;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let p: i64 = node.get_attr_opt("p")?.unwrap_or(2);
    ensure!(p > 0, "p must be positive");
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let axes: Vec<usize> = (2..g.rank(x)?).collect();
        let x = g.op(math::abs(), &[x])?;
        let power = g.like(x, p as f32)?;
        let x = g.binary(math::pow(), x, power)?;
        let sum = g.reduce(x, Reducer::Sum, &axes)?;
        let root = g.like(sum, 1. / p as f32)?;
        Ok(tvec!(g.binary(math::pow(), sum, root)?))
    })
}
