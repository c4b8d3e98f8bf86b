//! A value that is quantised only to be taken back becomes one operator.
//!
//! In: `DequantizeLinear` of `QuantizeLinear` of 8 bits with one scale each, as a QDQ model has around every operator.
//! Out: [`RoundTrip`], which gives the same bits in one pass instead of three.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::quant::DequantizeLinearF32;

use super::constant;
use crate::cpu::round_trip::RoundTrip;
use crate::model::ops::{Quotient, RoundTo};
use crate::scalar::Scalar as _;

pub(super) fn round_trips(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        if let Some(patch) = round_trip(&model, model.node(id))? {
            patch.apply(&mut model)?;
        }
    }
    Ok(model)
}

fn round_trip(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!(back = node.op_as::<DequantizeLinearF32>());
    let rounding = model.node(node.inputs[0].node);
    rule_if_some!(round = rounding.op_as::<RoundTo>());
    rule_if!(matches!(round.dtype, DatumType::U8 | DatumType::I8) && round.zero == back.zero_point);
    let division = model.node(rounding.inputs[0].node);
    rule_if!(division.op_is::<Quotient>());
    rule_if_some!(scale = constant(model, division.inputs[1])?);
    rule_if!(scale.len() == 1 && scale.datum_type() == f32::datum_type());
    let shape = |outlet: OutletId| Ok::<_, TractError>(&model.outlet_fact(outlet)?.shape);
    rule_if!(shape(division.inputs[0])? == shape(node.id.into())?);
    let op = RoundTrip { scale: scale.number()?, round: round.clone(), back: back.scale };
    TypedModelPatch::replace_single_op(model, node, &division.inputs[..1], op).map(Some)
}
