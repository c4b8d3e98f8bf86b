//! Matrix products with constant weights become ours.
//!
//! In: the engine's products of 8-bit integers. Out: [`IntegerDense`] where the weights are one constant matrix.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::einsum::EinSum;

use super::constant;
use crate::cpu::integer::IntegerDense;

pub(super) fn products(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let Some(op) = node.op_as::<EinSum>() else { continue };
        let Some(patch) = integers(&model, node, op)? else { continue };
        patch.apply(&mut model)?;
    }
    Ok(model)
}

/// Whether an einsum multiplies the rows of its first input with the matrix that its second input is, but for axes
/// of one.
fn is_dense(op: &EinSum, x: &[usize], weights: &[usize], out: &[usize]) -> bool {
    let (rank, of_weights) = (x.len(), weights.len());
    if rank < 2
        || of_weights < 2
        || out.len() != rank
        || weights[..of_weights - 2].iter().any(|n| *n != 1)
    {
        return false;
    }
    let place = |io: InOut, axis: usize| op.axes.axis((io, axis)).ok();
    let k = place(InOut::In(0), rank - 1);
    let n = place(InOut::Out(0), rank - 1);
    let contracted =
        k.is_some_and(|k| k.inputs[1].as_slice() == [of_weights - 2] && k.outputs[0].is_empty());
    let free =
        n.is_some_and(|n| n.inputs[1].as_slice() == [of_weights - 1] && n.inputs[0].is_empty());
    let kept = |axis| {
        place(InOut::In(0), axis).is_some_and(|a| {
            a.outputs[0].as_slice() == [axis] && a.inputs[1].iter().all(|w| *w + 2 < of_weights)
        })
    };
    contracted && free && (0..rank - 1).all(kept)
}

fn integers(
    model: &TypedModel,
    node: &TypedNode,
    op: &EinSum,
) -> TractResult<Option<TypedModelPatch>> {
    rule_if!(op.q_params == Some(DatumType::I32) && node.inputs.len() == 9);
    let facts = model.node_input_facts(node.id)?;
    rule_if!(facts[..2].iter().all(|f| matches!(f.datum_type, DatumType::U8 | DatumType::I8)));
    rule_if!(facts[3].shape.volume().is_one());
    rule_if_some!(weights = constant(model, node.inputs[1])?);
    rule_if_some!(bias = constant(model, node.inputs[2])?);
    rule_if_some!(zero = constant(model, node.inputs[5])?);
    rule_if!(bias.len() == 1 && bias.cast_to_scalar::<i32>()? == 0);
    rule_if_some!(x = facts[0].shape.as_concrete());
    let out = model.outlet_fact(node.id.into())?;
    rule_if_some!(shape = out.shape.as_concrete());
    let n = shape.last().copied().unwrap_or(0);
    rule_if!(is_dense(op, x, weights.shape(), shape) && n > 0 && weights.len() > 0);
    rule_if!(zero.len() == 1 || zero.len() == n);
    let op = IntegerDense::new(shape, &weights, &zero)?;
    let inputs = [node.inputs[0], node.inputs[3]];
    TypedModelPatch::replace_single_op(model, node, &inputs, op).map(Some)
}
