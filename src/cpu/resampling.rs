//! Images of another size.
//!
//! In: an image whose last two axes change. Out: the same pixels elsewhere, or sums of neighbours. What each row and
//! column of the output is made of was found when the plan was made.

use nearside_kernels::resample::{self, Pixels, Taps};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::floats;

/// Where outputs come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Way {
    /// One pixel each: its row and its column. Of float32 or 8-bit integers.
    Nearest { rows: Vec<usize>, columns: Vec<usize> },
    /// Weighted sums, of float32.
    Weighted { rows: Taps, columns: Taps },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resampling {
    /// Height and width of the input.
    pub(crate) image: [usize; 2],
    /// Of the output.
    pub(crate) shape: TVec<usize>,
    pub(crate) way: Way,
}

// Weights of NaN are merely never equal.
impl Eq for Resampling {}

impl Op for Resampling {
    fn name(&self) -> StaticName {
        "Resampling".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![match &self.way {
            Way::Nearest { .. } => "nearest".into(),
            Way::Weighted { rows, columns } => {
                format!("of {} by {} neighbours", rows.window, columns.window)
            }
        }])
    }

    op_as_typed_op!();
}

impl EvalOp for Resampling {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = &inputs[0];
        let mut output = Tensor::zero_dt(input.datum_type(), &self.shape)?;
        let mut view = output.try_as_plain_ram_mut()?;
        match &self.way {
            Way::Weighted { rows, columns } => {
                let out = view.as_slice_mut::<f32>()?;
                resample::weighted(self.image, rows, columns, floats(input)?, out)?;
            }
            Way::Nearest { rows, columns } => {
                let from = input.try_as_plain_ram()?;
                let pixels = match input.datum_type() {
                    DatumType::F32 => Pixels::F32(from.as_slice()?, view.as_slice_mut()?),
                    DatumType::U8 => Pixels::U8(from.as_slice()?, view.as_slice_mut()?),
                    DatumType::I8 => Pixels::I8(from.as_slice()?, view.as_slice_mut()?),
                    other => bail!("an image of {other:?}"),
                };
                resample::nearest(self.image, rows, columns, pixels)?;
            }
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Resampling {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].datum_type.fact(&self.shape)))
    }

    as_op!();
}
