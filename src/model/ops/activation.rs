//! Activations whose `alpha` the importer reads over: `Celu`, `Swish`, and `SwiGLU`.
//!
//! In: one tensor, or one and its gate. Out: the activation, times the gate.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::sigmoid;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};

/// `x * sigmoid(alpha * x)`, and times the gate.
pub(super) fn swish(_: &ParsingContext, node: &NodeProto) -> Built {
    let alpha = node.get_attr_opt("alpha")?.unwrap_or(1f32);
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let scaled = g.scaled(x, alpha)?;
        let share = g.op(sigmoid(), &[scaled])?;
        let mut y = g.mul(x, share)?;
        if let Some(gate) = inputs.get(1) {
            y = g.mul(y, gate)?;
        }
        Ok(tvec!(y))
    })
}

/// `max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`
pub(super) fn celu(_: &ParsingContext, node: &NodeProto) -> Built {
    let alpha = node.get_attr_opt("alpha")?.unwrap_or(1f32);
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let above = g.clip(x, Some(0.), None)?;
        let below = g.clip(x, None, Some(0.))?;
        let below = g.scaled(below, 1. / alpha)?;
        let below = g.op(math::exp(), &[below])?;
        let one = g.like(below, 1.)?;
        let below = g.sub(below, one)?;
        let below = g.scaled(below, alpha)?;
        Ok(tvec!(g.add(above, below)?))
    })
}
