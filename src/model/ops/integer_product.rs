//! Products of int64, uint32, uint64 and 16-bit integers, for which the engine has no kernels.
//!
//! In: what an `EinSum` of these takes. Out: the same product, which goes through all elements one by one and wraps around, as
//! ONNX Runtime's does.

use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::einsum::EinSum;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct IntegerProduct(EinSum);

impl IntegerProduct {
    /// In the place of `product`, where its types are these and nothing else is.
    pub(crate) fn of(product: &EinSum, types: &[DatumType]) -> Option<Self> {
        let whole = matches!(
            product.operating_dt,
            DatumType::I64 | DatumType::U64 | DatumType::U32 | DatumType::I16 | DatumType::U16
        );
        let same = types.iter().all(|t| *t == product.operating_dt);
        (whole && same && product.q_params.is_none()).then(|| Self(product.clone()))
    }
}

impl Op for IntegerProduct {
    fn name(&self) -> StaticName {
        "IntegerProduct".into()
    }

    op_as_typed_op!();
}

/// How far the next element along an axis is, in each input.
struct Way {
    size: usize,
    steps: TVec<usize>,
}

impl IntegerProduct {
    /// The ways along the axes of the output in order, and along those that are summed up.
    fn ways(&self, shapes: &[&[usize]]) -> TractResult<(Vec<Way>, Vec<Way>)> {
        let mut out: Vec<(usize, Way)> = vec![];
        let mut summed = vec![];
        for axis in self.0.axes.iter_all_axes() {
            let mut way = Way { size: 1, steps: tvec!(0; shapes.len()) };
            for (slot, shape) in shapes.iter().enumerate() {
                for at in &axis.inputs[slot] {
                    let inner: usize = shape[at + 1..].iter().product();
                    // What is of length 1 is there for every place.
                    if shape[*at] != 1 {
                        ensure!(
                            way.size == 1 || way.size == shape[*at],
                            "sizes along an axis differ"
                        );
                        way.size = shape[*at];
                        way.steps[slot] += inner;
                    }
                }
            }
            match axis.outputs[0].first() {
                Some(place) => out.push((*place, way)),
                None => summed.push(way),
            }
        }
        out.sort_by_key(|(place, _)| *place);
        Ok((out.into_iter().map(|(_, way)| way).collect(), summed))
    }
}

/// Goes through every place of some ways; gives where each input is.
fn walk(ways: &[Way], from: &[usize], visit: &mut impl FnMut(&[usize])) {
    let Some((first, rest)) = ways.split_first() else { return visit(from) };
    let mut at: TVec<usize> = from.into();
    for _ in 0..first.size {
        walk(rest, &at, visit);
        at.iter_mut().zip(&first.steps).for_each(|(at, step)| *at += step);
    }
}

/// The elements as 64 bits: arithmetic that wraps around is the same for all of them.
fn bits(tensor: &Tensor) -> TractResult<Vec<u64>> {
    let plain = tensor.try_as_plain_ram()?;
    Ok(match tensor.datum_type() {
        DatumType::I64 => plain.as_slice::<i64>()?.iter().map(|v| v.cast_unsigned()).collect(),
        DatumType::U64 => plain.as_slice::<u64>()?.to_vec(),
        DatumType::U32 => plain.as_slice::<u32>()?.iter().map(|v| u64::from(*v)).collect(),
        DatumType::U16 => plain.as_slice::<u16>()?.iter().map(|v| u64::from(*v)).collect(),
        DatumType::I16 => {
            plain.as_slice::<i16>()?.iter().map(|v| i64::from(*v).cast_unsigned()).collect()
        }
        other => bail!("a product of {other:?}"),
    })
}

impl EvalOp for IntegerProduct {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let shapes: TVec<&[usize]> = inputs.iter().map(|i| i.shape()).collect();
        let (out, summed) = self.ways(&shapes)?;
        let values = inputs.iter().map(|i| bits(i)).collect::<TractResult<Vec<_>>>()?;
        let mut made: Vec<u64> = vec![];
        walk(&out, &tvec!(0; inputs.len()), &mut |from| {
            let mut sum = 0u64;
            walk(&summed, from, &mut |at| {
                let factors = values.iter().zip(at).map(|(values, at)| values[*at]);
                sum = sum.wrapping_add(factors.fold(1, u64::wrapping_mul));
            });
            made.push(sum);
        });
        let shape: TVec<usize> = out.iter().map(|way| way.size).collect();
        let tensor = match self.0.operating_dt {
            DatumType::I64 => {
                let made: Vec<i64> = made.into_iter().map(u64::cast_signed).collect();
                Tensor::from_shape(&shape, &made)?
            }
            DatumType::U32 => {
                let made: Vec<u32> = made.into_iter().map(|v| v as u32).collect();
                Tensor::from_shape(&shape, &made)?
            }
            DatumType::U16 => {
                let made: Vec<u16> = made.into_iter().map(|v| v as u16).collect();
                Tensor::from_shape(&shape, &made)?
            }
            DatumType::I16 => {
                let made: Vec<i16> = made.into_iter().map(|v| v as i16).collect();
                Tensor::from_shape(&shape, &made)?
            }
            _ => Tensor::from_shape(&shape, &made)?,
        };
        Ok(tvec!(tensor.into_tvalue()))
    }
}

impl TypedOp for IntegerProduct {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.0.output_facts(inputs)
    }

    as_op!();
}
