//! Several functions of single elements as one operator.
//!
//! In: float32 or integers of the output's shape, or repeated along some of its axes. Out: float32, or integers that it
//! is rounded to. One decision: what used to be
//! a pass over memory for each function is one for all of them.

use nearside_kernels::pointwise::{Input, Output, Program, Repeat, Values};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use crate::model::ops::RoundTo;
use crate::reuse;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pointwise {
    pub(crate) program: Program,
    /// How each input is repeated.
    pub(crate) repeats: Vec<Repeat>,
    /// Of the output.
    pub(crate) shape: TVec<usize>,
    /// What it is rounded to at last.
    pub(crate) round: Option<RoundTo>,
}

// Constants of NaN are merely never equal.
impl Eq for Pointwise {}

impl Pointwise {
    fn dtype(&self) -> DatumType {
        self.round.as_ref().map_or(DatumType::F32, |round| round.dtype)
    }
}

impl Op for Pointwise {
    fn name(&self) -> StaticName {
        "Pointwise".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(self.program.steps.iter().map(|(function, _)| format!("{function:?}")).collect())
    }

    op_as_typed_op!();
}

impl EvalOp for Pointwise {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut output = reuse::tensor(self.dtype(), &self.shape)?;
        let views =
            inputs.iter().map(|x| x.try_as_plain_ram()).collect::<TractResult<TVec<_>>>()?;
        let mut given: TVec<Input<'_>> = tvec!();
        for ((x, view), repeat) in inputs.iter().zip(&views).zip(&self.repeats) {
            let values = match x.datum_type() {
                DatumType::F32 => Values::F32(view.as_slice()?),
                DatumType::U8 => Values::U8(view.as_slice()?),
                DatumType::I8 => Values::I8(view.as_slice()?),
                DatumType::I32 => Values::I32(view.as_slice()?),
                other => bail!("single elements of {other:?}"),
            };
            given.push(Input { values, repeat: *repeat });
        }
        let mut view = output.try_as_plain_ram_mut()?;
        let mut out = match &self.round {
            Some(round) => Output::Rounded(round.zero, round.quanta(&mut view)?),
            None => Output::Floats(view.as_slice_mut()?),
        };
        self.program.run(&given, &mut out)?;
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Pointwise {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(self.dtype().fact(&self.shape)))
    }

    as_op!();
}
