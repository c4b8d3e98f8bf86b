//! Images of another size: weighted sums of neighbours.
//!
//! In: an image of float32 whose rows and columns change, columns of so many elements each. Out: sums of neighbours. What
//! each row and column of the output is made of was found when the plan was made.

use nearside_kernels::resample::{self, Taps};
use tract_onnx::prelude::*;

use super::floats;
use super::work::{Work, blank};

pub(crate) struct Resampling {
    /// Height and width of the input.
    pub(crate) image: [usize; 2],
    pub(crate) rows: Taps,
    pub(crate) columns: Taps,
}

impl Work for Resampling {
    fn name(&self) -> &'static str {
        "Resampling"
    }

    fn run(&self, inputs: TVec<TValue>, facts: &[TypedFact]) -> TractResult<TVec<TValue>> {
        let mut output = blank(facts, 0)?;
        let mut view = output.try_as_plain_ram_mut()?;
        let out = view.as_slice_mut::<f32>()?;
        resample::weighted(self.image, &self.rows, &self.columns, floats(&inputs[0])?, out)?;
        Ok(tvec!(output.into_tvalue()))
    }
}
