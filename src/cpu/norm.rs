//! Rows along the last axis, each normalised, scaled and shifted.
//!
//! In: float32. Out: the same shape.

use nearside_kernels::norm::{Norm, rows};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::floats;
use crate::reuse;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Normalisation {
    pub(crate) norm: Norm,
    pub(crate) epsilon: f32,
    /// One value a column.
    pub(crate) scale: Option<Vec<f32>>,
    /// Likewise.
    pub(crate) shift: Option<Vec<f32>>,
}

// NaN is merely never equal.
impl Eq for Normalisation {}

impl Op for Normalisation {
    fn name(&self) -> StaticName {
        "Normalisation".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        let scale = if self.scale.is_some() { ", scale" } else { "" };
        let shift = if self.shift.is_some() { ", shift" } else { "" };
        Ok(vec![format!("{:?}{scale}{shift}", self.norm)])
    }

    op_as_typed_op!();
}

impl EvalOp for Normalisation {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let x = &inputs[0];
        let mut output = reuse::floats(x.shape())?;
        let width = x.shape().last().copied().unwrap_or(1);
        let sides = (self.scale.as_deref(), self.shift.as_deref());
        let mut view = output.try_as_plain_ram_mut()?;
        let out = view.as_slice_mut()?;
        rows(self.norm, width, self.epsilon, floats(x)?, sides.0, sides.1, out)?;
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Normalisation {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }

    as_op!();
}
