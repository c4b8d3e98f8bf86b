//! Products of 8-bit integers with a constant matrix, exact in int32.
//!
//! In: rows of bytes and their zero point, and weights less theirs, packed by [`pack`]. Out: sums, or what becomes of
//! them column by column. Two products a lane and step: with the zero points gone beforehand there is nothing to correct
//! afterwards. Rows are laid side by side as int16, four at a time, so that a step reads one place of them.

use crate::parallel::{self, Divided};
use crate::quantize::{Quanta, QuantaDivided};
use crate::scratch::Scratch;
use crate::tile::{COLUMNS, ROWS};
use crate::v4::F4;
use crate::v8::{I4, S8};
use crate::widen::Bytes;
use crate::{Activation, Result, fits};

/// Bytes of rows that stay in the second-level cache while all columns pass.
const BLOCK: usize = 256 * 1024;
/// Panels of a part: what is shared between threads are lines of the output.
const PANELS: usize = 4;

/// A type that weights are kept in.
pub(crate) trait Weight: Copy {
    /// Eight from `at` on.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn eight(at: *const Self) -> S8;
}

impl Weight for i16 {
    #[inline(always)]
    unsafe fn eight(at: *const Self) -> S8 {
        unsafe { S8::load(at) }
    }
}

impl Weight for i8 {
    #[inline(always)]
    unsafe fn eight(at: *const Self) -> S8 {
        unsafe { S8::load_i8(at) }
    }
}

/// `R` rows by eight columns: a step takes two int16 of each row, which lie side by side, and sixteen of `columns`.
///
/// # Safety
/// `rows` must point to `2 * R * steps` readable int16, `columns` to `16 * steps`.
#[inline(always)]
pub(crate) unsafe fn tile<const R: usize, W: Weight>(
    mut rows: *const i16,
    mut columns: *const W,
    steps: usize,
) -> [[I4; 2]; R] {
    let mut sums = [[I4::splat(0); 2]; R];
    let mut take = || unsafe {
        let (low, high) = (W::eight(columns), W::eight(columns.add(8)));
        for (r, sums) in sums.iter_mut().enumerate() {
            let pair = S8::load_pair(rows.add(2 * r));
            sums[0] = sums[0].plus(pair.dot(low));
            sums[1] = sums[1].plus(pair.dot(high));
        }
        rows = rows.add(2 * R);
        columns = columns.add(2 * COLUMNS);
    };
    for _ in 0..steps {
        take();
    }
    sums
}

/// Interleaves a matrix, whose element in line `r` and step `i` is `at(r, i)`, in blocks of `width` lines by two steps;
/// zeros where there is none.
pub(crate) fn pack_pairs(
    packed: &mut Vec<i16>,
    lines: usize,
    k: usize,
    width: usize,
    at: impl Fn(usize, usize) -> i16,
) {
    for first in (0..lines).step_by(width) {
        let whole = first + width <= lines;
        for i in (0..k / 2 * 2).step_by(2) {
            if whole {
                packed.extend((first..first + width).flat_map(|r| [at(r, i), at(r, i + 1)]));
            } else {
                let real = |r: usize| if r < lines { [at(r, i), at(r, i + 1)] } else { [0; 2] };
                packed.extend((first..first + width).flat_map(real));
            }
        }
        if k % 2 == 1 {
            let real = |r: usize| [if r < lines { at(r, k - 1) } else { 0 }, 0];
            packed.extend((first..first + width).flat_map(real));
        }
    }
}

/// Weights of [`dense`] from `k` rows of `n`. Never inlined: in a caller that is compiled for size it would be so too.
#[inline(never)]
pub fn pack(k: usize, n: usize, weights: &[i16]) -> Result<Vec<i16>> {
    fits(weights.len() == k * n)?;
    let mut packed = Vec::with_capacity(n.div_ceil(COLUMNS) * COLUMNS * k.next_multiple_of(2));
    pack_pairs(&mut packed, n, k, COLUMNS, |column, i| weights[i * n + column]);
    Ok(packed)
}

/// Weights of [`dense`].
#[derive(Clone, Copy)]
pub enum Weights<'a> {
    /// As [`pack`] gives them.
    Shorts(&'a [i16]),
    /// The same in half the memory: where few rows share them, reading them is all the time there is.
    Bytes(&'a [i8]),
}

/// Packed weights as bytes, if all of them are.
#[inline(never)]
pub fn narrowed(packed: &[i16]) -> Option<Vec<i8>> {
    packed.iter().map(|weight| i8::try_from(*weight).ok()).collect()
}

/// What becomes of the sums, column by column.
pub enum Columns<'a> {
    /// They are the output.
    Sums(&'a mut [i32]),
    /// Times a factor each column, plus a bias where there is one.
    Scaled(Scaled<'a>, Activation, &'a mut [f32]),
    /// The same, then rounded and moved by a zero point.
    Rounded(Scaled<'a>, i32, Quanta<'a>),
}

/// Factors and a bias, each of one value for all columns or one a column.
#[derive(Clone, Copy)]
pub struct Scaled<'a> {
    /// What is added to the sums themselves.
    pub offsets: Option<&'a [i32]>,
    /// What sums are multiplied by.
    pub factors: &'a [f32],
    /// What is added.
    pub bias: Option<&'a [f32]>,
}

/// [`Columns`] whose output several parts write.
enum Places<'a> {
    Sums(Divided<'a, i32>),
    Scaled(Activation, Divided<'a, f32>),
    Rounded(i32, QuantaDivided<'a>),
}

/// In whole panels.
fn spread<T: Copy + Default>(values: &[T], n: usize) -> Result<Vec<T>> {
    fits(values.len() == 1 || values.len() == n)?;
    let mut spread: Vec<T> = values.iter().cycle().take(n).copied().collect();
    spread.resize(n.next_multiple_of(COLUMNS), T::default());
    Ok(spread)
}

/// `m` rows of `k`, less `zero`, times `k` rows of `n`, packed by [`pack`].
pub fn dense(
    size: [usize; 3],
    x: Bytes<'_>,
    zero: i16,
    packed: Weights<'_>,
    finish: &mut Columns<'_>,
) -> Result<()> {
    match packed {
        Weights::Shorts(packed) => dense_of(size, x, zero, packed, finish),
        Weights::Bytes(packed) => dense_of(size, x, zero, packed, finish),
    }
}

fn dense_of<W: Weight + Sync>(
    [m, k, n]: [usize; 3],
    x: Bytes<'_>,
    zero: i16,
    packed: &[W],
    finish: &mut Columns<'_>,
) -> Result<()> {
    let steps = k.div_ceil(2);
    let length = match finish {
        Columns::Sums(out) => out.len(),
        Columns::Scaled(_, _, out) => out.len(),
        Columns::Rounded(_, _, out) => out.len(),
    };
    fits(x.len() == m * k && length == m * n)?;
    fits(packed.len() == n.div_ceil(COLUMNS) * COLUMNS * 2 * steps)?;
    if length == 0 {
        return Ok(());
    }
    let (mut factors, mut bias, mut offsets) = (vec![], None, None);
    if let Columns::Scaled(scaled, ..) | Columns::Rounded(scaled, ..) = finish {
        factors = spread(scaled.factors, n)?;
        bias = scaled.bias.map(|bias| spread(bias, n)).transpose()?;
        offsets = scaled.offsets.map(|offsets| spread(offsets, n)).transpose()?;
    }
    let places = match finish {
        Columns::Sums(out) => Places::Sums(Divided::new(out)),
        Columns::Scaled(_, activation, out) => Places::Scaled(*activation, Divided::new(out)),
        Columns::Rounded(_, zero, out) => Places::Rounded(*zero, out.divided()),
    };
    let even = k.next_multiple_of(2);
    let mut room = Scratch::<i16>::new((m + ROWS) * even);
    let (rows, wide) = room.split_at_mut(m * even);
    side_by_side([m, k], x, zero, rows, wide);
    let lanes = parallel::lanes(&[m, n, k]);
    let product = Product {
        n,
        steps,
        rows,
        packed,
        factors: &factors,
        bias: bias.as_deref(),
        offsets: offsets.as_deref(),
        places: &places,
    };
    let rows_each = (BLOCK / (4 * steps.max(1)) / ROWS * ROWS).max(ROWS);
    let groups = n.div_ceil(COLUMNS * PANELS);
    parallel::each(groups * m.div_ceil(rows_each), lanes, |part, _| {
        let first = part / groups * rows_each;
        let last = m.min(first + rows_each);
        for panel in part % groups * PANELS..(part % groups + 1) * PANELS {
            if panel * COLUMNS < n {
                // SAFETY: each part has rows and panels of its own, and all lengths were checked.
                unsafe { product.panel(first, last, panel) };
            }
        }
    });
    Ok(())
}

/// Rows as [`tile`] reads them: in fours, those that are left over all together. `wide` is room for four.
fn side_by_side([m, k]: [usize; 2], x: Bytes<'_>, zero: i16, rows: &mut [i16], wide: &mut [i16]) {
    let even = k.next_multiple_of(2);
    wide.fill(0);
    for first in (0..m).step_by(ROWS) {
        let count = ROWS.min(m - first);
        for (r, row) in wide.chunks_exact_mut(even).enumerate().take(count) {
            x.shorts((first + r) * k, zero, &mut row[..k]);
        }
        let to = &mut rows[first * even..(first + count) * even];
        for (i, pairs) in to.chunks_exact_mut(2 * count).enumerate() {
            for (row, pair) in wide.chunks_exact(even).zip(pairs.chunks_exact_mut(2)) {
                pair.copy_from_slice(&row[2 * i..2 * i + 2]);
            }
        }
    }
}

struct Product<'a, W> {
    n: usize,
    steps: usize,
    rows: &'a [i16],
    packed: &'a [W],
    factors: &'a [f32],
    bias: Option<&'a [f32]>,
    offsets: Option<&'a [i32]>,
    places: &'a Places<'a>,
}

impl<W: Weight> Product<'_, W> {
    /// Rows from `first`, the first of a four, to `last` by one panel.
    ///
    /// # Safety
    /// All of it must be there, and no one else may write these outputs.
    unsafe fn panel(&self, first: usize, last: usize, panel: usize) {
        let columns = unsafe { self.packed.as_ptr().add(panel * COLUMNS * 2 * self.steps) };
        for row in (first..last).step_by(ROWS) {
            let steps = self.steps;
            unsafe {
                let rows = self.rows.as_ptr().add(row * 2 * steps);
                match last - row {
                    1 => self.put(row, panel, &tile::<1, W>(rows, columns, steps)),
                    2 => self.put(row, panel, &tile::<2, W>(rows, columns, steps)),
                    3 => self.put(row, panel, &tile::<3, W>(rows, columns, steps)),
                    _ => self.put(row, panel, &tile::<ROWS, W>(rows, columns, steps)),
                }
            }
        }
    }

    /// Finishes a tile.
    ///
    /// # Safety
    /// As for [`Product::panel`].
    #[inline(always)]
    unsafe fn put<const R: usize>(&self, row: usize, panel: usize, tile: &[[I4; 2]; R]) {
        let first = panel * COLUMNS;
        let count = COLUMNS.min(self.n - first);
        let at = |r: usize| (row + r) * self.n + first;
        if let Places::Sums(out) = self.places {
            for (r, [low, high]) in tile.iter().enumerate() {
                let mut sums = [0; COLUMNS];
                // SAFETY: a row of sums is two vectors long; the rest is the caller's.
                unsafe {
                    low.store(sums.as_mut_ptr());
                    high.store(sums.as_mut_ptr().add(4));
                    put(out, at(r), &sums, count);
                }
            }
            return;
        }
        let mut values = [0f32; ROWS * COLUMNS];
        for half in 0..2 {
            // SAFETY: factors and biases are in whole panels, values in whole rows.
            unsafe {
                let factor = F4::load(self.factors.as_ptr().add(first + 4 * half));
                let bias = self.bias.map(|bias| F4::load(bias.as_ptr().add(first + 4 * half)));
                let offset = self.offsets.map_or(I4::splat(0), |offsets| {
                    I4::load(offsets.as_ptr().add(first + 4 * half))
                });
                for (r, sums) in tile.iter().enumerate() {
                    let value = sums[half].plus(offset).floats().mul(factor);
                    let value = bias.map_or(value, |bias| value.add(bias));
                    value.store(values.as_mut_ptr().add(r * COLUMNS + 4 * half));
                }
            }
        }
        let values = &mut values[..R * COLUMNS];
        match self.places {
            Places::Sums(_) => {}
            Places::Scaled(activation, out) => {
                activation.apply(values);
                for (r, values) in values.as_chunks().0.iter().enumerate() {
                    // SAFETY: the caller's.
                    unsafe { put(out, at(r), values, count) };
                }
            }
            // SAFETY: the caller's.
            Places::Rounded(zero, out) => unsafe { out.round_rows(values, *zero, at, count) },
        }
    }
}

/// Writes the first `count` of eight values from `at` on.
///
/// # Safety
/// They must be within the slice, and no one else's.
#[inline(always)]
pub(crate) unsafe fn put<T: Copy>(
    out: &Divided<'_, T>,
    at: usize,
    values: &[T; COLUMNS],
    count: usize,
) {
    if count == COLUMNS {
        // As one or two vectors; a copy of some length is a call.
        unsafe { out.at(at).cast::<[T; COLUMNS]>().write(*values) };
    } else {
        unsafe { out.take(at, count) }.copy_from_slice(&values[..count]);
    }
}
