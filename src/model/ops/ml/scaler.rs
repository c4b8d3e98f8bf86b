//! `Scaler`: `(x - offset) * scale`, by column.
//!
//! In: a table. Out: float32. float64 is scaled before it is rounded, everything else after.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::math::{mul, sub};
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Fact, Kernel, Wiring, numeric, operator, per_column};

#[derive(Debug)]
struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let offset: Vec<f32> = node.get_attr_opt_vec("offset")?.unwrap_or_default();
    let scale: Vec<f32> = node.get_attr_opt_vec("scale")?.unwrap_or_default();
    ensure!(
        !scale.is_empty() && scale.len() == offset.len(),
        "it has {} scales and {} offsets",
        scale.len(),
        offset.len()
    );
    operator(Scaler { offset, scale })
}

impl Kernel for Scaler {
    fn name(&self) -> &'static str {
        "Scaler"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        numeric(&inputs[0])?;
        per_column(&self.scale, &inputs[0].1)?;
        Ok(tvec!((DatumType::F32, inputs[0].1.clone())))
    }

    fn lower(
        &self,
        wiring: &mut Wiring,
        inputs: &[OutletId],
    ) -> TractResult<Option<TVec<OutletId>>> {
        let fact = wiring.fact(inputs[0])?.clone();
        let dt = if fact.datum_type == DatumType::F64 { DatumType::F64 } else { DatumType::F32 };
        let mut x = wiring.cast(inputs[0], dt)?;
        for (values, op) in [(&self.offset, sub()), (&self.scale, mul())] {
            let values = per_column(values, &fact.shape)?.cast_to_dt(dt)?.into_owned();
            let values = wiring.constant(values)?;
            x = wiring.wire(op, &[x, values])?;
        }
        Ok(Some(tvec!(wiring.cast(x, DatumType::F32)?)))
    }
}
