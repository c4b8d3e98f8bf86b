//! Where gathers and scatters look and write, by the shapes of what they read.
//!
//! In: one of these operators and the facts of its inputs. Out: along which axes its indices count, and whether the shapes
//! fit each other: the engine walks one input by the extents of another one. What is not known is not judged.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{
    Gather, GatherElements, GatherNd, ScatterElements, ScatterNd,
};

/// The one axis along which indices count.
pub(super) fn axis(op: &dyn TypedOp) -> Option<usize> {
    let gather = op.downcast_ref::<Gather>().map(|op| op.axis);
    let elements = || op.downcast_ref::<GatherElements>().map(|op| op.axis);
    gather.or_else(elements).or_else(|| op.downcast_ref::<ScatterElements>().map(|op| op.axis))
}

/// The axes before those that tuples of indices count.
pub(super) fn batch(op: &dyn TypedOp) -> Option<usize> {
    let gather = op.downcast_ref::<GatherNd>().map(|op| op.batch_dims);
    gather.or_else(|| op.is::<ScatterNd>().then_some(0))
}

/// Checks the shapes of what `op` reads, if it is one of these.
pub(super) fn fit(op: &dyn TypedOp, inputs: &[&TypedFact]) -> TractResult<()> {
    if axis(op).is_none() && batch(op).is_none() {
        return Ok(());
    }
    let [data, indices, rest @ ..] = inputs else { bail!("two inputs are needed") };
    let dt = indices.datum_type;
    ensure!(dt.is_integer() || dt.is_tdim(), "indices of {dt:?}");
    if let Some(axis) = axis(op) {
        ensure!(axis < data.rank(), "nothing is picked along such an axis");
    }
    if let Some(batch) = batch(op) {
        tuples(batch, &data.shape, &indices.shape)?;
    } else if !op.is::<Gather>() {
        elements(axis(op), &data.shape, &indices.shape)?;
    }
    let updates = rest.first().map(|fact| &fact.shape);
    match (op.is::<ScatterNd>(), op.is::<ScatterElements>(), updates) {
        (true, _, Some(updates)) => {
            let (depth, places) = indices.shape.split_last().context("indices without an axis")?;
            let Ok(depth) = depth.to_usize() else { return Ok(()) };
            let behind = data.shape.get(depth..).unwrap_or_default();
            let wanted: TVec<TDim> = places.iter().chain(behind).cloned().collect();
            same(&wanted, updates)
        }
        (_, true, Some(updates)) => same(&indices.shape, updates),
        (false, false, _) => Ok(()),
        _ => bail!("updates are missing"),
    }
}

/// There is as much to pick from as indices, but along the axis.
fn elements(axis: Option<usize>, data: &[TDim], indices: &[TDim]) -> TractResult<()> {
    let within = |(at, (all, some)): (usize, (&TDim, &TDim))| {
        let known = all.to_i64().ok().zip(some.to_i64().ok());
        Some(at) == axis || known.is_none_or(|(all, some)| some <= all)
    };
    let fits = data.len() == indices.len() && data.iter().zip(indices).enumerate().all(within);
    ensure!(fits, "indices of shape {} into {}", text(indices), text(data));
    Ok(())
}

/// Tuples of indices behind as many batches of either.
fn tuples(batch: usize, data: &[TDim], indices: &[TDim]) -> TractResult<()> {
    let depth = indices.last().context("indices without an axis")?.to_usize();
    let reach = depth.ok().and_then(|depth| depth.checked_add(batch));
    let fits = reach.is_none_or(|reach| reach <= data.len()) && batch < indices.len();
    ensure!(fits, "indices of shape {} into {}", text(indices), text(data));
    same(data.get(..batch).unwrap_or_default(), indices.get(..batch).unwrap_or_default())
}

fn same(wanted: &[TDim], given: &[TDim]) -> TractResult<()> {
    let alike =
        |(a, b): (&TDim, &TDim)| a.to_i64().ok().zip(b.to_i64().ok()).is_none_or(|(a, b)| a == b);
    let fits = wanted.len() == given.len() && wanted.iter().zip(given).all(alike);
    ensure!(fits, "a shape {} in place of {}", text(given), text(wanted));
    Ok(())
}

fn text(dims: &[TDim]) -> String {
    let dims: Vec<String> = dims.iter().map(ToString::to_string).collect();
    format!("[{}]", dims.join(", "))
}
