//! Pooling.
//!
//! In: a float32 image in NCHW (or NCW). Out: the greatest value under each window, or the mean.

use nearside_kernels::conv::Geometry;
use nearside_kernels::pool;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::{check, floats};
use crate::codec::{choices, fields};
use crate::reuse;

/// What becomes of the values under a window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pool {
    Max,
    /// Their sum times a factor for each row of the output and one for each column.
    Mean([Vec<f32>; 2]),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pooling {
    pub(crate) geometry: Geometry,
    /// Of the output.
    pub(crate) shape: TVec<usize>,
    pub(crate) pool: Pool,
}

// Factors are finite.
impl Eq for Pooling {}

choices! { Pool { 0 => Max, 1 => Mean(factors) } }
fields! { Pooling { pool, geometry, shape } }

impl Op for Pooling {
    fn name(&self) -> StaticName {
        match self.pool {
            Pool::Max => "MaxPooling".into(),
            Pool::Mean(_) => "MeanPooling".into(),
        }
    }

    op_as_typed_op!();
}

impl EvalOp for Pooling {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut output = reuse::floats(&self.shape)?;
        let mut view = output.try_as_plain_ram_mut()?;
        let (x, out) = (floats(&inputs[0])?, view.as_slice_mut::<f32>()?);
        match &self.pool {
            Pool::Max => pool::max(&self.geometry, x, out)?,
            Pool::Mean([down, across]) => pool::mean(&self.geometry, x, [down, across], out)?,
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Pooling {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        check(&self.geometry, &self.shape, inputs)?;
        Ok(tvec!(f32::fact(&self.shape)))
    }

    as_op!();
}
