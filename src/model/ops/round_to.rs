//! The last step of every quantisation, in one pass: float32 to integers of 8 or 16 bits.
//!
//! In: values in steps of the scale. Out: `saturate(round(x) + zero)`, halves to even.

use tract_onnx::tract_hir::internal::*;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RoundTo {
    pub(super) dtype: DatumType,
    pub(super) zero: i32,
}

/// The least and the greatest value of an integer type that quantisation gives.
pub(super) fn range(dtype: DatumType) -> TractResult<(i32, i32)> {
    Ok(match dtype {
        DatumType::U8 => (0, 255),
        DatumType::I8 => (-128, 127),
        DatumType::U16 => (0, 65535),
        DatumType::I16 => (-32768, 32767),
        _ => bail!("no quantisation to {dtype:?}"),
    })
}

impl RoundTo {
    fn run<T: Datum + Copy>(
        &self,
        input: &[f32],
        output: &mut Tensor,
        narrow: impl Fn(i32) -> T,
    ) -> TractResult<()> {
        // Adding this leaves no bits below 1, so the addition rounds; it vectorises everywhere.
        const ROUNDER: f32 = 12_582_912.;
        let (low, high) = range(self.dtype)?;
        let (low, high) = ((low - self.zero) as f32, (high - self.zero) as f32);
        let mut output = output.try_as_plain_ram_mut()?;
        for (x, y) in input.iter().zip(output.as_slice_mut::<T>()?) {
            let rounded = (x.max(low).min(high) + ROUNDER) - ROUNDER;
            *y = narrow(rounded as i32 + self.zero);
        }
        Ok(())
    }
}

impl Op for RoundTo {
    fn name(&self) -> StaticName {
        "RoundTo".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![format!("{:?}, zero point {}", self.dtype, self.zero)])
    }

    op_as_typed_op!();
}

impl EvalOp for RoundTo {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut y = Tensor::zero_dt(self.dtype, inputs[0].shape())?;
        let plain = inputs[0].try_as_plain_ram()?;
        let x = plain.as_slice::<f32>()?;
        match self.dtype {
            DatumType::U8 => self.run(x, &mut y, |v| v as u8)?,
            DatumType::I8 => self.run(x, &mut y, |v| v as i8)?,
            DatumType::U16 => self.run(x, &mut y, |v| v as u16)?,
            _ => self.run(x, &mut y, |v| v as i16)?,
        }
        Ok(tvec!(y.into_tvalue()))
    }
}

impl TypedOp for RoundTo {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let (low, high) = range(self.dtype)?;
        ensure!((low..=high).contains(&self.zero), "a zero point of {}", self.zero);
        ensure!(inputs[0].datum_type == DatumType::F32, "rounding {:?}", inputs[0].datum_type);
        Ok(tvec!(self.dtype.fact(inputs[0].shape.clone())))
    }

    fn axes_mapping(
        &self,
        inputs: &[&TypedFact],
        outputs: &[&TypedFact],
    ) -> TractResult<AxesMapping> {
        AxesMapping::natural(inputs, outputs)
    }

    fn change_axes(
        &self,
        model: &TypedModel,
        node: &TypedNode,
        _io: InOut,
        change: &AxisOp,
    ) -> TractResult<Option<AxisChangeConsequence>> {
        Ok(Some(AxisChangeConsequence::new(model, node, None, change)))
    }

    as_op!();
}
