//! Convolution of any form as a matrix product whose right side is gathered panel by panel.
//!
//! In: an image in NCHW, weights packed by [`pack`], a [`Geometry`]. Out: NCHW. The unfolded image (im2col) is never
//! held: a panel of [`COLUMNS`] output positions is gathered, multiplied with all weights, and forgotten. Padding
//! is laid around a copy of the image, so that no inner loop asks where the border is.

use crate::tile::{COLUMNS, ROWS, column, pack_rows, packed_len, tile};
use crate::v4::F4;
use crate::{Epilogue, Result, fits};

/// Panels that share one pass over the weights.
pub(crate) const PANELS: usize = 4;

/// A two-dimensional convolution; one dimension is a height of 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Images.
    pub batch: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Channels in, all groups together.
    pub channels_in: usize,
    /// Channels out, all groups together.
    pub channels_out: usize,
    /// Height and width in.
    pub input: [usize; 2],
    /// Height and width out.
    pub output: [usize; 2],
    /// Height and width of the weights.
    pub kernel: [usize; 2],
    /// Steps between outputs.
    pub stride: [usize; 2],
    /// Steps between taps.
    pub dilation: [usize; 2],
    /// Zeros before the first row and column.
    pub pad: [usize; 2],
}

impl Geometry {
    /// Channels in of one group.
    pub fn group_in(&self) -> usize {
        self.channels_in / self.groups.max(1)
    }

    /// Channels out of one group.
    pub fn group_out(&self) -> usize {
        self.channels_out / self.groups.max(1)
    }

    /// Products in one sum.
    pub fn depth(&self) -> usize {
        self.group_in() * self.kernel[0] * self.kernel[1]
    }

    pub(crate) fn image(&self) -> usize {
        self.input[0] * self.input[1]
    }

    pub(crate) fn plane(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Height and width of the image with the zeros that its kernel reaches.
    pub(crate) fn padded(&self) -> [usize; 2] {
        [0, 1].map(|i| {
            let reach = (self.output[i].max(1) - 1) * self.stride[i]
                + (self.kernel[i].max(1) - 1) * self.dilation[i]
                + 1;
            reach.max(self.input[i] + self.pad[i])
        })
    }

    pub(crate) fn check(&self, x: &[f32], out: &[f32], epilogue: &Epilogue<'_>) -> Result<()> {
        let out_len = self.batch * self.channels_out * self.plane();
        fits(self.is_whole())?;
        fits(x.len() == self.batch * self.channels_in * self.image() && out.len() == out_len)?;
        fits(epilogue.residual.is_none_or(|r| r.len() == out_len))
    }

    /// Whether the groups share the channels evenly.
    pub(crate) fn is_whole(&self) -> bool {
        self.groups > 0
            && self.channels_in.is_multiple_of(self.groups)
            && self.channels_out.is_multiple_of(self.groups)
    }

    /// Where the taps lie from the first on, in images of this height and width.
    pub(crate) fn taps(&self, [height, width]: [usize; 2]) -> Vec<usize> {
        let mut taps = Vec::with_capacity(self.depth() + 1);
        for c in 0..self.group_in() {
            for y in 0..self.kernel[0] {
                let line = (c * height + y * self.dilation[0]) * width;
                taps.extend((0..self.kernel[1]).map(|x| line + x * self.dilation[1]));
            }
        }
        taps
    }

    /// Whether every tap of every output is one pixel, in order.
    fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1]
            && self.stride == [1, 1]
            && self.pad == [0, 0]
            && self.input == self.output
    }
}

/// Appends each plane of `x` with `fill` around it.
pub(crate) fn pad_into<T: Copy>(
    padded: &mut Vec<T>,
    x: &[T],
    g: &Geometry,
    [height, width]: [usize; 2],
    fill: T,
) {
    let [top, left] = g.pad;
    for plane in x.chunks_exact(g.image().max(1)) {
        let end = padded.len() + height * width;
        padded.resize(padded.len() + top * width, fill);
        for (y, row) in plane.chunks_exact(g.input[1].max(1)).enumerate() {
            padded.resize(end - (height - top - y) * width + left, fill);
            padded.extend_from_slice(row);
        }
        padded.resize(end, fill);
    }
}

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
    let image = g.group_in() * g.image();
    let flat = g.is_pointwise();
    let [height, width] = if flat { [1, g.image()] } else { g.padded() };
    let pads = !flat && [height, width] != g.input;
    let mut padded = Vec::with_capacity(if pads { g.group_in() * height * width } else { 0 });
    let steps = g.taps([height, width]);
    let mut panels = vec![0.; PANELS * COLUMNS * k];
    for (at, image) in x.chunks_exact(image).enumerate() {
        let group = at % g.groups;
        let image = if pads {
            padded.clear();
            pad_into(&mut padded, image, g, [height, width], 0.);
            &padded[..]
        } else {
            image
        };
        let product = Product {
            g,
            k,
            origin: Origin {
                out_width: if flat { g.image() } else { g.output[1] },
                width,
                stride: g.stride,
            },
            steps: &steps,
            weights: &packed[group * group_len..][..group_len],
            first: at * m * g.plane(),
            channel: group * m,
            epilogue,
        };
        // SAFETY: `padded()` makes room for every tap of every position; all lengths were checked above.
        unsafe { product.run(image, &mut panels, out) };
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
    origin: Origin,
    steps: &'a [usize],
    weights: &'a [f32],
    /// Where this group's outputs begin, and its first channel.
    first: usize,
    channel: usize,
    epilogue: &'a Epilogue<'a>,
}

impl Product<'_> {
    unsafe fn run(&self, image: &[f32], panels: &mut [f32], out: &mut [f32]) {
        let plane = self.g.plane();
        for chunk in (0..plane).step_by(PANELS * COLUMNS) {
            let end = plane.min(chunk + PANELS * COLUMNS);
            let starts = || (chunk..end).step_by(COLUMNS).zip(0..);
            for (position, i) in starts() {
                let panel = &mut panels[i * COLUMNS * self.k..];
                match end - position {
                    1 => unsafe { self.gather::<1>(image, position, panel) },
                    2..=4 => unsafe { self.gather::<4>(image, position, panel) },
                    _ => unsafe { self.gather::<8>(image, position, panel) },
                }
            }
            let mut row = 0;
            while row < self.g.group_out() {
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
            for row in 0..self.g.group_out() {
                self.epilogue.finish(out, self.first + row * plane + chunk, end - chunk);
            }
        }
    }
}

/// The innermost work; `unsafe` because positions and rows are trusted.
impl Product<'_> {
    /// Packs the taps of `W` positions, step by step; those beyond the plane repeat the last.
    unsafe fn gather<const W: usize>(&self, image: &[f32], position: usize, panel: &mut [f32]) {
        let last = self.g.plane() - 1;
        let starts: [usize; W] = std::array::from_fn(|i| self.origin.of((position + i).min(last)));
        let image = image.as_ptr();
        let mut to = panel.as_mut_ptr();
        let runs =
            |from: usize| starts[from..].iter().zip(starts[from]..).take(4).all(|(s, e)| *s == e);
        if W == 1 {
            for (to, step) in panel.iter_mut().zip(self.steps) {
                *to = unsafe { *image.add(starts[0] + step) };
            }
        } else if runs(0) && (W == 4 || (starts[W / 2] == starts[0] + 4 && runs(W / 2))) {
            let image = unsafe { image.add(starts[0]) };
            for step in self.steps {
                for v in (0..W).step_by(4) {
                    unsafe { F4::load(image.add(step + v)).store(to.add(v)) };
                }
                to = unsafe { to.add(W) };
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
        out: &mut [f32],
    ) {
        let bias = |r: usize| F4::splat(self.epilogue.bias_of(self.channel + row + r));
        let start = [bias(0), bias(1), bias(2), bias(3)];
        let sums = unsafe {
            tile::<NV>(self.weights.as_ptr().add(row * self.k), panel.as_ptr(), self.k, start)
        };
        let plane = self.g.plane();
        for (r, sums) in sums.iter().enumerate().take(self.g.group_out() - row) {
            for (v, sum) in sums.iter().enumerate() {
                let at = position + 4 * v;
                if at < plane {
                    let at_out = self.first + (row + r) * plane + at;
                    unsafe { sum.store_first(out.as_mut_ptr().add(at_out), plane - at) };
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
        out: &mut [f32],
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
            out[self.first + (row + i) * plane + position] =
                sum + self.epilogue.bias_of(self.channel + row + i);
        }
    }
}
