//! Arithmetic of int64.
//!
//! In: two operands, of the output's shape or repeated over it. Out: int64.

use nearside_kernels::whole::{Whole, whole};
use tract_onnx::prelude::*;

use super::work::{Work, blank};

#[derive(Debug)]
pub(crate) struct Integers(pub(crate) Whole);

impl Work for Integers {
    fn name(&self) -> &'static str {
        "Integers"
    }

    fn run(&self, inputs: TVec<TValue>, facts: &[TypedFact]) -> TractResult<TVec<TValue>> {
        let mut output = blank(facts, 0)?;
        let (a, b) = (inputs[0].try_as_plain_ram()?, inputs[1].try_as_plain_ram()?);
        let mut view = output.try_as_plain_ram_mut()?;
        whole(self.0, a.as_slice()?, b.as_slice()?, view.as_slice_mut()?)?;
        Ok(tvec!(output.into_tvalue()))
    }
}
