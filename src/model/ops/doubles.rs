//! Operators that the engine has for float32 and not, or not rightly, for float64: `Relu`, `Round`, `Sigmoid`.
//!
//! In: numbers. Out: as ONNX defines it; what is no number stays none, also in a constant, with which the engine computes ahead
//! by the operators that pass over it.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::comp_lt;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_hir::internal::*;

use super::either::like_first;
use super::lower::{Built, lowered};

/// From here on a float64 has no fraction.
const WHOLE: f32 = 4_503_599_627_370_496.;

fn is_double(inputs: &[&TypedFact]) -> bool {
    inputs.first().is_some_and(|x| x.datum_type == DatumType::F64)
}

pub(super) fn relu(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let ours = lowered(node, |g, inputs| {
        let x = inputs.need(0)?;
        let zero = g.like(x, 0.)?;
        let below = g.binary(TypedBinOp(comp_lt(), None), x, zero)?;
        Ok(tvec!(g.select(below, zero, x)?))
    })?;
    like_first(super::theirs(ctx, node)?, ours, |inputs| {
        let known = |x: &&TypedFact| x.datum_type.is_float() && x.konst.is_some();
        !is_double(inputs) && !inputs.first().is_some_and(known)
    })
}

/// To the nearest whole number, halves to the even one, as a sum with a number that has no fraction rounds.
pub(super) fn round(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let ours = lowered(node, |g, inputs| {
        let x = inputs.need(0)?;
        let (zero, whole) = (g.like(x, 0.)?, g.like(x, WHOLE)?);
        let size = g.op(math::abs(), &[x])?;
        let sum = g.add(size, whole)?;
        let near = g.sub(sum, whole)?;
        let turned = g.op(math::neg(), &[near])?;
        let below = g.binary(TypedBinOp(comp_lt(), None), x, zero)?;
        let near = g.select(below, turned, near)?;
        let small = g.binary(TypedBinOp(comp_lt(), None), size, whole)?;
        Ok(tvec!(g.select(small, near, x)?))
    })?;
    like_first(super::theirs(ctx, node)?, ours, |inputs| !is_double(inputs))
}

pub(super) fn sigmoid(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let ours = lowered(node, |g, inputs| {
        let x = inputs.need(0)?;
        let x = g.op(math::neg(), &[x])?;
        let raised = g.op(math::exp(), &[x])?;
        let one = g.like(x, 1.)?;
        let sum = g.add(raised, one)?;
        Ok(tvec!(g.binary(math::div(), one, sum)?))
    })?;
    like_first(super::theirs(ctx, node)?, ours, |inputs| !is_double(inputs))
}
