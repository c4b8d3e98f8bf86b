//! Maximum pooling.
//!
//! In: a float32 image in NCHW (or NCW). Out: the greatest value under each window.

use nearside_kernels::conv::Geometry;
use nearside_kernels::pool;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::floats;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MaxPooling {
    pub(crate) geometry: Geometry,
    /// Of the output.
    pub(crate) shape: TVec<usize>,
}

impl Op for MaxPooling {
    fn name(&self) -> StaticName {
        "MaxPooling".into()
    }

    op_as_typed_op!();
}

impl EvalOp for MaxPooling {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut output = Tensor::zero::<f32>(&self.shape)?;
        let mut view = output.try_as_plain_ram_mut()?;
        pool::max(&self.geometry, floats(&inputs[0])?, view.as_slice_mut::<f32>()?)?;
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for MaxPooling {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape)))
    }

    as_op!();
}
