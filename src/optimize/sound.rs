//! What the engine's operators take for granted of their inputs, whoever made the graph.
//!
//! In: an operator and the facts of its inputs. Out: nothing, or what does not fit; what is not known is not judged. The
//! one place for all graphs, since the engine indexes and divides where it should ask, and a panic ends a page's
//! instance: the operators of an import pass here as they are typed, those of a published form as they are read, and
//! whole graphs before they run.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{Gather, Pad, PadMode, Slice, TypedConcat};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::fft::Fft;

use super::{bounds, places};

/// Checks `op` against its inputs, in a graph that is still rewritten.
pub(crate) fn check(op: &dyn TypedOp, inputs: &[&TypedFact]) -> TractResult<()> {
    checked(op, inputs, false)
}

/// Checks a graph that is about to run as it is.
pub(crate) fn check_all(model: &TypedModel) -> TractResult<()> {
    for node in &model.nodes {
        let facts = model.node_input_facts(node.id)?;
        checked(node.op.as_ref(), &facts, true)
            .with_context(|| format!("node `{}` ({})", node.name, node.op.name()))?;
    }
    Ok(())
}

/// Whether `op` fits its inputs, also where it does what a rewrite would have changed, if it is `run`.
pub(super) fn checked(op: &dyn TypedOp, inputs: &[&TypedFact], run: bool) -> TractResult<()> {
    places::fit(op, inputs)?;
    if let Some(op) = op.downcast_ref::<Gather>() {
        picked(op.axis, inputs)?;
    }
    if let Some(op) = op.downcast_ref::<EinSum>() {
        product(op, inputs, run)
    } else if let Some(op) = op.downcast_ref::<TypedConcat>() {
        joined(op, inputs)
    } else if op.is::<TypedBinOp>() {
        let [a, b] = inputs else { bail!("two operands are needed") };
        ensure!(a.rank() == b.rank(), "operands of ranks {} and {}", a.rank(), b.rank());
        Ok(())
    } else if let Some(op) = op.downcast_ref::<Slice>() {
        let [x] = inputs else { bail!("one input is needed") };
        let length = x.shape.get(op.axis).context("a slice along no axis")?;
        let numbers = [&op.start, &op.end, length].map(|n| n.to_i64().ok());
        let [Some(start), Some(end), Some(length)] = numbers else { return Ok(()) };
        ensure!(0 <= start && start <= end && end <= length, "a slice {start}..{end} of {length}");
        Ok(())
    } else if let Some(op) = op.downcast_ref::<Pad>() {
        padded(op, inputs)
    } else if op.is::<Fft>() {
        let empty = inputs.iter().any(|fact| fact.shape.iter().any(|d| *d == 0.to_dim()));
        ensure!(!empty, "a spectrum of nothing");
        Ok(())
    } else {
        Ok(())
    }
}

/// Indices that are known lie within a length that is known.
fn picked(axis: usize, inputs: &[&TypedFact]) -> TractResult<()> {
    let [data, indices, ..] = inputs else { bail!("two inputs are needed") };
    let length = data.shape.get(axis).context("nothing is picked along such an axis")?.to_usize();
    let (Ok(length), Some(known)) = (length, &indices.konst) else { return Ok(()) };
    // One of dimensions may hold a symbol.
    let Ok(known) = known.cast_to::<i64>() else { return Ok(()) };
    bounds::within(known.try_as_plain_ram()?.as_slice::<i64>()?, &[length], "Gather")
}

/// Inputs have the ranks of the terms, and along an axis one length, or 1. What is summed up along a length of 1 and
/// another one is repeated by a rewrite; the engine reads past its end.
fn product(op: &EinSum, inputs: &[&TypedFact], run: bool) -> TractResult<()> {
    ensure!(op.axes.input_count() <= inputs.len(), "a product lacks inputs");
    ensure!(op.axes.output_count() == 1, "a product of several outputs");
    let rank = |slot: usize| op.axes.rank(InOut::In(slot));
    let ranks = inputs.iter().take(op.axes.input_count()).enumerate();
    for (slot, fact) in ranks {
        ensure!(rank(slot) == fact.rank(), "a product's input {slot} is of rank {}", fact.rank());
    }
    for axis in op.axes.iter_all_axes() {
        let summed = run && axis.outputs.iter().all(|places| places.is_empty());
        let mut length = None;
        for (slot, (fact, places)) in inputs.iter().zip(&axis.inputs).enumerate() {
            // What a quantised product has behind its sides are their parameters, of which one may do for all.
            let one_for_all = !summed || op.q_params.is_some() && slot > 1;
            for place in places {
                let dim = fact.shape.get(*place).and_then(|d| d.to_usize().ok());
                let Some(dim) = dim.filter(|dim| !(one_for_all && *dim == 1)) else { continue };
                let first = *length.get_or_insert(dim);
                ensure!(dim == first, "a product along lengths of {first} and {dim}");
            }
        }
    }
    Ok(())
}

/// Inputs are of one shape but for the axis.
fn joined(op: &TypedConcat, inputs: &[&TypedFact]) -> TractResult<()> {
    let Some((first, rest)) = inputs.split_first() else { bail!("nothing to join") };
    let axis = op.axis;
    ensure!(axis < first.rank(), "tensors of rank {} joined along axis {axis}", first.rank());
    let same = |(at, (a, b)): (usize, (&TDim, &TDim))| {
        at == axis || a.to_i64().ok().zip(b.to_i64().ok()).is_none_or(|(a, b)| a == b)
    };
    for other in rest {
        let (a, b) = (&first.shape, &other.shape);
        let fits = a.rank() == b.rank() && a.iter().zip(b.iter()).enumerate().all(same);
        ensure!(fits, "shapes {a:?} and {b:?} joined along axis {axis}");
    }
    Ok(())
}

/// What is repeated at an end is there.
fn padded(op: &Pad, inputs: &[&TypedFact]) -> TractResult<()> {
    let [x] = inputs else { bail!("one input is needed") };
    ensure!(op.pads.len() == x.rank(), "padding for another rank");
    for ((before, after), dim) in op.pads.iter().zip(x.shape.iter()) {
        let most = before.max(after);
        let small = [before, after].iter().all(|pad| i32::try_from(**pad).is_ok());
        ensure!(small, "padding of {before} and {after}");
        let Ok(dim) = dim.to_usize() else { continue };
        let fits = match op.mode {
            PadMode::Constant(_) => true,
            PadMode::Edge => *most == 0 || dim > 0,
            PadMode::Reflect => *most == 0 || *most < dim,
        };
        ensure!(fits, "{most} elements added to {dim}, which are repeated");
    }
    Ok(())
}
