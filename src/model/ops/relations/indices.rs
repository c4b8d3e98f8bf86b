//! Indices, and how many of what is largest.
//!
//! In: a node and its inputs as far as they are known. Out: nothing, or what does not fit.

use tract_onnx::tract_hir::internal::*;

use super::super::checked::Known;
use super::axis_of;
use crate::optimize::BadValue;

fn in_range(indices: &[i64], extent: i64) -> TractResult<()> {
    match indices.iter().find(|i| !(-extent..extent).contains(*i)) {
        Some(index) => bail!(BadValue::index(*index, extent)),
        None => Ok(()),
    }
}

/// Indices along an axis.
pub(in crate::model::ops) fn along(known: &Known) -> TractResult<()> {
    let (Some(rank), Some(indices)) = (known.rank(0), known.ints(1)) else { return Ok(()) };
    let axis = axis_of(known, known.int("axis").unwrap_or(0), rank)?;
    known.dim(0, axis).map_or(Ok(()), |extent| in_range(&indices, extent))
}

/// Indices lie within the input but for the axis.
pub(in crate::model::ops) fn within(known: &Known) -> TractResult<()> {
    let (Some(dims), Some(of)) = (known.dims(0), known.dims(1)) else { return Ok(()) };
    let axis = axis_of(known, known.int("axis").unwrap_or(0), dims.len())?;
    let fits = dims.iter().zip(&of).enumerate().all(|(a, (x, y))| a == axis || y <= x);
    ensure!(fits, "indices of shape {of:?} into {dims:?}");
    Ok(())
}

pub(in crate::model::ops) fn scatter(known: &Known) -> TractResult<()> {
    if let (Some(of), Some(updates)) = (known.dims(1), known.dims(2)) {
        ensure!(of == updates, "indices of shape {of:?} for updates of {updates:?}");
    }
    within(known)
}

/// Index tuples into the axes behind `batch_dims`.
pub(in crate::model::ops) fn nd(known: &Known) -> TractResult<()> {
    let (Some(rank), Some(of)) = (known.rank(0), known.rank(1)) else { return Ok(()) };
    let batch =
        usize::try_from(known.int("batch_dims").unwrap_or(0)).context("negative batch_dims")?;
    ensure!(batch < rank.min(of), "batch_dims {batch}");
    for axis in 0..batch {
        let pair = known.dim(0, axis).zip(known.dim(1, axis));
        ensure!(
            pair.is_none_or(|(a, b)| a == b),
            "batches {:?} and {:?}",
            known.dims(0),
            known.dims(1)
        );
    }
    // The rest of either shape may be open.
    let Some(depth) = known.dim(1, of - 1).and_then(|d| usize::try_from(d).ok()) else {
        return Ok(());
    };
    ensure!(depth <= rank - batch, "tuples of {depth} into {rank} axes, {batch} of them batches");
    let Some(indices) = known.ints(1).filter(|_| depth > 0) else { return Ok(()) };
    for (at, index) in indices.iter().enumerate() {
        if let Some(extent) = known.dim(0, batch + at % depth) {
            in_range(&[*index], extent)?;
        }
    }
    Ok(())
}

pub(in crate::model::ops) fn scatter_nd(known: &Known) -> TractResult<()> {
    let (Some(dims), Some(of), Some(updates)) = (known.dims(0), known.dims(1), known.dims(2))
    else {
        return Ok(());
    };
    let Some((depth, places)) = of.split_last() else { return Ok(()) };
    let rest = usize::try_from(*depth).ok().and_then(|d| dims.get(d..)).unwrap_or_default();
    ensure!(
        updates == [places, rest].concat(),
        "updates of shape {updates:?} at {of:?} of {dims:?}"
    );
    Ok(())
}

pub(in crate::model::ops) fn top_k(known: &Known) -> TractResult<()> {
    let Some(rank) = known.rank(0) else { return Ok(()) };
    let axis = axis_of(known, known.int("axis").unwrap_or(-1), rank)?;
    let extent = known.dim(0, axis);
    // A node may say it in the way of either operator set, and in both.
    let counts = [known.ints(1).and_then(|k| k.first().copied()), known.int("k")];
    for k in counts.into_iter().flatten() {
        let fits = k >= 0 && extent.is_none_or(|extent| k <= extent);
        ensure!(fits, "the {k} largest of {extent:?}");
    }
    Ok(())
}

/// Tables have a row for each index.
pub(in crate::model::ops) fn embed(known: &Known) -> TractResult<()> {
    for (indices, table) in [(0, 2), (8, 3), (1, 4)] {
        if let (Some(indices), Some(rows)) = (known.ints(indices), known.dim(table, 0)) {
            in_range(&indices, rows)?;
        }
    }
    if let (false, Some(steps), Some(rows)) = (known.is_given(8), known.dim(0, 1), known.dim(3, 0))
    {
        ensure!(steps <= rows, "{steps} steps and {rows} positions");
    }
    Ok(())
}

/// A table of angles has a row for each position; without positions, it has one for each step.
pub(in crate::model::ops) fn positions(known: &Known) -> TractResult<()> {
    tables(known, [1, 2])?;
    let (Some(positions), Some(rows)) = (known.ints(3), known.dim(1, 0)) else { return Ok(()) };
    in_range(&positions, rows)
}

/// The same of three positions for each step.
pub(in crate::model::ops) fn of_three(known: &Known) -> TractResult<()> {
    tables(known, [2, 3])?;
    ensure!(known.dim(1, 0).is_none_or(|n| n == 3), "{:?} positions", known.dim(1, 0));
    let steps = known.rank(0).and_then(|rank| rank.checked_sub(2)).map(|axis| known.dim(0, axis));
    for (at, wanted) in [(1, known.dim(0, 0)), (2, steps.flatten())] {
        if let (Some(given), Some(wanted)) = (known.dim(1, at), wanted) {
            ensure!(given == wanted, "{given} positions for {wanted}");
        }
    }
    Ok(())
}

/// The same, of com.microsoft's: one position is where the first step stands.
pub(in crate::model::ops) fn ms_positions(known: &Known) -> TractResult<()> {
    tables(known, [2, 3])?;
    let (Some(positions), Some(rows)) = (known.ints(1), known.dim(2, 0)) else { return Ok(()) };
    in_range(&positions, rows)
}

/// Cosines and sines of the same angles.
fn tables(known: &Known, [cos, sin]: [usize; 2]) -> TractResult<()> {
    if let (Some(cos), Some(sin)) = (known.dims(cos), known.dims(sin)) {
        ensure!(cos == sin, "tables of shapes {cos:?} and {sin:?}");
    }
    Ok(())
}
