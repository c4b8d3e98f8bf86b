//! Functions along an axis whose values do not lie side by side, or are few: softmax, and where the greatest lies.
//!
//! In: a tensor. Out: of the same shape, or with 1 where the axis was. What runs along long last axes stays the engine's.

use nearside_kernels::along::{self, Compared};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::work::{Work, blank};

/// What is computed along the axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Along {
    /// Of float32, in place where nobody else reads the input.
    Softmax,
    /// int64, of float32 or 8-bit integers: the first of equal ones, or the last.
    ArgMax { last: bool },
}

pub(crate) struct AlongAxis {
    pub(crate) along: Along,
    /// What lies before the axis, along it, and behind it.
    pub(crate) sizes: [usize; 3],
}

impl Work for AlongAxis {
    fn name(&self) -> &'static str {
        match self.along {
            Along::Softmax => "SoftmaxAlong",
            Along::ArgMax { .. } => "ArgMaxAlong",
        }
    }

    fn run(&self, mut inputs: TVec<TValue>, facts: &[TypedFact]) -> TractResult<TVec<TValue>> {
        let input = inputs.remove(0);
        let last = match self.along {
            Along::ArgMax { last } => last,
            Along::Softmax => {
                let mut x = input.into_tensor();
                along::softmax(self.sizes, x.try_as_plain_ram_mut()?.as_slice_mut()?)?;
                return Ok(tvec!(x.into_tvalue()));
            }
        };
        let view = input.try_as_plain_ram()?;
        let values = match input.datum_type() {
            DatumType::F32 => Compared::F32(view.as_slice()?),
            DatumType::U8 => Compared::U8(view.as_slice()?),
            DatumType::I8 => Compared::I8(view.as_slice()?),
            other => bail!("the greatest of {other:?}"),
        };
        let mut output = blank(facts, 0)?;
        let mut view = output.try_as_plain_ram_mut()?;
        along::arg_max(self.sizes, &values, last, view.as_slice_mut()?)?;
        Ok(tvec!(output.into_tvalue()))
    }
}
