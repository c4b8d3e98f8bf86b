//! Images sampled at places that a run gives.
//!
//! In: images in NCHW and a grid of columns and rows, float32. Out: a value for each place and channel.

use nearside_kernels::sample::{Sampling, sample};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::floats;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sampled {
    pub(crate) how: Sampling,
    /// Of the images.
    pub(crate) image: [usize; 4],
    /// Of the output.
    pub(crate) shape: TVec<usize>,
}

impl Op for Sampled {
    fn name(&self) -> StaticName {
        "Sampled".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![format!("{:?}", self.how)])
    }

    op_as_typed_op!();
}

impl EvalOp for Sampled {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (x, grid) = (floats(&inputs[0])?, floats(&inputs[1])?);
        let mut output = Tensor::zero::<f32>(&self.shape)?;
        sample(self.how, self.image, x, grid, output.try_as_plain_ram_mut()?.as_slice_mut()?)?;
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Sampled {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape)))
    }

    as_op!();
}
