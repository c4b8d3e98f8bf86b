//! The last step of every quantisation, in one pass: float32 to integers of 8 or 16 bits.
//!
//! In: values in steps of the scale. Out: `saturate(round(x) + zero)`, halves to even.

use nearside_kernels::quantize::{self, Quanta};
use tract_onnx::tract_hir::internal::*;

use crate::reuse;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RoundTo {
    pub(crate) dtype: DatumType,
    pub(crate) zero: i32,
}

crate::codec::fields! { RoundTo { dtype, zero } }

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
    /// The least and the greatest value that it gives.
    #[cfg(feature = "gpu")]
    pub(crate) fn range(&self) -> TractResult<(i32, i32)> {
        range(self.dtype)
    }

    /// Where a tensor of this type is written.
    pub(crate) fn quanta<'a>(&self, view: &'a mut PlainViewMut<'_>) -> TractResult<Quanta<'a>> {
        Ok(match self.dtype {
            DatumType::U8 => Quanta::U8(view.as_slice_mut()?),
            DatumType::I8 => Quanta::I8(view.as_slice_mut()?),
            DatumType::U16 => Quanta::U16(view.as_slice_mut()?),
            _ => Quanta::I16(view.as_slice_mut()?),
        })
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
        let mut y = reuse::tensor(self.dtype, inputs[0].shape())?;
        let x = inputs[0].try_as_plain_ram()?;
        let mut view = y.try_as_plain_ram_mut()?;
        quantize::round(x.as_slice::<f32>()?, self.zero, self.quanta(&mut view)?);
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
