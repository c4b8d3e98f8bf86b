//! Transposed convolution as a plain one for each place within a stride.
//!
//! In: a float32 feature map in NCHW (or NCW). Out: the larger map. Of stride 2 by 2 every second output of every second
//! row is made by the same quarter of the weights: four convolutions of stride 1, whose outputs are laid between each
//! other. Nothing is computed that is not an output, and nothing is added up in memory.

use std::sync::Arc;

use nearside_kernels::conv::Geometry;
use nearside_kernels::{Epilogue, spread};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::packed::Packed;
use super::{floats, per_channel};
use crate::reuse;

/// The outputs at one place within the stride.
#[derive(Clone, Debug, PartialEq)]
struct Phase {
    geometry: Geometry,
    packed: Arc<Packed>,
    /// The first of them: row and column.
    first: [usize; 2],
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Transposed {
    phases: Vec<Phase>,
    stride: [usize; 2],
    /// Height and width of the output.
    plane: [usize; 2],
    /// Of the output.
    shape: TVec<usize>,
    /// One value a channel.
    bias: Vec<f32>,
}

// Weights with NaN are merely never equal.
impl Eq for Transposed {}

/// The taps of one axis that make the outputs at one place within the stride.
struct Taps {
    /// The first such output, and how many there are.
    first: usize,
    count: usize,
    /// The taps of the kernel in the order of the input's pixels, the last one first.
    taps: Vec<usize>,
    pad: usize,
}

/// Output `o` is the sum over `t` of `x[(o + pad - t) / stride] * w[t]`, for those `t` that the stride divides.
///
/// Taps that are `apart` are as good where the stride is 1.
fn taps(
    place: usize,
    size: usize,
    kernel: usize,
    [stride, apart]: [usize; 2],
    pad: usize,
) -> Option<Taps> {
    if apart > 1 && stride > 1 {
        return None;
    }
    let taps: Vec<usize> = (place..kernel).step_by(stride).rev().collect();
    let start = pad + (place + stride - pad % stride) % stride;
    let (first, behind) = (start - pad, start / stride);
    let count = size.checked_sub(first)?.div_ceil(stride);
    let pad = taps.len().checked_sub(1)?.checked_mul(apart)?.checked_sub(behind)?;
    Some(Taps { first, count, taps, pad })
}

impl Transposed {
    /// `g` is the geometry of the operator: strides, dilations, kernel, pads and output of the transposed convolution itself.
    /// `weights` are in OIHW, the groups' outputs one after the other. None where it takes another way: of a kernel
    /// smaller than its stride, of dilations beside strides, or padding that takes whole taps away.
    pub(crate) fn new(
        g: &Geometry,
        shape: &[usize],
        weights: &[f32],
        bias: &Tensor,
    ) -> TractResult<Option<Self>> {
        let filters = g.channels_out * g.group_in();
        let size = g.kernel[0] * g.kernel[1];
        ensure!(weights.len() == filters * size, "{} weights", weights.len());
        let mut phases = vec![];
        for y in 0..g.stride[0] {
            for x in 0..g.stride[1] {
                let of = |axis: usize, place: usize| {
                    let steps = [g.stride[axis], g.dilation[axis]];
                    taps(place, g.output[axis], g.kernel[axis], steps, g.pad[axis])
                };
                let (Some(rows), Some(columns)) = (of(0, y), of(1, x)) else { return Ok(None) };
                if rows.count == 0 || columns.count == 0 {
                    continue;
                }
                let geometry = Geometry {
                    output: [rows.count, columns.count],
                    kernel: [rows.taps.len(), columns.taps.len()],
                    stride: [1, 1],
                    pad: [rows.pad, columns.pad],
                    ..g.clone()
                };
                let mut part = Vec::with_capacity(filters * rows.taps.len() * columns.taps.len());
                for filter in weights.chunks_exact(size) {
                    for row in &rows.taps {
                        part.extend(columns.taps.iter().map(|c| filter[row * g.kernel[1] + c]));
                    }
                }
                let packed = Arc::new(Packed::new(&geometry, &part)?);
                phases.push(Phase { geometry, packed, first: [rows.first, columns.first] });
            }
        }
        Ok(Some(Self {
            phases,
            stride: g.stride,
            plane: g.output,
            shape: shape.into(),
            bias: per_channel::<f32>(bias, g.channels_out)?,
        }))
    }
}

impl Op for Transposed {
    fn name(&self) -> StaticName {
        "TransposedConvolution".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        let method = |phase: &Phase| format!("{:?} {:?}", phase.packed.method(), phase.geometry);
        Ok(self.phases.iter().map(method).collect())
    }

    op_as_typed_op!();
}

impl EvalOp for Transposed {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let x = floats(&inputs[0])?;
        let mut output = reuse::floats(&self.shape)?;
        let mut view = output.try_as_plain_ram_mut()?;
        let out = view.as_slice_mut()?;
        let epilogue = Epilogue { bias: Some(&self.bias), ..Epilogue::default() };
        if self.stride == [1, 1]
            && let [phase] = &self.phases[..]
        {
            phase.packed.run(&phase.geometry, x, &epilogue, out)?;
        } else {
            let mut sums = vec![];
            for Phase { geometry: g, packed, first } in &self.phases {
                sums.resize(g.batch * g.channels_out * g.output[0] * g.output[1], 0.);
                packed.run(g, x, &epilogue, &mut sums)?;
                spread::spread(&sums, g.output, out, self.plane, *first, self.stride)?;
            }
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Transposed {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape)))
    }

    as_op!();
}
