//! A division of floats that stays one.
//!
//! In: two tensors of one rank that broadcast. Out: their quotient. The engine's optimiser makes a
//! product with the reciprocal of every division, which is off in the last bit; where the quotient
//! is rounded to an integer next, that is a whole step.

use tract_onnx::tract_hir::internal::*;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Quotient;

crate::codec::fields! { Quotient {} }

impl Op for Quotient {
    fn name(&self) -> StaticName {
        "Quotient".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Quotient {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (a, b) = args_2!(inputs);
        let double = a.datum_type() == DatumType::F64;
        let a = a.into_tensor();
        let y = if double { run::<f64>(a, &b) } else { run::<f32>(a, &b) };
        Ok(tvec!(y?.into_tvalue()))
    }
}

fn run<T: Datum + Copy + std::ops::Div<Output = T>>(
    mut a: Tensor,
    b: &Tensor,
) -> TractResult<Tensor> {
    let divisor = b.try_as_plain_ram()?;
    if let [one] = divisor.as_slice::<T>()?
        && b.rank() <= a.rank()
    {
        a.try_as_plain_ram_mut()?.as_slice_mut::<T>()?.iter_mut().for_each(|x| *x = *x / *one);
        return Ok(a);
    }
    let shape = tract_onnx::tract_core::broadcast::multi_broadcast(&[a.shape(), b.shape()])?;
    let (a, b) = (a.to_plain_array_view::<T>()?, b.to_plain_array_view::<T>()?);
    let a = a.broadcast(&*shape).context("the dividend does not broadcast")?;
    let b = b.broadcast(&*shape).context("the divisor does not broadcast")?;
    Ok(tract_ndarray::Zip::from(&a).and(&b).map_collect(|a, b| *a / *b).into_tensor())
}

impl TypedOp for Quotient {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let dtype = inputs[0].datum_type;
        let float = matches!(dtype, DatumType::F32 | DatumType::F64);
        ensure!(float && inputs[1].datum_type == dtype, "a quotient of {dtype:?}");
        let shape = tract_onnx::tract_core::broadcast::multi_broadcast(&[
            &inputs[0].shape,
            &inputs[1].shape,
        ])?;
        Ok(tvec!(dtype.fact(shape)))
    }

    as_op!();
}
