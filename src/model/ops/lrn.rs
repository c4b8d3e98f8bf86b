//! `LRN`: each value over a power of its neighbours' squares along the channels.
//!
//! In: a tensor with channels as its second axis. Out: `x / (bias + alpha / size * sum)^beta`. The sum is a pool over
//! channels, and the power that all models use, 3/4, two square roots: kernels that are there.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::cnn::{PaddingSpec, PoolSpec, SumPool};
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::DataFormat;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let alpha = node.get_attr_opt("alpha")?.unwrap_or(0.0001f32);
    let beta = node.get_attr_opt("beta")?.unwrap_or(0.75f32);
    let bias = node.get_attr_opt("bias")?.unwrap_or(1f32);
    let size: usize = node.get_attr("size")?;
    ensure!(size > 0, "a size of 0");
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let shape = g.shape(x)?;
        ensure!(shape.len() > 2, "channels of {} axes", shape.len());
        let plane: TDim = shape[2..].iter().product();
        let squares = g.op(math::square(), &[x])?;
        let flat = g.reshape(squares, 2, shape[2..].into(), tvec!(plane.clone()))?;
        let image = g.add_axis(flat, 1)?;
        let (mut before, mut behind) = ((size - 1) / 2, size / 2);
        // Beyond all channels there is nothing to add.
        if let Ok(channels) = shape[1].to_usize() {
            (before, behind) = (before.min(channels), behind.min(channels));
        }
        let window = PoolSpec {
            data_format: DataFormat::NCHW,
            kernel_shape: tvec!(before + 1 + behind, 1),
            padding: PaddingSpec::Explicit(tvec!(before, 0), tvec!(behind, 0)),
            dilations: None,
            strides: None,
            input_channels: 1,
            output_channels: 1,
        };
        let sums = g.op(SumPool::new(window, false, false), &[image])?;
        let sums = g.remove_axis(sums, 1)?;
        let sums = g.reshape(sums, 2, tvec!(plane), shape[2..].into())?;
        let sums = g.scaled(sums, alpha / size as f32)?;
        let bias = g.like(sums, bias)?;
        let base = g.add(sums, bias)?;
        let factor = if beta == 0.75 {
            let root = g.op(math::rsqrt(), &[base])?;
            let fourth = g.op(math::sqrt(), &[root])?;
            g.mul(root, fourth)?
        } else {
            let power = g.like(base, -beta)?;
            g.binary(math::pow(), base, power)?
        };
        Ok(tvec!(g.mul(x, factor)?))
    })
}
