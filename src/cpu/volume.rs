//! Convolution of volumes as one of images.
//!
//! In: float32 in NCDHW, and perhaps a residual of the output's shape. Out: the output. A slice of the output is an image
//! convolved, whose channels are those of the input, each as often as the kernel is deep: one for each slice under it.
//! So the kernels of images do for volumes, the transforms of tiles among them.

use nearside_kernels::conv::Geometry;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::convolution::Convolution;
use super::{check, floats};
use crate::codec::fields;
use crate::reuse;

/// Floats of slices that are laid out at a time.
const MOST: usize = 1 << 20;

/// The first of the three axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Depth {
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    pub(crate) pad: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Volume {
    /// Of all slices of all volumes; its shape is that of the output.
    slices: Convolution,
    depth: Depth,
}

fields! {
    Depth { input, output, kernel, stride, dilation, pad }
    Volume { slices, depth }
}

impl Depth {
    /// The slice of the input under a tap of an output's kernel, unless it is padding.
    fn under(&self, output: usize, tap: usize) -> Option<usize> {
        let at = (output * self.stride + tap * self.dilation).checked_sub(self.pad)?;
        (at < self.input).then_some(at)
    }
}

impl Volume {
    pub(crate) fn new(slices: Convolution, depth: Depth) -> Self {
        Self { slices, depth }
    }

    /// Some slices of the same number each time.
    fn some(&self) -> Geometry {
        let g = self.slices.geometry();
        let each = g.channels_in * g.input[0] * g.input[1];
        let wanted = (MOST / each.max(1)).clamp(1, g.batch.max(1));
        let batch = (1..=wanted).rev().find(|n| g.batch.is_multiple_of(*n)).unwrap_or(1);
        Geometry { batch, ..g.clone() }
    }

    fn packed(&self) -> TractResult<Self> {
        let slices = self.slices.packed_for(&self.some())?;
        Ok(Self { slices, depth: self.depth.clone() })
    }

    /// Lays out the channels of a slice: those under each tap one after the other.
    fn lay_out(&self, volume: &[f32], output: usize, plane: usize, to: &mut [f32]) {
        let Depth { input, kernel, .. } = self.depth;
        let channels = volume.chunks_exact((input * plane).max(1));
        for (channel, to) in channels.zip(to.chunks_exact_mut((kernel * plane).max(1))) {
            for (tap, to) in to.chunks_exact_mut(plane.max(1)).enumerate() {
                match self.depth.under(output, tap).and_then(|at| channel.get(at * plane..)) {
                    Some(from) => to.copy_from_slice(&from[..plane]),
                    None => to.fill(0.),
                }
            }
        }
    }
}

impl Op for Volume {
    fn name(&self) -> StaticName {
        "Volume".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        let mut info = self.slices.info()?;
        info.push(format!("{:?}", self.depth));
        Ok(info)
    }

    op_as_typed_op!();
}

impl EvalOp for Volume {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let Some(packed) = self.slices.ready() else { return self.packed()?.eval(_ctx, inputs) };
        let some = self.some();
        let (all, slices) = (self.slices.geometry().batch, some.batch);
        let x = floats(&inputs[0])?;
        let residual = inputs.get(1).map(|r| floats(r)).transpose()?;
        let mut output = reuse::floats(self.slices.shape())?;
        let mut view = output.try_as_plain_ram_mut()?;
        let out = view.as_slice_mut::<f32>()?;
        let deep = self.depth.output;
        let [plane_in, plane] = [some.input, some.output].map(|[height, width]| height * width);
        let laid_len = some.channels_in * plane_in;
        let volume_len = laid_len / self.depth.kernel.max(1) * self.depth.input;
        let mut laid = vec![0.; slices * laid_len];
        let made_len = some.channels_out * plane;
        let mut made = vec![0.; slices * made_len];
        let mut more = vec![0.; if residual.is_some() { made.len() } else { 0 }];
        // Where a channel of a slice lies in the output.
        let place = |slice: usize, channel: usize| {
            let first = (slice / deep * some.channels_out + channel) * deep + slice % deep;
            first * plane..(first + 1) * plane
        };
        for first in (0..all).step_by(slices) {
            for (slice, laid) in (first..).zip(laid.chunks_exact_mut(laid_len.max(1))) {
                let volume = &x[slice / deep * volume_len..][..volume_len];
                self.lay_out(volume, slice % deep, plane_in, laid);
            }
            if let Some(residual) = residual {
                for (slice, more) in (first..).zip(more.chunks_exact_mut(made_len)) {
                    for (channel, more) in more.chunks_exact_mut(plane).enumerate() {
                        more.copy_from_slice(&residual[place(slice, channel)]);
                    }
                }
            }
            let epilogue = self.slices.epilogue(residual.map(|_| &more[..]))?;
            packed.run(&some, &laid, &epilogue, &mut made)?;
            for (slice, made) in (first..).zip(made.chunks_exact(made_len)) {
                for (channel, made) in made.chunks_exact(plane).enumerate() {
                    out[place(slice, channel)].copy_from_slice(made);
                }
            }
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Volume {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let (g, depth, shape) = (self.slices.geometry(), &self.depth, self.slices.shape());
        let image = inputs.first().and_then(|fact| fact.shape.as_concrete());
        let Some(&[batch, channels, deep, height, width]) = image else {
            bail!("a volume of unknown size")
        };
        let sizes = [depth.input, depth.output, depth.kernel, depth.stride, depth.dilation];
        let small = sizes.into_iter().chain([depth.pad]).all(|n| n < 1 << 24);
        ensure!(small && depth.kernel > 0 && depth.output > 0, "a bad window {depth:?}");
        ensure!(deep == depth.input && [height, width] == g.input, "{image:?} under {self:?}");
        ensure!(channels.checked_mul(depth.kernel) == Some(g.channels_in), "channels of {self:?}");
        ensure!(batch.checked_mul(depth.output) == Some(g.batch), "slices of {self:?}");
        let made = [batch, g.channels_out, depth.output, g.output[0], g.output[1]];
        ensure!(shape == made && !shape.contains(&0), "{shape:?} of {self:?}");
        let slices = f32::fact([g.batch, g.channels_in, height, width]);
        check(g, shape, &[&slices])?;
        Ok(tvec!(f32::fact(shape)))
    }

    fn declutter(
        &self,
        model: &TypedModel,
        node: &TypedNode,
    ) -> TractResult<Option<TypedModelPatch>> {
        let whole =
            |slices| -> Box<dyn TypedOp> { Box::new(Self { slices, depth: self.depth.clone() }) };
        self.slices.taking_next(model, node, &whole)
    }

    fn codegen(
        &self,
        model: &TypedModel,
        node: &TypedNode,
    ) -> TractResult<Option<TypedModelPatch>> {
        rule_if!(self.slices.ready().is_none());
        TypedModelPatch::replace_single_op(model, node, &node.inputs, self.packed()?).map(Some)
    }

    as_op!();
}
