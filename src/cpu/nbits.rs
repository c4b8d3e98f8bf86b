//! Rows times a constant matrix of few bits, which stays as small as it is in the file.
//!
//! In: float32 whose last axis is multiplied. Out: the same axes, the last one as long as the matrix is wide.

use std::sync::Arc;

use nearside_kernels::nbits::Packed;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::floats;
use crate::reuse;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FewBits {
    /// Of the output.
    pub(crate) shape: TVec<usize>,
    pub(crate) weights: Arc<Packed>,
}

// Scales of NaN are merely never equal.
impl Eq for FewBits {}

impl Op for FewBits {
    fn name(&self) -> StaticName {
        "FewBits".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![self.weights.to_string()])
    }

    op_as_typed_op!();
}

impl EvalOp for FewBits {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut output = reuse::floats(&self.shape)?;
        let rows = output.len() / self.shape.last().copied().unwrap_or(1).max(1);
        let mut view = output.try_as_plain_ram_mut()?;
        self.weights.product(rows, floats(&inputs[0])?, view.as_slice_mut()?)?;
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for FewBits {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape)))
    }

    as_op!();
}
