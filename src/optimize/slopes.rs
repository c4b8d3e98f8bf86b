//! A choice between a value and a multiple of it, by its sign, becomes one function.
//!
//! In: `PRelu` as imported: a comparison with 0, a product, a choice. Out: the engine's `LeakyRelu` where the slope is one
//! constant of float32, with the same bits; convolutions take it in. A slope for each channel becomes part of the
//! convolution before it, once nothing else can.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::logic::{CompGT, CompLT, Iff};
use tract_onnx::tract_core::ops::math::Mul;
use tract_onnx::tract_core::ops::nn::leaky_relu;

use super::constant;
use crate::cpu::convolution::Convolution;
use crate::scalar::Scalar as _;

pub(super) fn slopes(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        if let Some(patch) = slope(&model, model.node(id))? {
            patch.apply(&mut model)?;
        }
    }
    Ok(model)
}

fn slope(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!((x, factor) = sloped(model, node)?);
    rule_if_some!(slope = one(model, factor)?);
    TypedModelPatch::replace_single_op(model, node, &[x], leaky_relu(slope)).map(Some)
}

/// What is chosen or multiplied, and by what.
fn sloped(model: &TypedModel, node: &TypedNode) -> TractResult<Option<(OutletId, OutletId)>> {
    rule_if!(node.op_is::<Iff>() && node.inputs.len() == 3);
    let [negative, multiple, x] = node.inputs[..] else { return Ok(None) };
    let fact = model.outlet_fact(x)?;
    rule_if!(fact.datum_type == DatumType::F32 && fact.shape == node.outputs[0].fact.shape);
    let greater = operands::<CompGT>(model, negative);
    let less = operands::<CompLT>(model, negative).map(|[compared, zero]| [zero, compared]);
    rule_if_some!([zero, compared] = greater.or(less));
    rule_if_some!([a, b] = operands::<Mul>(model, multiple));
    rule_if!(compared == x && one(model, zero)? == Some(0.));
    let (factor, other) = if a == x { (b, a) } else { (a, b) };
    rule_if!(other == x);
    Ok(Some((x, factor)))
}

/// A slope for each channel of a convolution that only this reads.
pub(super) fn channels(
    model: &TypedModel,
    node: &TypedNode,
) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!((x, factor) = sloped(model, node)?);
    let made = model.node(x.node);
    rule_if_some!(op = made.op_as::<Convolution>());
    let [negative, multiple, _] = node.inputs[..] else { return Ok(None) };
    let inside = [negative.node, multiple.node];
    let given = |id: usize| model.outputs.iter().any(|outlet| outlet.node == id);
    let read_by = |id: usize, who: &[usize]| {
        model.node(id).outputs[0].successors.iter().all(|reader| who.contains(&reader.node))
    };
    rule_if!(!given(made.id) && read_by(made.id, &[inside[0], inside[1], node.id]));
    rule_if!(inside.iter().all(|id| !given(*id) && read_by(*id, &[node.id])));
    rule_if_some!(slopes = constant(model, factor)?);
    rule_if_some!(op = op.with_slopes(slopes));
    let mut patch = TypedModelPatch::default();
    let inputs = patch.taps(model, &made.inputs)?;
    let wire = patch.wire_node(&made.name, op, &inputs)?;
    patch.shunt_outside(model, node.id.into(), wire[0])?;
    Ok(Some(patch))
}

/// What a binary operator reads.
fn operands<O: BinMiniOp>(model: &TypedModel, outlet: OutletId) -> Option<[OutletId; 2]> {
    let node = model.node(outlet.node);
    let op = node.op_as::<TypedBinOp>().filter(|op| op.0.is::<O>() && op.1.is_none());
    op.and_then(|_| node.inputs[..].try_into().ok())
}

/// The value of a constant of float32 that has one.
fn one(model: &TypedModel, outlet: OutletId) -> TractResult<Option<f32>> {
    rule_if_some!(konst = constant(model, outlet)?);
    rule_if!(konst.len() == 1 && konst.datum_type() == DatumType::F32);
    konst.number::<f32>().map(Some)
}
