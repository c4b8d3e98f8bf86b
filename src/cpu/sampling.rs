//! Images sampled at places that a run gives.
//!
//! In: images in NCHW and a grid of columns and rows, float32. Out: a value for each place and channel.

use nearside_kernels::sample::{Sampling, sample};
use tract_onnx::prelude::*;

use super::floats;
use super::work::{Work, blank};

pub(crate) struct Sampled {
    pub(crate) how: Sampling,
    /// Of the images.
    pub(crate) image: [usize; 4],
}

impl Work for Sampled {
    fn name(&self) -> &'static str {
        "Sampled"
    }

    fn info(&self) -> String {
        format!("{:?}", self.how)
    }

    fn run(&self, inputs: TVec<TValue>, facts: &[TypedFact]) -> TractResult<TVec<TValue>> {
        let (x, grid) = (floats(&inputs[0])?, floats(&inputs[1])?);
        let mut output = blank(facts, 0)?;
        sample(self.how, self.image, x, grid, output.try_as_plain_ram_mut()?.as_slice_mut()?)?;
        Ok(tvec!(output.into_tvalue()))
    }
}
