//! The greatest or the least along an axis, in order, and where they were.
//!
//! In: float32. Out: the first of each line, and their places as int64.

use nearside_kernels::top::top;
use tract_onnx::prelude::*;

use super::floats;
use super::work::{Work, blank};

pub(crate) struct Top {
    /// What lies before the axis, along it, and behind it.
    pub(crate) sizes: [usize; 3],
    /// How many there are to be of a line.
    pub(crate) count: usize,
    pub(crate) largest: bool,
}

impl Work for Top {
    fn name(&self) -> &'static str {
        "Top"
    }

    fn info(&self) -> String {
        format!("{} of {}", self.count, self.sizes[1])
    }

    fn run(&self, inputs: TVec<TValue>, facts: &[TypedFact]) -> TractResult<TVec<TValue>> {
        let (mut values, mut places) = (blank(facts, 0)?, blank(facts, 1)?);
        let (mut to, mut at) = (values.try_as_plain_ram_mut()?, places.try_as_plain_ram_mut()?);
        let (to, at) = (to.as_slice_mut()?, at.as_slice_mut()?);
        top(self.sizes, self.count, self.largest, floats(&inputs[0])?, to, at)?;
        Ok(tvec!(values.into_tvalue(), places.into_tvalue()))
    }
}
