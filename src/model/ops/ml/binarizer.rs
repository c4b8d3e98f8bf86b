//! `Binarizer`: 1 where a value is over the threshold, else 0.
//!
//! In: numbers. Out: the same type and shape.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::comp_gt;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Fact, Kernel, Wiring, numeric, operator, per_column};

#[derive(Debug)]
struct Binarizer {
    threshold: f32,
}

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    operator(Binarizer { threshold: node.get_attr_opt("threshold")?.unwrap_or(0.0) })
}

impl Kernel for Binarizer {
    fn name(&self) -> &'static str {
        "Binarizer"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        numeric(&inputs[0])?;
        Ok(tvec!(inputs[0].clone()))
    }

    fn lower(
        &self,
        wiring: &mut Wiring,
        inputs: &[OutletId],
    ) -> TractResult<Option<TVec<OutletId>>> {
        let fact = wiring.fact(inputs[0])?.clone();
        // float64 holds every float32 and every integer that matters beside a float32 threshold.
        let dt = if fact.datum_type == DatumType::F32 { DatumType::F32 } else { DatumType::F64 };
        let threshold = per_column(&[self.threshold], &fact.shape)?.cast_to_dt(dt)?.into_owned();
        let threshold = wiring.constant(threshold)?;
        let x = wiring.cast(inputs[0], dt)?;
        let over = wiring.wire(TypedBinOp(comp_gt(), None), &[x, threshold])?;
        Ok(Some(tvec!(wiring.cast(over, fact.datum_type)?)))
    }
}
