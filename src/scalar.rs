//! The number that a tensor of one element holds.
//!
//! In: a tensor. Out: its first element in the wanted type, or an error. The one decision: the engine's own function of that
//! purpose reads what lies behind a tensor that has no elements; nothing of ours calls it.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

pub(crate) trait Scalar {
    /// Its first element.
    fn number<D: Datum + Copy>(&self) -> TractResult<D>;
}

impl Scalar for Tensor {
    fn number<D: Datum + Copy>(&self) -> TractResult<D> {
        ensure!(self.len() > 0, "a number is wanted of a tensor without elements");
        self.cast_to_scalar()
    }
}
