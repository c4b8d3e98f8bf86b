//! Images of another size: weighted sums of neighbours.
//!
//! In: planes of rows, and for each row and column of the output where it comes from. Out: planes. Weighted sums go
//! across first and then down, so that an output costs as many products as both windows are long together.

use crate::v4::F4;
use crate::{Result, fits};

/// For each place along an axis of the output the places of the input that it is made of, `window` of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Taps {
    /// Places to one of the output.
    pub window: usize,
    /// Those places, within the input.
    pub places: Vec<usize>,
    /// What each counts.
    pub weights: Vec<f32>,
}

impl Taps {
    fn len(&self) -> usize {
        self.places.len() / self.window.max(1)
    }

    fn fits(&self, length: usize) -> bool {
        self.window > 0
            && self.places.len().is_multiple_of(self.window)
            && self.weights.len() == self.places.len()
            && self.places.iter().all(|at| *at < length)
    }
}

/// Weighted sums: `rows` and `columns` tell of what.
pub fn weighted(
    [height, width]: [usize; 2],
    rows: &Taps,
    columns: &Taps,
    x: &[f32],
    out: &mut [f32],
) -> Result<()> {
    fits(rows.fits(height) && columns.fits(width))?;
    let (from, wide) = (height * width, columns.len());
    let to = rows.len() * wide;
    if from == 0 || to == 0 {
        return fits(out.is_empty());
    }
    fits(x.len() / from * to == out.len() && x.len().is_multiple_of(from))?;
    let mut used = vec![false; height];
    for (at, weight) in rows.places.iter().zip(&rows.weights) {
        used[*at] |= *weight != 0.;
    }
    // Where columns stay what they are, there is nothing to sum across.
    let stay = columns.window == 1
        && wide == width
        && columns.places.iter().enumerate().all(|(at, place)| at == *place)
        && columns.weights.iter().all(|weight| *weight == 1.);
    let mut sums = vec![0.; if stay { 0 } else { height * wide }];
    for (plane, out) in x.chunks_exact(from).zip(out.chunks_exact_mut(to)) {
        for (y, row) in plane.chunks_exact(width).enumerate().filter(|(y, _)| used[*y] && !stay) {
            let sums = &mut sums[y * wide..][..wide];
            match columns.window {
                1 => sum::<1>(row, columns, sums),
                2 => sum::<2>(row, columns, sums),
                4 => sum::<4>(row, columns, sums),
                _ => sum_any(row, columns, sums),
            }
        }
        let across = if stay { plane } else { &sums[..] };
        let taps =
            rows.places.chunks_exact(rows.window).zip(rows.weights.chunks_exact(rows.window));
        for ((places, weights), row) in taps.zip(out.chunks_exact_mut(wide)) {
            let mut first = true;
            for (y, weight) in places.iter().zip(weights).filter(|(_, weight)| **weight != 0.) {
                add(row, &across[y * wide..][..wide], *weight, first);
                first = false;
            }
            if first {
                row.fill(0.);
            }
        }
    }
    Ok(())
}

fn sum<const W: usize>(row: &[f32], taps: &Taps, out: &mut [f32]) {
    let (places, _) = taps.places.as_chunks::<W>();
    let (weights, _) = taps.weights.as_chunks::<W>();
    for ((out, places), weights) in out.iter_mut().zip(places).zip(weights) {
        let mut sum = row[places[0]] * weights[0];
        for i in 1..W {
            sum += row[places[i]] * weights[i];
        }
        *out = sum;
    }
}

fn sum_any(row: &[f32], taps: &Taps, out: &mut [f32]) {
    let each = taps.places.chunks_exact(taps.window).zip(taps.weights.chunks_exact(taps.window));
    for (out, (places, weights)) in out.iter_mut().zip(each) {
        *out = places.iter().zip(weights).map(|(at, weight)| row[*at] * weight).sum();
    }
}

/// `out + row * weight`, or without what was there.
fn add(out: &mut [f32], row: &[f32], weight: f32, first: bool) {
    let factor = F4::splat(weight);
    let (outs, rest) = out.as_chunks_mut::<4>();
    let (rows, rest_of_row) = row.as_chunks::<4>();
    for (out, row) in outs.iter_mut().zip(rows) {
        // SAFETY: arrays of four.
        unsafe {
            let product = F4::load(row.as_ptr()).mul(factor);
            let sum = if first { product } else { F4::load(out.as_ptr()).add(product) };
            sum.store(out.as_mut_ptr());
        }
    }
    for (out, row) in rest.iter_mut().zip(rest_of_row) {
        *out = if first { row * weight } else { *out + row * weight };
    }
}
