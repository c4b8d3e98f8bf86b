//! Rows times a constant matrix.
//!
//! In: rows as they lie, and weights packed by [`pack`] in panels of [`COLUMNS`] columns. Out: rows. Four rows share each
//! load of the weights; one row alone takes four panels at once, so that its sums do not wait for each other.

use crate::parallel::{self, Divided};
use crate::tile::COLUMNS;
pub use crate::tile::ROWS;
use crate::v4::F4;
use crate::{Result, fits};

/// Panels that a single row takes at once.
const PANELS: usize = 4;
/// Rows of a part, where there are several threads.
const BLOCK: usize = 64;

/// Weights from `k` rows of `n`, where the weight of input `i` and column `c` is `at(i, c)`; zeros fill the last panel.
pub fn pack(k: usize, n: usize, at: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    let mut packed = vec![];
    pack_into(&mut packed, k, n, at);
    packed
}

/// Floats of packed weights.
pub fn packed_len(k: usize, n: usize) -> usize {
    n.div_ceil(COLUMNS) * COLUMNS * k
}

/// The same into a slice of [`packed_len`].
pub fn pack_to(packed: &mut [f32], k: usize, n: usize, at: impl Fn(usize, usize) -> f32) {
    for (panel, lines) in packed.chunks_exact_mut((COLUMNS * k).max(1)).enumerate() {
        for (i, to) in lines.chunks_exact_mut(COLUMNS).enumerate() {
            for (c, to) in (panel * COLUMNS..).zip(to) {
                *to = if c < n { at(i, c) } else { 0. };
            }
        }
    }
}

/// The same into a vector that is there.
pub fn pack_into(packed: &mut Vec<f32>, k: usize, n: usize, at: impl Fn(usize, usize) -> f32) {
    packed.resize(packed_len(k, n), 0.);
    pack_to(packed, k, n, at);
}

/// `R` rows by `P` panels, which are `8 * k` floats each.
///
/// # Safety
/// Each row must have `k` readable floats, `panel` `8 * k * P`.
#[allow(clippy::needless_range_loop)] // counted loops are unrolled into registers
#[inline(always)]
unsafe fn tile<const R: usize, const P: usize>(
    rows: [*const f32; R],
    panel: *const f32,
    k: usize,
) -> [[[F4; 2]; P]; R] {
    let mut sums = [[[F4::splat(0.); 2]; P]; R];
    let mut take = |i: usize| unsafe {
        for p in 0..P {
            let at = panel.add((p * k + i) * COLUMNS);
            let (low, high) = (F4::load(at), F4::load(at.add(4)));
            for r in 0..R {
                let left = F4::load_splat(rows[r].add(i));
                sums[r][p][0] = sums[r][p][0].add_product(left, low);
                sums[r][p][1] = sums[r][p][1].add_product(left, high);
            }
        }
    };
    for i in 0..k / 2 {
        take(2 * i);
        take(2 * i + 1);
    }
    if k % 2 == 1 {
        take(k - 1);
    }
    sums
}

/// `m` rows of `k` times packed weights, plus a bias where there is one: one for each column, or for each sum.
pub fn dense(
    [m, k, n]: [usize; 3],
    x: &[f32],
    packed: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
) -> Result<()> {
    let panels = n.div_ceil(COLUMNS);
    fits(x.len() == m * k && out.len() == m * n && packed.len() == panels * COLUMNS * k)?;
    fits(bias.is_none_or(|b| b.len() == n || b.len() == m * n))?;
    // From one row of the bias to the next.
    let bias_step = bias.map_or(0, |b| if b.len() == n { 0 } else { n });
    let at = |row: usize| x[row * k..].as_ptr();
    let lanes = parallel::lanes(&[out.len(), k]);
    let out = Divided::new(out);
    let put = |row: usize, panel: usize, sums: &[F4; 2]| {
        let first = panel * COLUMNS;
        for (half, sum) in sums.iter().enumerate() {
            let column = first + 4 * half;
            let count = n.saturating_sub(column);
            if count > 0 {
                // SAFETY: `count` columns are left of the row and of the bias; each part has places of its own.
                unsafe {
                    let from = row * bias_step + column;
                    let bias = bias.map(|b| F4::load_first(b.as_ptr().add(from), count));
                    let sum = bias.map_or(*sum, |b| sum.add(b));
                    sum.store_first(out.at(row * n + column), count);
                }
            }
        }
    };
    // A part is as many rows as stay in the cache, with as many panels as a single row takes.
    let blocks = if lanes > 1 { m.div_ceil(BLOCK) } else { 1 };
    let rows_each = m.div_ceil(blocks.max(1)).next_multiple_of(ROWS);
    let groups = panels.div_ceil(PANELS);
    parallel::each(groups * blocks, lanes, |part, _| {
        let some = part % groups * PANELS..panels.min((part % groups + 1) * PANELS);
        let first = part / groups * rows_each;
        let last = m.min(first + rows_each);
        let fours = first + (last.saturating_sub(first)) / ROWS * ROWS;
        for panel in some.clone() {
            let columns = packed[panel * COLUMNS * k..].as_ptr();
            for row in (first..fours).step_by(ROWS) {
                // SAFETY: the lengths were checked.
                let sums = unsafe {
                    tile::<ROWS, 1>([at(row), at(row + 1), at(row + 2), at(row + 3)], columns, k)
                };
                for (r, [sums]) in sums.iter().enumerate() {
                    put(row + r, panel, sums);
                }
            }
        }
        for row in fours..last {
            let columns = packed[some.start * COLUMNS * k..].as_ptr();
            // SAFETY: the lengths were checked.
            if some.len() == PANELS {
                let [sums] = unsafe { tile::<1, PANELS>([at(row)], columns, k) };
                for (p, sums) in sums.iter().enumerate() {
                    put(row, some.start + p, sums);
                }
                continue;
            }
            for panel in some.clone() {
                let columns = packed[panel * COLUMNS * k..].as_ptr();
                let [[sums]] = unsafe { tile::<1, 1>([at(row)], columns, k) };
                put(row, panel, &sums);
            }
        }
    });
    Ok(())
}
