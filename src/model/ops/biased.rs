//! com.microsoft's sums of diffusion models: `BiasAdd` and `BiasSplitGelu`.
//!
//! In: `[batch, pixels, channels]`, a bias a channel, and another tensor to add. Out: the sum; or the first half of its
//! channels times the Gelu of the second.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::nn::gelu_exact::gelu_exact;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};

pub(super) fn add(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let sum = g.add(inputs.need(0)?, inputs.need(1)?)?;
        Ok(tvec!(g.add(sum, inputs.need(2)?)?))
    })
}

pub(super) fn split_gelu(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let sum = g.add(inputs.need(0)?, inputs.need(1)?)?;
        let last = g.rank(sum)?.checked_sub(1).context("a scalar has no channels")?;
        let channels = g.shape(sum)?[last].to_usize()?;
        ensure!(channels % 2 == 0, "{channels} channels have no halves");
        let half = channels / 2;
        let first = g.slice(sum, last, 0.to_dim(), half.to_dim())?;
        let second = g.slice(sum, last, half.to_dim(), channels.to_dim())?;
        let second = g.op(gelu_exact(), &[second])?;
        Ok(tvec!(g.mul(first, second)?))
    })
}
