//! `Normalizer`: each row over its largest value, its sum of magnitudes or its length.
//!
//! In: a table. Out: float32. A row whose norm is 0 stays as it is.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Fact, Kernel, numeric, operator, table};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Normalizer {
    Max,
    L1,
    L2,
}

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let norm: Option<&str> = node.get_attr_opt("norm")?;
    operator(match norm.unwrap_or("MAX") {
        "MAX" => Normalizer::Max,
        "L1" => Normalizer::L1,
        "L2" => Normalizer::L2,
        other => bail!("norm {other} is unknown"),
    })
}

impl Kernel for Normalizer {
    fn name(&self) -> &'static str {
        "Normalizer"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        numeric(&inputs[0])?;
        ensure!(table(&inputs[0].1)?.1 != 0.to_dim(), "its input has no columns");
        Ok(tvec!((DatumType::F32, inputs[0].1.clone())))
    }

    fn eval(&self, inputs: &[TValue]) -> TractResult<TVec<Tensor>> {
        let (_, columns) = table(inputs[0].shape())?;
        let mut output = inputs[0].cast_to::<f32>()?.into_owned();
        let mut view = output.try_as_plain_ram_mut()?;
        for row in view.as_slice_mut::<f32>()?.chunks_exact_mut(columns.max(1)) {
            let norm = match self {
                // The largest value itself, not the largest magnitude: so ONNX Runtime reads MAX.
                Self::Max => row.iter().copied().fold(f32::NEG_INFINITY, f32::max),
                Self::L1 => row.iter().map(|x| x.abs()).sum(),
                Self::L2 => row.iter().map(|x| x * x).sum::<f32>().sqrt(),
            };
            if norm != 0. {
                row.iter_mut().for_each(|x| *x /= norm);
            }
        }
        Ok(tvec!(output))
    }
}
