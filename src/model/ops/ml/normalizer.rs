//! `Normalizer`: each row over its largest value, its sum of magnitudes or its length.
//!
//! In: a table. Out: float32. A row whose norm is 0 stays as it is.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::{Iff, comp_eq};
use tract_onnx::tract_core::ops::math::{abs, div, sqrt, square};
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Fact, Kernel, Wiring, numeric, operator, per_column, table};

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

    fn lower(
        &self,
        wiring: &mut Wiring,
        inputs: &[OutletId],
    ) -> TractResult<Option<TVec<OutletId>>> {
        let x = wiring.cast(inputs[0], DatumType::F32)?;
        let shape = wiring.fact(x)?.shape.to_tvec();
        let axes = tvec!(shape.len() - 1);
        let reduce = |reducer| Reduce { axes: axes.clone(), reducer };
        // The largest value itself, not the largest magnitude: so ONNX Runtime reads MAX.
        let mut norm = match self {
            Self::Max => wiring.wire(reduce(Reducer::Max), &[x])?,
            Self::L1 => {
                let magnitudes = wiring.wire(abs(), &[x])?;
                wiring.wire(reduce(Reducer::Sum), &[magnitudes])?
            }
            Self::L2 => {
                let squares = wiring.wire(square(), &[x])?;
                wiring.wire(reduce(Reducer::Sum), &[squares])?
            }
        };
        if *self == Self::L2 {
            norm = wiring.wire(sqrt(), &[norm])?;
        }
        let zero = wiring.constant(per_column(&[0f32], &shape)?)?;
        let one = wiring.constant(per_column(&[1f32], &shape)?)?;
        let is_zero = wiring.wire(TypedBinOp(comp_eq(), None), &[norm, zero])?;
        let norm = wiring.wire(Iff, &[is_zero, one, norm])?;
        Ok(Some(tvec!(wiring.wire(div(), &[x, norm])?)))
    }
}
