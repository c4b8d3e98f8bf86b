//! Spectra, and what they are made with.
//!
//! In: a node and its inputs as far as they are known. Out: nothing, or what does not fit.

use tract_onnx::tract_hir::internal::*;

use super::super::checked::Known;
use super::super::host::f64s;
use super::axis_of;

/// Longest window, and most coefficients of a filter bank, that are made while a plan is: they are constants.
const LONGEST: i64 = 1 << 24;

/// Window functions are constants that are made while a plan is.
pub(in crate::model::ops) fn length(known: &Known) -> TractResult<()> {
    let Some(length) = known.ints(0) else { return Ok(()) };
    ensure!(
        length.len() == 1 && length.iter().all(|l| (0..=LONGEST).contains(l)),
        "a length of {length:?}"
    );
    Ok(())
}

pub(in crate::model::ops) fn mel(known: &Known) -> TractResult<()> {
    let (Some(bins), Some(length)) = (known.ints(0), known.ints(1)) else { return Ok(()) };
    let one = |list: &[i64]| list.first().copied().filter(|_| list.len() == 1);
    let (bins, length) = one(&bins).zip(one(&length)).context("a number of bins and a length")?;
    let fits = bins > 0 && length > 0 && bins.checked_mul(length).is_some_and(|n| n <= LONGEST);
    ensure!(fits, "{bins} bins of a length of {length}");
    let Some(rate) = known.ints(2) else { return Ok(()) };
    let rate = one(&rate).filter(|r| *r > 0).with_context(|| format!("a rate of {rate:?}"))?;
    let edge = |at: usize| known.value(at).and_then(|v| f64s(v).ok()?.first().copied());
    let (Some(low), Some(high)) = (edge(3), edge(4)) else { return Ok(()) };
    let fits = low >= 0.0 && low < high && high <= rate as f64 / 2.0;
    ensure!(fits, "bands from {low} to {high} of a rate of {rate}");
    Ok(())
}

/// Frames lie within the signal.
pub(in crate::model::ops) fn stft(known: &Known) -> TractResult<()> {
    let one = |at: usize| known.ints(at).and_then(|v| v.first().copied());
    if let Some(step) = one(1) {
        ensure!((1..=LONGEST).contains(&step), "a step of {step}");
    }
    let Some(length) = one(3).or_else(|| known.dim(2, 0)) else { return Ok(()) };
    ensure!((1..=LONGEST).contains(&length), "frames of {length}");
    if let Some(signal) = known.dim(0, 1) {
        ensure!(length <= signal, "frames of {length} of a signal of {signal}");
    }
    Ok(())
}

/// The last axis has real and imaginary parts.
pub(in crate::model::ops) fn dft(known: &Known) -> TractResult<()> {
    let Some(rank) = known.rank(0) else { return Ok(()) };
    let axis = known.ints(2).and_then(|a| a.first().copied()).or_else(|| known.int("axis"));
    if let Some(axis) = axis {
        ensure!(axis_of(known, axis, rank)? + 1 < rank, "the axis {axis} of {rank}");
    }
    // The engine does not know how much half of nothing is.
    if let (Some(dims), true) = (known.dims(0), known.int("onesided").unwrap_or(0) != 0) {
        ensure!(!dims.contains(&0), "a signal of shape {dims:?}");
    }
    if let Some(parts) = known.dim(0, rank - 1) {
        ensure!((1..=2).contains(&parts), "numbers of {parts} parts");
    }
    let Some(length) = known.ints(1).and_then(|l| l.first().copied()) else { return Ok(()) };
    ensure!((1..=LONGEST).contains(&length), "a length of {length}");
    Ok(())
}
