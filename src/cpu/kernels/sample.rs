//! Images sampled at any places, between their pixels.
//!
//! In: an image in NCHW and for each sample where it lies, from -1 to 1 across and down. Out: NCHW. Where a sample's
//! neighbours lie and what they count is found once for all channels.

use crate::{Result, fits};

/// What lies outside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Zeros.
    Zeros,
    /// The pixels of the border.
    Border,
    /// The image again, reflected.
    Reflection,
}

/// How an image is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Only the nearest pixel, halves to even; else four of them, weighted.
    pub nearest: bool,
    /// What lies outside.
    pub outside: Outside,
    /// -1 and 1 are the middles of the outermost pixels, and not their outer edges.
    pub aligned: bool,
}

/// Place of what is outside where that is zero.
const NOWHERE: u32 = u32::MAX;

/// One side of an image.
struct Side {
    size: usize,
    /// What is called within, in pixels.
    low: f32,
    high: f32,
}

impl Side {
    fn new(size: usize, aligned: bool) -> Self {
        let most = size as f32;
        let (low, high) = if aligned { (0., most - 1.) } else { (-0.5, most - 0.5) };
        Self { size, low, high }
    }

    fn pixel(&self, at: f32, aligned: bool) -> f32 {
        let most = self.size as f32;
        if aligned { (at + 1.) / 2. * (most - 1.) } else { ((at + 1.) * most - 1.) / 2. }
    }

    fn is_out(&self, at: f32) -> bool {
        at < self.low || at > self.high
    }

    fn reflected(&self, at: f32) -> f32 {
        let range = self.high - self.low;
        let beyond = if at < self.low {
            self.low - at
        } else if at > self.high {
            at - self.high
        } else {
            return at;
        };
        if range == 0. {
            return self.low;
        }
        let times = (beyond / range) as i32;
        let rest = beyond - times as f32 * range;
        // Reflected at this side an odd number of times it comes from the other one.
        if (at < self.low) == (times % 2 == 0) { self.low + rest } else { self.high - rest }
    }

    /// Where a sample outside is taken instead.
    fn brought_in(&self, at: f32, outside: Outside) -> f32 {
        match outside {
            Outside::Zeros => at,
            Outside::Border => at.clamp(0., self.high + self.low),
            Outside::Reflection => self.reflected(at),
        }
    }

    /// The pixel at a whole place, if there is one.
    fn place(&self, at: f32, outside: Outside) -> Option<usize> {
        match outside {
            Outside::Zeros if at < 0. || at >= self.size as f32 => None,
            Outside::Zeros => Some(at as usize),
            Outside::Border => Some((at.max(0.) as usize).min(self.size - 1)),
            Outside::Reflection => Some((self.reflected(at) as usize).min(self.size - 1)),
        }
    }
}

/// Neighbours of a sample, and what each counts.
#[derive(Clone, Copy)]
struct Sample {
    places: [u32; 4],
    weights: [f32; 4],
}

/// Samples `channels` planes of `height` and `width` in each of the images; `grid` has a column and a row for each of
/// the same number of samples of each.
pub fn sample(
    how: Sampling,
    [images, channels, height, width]: [usize; 4],
    x: &[f32],
    grid: &[f32],
    out: &mut [f32],
) -> Result<()> {
    let plane = height * width;
    fits(x.len() == images * channels * plane && plane > 0 && plane < NOWHERE as usize)?;
    fits(images > 0 && channels > 0 && grid.len().is_multiple_of(2 * images))?;
    let count = grid.len() / 2 / images;
    fits(out.len() == images * channels * count)?;
    if count == 0 {
        return Ok(());
    }
    let (down, across) = (Side::new(height, how.aligned), Side::new(width, how.aligned));
    let place = |y: f32, x: f32| match (down.place(y, how.outside), across.place(x, how.outside)) {
        (Some(y), Some(x)) => (y * width + x) as u32,
        _ => NOWHERE,
    };
    let at = |[x, y]: &[f32; 2]| {
        let mut y = down.pixel(*y, how.aligned);
        let mut x = across.pixel(*x, how.aligned);
        if how.nearest {
            (y, x) = (y.round_ties_even(), x.round_ties_even());
        }
        if down.is_out(y) || across.is_out(x) {
            (y, x) = (down.brought_in(y, how.outside), across.brought_in(x, how.outside));
        }
        if how.nearest {
            let only = place(y.trunc(), x.trunc());
            return Sample { places: [only, NOWHERE, NOWHERE, NOWHERE], weights: [1., 0., 0., 0.] };
        }
        let (top, left) = (y.floor(), x.floor());
        let [near_y, far_y] = [top + 1. - y, y - top];
        let [near_x, far_x] = [left + 1. - x, x - left];
        Sample {
            places: [
                place(top, left),
                place(top + 1., left),
                place(top, left + 1.),
                place(top + 1., left + 1.),
            ],
            weights: [near_y * near_x, far_y * near_x, near_y * far_x, far_y * far_x],
        }
    };
    let mut samples = Vec::with_capacity(count);
    let outs = out.chunks_exact_mut(channels * count);
    for ((grid, x), out) in
        grid.chunks_exact(2 * count).zip(x.chunks_exact(channels * plane)).zip(outs)
    {
        samples.clear();
        samples.extend(grid.as_chunks::<2>().0.iter().map(at));
        for (plane, out) in x.chunks_exact(plane).zip(out.chunks_exact_mut(count)) {
            let pixel = |at: u32| plane.get(at as usize).copied().unwrap_or(0.);
            for (sample, out) in samples.iter().zip(out) {
                let Sample { places: [a, b, c, d], weights } = *sample;
                *out = if how.nearest {
                    pixel(a)
                } else {
                    weights[0] * pixel(a)
                        + weights[1] * pixel(b)
                        + weights[2] * pixel(c)
                        + weights[3] * pixel(d)
                };
            }
        }
    }
    Ok(())
}
