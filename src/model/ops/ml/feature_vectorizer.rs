//! `FeatureVectorizer`: tables side by side.
//!
//! In: tables of numbers and the width that each is to have. Out: one float32 table; what is wider is
//! cut, what is narrower is filled with zeros.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Fact, Kernel, numeric, operator};

#[derive(Debug)]
struct FeatureVectorizer {
    widths: Vec<usize>,
}

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let widths: Vec<usize> = node.get_attr_vec("inputdimensions")?;
    ensure!(
        widths.len() == node.input.len(),
        "it has {} inputs and {} inputdimensions",
        node.input.len(),
        widths.len()
    );
    let total = widths.iter().try_fold(0usize, |sum, w| sum.checked_add(*w));
    ensure!(total.is_some_and(|t| t <= i32::MAX as usize), "its inputdimensions are too large");
    operator(FeatureVectorizer { widths })
}

impl Kernel for FeatureVectorizer {
    fn name(&self) -> &'static str {
        "FeatureVectorizer"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let rows = |shape: &[TDim]| if shape.len() == 1 { 1.to_dim() } else { shape[0].clone() };
        ensure!(inputs.iter().all(|f| !f.1.is_empty()), "an input has no dimension");
        let first = rows(&inputs[0].1);
        for fact in inputs {
            numeric(fact)?;
            ensure!(rows(&fact.1) == first, "its inputs have different numbers of rows");
        }
        let width: usize = self.widths.iter().sum();
        Ok(tvec!((DatumType::F32, tvec!(first, width.to_dim()))))
    }

    fn eval(&self, inputs: &[TValue]) -> TractResult<TVec<Tensor>> {
        let shape = inputs[0].shape();
        let rows = if shape.len() == 1 { 1 } else { shape[0] };
        let total: usize = self.widths.iter().sum();
        let mut output = Tensor::zero_dt(DatumType::F32, &[rows, total])?;
        let mut view = output.try_as_plain_ram_mut()?;
        let table = view.as_slice_mut::<f32>()?;
        let mut offset = 0;
        for (input, wanted) in inputs.iter().zip(&self.widths) {
            let input = input.cast_to::<f32>()?;
            let (values, width) = (input.try_as_plain_ram()?, input.len() / rows.max(1));
            let kept = width.min(*wanted);
            for (row, values) in values.as_slice::<f32>()?.chunks_exact(width.max(1)).enumerate() {
                table[row * total + offset..][..kept].copy_from_slice(&values[..kept]);
            }
            offset += wanted;
        }
        Ok(tvec!(output))
    }
}
