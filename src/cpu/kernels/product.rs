//! A matrix times a matrix, neither of them constant: what attention is made of.
//!
//! In: two matrices as they lie, and scratch space. Out: the product, as the caller wants it to lie. Few rows are
//! multiplied in place, since packing the other matrix would cost as much as the product; many rows share a packed one.

use crate::dense::{self, ROWS, dense};
use crate::v4::F4;
use crate::{Result, fits};

/// A matrix whose element in row `r` and column `c` is at `r * strides[0] + c * strides[1]`.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// From its first element on.
    pub values: &'a [f32],
    /// From row to row and from column to column.
    pub strides: [usize; 2],
}

/// Whether a matrix of this size lies within so many values.
fn holds(length: usize, [rows, columns]: [usize; 2], strides: [usize; 2]) -> bool {
    let reach = |n: usize, stride: usize| n.checked_sub(1).and_then(|n| n.checked_mul(stride));
    match (reach(rows, strides[0]), reach(columns, strides[1])) {
        (Some(a), Some(b)) => a.checked_add(b).is_some_and(|last| last < length),
        _ => rows == 0 || columns == 0,
    }
}

impl View<'_> {
    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> f32 {
        self.values[row * self.strides[0] + column * self.strides[1]]
    }
}

/// What one product leaves for the next one to use; for products of matrices that stay as they are meanwhile, since a
/// matrix that was packed is known by where it lies.
#[derive(Debug, Default)]
pub struct Scratch {
    rows: Vec<f32>,
    panels: Vec<f32>,
    sums: Vec<f32>,
    /// Where the matrix lies that the panels hold, and how.
    packed: Option<(*const f32, [usize; 4])>,
}

/// `m` by `k` times `k` by `n`, to `out`, which lies by `strides`.
pub fn product(
    [m, k, n]: [usize; 3],
    a: View,
    b: View,
    out: &mut [f32],
    strides: [usize; 2],
    scratch: &mut Scratch,
) -> Result<()> {
    fits(holds(a.values.len(), [m, k], a.strides) && holds(b.values.len(), [k, n], b.strides))?;
    fits(holds(out.len(), [m, n], strides))?;
    let Scratch { rows, panels, sums, packed } = scratch;
    let lies = |[rows, columns]: [usize; 2], strides: [usize; 2]| {
        (columns == 1 || strides[1] == 1) && (rows == 1 || strides[0] == columns)
    };
    let x = if lies([m, k], a.strides) {
        &a.values[..m * k]
    } else {
        rows.clear();
        rows.extend((0..m * k).map(|at| a.at(at / k, at % k)));
        &rows[..]
    };
    let in_place = lies([m, n], strides);
    sums.clear();
    sums.resize(if in_place { 0 } else { m * n }, 0.);
    let sums = if in_place { &mut out[..m * n] } else { &mut sums[..] };
    if k == 0 {
        sums.fill(0.);
    } else if m < ROWS && b.strides[0] == 1 {
        for (x, sums) in x.chunks_exact(k).zip(sums.chunks_exact_mut(n.max(1))) {
            columns_of(x, b, sums);
        }
    } else if m < ROWS && b.strides[1] == 1 {
        for (x, sums) in x.chunks_exact(k).zip(sums.chunks_exact_mut(n.max(1))) {
            rows_of(x, b, sums);
        }
    } else {
        let place = (b.values.as_ptr(), [k, n, b.strides[0], b.strides[1]]);
        if packed.replace(place) != Some(place) {
            dense::pack_into(panels, k, n, |i, c| b.at(i, c));
        }
        dense([m, k, n], x, panels, None, sums)?;
    }
    if !in_place {
        for (row, sums) in scratch.sums.chunks_exact(n.max(1)).enumerate() {
            for (column, sum) in sums.iter().enumerate() {
                out[row * strides[0] + column * strides[1]] = *sum;
            }
        }
    }
    Ok(())
}

/// A row times columns that lie one after the other: four sums side by side.
fn columns_of(x: &[f32], b: View, out: &mut [f32]) {
    let k = x.len();
    let column = |c: usize| &b.values[c * b.strides[1]..][..k];
    let whole = k / 4 * 4;
    for (group, out) in out.chunks_mut(4).enumerate() {
        let last = out.len() - 1;
        let columns: [&[f32]; 4] = std::array::from_fn(|i| column(4 * group + i.min(last)));
        let mut sums = [F4::splat(0.); 4];
        for at in (0..whole).step_by(4) {
            // SAFETY: each slice has `k` floats, of which four are left from `at` on.
            unsafe {
                let left = F4::load(x.as_ptr().add(at));
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = sum.add_product(left, F4::load(column.as_ptr().add(at)));
                }
            }
        }
        let [p, q, r, s] = F4::transpose(sums);
        let mut total = p.add(q).add(r.add(s)).to_array();
        for at in whole..k {
            for (total, column) in total.iter_mut().zip(columns) {
                *total += x[at] * column[at];
            }
        }
        out.copy_from_slice(&total[..=last]);
    }
}

/// A row times rows: sixteen columns at a time.
fn rows_of(x: &[f32], b: View, out: &mut [f32]) {
    for (group, out) in out.chunks_mut(16).enumerate() {
        let (first, count) = (16 * group, out.len());
        let mut sums = [F4::splat(0.); 4];
        for (i, x) in x.iter().enumerate() {
            let row = &b.values[i * b.strides[0] + first..][..count];
            let left = F4::splat(*x);
            for (v, sum) in sums.iter_mut().enumerate().take(count.div_ceil(4)) {
                // SAFETY: `count` floats are in the row, from `4 * v` on those that are left.
                let right = unsafe { F4::load_first(row.as_ptr().add(4 * v), count - 4 * v) };
                *sum = sum.add_product(left, right);
            }
        }
        for (sum, out) in sums.iter().zip(out.chunks_mut(4)) {
            // SAFETY: as many floats as it has.
            unsafe { sum.store_first(out.as_mut_ptr(), out.len()) };
        }
    }
}
