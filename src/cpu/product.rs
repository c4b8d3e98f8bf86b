//! A product of two matrices that only a run knows, for each of a batch.
//!
//! In: two float32 tensors. Out: one, as the engine's graph wants it. The axes of all three are told by their strides, so
//! that nothing is moved beforehand; an axis that a tensor lacks, or has once for all, has the stride 0 there.

use nearside_kernels::product::{Scratch, View, product};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::floats;
use crate::reuse;

/// An axis: its extent, and its strides in the first input, the second one and the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    pub(crate) extent: usize,
    pub(crate) strides: [usize; 3],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    /// Of the output.
    pub(crate) shape: TVec<usize>,
    /// Rows of the first matrix, the axis that is summed over, columns of the second one.
    pub(crate) matrix: [Axis; 3],
    pub(crate) batch: Vec<Axis>,
}

impl Op for Product {
    fn name(&self) -> StaticName {
        "Product".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        let [m, k, n] = self.matrix.map(|axis| axis.extent);
        let batch = self.batch.iter().map(|axis| axis.extent).product::<usize>();
        Ok(vec![format!("{batch} times {m} x {k} x {n}")])
    }

    op_as_typed_op!();
}

impl EvalOp for Product {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (a, b) = (floats(&inputs[0])?, floats(&inputs[1])?);
        let mut output = reuse::floats(&self.shape)?;
        let [m, k, n] = self.matrix;
        let size = [m.extent, k.extent, n.extent];
        let mut view = output.try_as_plain_ram_mut()?;
        let out = view.as_slice_mut::<f32>()?;
        let mut scratch = Scratch::default();
        let count = self.batch.iter().map(|axis| axis.extent).product();
        for at in 0..count {
            let mut rest = at;
            let mut from = [0; 3];
            for axis in self.batch.iter().rev() {
                let place = rest % axis.extent;
                rest /= axis.extent;
                for (from, stride) in from.iter_mut().zip(axis.strides) {
                    *from += place * stride;
                }
            }
            let rest = |values: &'static str| format_err!("the {values} does not fit");
            let left = View {
                values: a.get(from[0]..).ok_or_else(|| rest("first input"))?,
                strides: [m.strides[0], k.strides[0]],
            };
            let right = View {
                values: b.get(from[1]..).ok_or_else(|| rest("second input"))?,
                strides: [k.strides[1], n.strides[1]],
            };
            let out = out.get_mut(from[2]..).ok_or_else(|| rest("output"))?;
            product(size, left, right, out, [m.strides[2], n.strides[2]], &mut scratch)?;
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Product {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape)))
    }

    as_op!();
}
