//! Arithmetic of int64, and of truth.
//!
//! In: two operands, of the output's shape or repeated over it. Out: int64, or bool.

use nearside_kernels::whole::{Whole, truth, whole};
use tract_onnx::prelude::*;

use super::work::{Work, blank};

pub(crate) enum Integers {
    Whole(Whole),
    And,
    Or,
}

impl Work for Integers {
    fn name(&self) -> &'static str {
        "Integers"
    }

    fn run(&self, inputs: TVec<TValue>, facts: &[TypedFact]) -> TractResult<TVec<TValue>> {
        let mut output = blank(facts, 0)?;
        let (a, b) = (inputs[0].try_as_plain_ram()?, inputs[1].try_as_plain_ram()?);
        let mut view = output.try_as_plain_ram_mut()?;
        match self {
            Self::Whole(op) => whole(*op, a.as_slice()?, b.as_slice()?, view.as_slice_mut()?)?,
            Self::And => truth(false, a.as_bytes(), b.as_bytes(), view.as_bytes_mut())?,
            Self::Or => truth(true, a.as_bytes(), b.as_bytes(), view.as_bytes_mut())?,
        }
        Ok(tvec!(output.into_tvalue()))
    }
}
