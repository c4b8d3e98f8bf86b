//! `ArrayFeatureExtractor`: columns by their numbers.
//!
//! In: a tensor and column numbers. Out: these columns of its last dimension; of a vector, as one row.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::Gather;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Fact, Kernel, Wiring, operator};

#[derive(Debug)]
struct ArrayFeatureExtractor;

pub(in super::super) fn build(_: &ParsingContext, _: &NodeProto) -> Built {
    operator(ArrayFeatureExtractor)
}

impl Kernel for ArrayFeatureExtractor {
    fn name(&self) -> &'static str {
        "ArrayFeatureExtractor"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let [(datum_type, shape), (numbers, count)] = inputs else { bail!("wants two inputs") };
        ensure!(numbers.is_integer(), "its column numbers are {numbers:?}");
        ensure!(!shape.is_empty(), "its input has no dimension");
        let mut shape = shape.clone();
        shape.pop();
        if shape.is_empty() {
            shape.push(1.to_dim());
        }
        shape.push(count.iter().product());
        Ok(tvec!((*datum_type, shape)))
    }

    fn lower(
        &self,
        wiring: &mut Wiring,
        inputs: &[OutletId],
    ) -> TractResult<Option<TVec<OutletId>>> {
        let mut x = inputs[0];
        if wiring.fact(x)?.rank() == 1 {
            x = wiring.wire(AxisOp::Add(0), &[x])?;
        }
        let shape = wiring.fact(x)?.shape.to_tvec();
        let axis = shape.len() - 1;
        let width = shape[axis].to_usize().context("its width is not known")?;
        let numbers = wiring.kernel(ColumnNumbers { width }, &inputs[1..])?[0];
        Ok(Some(tvec!(wiring.wire(Gather::new(axis), &[x, numbers])?)))
    }
}

/// Column numbers as a list, refused where there is no such column: the engine's gather takes them
/// on trust.
#[derive(Debug)]
struct ColumnNumbers {
    width: usize,
}

impl Kernel for ColumnNumbers {
    fn name(&self) -> &'static str {
        "ColumnNumbers"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        Ok(tvec!((DatumType::I64, tvec!(inputs[0].1.iter().product()))))
    }

    fn eval(&self, inputs: &[TValue]) -> TractResult<TVec<Tensor>> {
        let numbers = inputs[0].cast_to::<i64>()?.into_owned();
        let count = numbers.len();
        for number in numbers.try_as_plain_ram()?.as_slice::<i64>()? {
            let known = usize::try_from(*number).is_ok_and(|n| n < self.width);
            ensure!(known, "ArrayFeatureExtractor: there is no column {number} of {}", self.width);
        }
        Ok(tvec!(numbers.into_shape(&[count])?))
    }
}
