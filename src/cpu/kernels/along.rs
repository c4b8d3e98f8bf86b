//! Functions of the values along an axis that is not the last, or is short: softmax, and where the greatest lies.
//!
//! In: a tensor as `outer` times `n` times `inner`. Out: of the same shape, or without `n`. Neighbours along `inner`
//! share the lanes; where there are none, four lines do.

use crate::v4::F4;
use crate::{Result, fits};

/// Columns that go through the three passes of a softmax together.
const BLOCK: usize = 32;

/// `exp(x)` over its sum along `n`, in place.
pub fn softmax([outer, n, inner]: [usize; 3], values: &mut [f32]) -> Result<()> {
    fits(values.len() == outer * n * inner)?;
    if values.is_empty() {
        return Ok(());
    }
    if inner == 1 {
        return lines(n, values);
    }
    for image in values.chunks_exact_mut(n * inner) {
        for first in (0..inner).step_by(BLOCK) {
            let count = BLOCK.min(inner - first);
            let (mut most, mut sum) = ([f32::NEG_INFINITY; BLOCK], [0f32; BLOCK]);
            for i in 0..n {
                for (most, x) in most.iter_mut().zip(&image[i * inner + first..][..count]) {
                    *most = if *most < *x || x.is_nan() { *x } else { *most };
                }
            }
            for i in 0..n {
                let row = &mut image[i * inner + first..][..count];
                for at in (0..count).step_by(4) {
                    // SAFETY: `count - at` floats are left of the row, and whole vectors of the blocks.
                    unsafe {
                        let x = F4::load_first(row.as_ptr().add(at), count - at);
                        let y = x.sub(F4::load(most.as_ptr().add(at))).exp();
                        F4::load(sum.as_ptr().add(at)).add(y).store(sum.as_mut_ptr().add(at));
                        y.store_first(row.as_mut_ptr().add(at), count - at);
                    }
                }
            }
            for sum in &mut sum {
                *sum = 1. / *sum;
            }
            for i in 0..n {
                let row = &mut image[i * inner + first..][..count];
                row.iter_mut().zip(&sum).for_each(|(x, factor)| *x *= factor);
            }
        }
    }
    Ok(())
}

/// Softmax of lines of `n`, four at a time.
fn lines(n: usize, values: &mut [f32]) -> Result<()> {
    for four in values.chunks_mut(4 * n) {
        let last = four.len() / n - 1;
        let place = |line: usize, i: usize| line.min(last) * n + i;
        let at = |values: &[f32], i: usize| {
            let lanes: [f32; 4] = std::array::from_fn(|line| values[place(line, i)]);
            // SAFETY: an array of four.
            unsafe { F4::load(lanes.as_ptr()) }
        };
        let most = (1..n).fold(at(four, 0), |most, i| most.max(at(four, i)));
        let mut sum = F4::splat(0.);
        for i in 0..n {
            let y = at(four, i).sub(most).exp();
            sum = sum.add(y);
            for (line, y) in y.to_array().iter().enumerate().take(last + 1) {
                four[place(line, i)] = *y;
            }
        }
        for (line, sum) in four.chunks_exact_mut(n).zip(sum.to_array()) {
            line.iter_mut().for_each(|x| *x /= sum);
        }
    }
    Ok(())
}

/// Values to compare. The loops are instantiated here, because this crate is what is compiled for speed.
pub enum Compared<'a> {
    /// float32.
    F32(&'a [f32]),
    /// uint8.
    U8(&'a [u8]),
    /// int8.
    I8(&'a [i8]),
}

/// Where along `n` the greatest value lies, the first or the `last` of equal ones.
pub fn arg_max(
    shape: [usize; 3],
    values: &Compared<'_>,
    last: bool,
    out: &mut [i64],
) -> Result<()> {
    match values {
        Compared::F32(x) => greatest(shape, x, last, out),
        Compared::U8(x) => greatest(shape, x, last, out),
        Compared::I8(x) => greatest(shape, x, last, out),
    }
}

fn greatest<T: Copy + PartialOrd>(
    [outer, n, inner]: [usize; 3],
    values: &[T],
    last: bool,
    out: &mut [i64],
) -> Result<()> {
    fits(values.len() == outer * n * inner && out.len() == outer * inner)?;
    if values.is_empty() {
        return fits(out.is_empty());
    }
    if inner == 1 {
        for (line, out) in values.chunks_exact(n).zip(out) {
            *out = greatest_of_line(line, last);
        }
        return Ok(());
    }
    for (image, out) in values.chunks_exact(n * inner).zip(out.chunks_exact_mut(inner)) {
        for (first, out) in (0..inner).step_by(BLOCK).zip(out.chunks_mut(BLOCK)) {
            let count = out.len();
            let mut most = [image[first]; BLOCK];
            let mut place = [0i32; BLOCK];
            most[..count].copy_from_slice(&image[first..][..count]);
            for i in 1..n {
                let row = &image[i * inner + first..][..count];
                for ((most, place), x) in most.iter_mut().zip(&mut place).zip(row) {
                    let wins = if last { *x >= *most } else { *x > *most };
                    *most = if wins { *x } else { *most };
                    *place = if wins { i as i32 } else { *place };
                }
            }
            out.iter_mut().zip(place).for_each(|(out, place)| *out = i64::from(place));
        }
    }
    Ok(())
}

/// Values of a line that are compared side by side.
const SIDE: usize = 8;

/// The place of the greatest value, by places that are the same when divided by [`SIDE`]. What is no number is never
/// greater than anything, nor anything greater than it.
fn greatest_of_line<T: Copy + PartialOrd>(line: &[T], last: bool) -> i64 {
    let (mut most, mut place) = ([line[0]; SIDE], [0i32; SIDE]);
    for (at, some) in (0i32..).zip(line.chunks(SIDE)) {
        for ((most, place), x) in most.iter_mut().zip(&mut place).zip(some) {
            let wins = if last { *x >= *most } else { *x > *most };
            *most = if wins { *x } else { *most };
            *place = if wins { at } else { *place };
        }
    }
    // Lanes that nothing won still have the first value.
    let at = |lane: usize| match place[lane] {
        0 if line.get(lane).is_none_or(|x| *x != most[lane]) => 0,
        place => i64::from(place) * SIDE as i64 + lane as i64,
    };
    let all = most.iter().enumerate().map(|(lane, value)| (*value, at(lane)));
    let best = all.reduce(|best, (value, at)| {
        let before = if last { at > best.1 } else { at < best.1 };
        if value > best.0 || value == best.0 && before { (value, at) } else { best }
    });
    best.map_or(0, |(_, at)| at)
}
