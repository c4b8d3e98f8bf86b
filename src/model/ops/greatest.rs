//! `Max` and `Min` of floats that a run makes: where one is no number, that is what they give.
//!
//! In: tensors. Out: at each place the greatest or the least. The engine's own passes over what is no number, and stays
//! where there is one constant number beside: that is a bound, which the kernels have fused.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::comp_ne;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_hir::internal::*;

use super::either::as_theirs;
use super::lower::{Built, lowered};

pub(super) fn max(ctx: &ParsingContext, node: &NodeProto) -> Built {
    build(ctx, node, math::max)
}

pub(super) fn min(ctx: &ParsingContext, node: &NodeProto) -> Built {
    build(ctx, node, math::min)
}

fn build(ctx: &ParsingContext, node: &NodeProto, op: fn() -> TypedBinOp) -> Built {
    let theirs = super::theirs(ctx, node)?;
    if node.input.len() < 2 || !theirs.1.is_empty() {
        return Ok(theirs);
    }
    let ours = lowered(node, move |g, inputs| {
        let all = inputs.present();
        let (first, rest) = all.split_first().context("nothing to compare")?;
        let mut y = *first;
        for x in rest {
            y = g.binary(op(), y, *x)?;
        }
        for x in &all {
            let lost = g.binary(TypedBinOp(comp_ne(), None), *x, *x)?;
            y = g.select(lost, *x, y)?;
        }
        Ok(tvec!(y))
    })?;
    as_theirs(theirs, ours, |inputs| {
        let bound = |fact: &TypedFact| fact.konst.as_ref().is_some_and(|konst| konst.len() == 1);
        inputs.iter().any(|fact| bound(fact) || !fact.datum_type.is_float())
    })
}
