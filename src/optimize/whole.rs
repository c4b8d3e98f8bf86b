//! Products of values that were quantised with weights that were too become products of integers.
//!
//! In: [`Dense`] of what a round trip to 8 bits gives, with weights that are whole multiples of a step, as a QDQ model
//! has them. Out: the quantisation alone, and a [`FinishedDense`]: half as long, and more exact, since the sums are.

use nearside_kernels::steps::multiples;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::quant::DequantizeLinearF32;

use crate::cpu::dense::Dense;
use crate::cpu::integer_dense::{End, FinishedDense, IntegerDense};
use crate::cpu::round_trip::RoundTrip;
use crate::model::ops::{Quotient, RoundTo};

pub(super) fn whole(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!(dense = node.op_as::<Dense>());
    // What only changes shapes may lie between.
    let mut from = node.inputs[0];
    let mut shapings = vec![];
    while let Some(shaping) = model.node(from.node).op_as::<AxisOp>() {
        shapings.push(shaping.clone());
        from = model.node(from.node).inputs[0];
    }
    let source = model.node(from.node);
    let round = if let Some(trip) = source.op_as::<RoundTrip>() {
        Some((trip.round.clone(), trip.back, trip.scale))
    } else if let Some(back) = source.op_as::<DequantizeLinearF32>() {
        let dtype = model.outlet_fact(source.inputs[0])?.datum_type;
        rule_if!(matches!(dtype, DatumType::U8 | DatumType::I8));
        Some((RoundTo { dtype, zero: back.zero_point }, back.scale, f32::NAN))
    } else {
        None
    };
    rule_if_some!((round, back, scale) = round);
    rule_if_some!((k, rows) = dense.rows()?);
    let n = dense.shape().last().copied().unwrap_or(0);
    rule_if!(k > 0 && n > 0);
    rule_if_some!((weights, steps) = multiples(&rows, n));
    let (bias, function) = dense.end();
    let op = FinishedDense {
        dense: IntegerDense::of_shorts(dense.shape(), k, &weights)?,
        offsets: None,
        factors: steps.into_iter().map(|step| step * back).collect(),
        bias,
        end: End::Function(function),
    };
    let mut patch = TypedModelPatch::default();
    let name = &node.name;
    let zero = patch.add_const(format!("{name}.zero"), tensor0(round.zero))?;
    let mut x = patch.tap_model(model, source.inputs[0])?;
    if source.op_is::<RoundTrip>() {
        let rank = patch.outlet_fact(x)?.rank();
        let scale = tensor0(scale).broadcast_into_rank(rank)?;
        let scale = patch.add_const(format!("{name}.scale"), scale)?;
        x = patch.wire_node(format!("{name}.steps"), Quotient, &[x, scale])?[0];
        x = patch.wire_node(format!("{name}.rounded"), round, &[x])?[0];
    }
    for (at, shaping) in shapings.into_iter().rev().enumerate() {
        x = patch.wire_node(format!("{name}.shaped.{at}"), shaping, &[x])?[0];
    }
    let wire = patch.wire_node(name, op, &[x, zero])?;
    patch.shunt_outside(model, node.id.into(), wire[0])?;
    Ok(Some(patch))
}
