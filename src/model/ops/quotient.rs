//! A float32 division that stays one.
//!
//! In: two tensors of one rank that broadcast. Out: their quotient. The engine's optimiser makes a
//! product with the reciprocal of every division, which is off in the last bit; where the quotient
//! is rounded to an integer next, that is a whole step.

use tract_onnx::tract_hir::internal::*;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Quotient;

impl Op for Quotient {
    fn name(&self) -> StaticName {
        "Quotient".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Quotient {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (a, b) = (&inputs[0], &inputs[1]);
        let divisor = b.try_as_plain_ram()?;
        if let [one] = divisor.as_slice::<f32>()?
            && b.rank() <= a.rank()
        {
            let mut y = a.clone().into_tensor();
            y.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?.iter_mut().for_each(|x| *x /= one);
            return Ok(tvec!(y.into_tvalue()));
        }
        let shape = tract_onnx::tract_core::broadcast::multi_broadcast(&[a.shape(), b.shape()])?;
        let (a, b) = (a.to_plain_array_view::<f32>()?, b.to_plain_array_view::<f32>()?);
        let a = a.broadcast(&*shape).context("the dividend does not broadcast")?;
        let b = b.broadcast(&*shape).context("the divisor does not broadcast")?;
        Ok(tvec!((&a / &b).into_tensor().into_tvalue()))
    }
}

impl TypedOp for Quotient {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure!(inputs.iter().all(|i| i.datum_type == DatumType::F32), "a quotient of float32");
        let shape = tract_onnx::tract_core::broadcast::multi_broadcast(&[
            &inputs[0].shape,
            &inputs[1].shape,
        ])?;
        Ok(tvec!(f32::fact(shape)))
    }

    as_op!();
}
