//! Products, and what is done to each channel.
//!
//! In: a node and its inputs as far as they are known. Out: nothing, or what does not fit.

use tract_onnx::tract_hir::internal::*;

use super::super::checked::Known;
use super::axis_of;

pub(in crate::model::ops) fn matmul(known: &Known) -> TractResult<()> {
    let (Some(a), Some(b)) = (known.dims(0), known.dims(1)) else { return Ok(()) };
    let inner = b.len().checked_sub(2).and_then(|at| b.get(at)).or(b.last());
    ensure!(a.last() == inner, "shapes {a:?} and {b:?}");
    let batch = |dims: &[i64]| dims.iter().rev().skip(2).copied().collect::<Vec<_>>();
    let fits = |(x, y): (&i64, &i64)| x == y || *x == 1 || *y == 1;
    ensure!(batch(&a).iter().zip(&batch(&b)).all(fits), "shapes {a:?} and {b:?}");
    Ok(())
}

/// What can be multiplied and summed up.
pub(in crate::model::ops) fn numbers(known: &Known) -> TractResult<()> {
    let mut at = 0;
    while known.is_given(at) {
        if let Some(dt) = known.dtype(at) {
            let fits = dt.is_number() || dt == TDim::datum_type();
            ensure!(fits, "a product with an input {at} of {dt:?}");
        }
        at += 1;
    }
    Ok(())
}

/// The same of what only floats can be.
pub(in crate::model::ops) fn floats(known: &Known) -> TractResult<()> {
    for at in 0..2 {
        if let Some(dt) = known.dtype(at) {
            ensure!(dt.is_float(), "an input {at} of {dt:?}, where a float is needed");
        }
    }
    Ok(())
}

/// Scale, zero point and bias of a product are one for all columns of the second side, or one for each.
pub(in crate::model::ops) fn by_column(known: &Known) -> TractResult<()> {
    let Some(columns) = known.rank(1).and_then(|rank| known.dim(1, rank.checked_sub(1)?)) else {
        return Ok(());
    };
    for at in 2..5 {
        let last = known.rank(at).and_then(|rank| known.dim(at, rank.checked_sub(1)?));
        let fits = last.is_none_or(|last| last == 1 || last == columns);
        ensure!(fits, "an input {at} of {last:?} for {columns} columns");
    }
    Ok(())
}

pub(in crate::model::ops) fn gemm(known: &Known) -> TractResult<()> {
    let side = |at: usize, name: &str, inner: usize| {
        known.dim(at, if known.int(name).unwrap_or(0) == 0 { inner } else { 1 - inner })
    };
    let (a, b) = (side(0, "transA", 1), side(1, "transB", 0));
    if let (Some(a), Some(b)) = (a, b) {
        ensure!(a == b, "rows of {a} and columns of {b}");
    }
    let made = [side(0, "transA", 0), side(1, "transB", 1)];
    let Some(bias) = known.dims(2) else { return Ok(()) };
    for (bias, made) in bias.iter().rev().zip(made.iter().rev()) {
        let fits = made.is_none_or(|made| *bias == made || *bias == 1);
        ensure!(fits, "a bias of {bias} for {made:?}");
    }
    Ok(())
}

/// The same with either side turned over.
pub(in crate::model::ops) fn fused_matmul(known: &Known) -> TractResult<()> {
    let (Some(a), Some(b)) = (known.dims(0), known.dims(1)) else { return Ok(()) };
    let given = |name: &str| known.int(name).unwrap_or(0) != 0;
    ensure!(!given("transA") || a.len() > 1, "a list cannot be turned over");
    ensure!(!given("transB") || b.len() > 1, "a list cannot be turned over");
    if given("transBatchA") || given("transBatchB") {
        ensure!(a.len() > 2 && b.len() > 2, "there is no batch to turn over");
        return Ok(());
    }
    let from_end =
        |dims: &[i64], at: usize| dims.len().checked_sub(at).and_then(|at| dims.get(at)).copied();
    let a = from_end(&a, if given("transA") { 2 } else { 1 });
    let b = from_end(&b, if given("transB") || b.len() == 1 { 1 } else { 2 });
    ensure!(a == b, "rows of {a:?} and columns of {b:?}");
    Ok(())
}

/// Each term has a letter for each axis.
pub(in crate::model::ops) fn einsum(known: &Known) -> TractResult<()> {
    let Some(equation) = &known.site.equation else { return Ok(()) };
    // The engine goes on from the last letter to name axes of its own.
    let plain = |c: char| c.is_ascii_alphabetic() || c.is_ascii_whitespace() || ",.->".contains(c);
    ensure!(equation.chars().all(plain), "the equation `{}`", equation.escape_debug());
    let terms = equation.split_once("->").map_or(equation.as_str(), |(terms, _)| terms);
    let mut lengths = std::collections::HashMap::new();
    for (at, term) in terms.split(',').enumerate() {
        let letters = term.chars().filter(|c| c.is_ascii_alphabetic()).count();
        let Some(rank) = known.rank(at) else { continue };
        let fits = if term.contains("...") { letters <= rank } else { letters == rank };
        ensure!(fits, "the term `{term}` for an input {at} of rank {rank}");
        if term.contains("...") {
            continue;
        }
        for (axis, letter) in term.chars().filter(|c| c.is_ascii_alphabetic()).enumerate() {
            let Some(length) = known.dim(at, axis).filter(|length| *length != 1) else { continue };
            let other = *lengths.entry(letter).or_insert(length);
            ensure!(other == length, "lengths of {length} and {other} along `{letter}`");
        }
    }
    Ok(())
}

/// Scales of a tensor, of an axis, or of blocks along one.
pub(in crate::model::ops) fn quantized(known: &Known) -> TractResult<()> {
    let (Some(dims), Some(scales)) = (known.dims(0), known.dims(1)) else { return Ok(()) };
    let blocked = known.int("block_size").is_some_and(|size| size != 0);
    if !blocked && (scales.is_empty() || scales == [1]) {
        return Ok(());
    }
    let axis = axis_of(known, known.int("axis").unwrap_or(1), dims.len())?;
    let extent = dims.get(axis).copied().unwrap_or_default();
    let block = known.int("block_size").unwrap_or(0);
    ensure!((0..=extent.max(1)).contains(&block), "blocks of {block} along {extent}");
    if block == 0 {
        ensure!(scales == [extent], "scales of shape {scales:?} along {extent}");
    } else {
        let along = scales.get(axis).copied().unwrap_or_default();
        let fits = scales.len() == dims.len() && along == (extent + block - 1) / block;
        ensure!(fits, "scales of shape {scales:?} for {dims:?} in blocks of {block}");
    }
    Ok(())
}

/// Parameters of a norm are lists of one for each channel.
pub(in crate::model::ops) fn channels(known: &Known) -> TractResult<()> {
    // A list is a batch of one channel.
    let channels = if known.rank(0) == Some(1) { Some(1) } else { known.dim(0, 1) };
    let Some(channels) = channels else { return Ok(()) };
    for at in 1..5 {
        if let Some(dims) = known.dims(at) {
            ensure!(dims == [channels], "an input {at} of shape {dims:?} for {channels} channels");
        }
    }
    Ok(())
}

pub(in crate::model::ops) fn groups(known: &Known) -> TractResult<()> {
    let groups = known.int("num_groups").unwrap_or(1);
    ensure!(groups > 0, "{groups} groups");
    if let Some(channels) = known.dim(0, 1) {
        ensure!(channels % groups == 0, "{channels} channels in {groups} groups");
        for at in [1, 2] {
            if let Some(dims) = known.dims(at) {
                let fits = dims == [channels] || known.site.opset < 21 && dims == [groups];
                ensure!(fits, "an input {at} of shape {dims:?} for {channels} channels");
            }
        }
    }
    Ok(())
}

/// No constant integer divides by zero.
pub(in crate::model::ops) fn divisor(known: &Known) -> TractResult<()> {
    let zero = known.ints(1).is_some_and(|v| v.contains(&0));
    let whole = known.dtype(0).is_some_and(|t| t.is_integer());
    ensure!(!(zero && whole), "an integer is divided by zero");
    Ok(())
}

/// Of no elements there is neither mean nor deviation to give.
pub(in crate::model::ops) fn mean_of_some(known: &Known) -> TractResult<()> {
    let asked = known.site.outputs > 1;
    let empty = known.dims(0).is_some_and(|dims| dims.contains(&0));
    ensure!(!(asked && empty), "the mean of nothing is asked for");
    Ok(())
}
