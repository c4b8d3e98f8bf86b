//! What follows products of 8-bit integers becomes part of them.
//!
//! In: [`IntegerDense`] and, each read by nobody else, a conversion to float32, a product with a scale, and perhaps a
//! bias, and a function or a rounding. Out: [`FinishedDense`], which gives the same bits without writing what lies between.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::math::{Add, Max, Mul};

use super::constant;
use crate::cpu::activation_of;
use crate::cpu::integer_dense::{End, FinishedDense, IntegerDense};
use crate::model::ops::RoundTo;
use nearside_kernels::Activation;

pub(super) fn finished(
    model: &TypedModel,
    node: &TypedNode,
) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!(dense = node.op_as::<IntegerDense>());
    let columns = dense.shape().last().copied().unwrap_or(0);
    let next = |node: &TypedNode| -> TractResult<Option<usize>> {
        let given = model.outputs.iter().any(|o| o.node == node.id);
        let next = model.single_succ(node.id)?.filter(|_| !given);
        let same =
            |next: &&TypedNode| next.outputs[0].fact.shape.as_concrete() == Some(dense.shape());
        Ok(next.filter(same).map(|next| next.id))
    };
    rule_if_some!(after = next(node)?.map(|id| model.node(id)));
    let mut offsets = None;
    let mut cast = after;
    if let Some(term) = operand::<Add>(after, node) {
        rule_if_some!(values = by_column::<i32>(model, term, columns)?);
        rule_if_some!(after = next(after)?.map(|id| model.node(id)));
        (offsets, cast) = (Some(values), after);
    }
    rule_if!(cast.op_as::<Cast>().is_some_and(|cast| cast.to == DatumType::F32));
    rule_if_some!(product = next(cast)?.map(|id| model.node(id)));
    rule_if_some!(scale = operand::<Mul>(product, cast));
    let mut inputs = tvec!(node.inputs[0], node.inputs[1]);
    let factors = if let Some(factors) = by_column::<f32>(model, scale, columns)? {
        factors
    } else {
        let (scale, factors) = divided(model, scale, columns)?;
        rule_if!(model.outlet_fact(scale)?.shape.volume().is_one());
        rule_if!(model.outlet_fact(scale)?.datum_type == DatumType::F32);
        inputs.push(scale);
        factors
    };
    let mut last = product;
    let mut bias = None;
    if let Some(sum) = next(last)?.map(|id| model.node(id))
        && let Some(term) = operand::<Add>(sum, last)
        && let Some(values) = by_column::<f32>(model, term, columns)?
    {
        (bias, last) = (Some(values), sum);
    }
    let mut end = End::Function(Activation::None);
    if let Some(node) = next(last)?.map(|id| model.node(id)) {
        if let Some(function) = activation_of(node) {
            (end, last) = (End::Function(function), node);
        } else if let Some(round) = node.op_as::<RoundTo>() {
            (end, last) = (End::Rounded(round.clone()), node);
        } else if let Some(bound) = operand::<Max>(node, last)
            && let Some([bound]) = by_column::<f32>(model, bound, columns)?.as_deref()
        {
            (end, last) = (End::Function(Activation::Clamp(*bound, f32::INFINITY)), node);
        }
    }
    let op = FinishedDense { dense: dense.clone(), offsets, factors, bias, end };
    let mut patch = TypedModelPatch::default();
    let taps = patch.taps(model, &inputs)?;
    let wire = patch.wire_node(&last.name, op, &taps)?;
    patch.shunt_outside(model, last.id.into(), wire[0])?;
    Ok(Some(patch))
}

/// What a binary operator has beside what `from` gives it.
fn operand<O: tract_onnx::tract_core::ops::binary::BinMiniOp>(
    node: &TypedNode,
    from: &TypedNode,
) -> Option<OutletId> {
    let op = node.op_as::<TypedBinOp>().filter(|op| op.0.is::<O>() && op.1.is_none());
    op.and_then(|_| node.inputs.iter().find(|input| input.node != from.id).copied())
}

/// A constant with one value, or one for each column.
fn by_column<T: Datum + Copy>(
    model: &TypedModel,
    outlet: OutletId,
    columns: usize,
) -> TractResult<Option<Vec<T>>> {
    rule_if_some!(konst = constant(model, outlet)?);
    rule_if!(konst.datum_type() == T::datum_type());
    let along = konst.len() == columns && konst.shape().last() == Some(&columns);
    rule_if!(konst.len() == 1 || along);
    Ok(Some(konst.try_as_plain_ram()?.as_slice::<T>()?.to_vec()))
}

/// A scale as a value that is known when the model runs, and constant factors of it.
fn divided(
    model: &TypedModel,
    outlet: OutletId,
    columns: usize,
) -> TractResult<(OutletId, Vec<f32>)> {
    let mut outlet = outlet;
    // What only changes the number of axes of one value, or of one for each column.
    loop {
        let node = model.node(outlet.node);
        let fact = model.outlet_fact(outlet)?;
        let one = fact.shape.volume().is_one();
        let row = |fact: &TypedFact| {
            let shape = fact.shape.as_concrete();
            shape.is_some_and(|s| {
                s.last() == Some(&columns) && s.iter().product::<usize>() == columns
            })
        };
        if !node.op_is::<AxisOp>() || !(one || row(fact) && row(model.outlet_fact(node.inputs[0])?))
        {
            break;
        }
        outlet = node.inputs[0];
    }
    let node = model.node(outlet.node);
    if node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Mul>() && op.1.is_none()) {
        for (at, input) in node.inputs.iter().enumerate() {
            if let Some(factors) = by_column(model, *input, columns)? {
                return Ok((node.inputs[1 - at], factors));
            }
        }
    }
    Ok((outlet, vec![1.]))
}
