//! Several functions of single elements as one operator.
//!
//! In: float32 or integers of the output's shape, or repeated along some of its axes. Out: float32, or integers that it
//! is rounded to. One decision: what used to be a pass over memory for each function is one for all of them, over an
//! input's own memory where nobody else needs it.

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

    /// The input that becomes the output.
    fn own(&self, inputs: &[TValue]) -> Option<usize> {
        let fits = |(input, repeat): (&TValue, &Repeat)| {
            *repeat == Repeat::Never
                && input.datum_type() == DatumType::F32
                && input.is_exclusive()
                && input.is_plain_ram()
        };
        inputs.iter().zip(&self.repeats).position(fits).filter(|_| self.round.is_none())
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

    fn eval(&self, _ctx: &EvalContext, mut inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let own = self.own(&inputs);
        let mut output = match own {
            Some(at) => inputs.remove(at).into_tensor().into_shape(&self.shape)?,
            None => reuse::tensor(self.dtype(), &self.shape)?,
        };
        let views =
            inputs.iter().map(|x| x.try_as_plain_ram()).collect::<TractResult<TVec<_>>>()?;
        let mut others = inputs.iter().zip(&views);
        let mut given: TVec<Input<'_>> = tvec!();
        for (at, repeat) in self.repeats.iter().enumerate() {
            if own == Some(at) {
                given.push(Input { values: Values::F32(&[]), repeat: Repeat::InPlace });
                continue;
            }
            let (x, view) = others.next().context("an input is missing")?;
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
