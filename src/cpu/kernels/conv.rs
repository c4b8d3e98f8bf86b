//! Convolution of any form as a matrix product whose right side is gathered panel by panel.
//!
//! In: an image in NCHW, weights packed by [`pack`], a [`Geometry`]. Out: NCHW. The unfolded image (im2col) is never
//! held: a panel of [`COLUMNS`] output positions is gathered, multiplied with all weights, and forgotten. Padding
//! is laid around a copy of the image, so that no inner loop asks where the border is; of a large one around bands of
//! rows, one after the other, so that no second image is held.

use std::ops::Range;

use crate::geometry::pad_rows_into;
use crate::parallel::{self, Divided};
use crate::scratch::{Scratch, prepare};
use crate::share::{Share, Work};
use crate::tile::{COLUMNS, ROWS, column, pack_rows, packed_len, tile};
use crate::v4::F4;
use crate::{Epilogue, Result, fits};

pub use crate::geometry::Geometry;

/// Weights in the order of [`conv`], from OIHW with the groups' outputs one after the other. Never inlined, as
/// [`crate::winograd::pack`].
#[inline(never)]
pub fn pack(g: &Geometry, weights: &[f32]) -> Result<Vec<f32>> {
    let (rows, k) = (g.group_out(), g.depth());
    fits(weights.len() == g.channels_out * k && !weights.is_empty())?;
    let mut packed = Vec::with_capacity(g.groups * packed_len(rows, k));
    for group in weights.chunks_exact(rows * k) {
        packed.extend_from_slice(&pack_rows(rows, k, |r, i| group[r * k + i]));
    }
    prepare::<f32>(Work::new(g).room());
    Ok(packed)
}

/// Convolves.
pub fn conv(
    g: &Geometry,
    x: &[f32],
    packed: &[f32],
    epilogue: &Epilogue<'_>,
    out: &mut [f32],
) -> Result<()> {
    g.check(x, out, epilogue)?;
    let (m, k) = (g.group_out(), g.depth());
    let group_len = packed_len(m, k);
    fits(packed.len() == g.groups * group_len)?;
    if out.is_empty() || x.is_empty() {
        return Ok(());
    }
    let work = Work::new(g);
    let Work { pads, spare, width, count, panel_len, lanes, .. } = work;
    let (band, whole_rows) = (&work.band, work.rows);
    let image = g.group_in() * band.height * width;
    let mut padded = Vec::with_capacity(if pads { g.batch * g.groups * image + spare } else { 0 });
    let steps = g.taps([band.height, width]);
    let out_width = if work.flat { g.image() } else { g.output[1] };
    let mut room = Scratch::<f32>::new(work.room());
    let (panels, bias) = room.split_at_mut(lanes * panel_len);
    bias.fill(0.);
    for channel in 0..g.channels_out {
        bias[channel / m * whole_rows + channel % m] = epilogue.bias_of(channel);
    }
    let (panels, out) = (Divided::new(panels), Divided::new(out));
    for first in (0..g.output[0]).step_by(band.rows) {
        let positions = first * g.output[1]..g.output[0].min(first + band.rows) * g.output[1];
        if pads {
            padded.clear();
            pad_rows_into(&mut padded, x, g, first * g.stride[0], [band.height, width], 0.);
            padded.resize(padded.len() + spare, 0.);
        }
        let x = if pads { &padded } else { x };
        let share = Share::new(g, positions.len(), count, lanes);
        parallel::each(share.parts(), lanes, |part, lane| {
            let (at, chunk, rows) = share.part(part);
            let group = at % g.groups;
            let product = Product {
                g,
                k,
                positions: positions.clone(),
                origin: Origin { out_width, width, stride: g.stride },
                steps: &steps,
                has_spare: spare > 0,
                weights: &packed[group * group_len..][..group_len],
                bias: &bias[group * whole_rows..][..whole_rows],
                panels: share.panels,
                first: at * m * g.plane(),
                channel: group * m,
                epilogue,
            };
            // SAFETY: `padded()`, or a band's part of it, makes room for every tap of every position; all lengths were
            // checked above. Each part has outputs of its own, each lane its panels.
            unsafe {
                let panels = panels.take(lane * panel_len, panel_len);
                product.run(&x[at * image..][..image + spare], chunk, rows, panels, &out);
            }
        });
    }
    Ok(())
}

/// Where the taps of an output position begin.
pub(crate) struct Origin {
    pub(crate) out_width: usize,
    pub(crate) width: usize,
    pub(crate) stride: [usize; 2],
}

impl Origin {
    pub(crate) fn of(&self, position: usize) -> usize {
        let (y, x) = (position / self.out_width, position % self.out_width);
        y * self.stride[0] * self.width + x * self.stride[1]
    }
}

/// The product for one group of one image.
struct Product<'a> {
    g: &'a Geometry,
    k: usize,
    /// The outputs whose pixels are there.
    positions: Range<usize>,
    /// Where the taps of the first of them begin.
    origin: Origin,
    steps: &'a [usize],
    /// Whether a float may be read beyond the image.
    has_spare: bool,
    weights: &'a [f32],
    /// The bias of each of this group's channels, in whole tiles.
    bias: &'a [f32],
    /// Panels that share one pass over the weights.
    panels: usize,
    /// Where this group's outputs begin.
    first: usize,
    /// Its first channel.
    channel: usize,
    epilogue: &'a Epilogue<'a>,
}

impl Product<'_> {
    /// One chunk of positions, of these rows.
    unsafe fn run(
        &self,
        image: &[f32],
        chunk: usize,
        rows: Range<usize>,
        panels: &mut [f32],
        out: &Divided<'_, f32>,
    ) {
        let plane = self.g.plane();
        let chunk = self.positions.start + chunk;
        let end = self.positions.end.min(chunk + self.panels * COLUMNS);
        let starts = || (chunk..end).step_by(COLUMNS).zip(0..);
        for (position, i) in starts() {
            let panel = &mut panels[i * COLUMNS * self.k..];
            match end - position {
                1 => unsafe { self.gather::<1>(image, position, panel) },
                2..=4 => unsafe { self.gather::<4>(image, position, panel) },
                _ => unsafe { self.gather::<8>(image, position, panel) },
            }
        }
        let mut row = rows.start;
        while row < rows.end {
            for (position, i) in starts() {
                let panel = &panels[i * COLUMNS * self.k..];
                match end - position {
                    1 if plane == 1 => unsafe { self.columns::<4>(row, position, panel, out) },
                    1 => unsafe { self.columns::<1>(row, position, panel, out) },
                    2..=4 => unsafe { self.tile::<1>(row, position, panel, out) },
                    _ => unsafe { self.tile::<2>(row, position, panel, out) },
                }
            }
            // A single column takes four tiles at a time; it is alone only where the plane is one pixel.
            row += if plane == 1 { 4 * ROWS } else { ROWS };
        }
        for row in rows {
            let at = self.first + row * plane + chunk;
            self.epilogue.finish(unsafe { out.take(at, end - chunk) }, at, self.channel + row);
        }
    }
}

/// The innermost work; `unsafe` because positions and rows are trusted.
impl Product<'_> {
    /// Packs the taps of `W` positions, step by step; those beyond the last repeat it.
    unsafe fn gather<const W: usize>(&self, image: &[f32], position: usize, panel: &mut [f32]) {
        let (first, last) = (self.positions.start, self.positions.end - 1);
        let start = |i: usize| self.origin.of((position + i).min(last) - first);
        let starts: [usize; W] = std::array::from_fn(start);
        let image = image.as_ptr();
        let mut to = panel.as_mut_ptr();
        let runs = |from: usize, step: usize| {
            starts[from..].iter().zip((starts[from]..).step_by(step)).take(4).all(|(s, e)| *s == e)
        };
        if W == 1 {
            for (to, step) in panel.iter_mut().zip(self.steps) {
                *to = unsafe { *image.add(starts[0] + step) };
            }
        } else if runs(0, 1) && (W == 4 || (starts[W / 2] == starts[0] + 4 && runs(W / 2, 1))) {
            let image = unsafe { image.add(starts[0]) };
            for step in self.steps {
                for v in (0..W).step_by(4) {
                    unsafe { F4::load(image.add(step + v)).store(to.add(v)) };
                }
                to = unsafe { to.add(W) };
            }
        } else if W == 8 && runs(0, 2) && runs(4, 2) && self.has_spare {
            let (low, high) = unsafe { (image.add(starts[0]), image.add(starts[W / 2])) };
            for step in self.steps {
                unsafe {
                    let even = |at: *const f32| F4::load(at).even(F4::load(at.add(4)));
                    even(low.add(*step)).store(to);
                    even(high.add(*step)).store(to.add(4));
                    to = to.add(W);
                }
            }
        } else {
            for step in self.steps {
                for (i, start) in starts.iter().enumerate() {
                    unsafe { *to.add(i) = *image.add(start + step) };
                }
                to = unsafe { to.add(W) };
            }
        }
    }

    /// Four channels by a panel.
    #[inline(always)]
    unsafe fn tile<const NV: usize>(
        &self,
        row: usize,
        position: usize,
        panel: &[f32],
        out: &Divided<'_, f32>,
    ) {
        let bias = |r: usize| unsafe { F4::load_splat(self.bias.as_ptr().add(row + r)) };
        let start = [bias(0), bias(1), bias(2), bias(3)];
        let sums = unsafe {
            tile::<NV>(self.weights.as_ptr().add(row * self.k), panel.as_ptr(), self.k, start)
        };
        let (plane, end) = (self.g.plane(), self.positions.end);
        for (r, sums) in sums.iter().enumerate().take(self.g.group_out() - row) {
            for (v, sum) in sums.iter().enumerate() {
                let at = position + 4 * v;
                if at < end {
                    let at_out = self.first + (row + r) * plane + at;
                    unsafe { sum.store_first(out.at(at_out), end - at) };
                }
            }
        }
    }

    /// Up to `4 * NT` channels by one position.
    unsafe fn columns<const NT: usize>(
        &self,
        row: usize,
        position: usize,
        panel: &[f32],
        out: &Divided<'_, f32>,
    ) {
        let (plane, rows) = (self.g.plane(), self.g.group_out());
        let tiles = (rows - row).div_ceil(ROWS);
        let weights = unsafe { self.weights.as_ptr().add(row * self.k) };
        let sums = if tiles >= NT {
            unsafe { column::<NT>(weights, panel.as_ptr(), self.k) }
        } else {
            let mut sums = [F4::splat(0.); NT];
            for (t, sum) in sums.iter_mut().enumerate().take(tiles) {
                [*sum] =
                    unsafe { column::<1>(weights.add(t * ROWS * self.k), panel.as_ptr(), self.k) };
            }
            sums
        };
        for (i, sum) in sums.iter().flat_map(|s| s.to_array()).enumerate().take(rows - row) {
            let sum = sum + self.bias[row + i];
            unsafe { *out.at(self.first + (row + i) * plane + position) = sum };
        }
    }
}
