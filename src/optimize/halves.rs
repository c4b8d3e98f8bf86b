//! Which values of a graph are float16 in the model, although all is computed in float32: a GPU may hold them so.
//!
//! In: a graph as imported, and what rewrites made of it. Out: labels. The one decision: the label of an outlet says it.
//! Labels are names that the file gives, so they are on values of the model alone, not on what the import makes in between
//! (a sum before it becomes a mean may be out of range); and rewrites carry them along, since they must keep values. They
//! are no part of the published form, whose plans are the CPU's: a GPU plans from the graph of the model.

use std::collections::HashSet;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{
    FiniteReshape, Gather, GatherElements, GatherNd, MultiBroadcastTo, Slice, Tile, TypedConcat,
};
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::identity::Identity;

/// The label of what is float16 in the model.
pub(crate) const HALF: &str = "float16";

/// What the engine calls a part of what a node makes, and a node that it has moved.
const PART: &str = ".split-over-";
const MOVED: &str = ".prefused";

/// Nodes whose result is float16 in the model, by name.
pub(crate) struct Halves(HashSet<String>);

impl Halves {
    /// Has the labels of a graph that is still as imported say which values are float16, and nothing else.
    pub(crate) fn mark(model: &mut TypedModel) -> TractResult<Self> {
        let named = std::mem::take(&mut model.outlet_labels).into_keys();
        let ends = model.input_outlets()?.iter().chain(model.output_outlets()?).copied();
        let mut halves: Vec<OutletId> = vec![];
        for outlet in named.chain(ends) {
            if model.outlet_fact(outlet)?.datum_type == DatumType::F16 && !shares(model, outlet)? {
                halves.push(outlet);
            }
        }
        for outlet in halves {
            label(model, outlet)?;
        }
        Ok(Self::of(model))
    }

    /// Of a graph with labels.
    pub(crate) fn of(model: &TypedModel) -> Self {
        let firsts = model.outlet_labels.keys().filter(|outlet| outlet.slot == 0);
        Self(firsts.map(|outlet| model.node(outlet.node).name.clone()).collect())
    }

    /// Labels what lost its label on the way: parts of values, and what only moves elements of others.
    pub(crate) fn settle(&self, model: &mut TypedModel) -> TractResult<()> {
        let order = model.eval_order()?;
        for id in order.iter().copied() {
            let name = model.node(id).name.as_str();
            let own = name.trim_end_matches(MOVED);
            let own = own.split_once(PART).map_or(own, |(whole, _)| whole);
            if own != name && self.0.contains(own) {
                label(model, id.into())?;
            }
        }
        // What is only read to be moved is as good as what is made of it.
        for id in order.iter().rev().copied() {
            if is_half(model, id.into()) && moves(model.node(id)) {
                for input in model.node(id).inputs.clone() {
                    let readers = &model.node(input.node).outputs[input.slot].successors;
                    if readers.len() == 1 && !model.outputs.contains(&input) {
                        label(model, input)?;
                    }
                }
            }
        }
        for id in order {
            let node = model.node(id);
            let data = if node.op_is::<TypedConcat>() {
                &node.inputs[..]
            } else {
                node.inputs.get(..1).unwrap_or_default()
            };
            let all = !data.is_empty() && data.iter().all(|input| is_half(model, *input));
            if all && (moves(node) || picks(node)) && !model.outputs.contains(&id.into()) {
                label(model, id.into())?;
            }
        }
        Ok(())
    }
}

/// Takes the labels back, but for what the caller hands over: everything in between is float32 then.
pub(crate) fn forget_halves(model: &mut TypedModel) {
    let inputs = model.inputs.clone();
    model.outlet_labels.retain(|outlet, _| inputs.contains(outlet));
}

fn is_half(model: &TypedModel, outlet: OutletId) -> bool {
    model.outlet_label(outlet) == Some(HALF)
}

/// Labels a value of floats.
fn label(model: &mut TypedModel, outlet: OutletId) -> TractResult<()> {
    let fact = model.outlet_fact(outlet)?;
    if fact.konst.is_none() && matches!(fact.datum_type, DatumType::F16 | DatumType::F32) {
        model.set_outlet_label(outlet, HALF.to_owned())?;
    }
    Ok(())
}

/// Whether a node gives all the elements that it is given, and no others.
fn moves(node: &TypedNode) -> bool {
    node.op_is::<AxisOp>()
        || node.op_is::<FiniteReshape>()
        || node.op_is::<Identity>()
        || node.op_is::<TypedConcat>()
}

/// Whether a node gives some elements of its first input, and no others.
fn picks(node: &TypedNode) -> bool {
    node.op_is::<Slice>()
        || node.op_is::<MultiBroadcastTo>()
        || node.op_is::<Tile>()
        || node.op_is::<Gather>()
        || node.op_is::<GatherElements>()
        || node.op_is::<GatherNd>()
}

/// Whether a value is the rounded form of one that others read as float32: the two become one, which must not lose
/// precision.
fn shares(model: &TypedModel, outlet: OutletId) -> TractResult<bool> {
    let node = model.node(outlet.node);
    let ([source], true) = (&node.inputs[..], node.op_is::<Cast>()) else { return Ok(false) };
    let readers = &model.node(source.node).outputs[source.slot].successors;
    let float = model.outlet_fact(*source)?.datum_type == DatumType::F32;
    Ok(float && (readers.len() > 1 || model.output_outlets()?.contains(source)))
}
