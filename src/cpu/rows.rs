//! What takes a whole row, or a whole tensor, to give any of its values: softmax, its logarithm, and quantisation by the
//! range.
//!
//! In: float32. Out: the same shape; of the quantisation also the scale and the zero point.

use nearside_kernels::norm::{log_softmax, softmax};
use nearside_kernels::quantize::over_range;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::floats;
use crate::reuse;

/// Softmax along the last axis, or its logarithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SoftmaxRows {
    /// Its logarithm.
    pub(crate) log: bool,
}

impl Op for SoftmaxRows {
    fn name(&self) -> StaticName {
        if self.log { "LogSoftmaxRows" } else { "SoftmaxRows" }.into()
    }

    op_as_typed_op!();
}

impl EvalOp for SoftmaxRows {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, mut inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = inputs.pop().context("the input is missing")?;
        let mut rows = input.into_tensor();
        let width = rows.shape().last().copied().unwrap_or(1);
        if rows.len() > 0 {
            let kernel = if self.log { log_softmax } else { softmax };
            kernel(width, rows.try_as_plain_ram_mut()?.as_slice_mut()?)?;
        }
        Ok(tvec!(rows.into_tvalue()))
    }
}

impl TypedOp for SoftmaxRows {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }

    as_op!();
}

/// `DynamicQuantizeLinear`: uint8 over the range of the tensor and 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeQuantisation;

impl Op for RangeQuantisation {
    fn name(&self) -> StaticName {
        "RangeQuantisation".into()
    }

    op_as_typed_op!();
}

impl EvalOp for RangeQuantisation {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut output = reuse::tensor(DatumType::U8, inputs[0].shape())?;
        let mut view = output.try_as_plain_ram_mut()?;
        let (scale, zero) = over_range(floats(&inputs[0])?, view.as_slice_mut()?);
        Ok(tvec!(output.into_tvalue(), tensor0(scale).into_tvalue(), tensor0(zero).into_tvalue()))
    }
}

impl TypedOp for RangeQuantisation {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(u8::fact(inputs[0].shape.clone()), f32::fact([0; 0]), u8::fact([0; 0])))
    }

    as_op!();
}
