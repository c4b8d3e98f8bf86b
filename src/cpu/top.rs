//! The greatest or the least along an axis, in order, and where they were.
//!
//! In: float32. Out: the first of each line, and their places as int64.

use nearside_kernels::top::top;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::floats;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Top {
    /// What lies before the axis, along it, and behind it.
    pub(crate) sizes: [usize; 3],
    /// How many there are to be of a line.
    pub(crate) count: usize,
    pub(crate) largest: bool,
    /// Of the outputs.
    pub(crate) shape: TVec<usize>,
}

impl Op for Top {
    fn name(&self) -> StaticName {
        "Top".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![format!("{} of {}", self.count, self.sizes[1])])
    }

    op_as_typed_op!();
}

impl EvalOp for Top {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut values = Tensor::zero::<f32>(&self.shape)?;
        let mut places = Tensor::zero::<i64>(&self.shape)?;
        let (mut to, mut at) = (values.try_as_plain_ram_mut()?, places.try_as_plain_ram_mut()?);
        let (to, at) = (to.as_slice_mut()?, at.as_slice_mut()?);
        top(self.sizes, self.count, self.largest, floats(&inputs[0])?, to, at)?;
        Ok(tvec!(values.into_tvalue(), places.into_tvalue()))
    }
}

impl TypedOp for Top {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape), i64::fact(&self.shape)))
    }

    as_op!();
}
