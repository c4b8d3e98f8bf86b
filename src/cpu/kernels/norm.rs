//! Rows normalised by what they have in common: mean and deviation, sums of exponentials.
//!
//! In: rows of one length. Out: rows. A row is read while it is in the nearest cache; its sums are kept in eight lanes.

use crate::parallel;
use crate::v4::F4;
use crate::{Result, fits};

/// What an element costs, in products.
const COST: usize = 4;

/// What a row is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Norm {
    /// Less the mean, over the deviation from it: layer normalisation.
    Deviation,
    /// Over the root of the mean of squares.
    MeanSquare,
}

/// Values whose sum is one term of a longer sum.
const TERM: usize = 4096;

/// The sum of `f` of all values.
#[inline(always)]
fn sum(values: &[f32], f: impl Fn(F4) -> F4) -> f32 {
    values.chunks(TERM).fold(0., |sum, values| sum + term(values, &f))
}

#[inline(always)]
fn term(values: &[f32], f: impl Fn(F4) -> F4) -> f32 {
    let mut sums = [F4::splat(0.); 2];
    let mut eights = values.chunks_exact(8);
    for eight in &mut eights {
        for (half, sum) in sums.iter_mut().enumerate() {
            // SAFETY: it is eight floats long.
            *sum = sum.add(f(unsafe { F4::load(eight.as_ptr().add(4 * half)) }));
        }
    }
    let rest = eights.remainder();
    let mut total: f32 = sums[0].add(sums[1]).to_array().iter().sum();
    for value in rest {
        total += f(F4::splat(*value)).to_array()[0];
    }
    total
}

/// Normalises each row of `width`, then takes it times `scale` and plus `shift`, both of one value a column. Without `x`
/// the rows are those that lie in `out`.
pub fn rows(
    norm: Norm,
    width: usize,
    epsilon: f32,
    x: Option<&[f32]>,
    scale: Option<&[f32]>,
    shift: Option<&[f32]>,
    out: &mut [f32],
) -> Result<()> {
    fits(width > 0 && out.len().is_multiple_of(width))?;
    fits(x.is_none_or(|x| x.len() == out.len()))?;
    fits([scale, shift].iter().flatten().all(|side| side.len() == width))?;
    let count = width as f32;
    parallel::pieces(out, width, COST, |first, out| {
        for (row, out) in out.chunks_exact_mut(width).enumerate() {
            let x = x.map(|x| &x[first + row * width..][..width]);
            let values = x.unwrap_or(out);
            let mean = match norm {
                Norm::Deviation => sum(values, |v| v) / count,
                Norm::MeanSquare => 0.,
            };
            let middle = F4::splat(mean);
            let square = |v: F4| v.sub(middle).mul(v.sub(middle));
            let factor = 1. / (sum(values, square) / count + epsilon).sqrt();
            let factor = F4::splat(factor);
            let out = out.as_mut_ptr();
            let from = x.map_or(out.cast_const(), <[f32]>::as_ptr);
            for at in (0..width).step_by(4) {
                let left = width - at;
                // SAFETY: `left` values are left of every slice.
                unsafe {
                    let value = F4::load_first(from.add(at), left);
                    let mut value = value.sub(middle).mul(factor);
                    if let Some(scale) = scale {
                        value = value.mul(F4::load_first(scale.as_ptr().add(at), left));
                    }
                    if let Some(shift) = shift {
                        value = value.add(F4::load_first(shift.as_ptr().add(at), left));
                    }
                    value.store_first(out.add(at), left);
                }
            }
        }
    });
    Ok(())
}

/// The largest value of a row.
#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let (fours, rest) = row.as_chunks::<4>();
    let least = F4::splat(f32::NEG_INFINITY);
    // SAFETY: each has four floats.
    let most = fours.iter().fold(least, |most, x| most.max(unsafe { F4::load(x.as_ptr()) }));
    most.to_array().iter().chain(rest).fold(f32::NEG_INFINITY, |a, b| a.max(*b))
}

/// The logarithm of [`softmax`], in place: of what is small, too.
pub fn log_softmax(width: usize, rows: &mut [f32]) -> Result<()> {
    fits(width > 0 && rows.len().is_multiple_of(width))?;
    let zero = F4::splat(0.);
    parallel::pieces(rows, width, 2 * COST, |_, rows| {
        for row in rows.chunks_exact_mut(width) {
            let most = largest(row);
            let far = F4::splat(most);
            // Further down nothing is left of an exponential.
            let raised = |x: F4| {
                let x = x.sub(far);
                x.add(F4::splat(87.)).if_negative(zero, x.exp())
            };
            let sum = sum(row, raised).ln();
            row.iter_mut().for_each(|x| *x = *x - most - sum);
        }
    });
    Ok(())
}

/// Each row of `width` as parts of its sum of exponentials, in place.
pub fn softmax(width: usize, rows: &mut [f32]) -> Result<()> {
    fits(width > 0 && rows.len().is_multiple_of(width))?;
    let zero = F4::splat(0.);
    parallel::pieces(rows, width, 2 * COST, |_, rows| {
        for row in rows.chunks_exact_mut(width) {
            let most = F4::splat(largest(row));
            let mut sum = 0.;
            let mut sums = zero;
            for four in row.chunks_mut(4) {
                // SAFETY: as many floats as it has.
                unsafe {
                    let x = F4::load_first(four.as_ptr(), four.len()).sub(most);
                    // Further down nothing is left of an exponential.
                    let y = x.add(F4::splat(87.)).if_negative(zero, x.exp());
                    y.store_first(four.as_mut_ptr(), four.len());
                    if four.len() == 4 {
                        sums = sums.add(y);
                    } else {
                        sum = four.iter().sum::<f32>();
                    }
                }
            }
            sum += sums.to_array().iter().sum::<f32>();
            let part = F4::splat(1. / sum);
            for four in row.chunks_mut(4) {
                // SAFETY: as many floats as it has.
                unsafe {
                    let y = F4::load_first(four.as_ptr(), four.len()).mul(part);
                    y.store_first(four.as_mut_ptr(), four.len());
                }
            }
        }
    });
    Ok(())
}
