//! `LpPool`: the p-norm of each window.
//!
//! In: `[N, C, …]` and the window. Out: one value a window; padding counts as zero.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::cnn::{PaddingSpec, PoolSpec, SumPool};
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::DataFormat;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};

#[derive(Debug)]
struct LpPool {
    p: f32,
    kernel: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    pads: Vec<usize>,
    auto_pad: String,
    ceil: bool,
}

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    let kernel: Vec<usize> = node.get_attr_vec("kernel_shape")?;
    let axes = kernel.len();
    let list = |name: &str, default: usize, count: usize| -> TractResult<Vec<usize>> {
        let list = node.get_attr_opt_vec(name)?.unwrap_or_else(|| vec![default; count]);
        ensure!(list.len() == count, "{name} does not fit the kernel");
        Ok(list)
    };
    // Before operator set 2 p is a float.
    let p = match node.attribute.iter().find(|a| a.name == "p") {
        Some(a) if a.f != 0.0 => a.f,
        Some(a) => a.i as f32,
        None => 2.0,
    };
    ensure!(p > 0.0, "p must be positive");
    let pool = LpPool {
        p,
        strides: list("strides", 1, axes)?,
        dilations: list("dilations", 1, axes)?,
        pads: list("pads", 0, 2 * axes)?,
        auto_pad: node.get_attr_opt::<&str>("auto_pad")?.unwrap_or("NOTSET").to_owned(),
        ceil: node.get_attr_opt("ceil_mode")?.unwrap_or(false),
        kernel,
    };
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let dtype = g.dtype(x)?;
        ensure!(dtype.is_float(), "a norm of {dtype:?}");
        let wide = if dtype == DatumType::F64 { dtype } else { DatumType::F32 };
        let shape = g.lengths(x)?;
        let spec = pool.spec(&shape)?;
        let x = g.cast(x, wide)?;
        let x = g.op(math::abs(), &[x])?;
        let power = g.like(x, pool.p)?;
        let x = g.binary(math::pow(), x, power)?;
        let sum = g.op(SumPool::new(spec, true, false), &[x])?;
        let root = g.like(sum, 1. / pool.p)?;
        let y = g.binary(math::pow(), sum, root)?;
        Ok(tvec!(g.cast(y, dtype)?))
    })
}

impl LpPool {
    /// The windows over a tensor of this shape.
    fn spec(&self, shape: &[usize]) -> TractResult<PoolSpec> {
        let axes = self.kernel.len();
        ensure!(shape.len() == axes + 2, "the kernel does not fit the input");
        let one_or_more = |list: &[usize]| list.iter().all(|n| *n > 0);
        ensure!(one_or_more(&self.kernel), "a window without elements");
        ensure!(one_or_more(&self.strides) && one_or_more(&self.dilations), "a step of 0");
        let (before, after) = self.pads.split_at(axes);
        let none = vec![0; axes];
        let (before, after) = match self.auto_pad.as_str() {
            "NOTSET" => (before, after),
            _ => (&none[..], &none[..]),
        };
        let padding = match self.auto_pad.as_str() {
            "SAME_UPPER" => PaddingSpec::SameUpper,
            "SAME_LOWER" => PaddingSpec::SameLower,
            _ => {
                for axis in 0..axes {
                    let span = (self.kernel[axis] - 1)
                        .checked_mul(self.dilations[axis])
                        .context("a dilation is out of range")?;
                    let padded = shape[axis + 2] + before[axis] + after[axis];
                    ensure!(span < padded, "a window over the input");
                }
                PaddingSpec::ExplicitOnnxPool(before.into(), after.into(), self.ceil)
            }
        };
        Ok(PoolSpec {
            data_format: DataFormat::NCHW,
            kernel_shape: self.kernel.clone().into(),
            padding,
            dilations: Some(self.dilations.clone().into()),
            strides: Some(self.strides.clone().into()),
            input_channels: shape[1],
            output_channels: shape[1],
        })
    }
}
