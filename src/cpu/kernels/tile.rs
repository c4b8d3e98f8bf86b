//! The product of a few packed rows with a few packed columns, in registers.
//!
//! In: [`ROWS`] rows of one matrix and [`COLUMNS`] (or half as many) columns of the other, both interleaved so that
//! a step reads the next floats. Out: their sums of products, in lanes. Eight accumulators: with four rows by eight
//! columns everything stays within the 16 registers of x86-64, where larger tiles spill, and the two products a row
//! keep the adders busy there and on ARM.

use crate::v4::F4;

/// Rows of a tile.
pub const ROWS: usize = 4;
/// Columns of a tile.
pub const COLUMNS: usize = 8;

/// `ROWS` by `4 * NV` sums over `k` products: `a` holds `ROWS` floats a step, `b` holds `4 * NV`.
///
/// # Safety
/// `a` must have `ROWS * k` readable floats and `b` `4 * NV * k`.
#[inline(always)]
pub(crate) unsafe fn tile<const NV: usize>(
    mut a: *const f32,
    mut b: *const f32,
    k: usize,
    start: [F4; ROWS],
) -> [[F4; NV]; ROWS] {
    let [r0, r1, r2, r3] = start;
    let mut sums = [[r0; NV], [r1; NV], [r2; NV], [r3; NV]];
    let mut step = || unsafe {
        let mut columns = [F4::splat(0.); NV];
        for (v, column) in columns.iter_mut().enumerate() {
            *column = F4::load(b.add(4 * v));
        }
        for (r, row) in sums.iter_mut().enumerate() {
            let left = F4::load_splat(a.add(r));
            for (sum, column) in row.iter_mut().zip(columns) {
                *sum = sum.add_product(left, column);
            }
        }
        a = a.add(ROWS);
        b = b.add(4 * NV);
    };
    // One step a turn: of several V8 moves the loads to the front, and then keeps the sums on the stack.
    for _ in 0..k {
        step();
    }
    sums
}

/// The products of `NT` tiles' rows with one vector: lane `r` of sum `t` is row `r` of tile `t`.
/// `a` is the first tile, each is `ROWS * k` long.
///
/// # Safety
/// `a` must have `NT * ROWS * k` readable floats and `b` `k`.
#[inline(always)]
pub(crate) unsafe fn column<const NT: usize>(a: *const f32, b: *const f32, k: usize) -> [F4; NT] {
    let mut sums = [[F4::splat(0.); NT]; 2];
    let mut step = |i: usize, half: usize| unsafe {
        let right = F4::load_splat(b.add(i));
        for (t, sum) in sums[half].iter_mut().enumerate() {
            *sum = sum.add_product(F4::load(a.add(ROWS * (t * k + i))), right);
        }
    };
    for i in 0..k / 2 {
        step(2 * i, 0);
        step(2 * i + 1, 1);
    }
    if k % 2 == 1 {
        step(k - 1, 0);
    }
    let [even, odd] = sums;
    let mut both = even;
    for (sum, more) in both.iter_mut().zip(odd) {
        *sum = sum.add(more);
    }
    both
}

/// Floats of `rows` packed rows of `k`.
pub fn packed_len(rows: usize, k: usize) -> usize {
    rows.div_ceil(ROWS) * ROWS * k
}

/// Interleaves a matrix of `rows` rows, whose element in row `r` and column `i` is `at(r, i)`, for [`tile`]:
/// by tiles of [`ROWS`] rows, the last filled with zeros.
pub fn pack_rows(rows: usize, k: usize, at: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    let mut packed = Vec::with_capacity(packed_len(rows, k));
    for first in (0..rows).step_by(ROWS) {
        for i in 0..k {
            packed.extend((first..first + ROWS).map(|r| if r < rows { at(r, i) } else { 0. }));
        }
    }
    packed
}
