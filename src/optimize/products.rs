//! Matrix products with constant weights become ours.
//!
//! In: the engine's products of float32 and of 8-bit integers. Out: [`Dense`] and [`IntegerDense`] where the weights are
//! one constant matrix.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::einsum::EinSum;

use super::constant;
use crate::cpu::dense::Dense;
use crate::cpu::integer_dense::IntegerDense;
use crate::scalar::Scalar as _;

pub(super) fn products(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let Some(op) = node.op_as::<EinSum>() else { continue };
        let patch = match op.q_params {
            None => floats(&model, node, op)?,
            Some(_) => integers(&model, node, op)?,
        };
        if let Some(patch) = patch {
            patch.apply(&mut model)?;
        }
    }
    Ok(model)
}

/// Whether an einsum multiplies the rows of its first input with the matrix that its second input is, but for axes
/// of one; the matrix as it is, or `transposed`.
fn is_dense(op: &EinSum, x: &[usize], weights: &[usize], out: &[usize], transposed: bool) -> bool {
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
    let contracted = k.is_some_and(|k| {
        k.inputs[1].as_slice() == [of_weights - 2 + usize::from(transposed)]
            && k.outputs[0].is_empty()
    });
    let free = n.is_some_and(|n| {
        n.inputs[1].as_slice() == [of_weights - 1 - usize::from(transposed)]
            && n.inputs[0].is_empty()
    });
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
    rule_if!(bias.len() == 1 && bias.number::<i32>()? == 0);
    rule_if_some!(x = facts[0].shape.as_concrete());
    let out = model.outlet_fact(node.id.into())?;
    rule_if_some!(shape = out.shape.as_concrete());
    let n = shape.last().copied().unwrap_or(0);
    rule_if!(is_dense(op, x, weights.shape(), shape, false) && n > 0 && weights.len() > 0);
    rule_if!(zero.len() == 1 || zero.len() == n);
    let op = IntegerDense::new(shape, weights, zero)?;
    let inputs = [node.inputs[0], node.inputs[3]];
    TypedModelPatch::replace_single_op(model, node, &inputs, op).map(Some)
}

fn floats(
    model: &TypedModel,
    node: &TypedNode,
    op: &EinSum,
) -> TractResult<Option<TypedModelPatch>> {
    let [x, w] = node.inputs[..] else { return Ok(None) };
    let (fact, out) = (model.outlet_fact(x)?, model.outlet_fact(node.id.into())?);
    rule_if!(
        [fact, out].iter().all(|f| f.datum_type == DatumType::F32)
            && op.operating_dt == DatumType::F32
    );
    rule_if_some!(weights = constant(model, w)?);
    rule_if!(weights.datum_type() == DatumType::F32 && weights.is_plain_ram() && weights.len() > 0);
    rule_if_some!(shape = out.shape.as_concrete());
    rule_if_some!(x = fact.shape.as_concrete());
    rule_if!(!shape.contains(&0) && !x.contains(&0));
    let suits = |transposed: &bool| is_dense(op, x, weights.shape(), shape, *transposed);
    rule_if_some!(transposed = [false, true].into_iter().find(suits));
    rule_if_some!(k = x.last());
    let op = Dense::new(shape, *k, weights, transposed)?;
    TypedModelPatch::replace_single_op(model, node, &node.inputs[..1], op).map(Some)
}
