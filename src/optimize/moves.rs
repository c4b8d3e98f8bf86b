//! What only moves elements becomes one operator of ours, however many it was.
//!
//! In: the engine's operators that cut, step through, pad with what is there, repeat, or turn axes, of concrete sizes, one
//! behind the other and each read by nobody else. Out: [`Moved`]. What merely lies in memory as it did stays: it costs
//! nothing there.

use nearside_kernels::moved::Moves;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{MultiBroadcastTo, Pad, PadMode, Slice, Tile};
use tract_onnx::tract_core::ops::downsample::Downsample;

use super::Stride;
use crate::cpu::moved::Moved;
use crate::cpu::work::Working;

/// What has a size that the kernel moves.
const TYPES: &[DatumType] = &[
    DatumType::F32,
    DatumType::I32,
    DatumType::U32,
    DatumType::I8,
    DatumType::U8,
    DatumType::Bool,
];
/// Elements below which an operator costs what it costs by itself.
const LEAST: usize = 64;

/// Where elements come from.
pub(super) struct Steps {
    /// Of the input.
    from: TVec<usize>,
    /// For each axis of the output which one of the input it goes along, and the places there.
    axes: Vec<(usize, Vec<usize>)>,
}

impl Steps {
    /// Axes as they were, with these places along each.
    pub(super) fn along(from: &[usize], places: Vec<Vec<usize>>) -> Self {
        Self { from: from.into(), axes: places.into_iter().enumerate().collect() }
    }

    /// With other places along one axis.
    fn only(from: &[usize], axis: usize, places: Vec<usize>) -> Self {
        let mut all: Vec<Vec<usize>> = from.iter().map(|n| (0..*n).collect()).collect();
        all[axis] = places;
        Self::along(from, all)
    }

    /// These, and before them others.
    fn after(mut self, before: &Self) -> Option<Self> {
        for (axis, places) in &mut self.axes {
            let (of, known) = before.axes.get(*axis)?;
            *places = places.iter().map(|at| known.get(*at).copied()).collect::<Option<_>>()?;
            *axis = *of;
        }
        Some(Self { from: before.from.clone(), axes: self.axes })
    }
}

/// The operator for these steps; nothing where it would only copy, or is of what the kernel does not know.
pub(super) fn moves(steps: &Steps, node: &TypedNode) -> TractResult<Option<Working>> {
    rule_if!(TYPES.contains(&node.outputs[0].fact.datum_type));
    let mut strides = vec![1; steps.from.len()];
    for axis in (1..strides.len()).rev() {
        strides[axis - 1] = strides[axis] * steps.from[axis];
    }
    let places = steps.axes.iter().map(|(axis, places)| {
        let stride = strides.get(*axis).copied().unwrap_or(1);
        places.iter().map(|at| at * stride).collect()
    });
    let Ok(moves) = Moves::new(&places.collect::<Vec<_>>()) else { return Ok(None) };
    rule_if!(!moves.is_copy());
    Ok(Some(Working::instead(node, Moved(moves))))
}

pub(super) fn moved(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    // The last one of a row takes the others.
    if let Some(next) = only_reader(model, node)
        && steps(model, next)?.is_some()
    {
        return Ok(None);
    }
    rule_if_some!(mut all = steps(model, node)?);
    let mut first = node;
    let mut several = false;
    loop {
        let before = model.node(first.inputs[0].node);
        if only_reader(model, before).is_none() {
            break;
        }
        let Some(more) = steps(model, before)? else { break };
        rule_if_some!(joined = all.after(&more));
        (all, first, several) = (joined, before, true);
    }
    // Cuts alone are the engine's, and many of them take no time at all.
    rule_if!(several || !node.op_is::<Slice>());
    rule_if_some!(op = moves(&all, node)?);
    let mut patch = TypedModelPatch::default();
    let wire = patch.tap_model(model, first.inputs[0])?;
    let wire = patch.wire_node(&node.name, op, &[wire])?;
    patch.shunt_outside(model, node.id.into(), wire[0])?;
    Ok(Some(patch))
}

/// The node that alone reads another.
fn only_reader<'m>(model: &'m TypedModel, node: &TypedNode) -> Option<&'m TypedNode> {
    let [output] = &node.outputs[..] else { return None };
    let [reader] = output.successors[..] else { return None };
    let given = model.outputs.iter().any(|o| o.node == node.id);
    (!given && reader.slot == 0).then(|| model.node(reader.node))
}

/// What a node does, if it moves elements.
fn steps(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Steps>> {
    let moves = node.op_is::<Pad>()
        || node.op_is::<Stride>()
        || node.op_is::<Downsample>()
        || node.op_is::<Slice>()
        || node.op_is::<Tile>()
        || node.op_is::<MultiBroadcastTo>()
        || matches!(node.op_as::<AxisOp>(), Some(AxisOp::Move(..)));
    rule_if!(moves && node.outputs.len() == 1);
    let (input, output) = (model.outlet_fact(node.inputs[0])?, &node.outputs[0].fact);
    rule_if!(input.konst.is_none() && TYPES.contains(&output.datum_type));
    rule_if!(input.datum_type == output.datum_type && input.exotic_fact.is_none());
    rule_if_some!(from = input.shape.as_concrete());
    rule_if_some!(to = output.shape.as_concrete());
    rule_if!(!from.contains(&0) && to.iter().product::<usize>() >= LEAST);
    rule_if_some!(steps = of(node, from, to));
    let made = steps.axes.iter().map(|(_, places)| places.len());
    Ok(made.eq(to.iter().copied()).then_some(steps))
}

fn of(node: &TypedNode, from: &[usize], to: &[usize]) -> Option<Steps> {
    if let Some(AxisOp::Move(old, new)) = node.op_as::<AxisOp>() {
        let mut axes: Vec<(usize, Vec<usize>)> =
            from.iter().map(|n| (0..*n).collect()).enumerate().collect();
        if *old >= axes.len() || *new >= axes.len() {
            return None;
        }
        let axis = axes.remove(*old);
        axes.insert(*new, axis);
        return Some(Steps { from: from.into(), axes });
    }
    if let Some(Slice { axis, start, .. }) = node.op_as::<Slice>() {
        let start = start.to_usize().ok()?;
        let end = start.checked_add(*to.get(*axis)?)?;
        let within = from.get(*axis).is_some_and(|n| end <= *n);
        return within.then(|| Steps::only(from, *axis, (start..end).collect()));
    }
    let down = node.op_as::<Downsample>();
    if let Some(down) = down.or_else(|| node.op_as::<Stride>().map(|Stride(down)| down)) {
        let length = *from.get(down.axis)?;
        let (by, count) = (down.stride.unsigned_abs(), *to.get(down.axis)?);
        let places = (0..count).map(|i| {
            let along = i.checked_mul(by)?.checked_add(down.modulo)?;
            let at = if down.stride > 0 { along } else { (length - 1).checked_sub(along)? };
            (at < length).then_some(at)
        });
        return Some(Steps::only(from, down.axis, places.collect::<Option<_>>()?));
    }
    if let Some(Pad { pads, mode }) = node.op_as::<Pad>() {
        let axes =
            from.iter().zip(pads).map(|(n, (before, behind))| padded(*n, *before, *behind, mode));
        let places: Vec<Vec<usize>> = axes.collect::<Option<_>>()?;
        return (places.len() == from.len()).then(|| Steps::along(from, places));
    }
    // Repeated by a whole number of times.
    if from.len() != to.len() || from.iter().zip(to).any(|(n, m)| !m.is_multiple_of(*n)) {
        return None;
    }
    let places = from.iter().zip(to).map(|(n, m)| (0..*m).map(|at| at % n).collect());
    Some(Steps::along(from, places.collect()))
}

/// The places along an axis of `n` that is padded.
fn padded(n: usize, before: usize, behind: usize, mode: &PadMode) -> Option<Vec<usize>> {
    let last = n - 1;
    let all = before.checked_add(n)?.checked_add(behind)?;
    match mode {
        PadMode::Edge => Some((0..all).map(|at| at.saturating_sub(before).min(last)).collect()),
        PadMode::Reflect if before <= last && behind <= last => Some(
            (0..all)
                .map(|at| at.abs_diff(before))
                .map(|at| if at > last { 2 * last - at } else { at })
                .collect(),
        ),
        PadMode::Reflect => None,
        PadMode::Constant(_) => (before == 0 && behind == 0).then(|| (0..n).collect()),
    }
}
