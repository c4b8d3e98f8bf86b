//! Shapes that are made of others.
//!
//! In: a node and its inputs as far as they are known. Out: nothing, or what does not fit.

use tract_onnx::tract_hir::internal::*;

use super::super::checked::Known;
use super::{axis_of, distinct};
use crate::limit;

fn count(list: &[i64]) -> i64 {
    list.len() as i64
}

pub(in crate::model::ops) fn blocks(known: &Known) -> TractResult<()> {
    let size = known.int("blocksize").unwrap_or(0);
    ensure!(size > 0, "blocks of {size}");
    let divided = if known.site.op_type == "DepthToSpace" { &[1][..] } else { &[2, 3] };
    let by =
        if divided.len() == 1 { size.checked_mul(size).context("blocks too large")? } else { size };
    for axis in divided {
        if let Some(dim) = known.dim(0, *axis) {
            ensure!(dim % by == 0, "an extent of {dim} in blocks of {by}");
        }
    }
    Ok(())
}

/// Extents are the same, or one of them is 1. (The engine takes one that is 0 for one that fits.)
pub(in crate::model::ops) fn broadcast(known: &Known) -> TractResult<()> {
    // Before that there is an axis at which to begin.
    if known.site.opset < 7 {
        return Ok(());
    }
    let mut made: Vec<i64> = vec![];
    let mut at = 0;
    while known.is_given(at) {
        if let Some(dims) = known.dims(at) {
            for (axis, dim) in dims.iter().rev().enumerate() {
                match made.get_mut(axis) {
                    None => made.push(*dim),
                    Some(made) if *made == 1 => *made = *dim,
                    Some(made) => {
                        let fits = *dim == 1 || dim == made;
                        ensure!(fits, "an extent of {dim} beside one of {made}");
                    }
                }
            }
        }
        at += 1;
    }
    Ok(())
}

/// All inputs but for one axis of the same extents.
pub(in crate::model::ops) fn concat(known: &Known) -> TractResult<()> {
    let Some(first) = known.dims(0) else { return Ok(()) };
    let given = known.int("axis").unwrap_or(1);
    let axis = axis_of(known, given, first.len())?;
    let mut at = 1;
    while known.is_given(at) {
        if let Some(dims) = known.dims(at) {
            let same = |(a, (x, y)): (usize, (&i64, &i64))| a == axis || x == y;
            let fits = dims.len() == first.len() && first.iter().zip(&dims).enumerate().all(same);
            ensure!(fits, "shapes {first:?} and {dims:?} along axis {axis}");
        }
        at += 1;
    }
    Ok(())
}

pub(in crate::model::ops) fn extents(known: &Known) -> TractResult<()> {
    let Some(list) = known.ints(0) else { return Ok(()) };
    volume(&list)
}

pub(super) fn volume(list: &[i64]) -> TractResult<()> {
    let mut volume = 1i64;
    for extent in list {
        // The engine keeps no more bits of a number that it makes an extent of.
        ensure!((0..=i64::from(i32::MAX)).contains(extent), "an extent of {extent}");
        volume = volume.checked_mul((*extent).max(1)).context("too many elements")?;
    }
    ensure!(volume <= i64::MAX / 16, "{volume} elements");
    Ok(())
}

pub(in crate::model::ops) fn expanded(known: &Known) -> TractResult<()> {
    let Some(list) = known.ints(1) else { return Ok(()) };
    volume(&list)?;
    let Some(dims) = known.dims(0) else { return Ok(()) };
    for (a, b) in dims.iter().rev().zip(list.iter().rev()) {
        ensure!(a == b || *a == 1 || *b == 1, "a shape of {dims:?} to one of {list:?}");
    }
    Ok(())
}

pub(in crate::model::ops) fn reshape(known: &Known) -> TractResult<()> {
    let Some(list) = known.ints(1) else { return Ok(()) };
    ensure!(list.iter().all(|v| *v >= -1), "a shape of {list:?}");
    ensure!(list.iter().filter(|v| **v == -1).count() <= 1, "a shape of {list:?}");
    let positive: Vec<i64> = list.iter().copied().filter(|v| *v > 0).collect();
    volume(&positive)?;
    let Some(dims) = known.dims(0) else { return Ok(()) };
    let keep = known.int("allowzero").unwrap_or(0) == 0;
    let mut wanted = 1i64;
    for (at, value) in list.iter().enumerate().filter(|(_, v)| **v != -1) {
        let extent = match value {
            0 if keep => {
                *dims.get(at).with_context(|| format!("a shape of {list:?} of one of {dims:?}"))?
            }
            other => *other,
        };
        wanted = wanted.checked_mul(extent).context("too many elements")?;
    }
    let held = dims.iter().try_fold(1i64, |n, d| n.checked_mul(*d)).context("too many elements")?;
    let fits = match list.contains(&-1) {
        true if wanted == 0 => held == 0,
        true => held % wanted == 0,
        false => held == wanted,
    };
    ensure!(fits, "a shape of {list:?} for one of {dims:?}");
    Ok(())
}

pub(in crate::model::ops) fn tile(known: &Known) -> TractResult<()> {
    if let (Some(rank), Some(length)) = (known.rank(0), known.dim(1, 0)) {
        // The first operator set has a number and an axis instead.
        ensure!(known.site.opset < 6 || length == rank as i64, "{length} repeats of rank {rank}");
    }
    let Some(repeats) = known.ints(1) else { return Ok(()) };
    volume(&repeats)?;
    let Some(dims) = known.dims(0) else { return Ok(()) };
    let made: Option<Vec<i64>> =
        dims.iter().zip(&repeats).map(|(d, r)| d.checked_mul(*r)).collect();
    volume(&made.context("too many elements")?)
}

/// How long each part of a split is.
pub(in crate::model::ops) fn split(known: &Known) -> TractResult<()> {
    let Some(dims) = known.dims(0) else { return Ok(()) };
    let axis = axis_of(known, known.int("axis").unwrap_or(0), dims.len())?;
    let extent = dims.get(axis).copied().unwrap_or_default();
    let sizes = known.ints(1).or_else(|| known.list("split").map(<[i64]>::to_vec));
    match sizes {
        Some(sizes) => {
            ensure!(sizes.iter().all(|s| (0..=extent).contains(s)), "parts {sizes:?} of {extent}");
            ensure!(sizes.iter().sum::<i64>() == extent, "parts {sizes:?} of {extent}");
            ensure!(
                sizes.len() == known.site.outputs,
                "parts {sizes:?} for {} outputs",
                known.site.outputs
            );
        }
        None if known.is_given(1) => {}
        None => {
            let parts = known.int("num_outputs").unwrap_or(known.site.outputs as i64);
            ensure!(
                parts > 0 && parts >= known.site.outputs as i64,
                "{parts} parts for {} outputs",
                known.site.outputs
            );
            ensure!(known.site.opset >= 18 || extent % parts == 0, "{parts} parts of {extent}");
            ensure!(known.site.opset < 18 || parts <= extent, "{parts} parts of {extent}");
        }
    }
    Ok(())
}

/// Two pads for each axis, or for each that is named.
pub(in crate::model::ops) fn pad(known: &Known) -> TractResult<()> {
    let Some(rank) = known.rank(0) else { return Ok(()) };
    let axes = known.ints(3);
    if let Some(axes) = &axes {
        distinct(known, axes, rank)?;
    } else if known.is_given(3) {
        return Ok(());
    }
    let pairs = axes.as_ref().map_or(rank, Vec::len) as i64;
    let given = known.list("pads").or(known.list("paddings")).map(count);
    let length = given.or_else(|| known.rank(1).filter(|r| *r == 1).and(known.dim(1, 0)));
    if let Some(length) = length {
        ensure!(length == 2 * pairs, "{length} pads for {pairs} axes");
    }
    let pads = known.ints(1).or_else(|| known.list("pads").map(<[i64]>::to_vec));
    if let (Some(pads), Some(mode @ ("reflect" | "edge" | "wrap"))) =
        (&pads, known.site.mode.as_deref())
    {
        for (at, pad) in pads.iter().enumerate() {
            let axis = at % pads.len().div_ceil(2);
            let axis = axes.as_ref().map_or(Some(axis as i64), |axes| axes.get(axis).copied());
            let axis = axis_of(known, axis.unwrap_or_default(), rank)?;
            if let Some(dim) = known.dim(0, axis) {
                let (most, done) =
                    if mode == "reflect" { (dim - 1, "reflected") } else { (i64::MAX, "repeated") };
                ensure!(*pad <= 0 || dim > 0 && *pad <= most, "{pad} elements {done} of {dim}");
            }
        }
    }
    if let (Some(pads), Some(dims), None) = (pads, known.dims(0), axes) {
        let (before, after) = pads.split_at_checked(dims.len()).context("pads for each axis")?;
        let made = |((dim, a), b): ((&i64, &i64), &i64)| dim.checked_add(*a)?.checked_add(*b);
        let made: Option<Vec<i64>> = dims.iter().zip(before).zip(after).map(made).collect();
        let made = made.context("too many elements")?;
        volume(&made)?;
        // The engine computes one of constants as soon as it is wired.
        let made = made.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>()?;
        limit::check(
            || known.site.op_type.clone(),
            known.dtype(0).unwrap_or(DatumType::U8),
            &made,
        )?;
    } else if let Some(pads) = known.ints(1) {
        let most = i64::from(i32::MAX);
        ensure!(pads.iter().all(|p| (-most..=most).contains(p)), "pads of {pads:?}");
    }
    Ok(())
}

pub(in crate::model::ops) fn transpose(known: &Known) -> TractResult<()> {
    let (Some(perm), Some(rank)) = (known.list("perm"), known.rank(0)) else { return Ok(()) };
    ensure!(perm.len() == rank, "the permutation {perm:?} of {rank} axes");
    distinct(known, perm, rank)
}

pub(in crate::model::ops) fn unsqueeze(known: &Known) -> TractResult<()> {
    let axes = known.ints(1).or_else(|| known.list("axes").map(<[i64]>::to_vec));
    let (Some(axes), Some(rank)) = (axes, known.rank(0)) else { return Ok(()) };
    distinct(known, &axes, rank + axes.len())
}

/// As many starts as ends, and no more than there are axes.
pub(in crate::model::ops) fn slice(known: &Known) -> TractResult<()> {
    let (Some(rank), Some(starts)) = (known.rank(0), known.dim(1, 0)) else { return Ok(()) };
    ensure!(starts <= rank as i64, "{starts} starts for {rank} axes");
    for at in 2..5 {
        let fits = known.dim(at, 0).is_none_or(|length| length == starts);
        ensure!(fits, "{starts} starts and an input {at} of {:?}", known.dim(at, 0));
    }
    Ok(())
}
