//! The greatest or the least along an axis, in order.
//!
//! In: a tensor as `outer` times `n` times `inner`. Out: the first `k` along `n`, and where they were. Of equal ones the
//! first comes first, -0 equals 0, and what is no number comes last. A value and its place become one integer in the
//! order that is wanted, so that a selection by comparisons of integers is all there is to do.

use crate::{Result, fits};

/// The integer that sorts as wanted.
#[inline(always)]
pub(crate) fn key(value: f32, at: usize, largest: bool) -> u64 {
    let rank = if value.is_nan() {
        u32::MAX
    } else {
        // -0 plus 0 is 0.
        let bits = (value + 0.).to_bits();
        let rising = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
        if largest { !rising } else { rising }
    };
    u64::from(rank) << 32 | at as u64
}

/// The first `k` of each line, as `values` and `places`.
pub fn top(
    [outer, n, inner]: [usize; 3],
    k: usize,
    largest: bool,
    x: &[f32],
    values: &mut [f32],
    places: &mut [i64],
) -> Result<()> {
    fits(x.len() == outer * n * inner && k <= n && n <= u32::MAX as usize)?;
    fits(values.len() == outer * k * inner && places.len() == values.len())?;
    if values.is_empty() {
        return Ok(());
    }
    let mut keys = Vec::with_capacity(n);
    for (image, x) in x.chunks_exact(n * inner).enumerate() {
        for column in 0..inner {
            let line = x.iter().skip(column).step_by(inner);
            keys.clear();
            keys.extend(line.enumerate().map(|(at, value)| key(*value, at, largest)));
            if k < n {
                keys.select_nth_unstable(k - 1);
            }
            keys[..k].sort_unstable();
            for (rank, key) in keys[..k].iter().enumerate() {
                let at = (key & u64::from(u32::MAX)) as usize;
                let to = (image * k + rank) * inner + column;
                values[to] = x[at * inner + column];
                places[to] = at as i64;
            }
        }
    }
    Ok(())
}
