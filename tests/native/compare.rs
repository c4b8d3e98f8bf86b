//! Whether a tensor equals its reference, within a row of tolerances.

use nearside::{DType, Tensor};
use serde::Deserialize;

use crate::numbers::numbers;

/// A value is right when `|a-b| <= rtol*|b| + atol*max|reference|`; where `cosine` is set, the
/// innermost rows are right when their cosine with the reference is at least that.
#[derive(Clone, Deserialize)]
pub(crate) struct Tolerance {
    rtol: f64,
    atol: f64,
    /// Share of values that may be beyond: engines round int8 differently, and a tie breaks either way.
    #[serde(default)]
    beyond: f64,
    cosine: Option<f64>,
}

/// `Err` says how far off it is.
pub(crate) fn compare(
    name: &str,
    got: &Tensor,
    wanted: &Tensor,
    tol: &Tolerance,
) -> Result<(), String> {
    if got.dtype() != wanted.dtype() || got.shape() != wanted.shape() {
        return Err(format!(
            "{name}: {} {:?} instead of {} {:?}",
            got.dtype().name(),
            got.shape(),
            wanted.dtype().name(),
            wanted.shape()
        ));
    }
    if got.dtype() == DType::String {
        return if got.strings() == wanted.strings() { Ok(()) } else { Err(name.to_owned()) };
    }
    let (got, wanted_values) = (numbers(got)?, numbers(wanted)?);
    if let Some(limit) = tol.cosine {
        return cosine(name, &got, &wanted_values, wanted.shape(), limit);
    }
    let range = wanted_values.iter().filter(|v| v.is_finite()).fold(0f64, |m, v| m.max(v.abs()));
    let (mut worst, mut beyond) = (0f64, 0usize);
    for (a, b) in got.iter().zip(&wanted_values) {
        if a == b || (a.is_nan() && b.is_nan()) {
            continue;
        }
        let off = (a - b).abs();
        worst = worst.max(if off.is_nan() { f64::INFINITY } else { off });
        // An infinity on one side only is wrong, though rtol would allow it an infinite distance.
        if !off.is_finite() || off > tol.rtol * b.abs() + tol.atol * range {
            beyond += 1;
        }
    }
    let share = beyond as f64 / got.len().max(1) as f64;
    if share > tol.beyond {
        return Err(format!(
            "{name}: {beyond} of {} values beyond the tolerance, largest difference {worst:e}, range {range:e}",
            got.len()
        ));
    }
    Ok(())
}

fn cosine(name: &str, a: &[f64], b: &[f64], shape: &[usize], limit: f64) -> Result<(), String> {
    let width = shape.last().copied().unwrap_or(1).max(1);
    for (row, (a, b)) in a.chunks(width).zip(b.chunks(width)).enumerate() {
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        if cosine.is_nan() || cosine < limit {
            return Err(format!("{name}: row {row} has cosine {cosine} to its reference"));
        }
    }
    Ok(())
}
