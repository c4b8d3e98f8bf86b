//! Elements that are elsewhere in the output: resized to the nearest, cut in steps, padded with what is there, turned.
//!
//! In: numbers of any type of 1 or 4 bytes. Out: the same numbers, where a plan found that they go.

use nearside_kernels::moved::Moves;
use tract_onnx::prelude::*;

use super::work::{Work, blank};

pub(crate) struct Moved(pub(crate) Moves);

impl Work for Moved {
    fn name(&self) -> &'static str {
        "Moved"
    }

    fn run(&self, inputs: TVec<TValue>, facts: &[TypedFact]) -> TractResult<TVec<TValue>> {
        let mut output = blank(facts, 0)?;
        let width = output.datum_type().size_of();
        let mut view = output.try_as_plain_ram_mut()?;
        self.0.run(width, inputs[0].try_as_plain_ram()?.as_bytes(), view.as_bytes_mut())?;
        Ok(tvec!(output.into_tvalue()))
    }
}
