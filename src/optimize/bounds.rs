//! Indices and divisors that a run computes or is given are checked before they are used.
//!
//! In: a graph with gathers, scatters and divisions of integers. Out: the same graph, where indices
//! and divisors that are no constants pass [`CheckIndices`] or [`CheckDivisors`] first, and no constant index is out of
//! range. The engine
//! trusts them: an index that is out of range reads its neighbour's values, or panics, as a division
//! by zero does, where the caller should be told which value is wrong.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{OneHot, Topk};
use tract_onnx::tract_core::ops::binary::TypedBinOp;

use super::{places, sound};
use crate::codec::fields;

/// A value that no plan can compute with, so that none but the first is tried: another one might take
/// the input for a constant, and compute with it unchecked while it plans.
#[derive(Debug)]
pub(crate) struct BadValue(String);

impl BadValue {
    /// What an index of an axis of `length` is that has no place there.
    pub(crate) fn index(index: i64, length: i64) -> Self {
        Self(format!("is given the index {index}, which is not in -{length}..{length}"))
    }

    fn of(self, user: &str) -> Self {
        Self(format!("`{user}` {}", self.0))
    }
}

impl std::fmt::Display for BadValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadValue {}

/// Passes indices on if each is in `-n..n`, those from the end counted from the front, which not every
/// operator does itself; with several lengths, the innermost axis counts them off.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CheckIndices {
    pub(crate) user: String,
    pub(crate) lengths: Vec<usize>,
}

impl Op for CheckIndices {
    fn name(&self) -> StaticName {
        "CheckIndices".into()
    }

    op_as_typed_op!();
}

impl EvalOp for CheckIndices {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let indices = inputs[0].cast_to::<i64>()?;
        let view = indices.try_as_plain_ram()?;
        within(view.as_slice::<i64>()?, &self.lengths, &self.user)?;
        if view.as_slice::<i64>()?.iter().all(|value| *value >= 0) {
            return Ok(inputs);
        }
        let mut indices = indices.into_owned();
        let mut view = indices.try_as_plain_ram_mut()?;
        let pairs = view.as_slice_mut::<i64>()?.iter_mut().zip(self.lengths.iter().cycle());
        pairs.filter(|(v, _)| **v < 0).for_each(|(value, length)| *value += *length as i64);
        Ok(tvec!(indices.cast_to_dt(inputs[0].datum_type())?.into_owned().into_tvalue()))
    }
}

/// Fails where an index is not in `-n..n`.
pub(super) fn within(indices: &[i64], lengths: &[usize], user: &str) -> TractResult<()> {
    for (value, length) in indices.iter().zip(lengths.iter().cycle()) {
        let length = *length as i64;
        if !(-length..length).contains(value) {
            bail!(BadValue::index(*value, length).of(user));
        }
    }
    Ok(())
}

impl TypedOp for CheckIndices {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }

    as_op!();
}

/// The input of an operator that holds indices, and the lengths that bound them, where there is anything to check.
fn lengths(
    op: &dyn TypedOp,
    inputs: &[&TypedFact],
    user: &str,
) -> TractResult<Option<(usize, Vec<usize>)>> {
    if let Some(op) = op.downcast_ref::<OneHot>() {
        return Ok(Some((0, vec![op.dim])));
    }
    let [data, indices, ..] = inputs else { return Ok(None) };
    if !indices.datum_type.is_integer() {
        return Ok(None);
    }
    let length = |axis: usize| data.shape.get(axis).and_then(|dim| dim.to_usize().ok());
    if let Some(op) = op.downcast_ref::<Topk>() {
        // As many as there are is no index, but may be asked for; a plan knows a constant count.
        let most = length(op.axis).filter(|_| indices.konst.is_none());
        return Ok(most.map(|length| (1, vec![length + 1])));
    }
    let axes = if let Some(axis) = places::axis(op) {
        axis..axis + 1
    } else if let Some(batch) = places::batch(op) {
        let depth = indices.shape.last().and_then(|dim| dim.to_usize().ok()).unwrap_or(0);
        batch..batch + depth
    } else {
        return Ok(None);
    };
    let lengths: Option<Vec<usize>> = axes.map(length).collect();
    let Some(lengths) = lengths.filter(|lengths| !lengths.is_empty()) else { return Ok(None) };
    let Some(known) = &indices.konst else { return Ok(Some((1, lengths))) };
    let known = known.cast_to::<i64>()?;
    within(known.try_as_plain_ram()?.as_slice::<i64>()?, &lengths, user)?;
    // These take no index from the end, be it constant.
    Ok(places::batch(op).map(|_| (1, lengths)))
}

/// The inputs of a node of which only a run knows the sizes, once they are held against each other as a plan does with
/// what it knows.
pub(crate) fn held(node: &TypedNode, mut inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
    let facts = inputs.iter().map(|i| TypedFact::dt_shape(i.datum_type(), i.shape()));
    let facts: TVec<TypedFact> = facts.collect();
    let facts: TVec<&TypedFact> = facts.iter().collect();
    let op = node.op.as_ref();
    sound::checked(op, &facts, true).with_context(|| format!("`{}` ({})", node.name, op.name()))?;
    if let Some((slot, lengths)) = lengths(op, &facts, &node.name)?
        && let Some(indices) = inputs.get_mut(slot)
    {
        let check = CheckIndices { user: node.name.clone(), lengths };
        let found = check.eval(&EvalContext::out_of_plan(), tvec!(indices.clone()))?;
        found.into_iter().for_each(|checked| *indices = checked);
    }
    Ok(inputs)
}

fields! {
    CheckDivisors { user }
    CheckIndices { user, lengths }
}

/// Passes integers on if none is zero.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CheckDivisors {
    pub(crate) user: String,
}

impl Op for CheckDivisors {
    fn name(&self) -> StaticName {
        "CheckDivisors".into()
    }

    op_as_typed_op!();
}

impl EvalOp for CheckDivisors {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let divisors = &inputs[0];
        let size = divisors.datum_type().size_of();
        let zero = |bytes: &[u8]| bytes.iter().all(|b| *b == 0);
        let some = divisors.len() > 0 && divisors.as_bytes().chunks_exact(size).any(zero);
        if some {
            bail!(BadValue(format!("`{}` divides an integer by zero", self.user)));
        }
        Ok(inputs)
    }
}

impl TypedOp for CheckDivisors {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }

    as_op!();
}

/// Whether a node divides integers by what is no constant.
fn divides(model: &TypedModel, node: &TypedNode) -> TractResult<bool> {
    let Some(op) = node.op_as::<TypedBinOp>().filter(|op| ["Div", "Rem"].contains(&op.0.name()))
    else {
        return Ok(false);
    };
    let divisor = model.outlet_fact(node.inputs[1])?;
    Ok(op.1.is_none() && divisor.datum_type.is_integer() && divisor.konst.is_none())
}

pub(super) fn check_divisors(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let before = || model.node(node.inputs[1].node).op_is::<CheckDivisors>();
        if !divides(&model, node)? || before() {
            continue;
        }
        let check = CheckDivisors { user: node.name.clone() };
        let mut patch = TypedModelPatch::default();
        let mut inputs = patch.taps(&model, &node.inputs)?;
        inputs[1] = patch.wire_node(format!("{}.divisors", node.name), check, &[inputs[1]])?[0];
        let outputs = patch.wire_node(&node.name, node.op.clone(), &inputs)?;
        patch.shunt_outside(&model, OutletId::new(id, 0), outputs[0])?;
        patch.apply(&mut model)?;
    }
    Ok(model)
}

pub(super) fn check_indices(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let found = lengths(node.op.as_ref(), &model.node_input_facts(id)?, &node.name)?;
        let Some((slot, lengths)) = found else { continue };
        let before = model.node(node.inputs[slot].node).op_as::<CheckIndices>();
        if before.is_some_and(|check| check.lengths == lengths) {
            continue;
        }
        let check = CheckIndices { user: node.name.clone(), lengths };
        let mut patch = TypedModelPatch::default();
        let mut inputs = patch.taps(&model, &node.inputs)?;
        let name = format!("{}.indices", node.name);
        inputs[slot] = patch.wire_node(name, check, &[inputs[slot]])?[0];
        let outputs = patch.wire_node(&node.name, node.op.clone(), &inputs)?;
        patch.shunt_outside(&model, OutletId::new(id, 0), outputs[0])?;
        patch.apply(&mut model)?;
    }
    Ok(model)
}
