//! Rows along the last axes, each normalised, scaled and shifted.
//!
//! In: float32. Out: the same shape, in the input's place where nobody else needs it.

use nearside_kernels::norm::{Norm, rows};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::floats;
use crate::reuse;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Normalisation {
    pub(crate) norm: Norm,
    /// The first of the axes that make a row.
    pub(crate) axis: usize,
    pub(crate) epsilon: f32,
    /// One value a column.
    pub(crate) scale: Option<Vec<f32>>,
    /// Likewise.
    pub(crate) shift: Option<Vec<f32>>,
}

// NaN is merely never equal.
impl Eq for Normalisation {}

impl Normalisation {
    /// The elements of a row.
    pub(crate) fn width(&self, shape: &[usize]) -> usize {
        shape.iter().skip(self.axis).product()
    }
}

/// Room for what is made of a value: its own, where nobody else has it; else it is given back, too.
fn whose(x: TValue) -> TractResult<(Tensor, Option<TValue>)> {
    if x.is_exclusive() {
        return Ok((x.into_tensor(), None));
    }
    Ok((reuse::floats(x.shape())?, Some(x)))
}

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
        let (mut output, x) = whose(args_1!(inputs))?;
        let width = self.width(output.shape());
        let sides = (self.scale.as_deref(), self.shift.as_deref());
        let x = x.as_ref().map(|x| floats(x)).transpose()?;
        let mut view = output.try_as_plain_ram_mut()?;
        rows(self.norm, width, self.epsilon, x, sides.0, sides.1, view.as_slice_mut()?)?;
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Normalisation {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }

    as_op!();
}
