//! Convolution of 8-bit integers of any form, exact in int32.
//!
//! In: bytes and their zero point, weights less theirs, packed by [`pack`]. Out: sums, or what becomes of them channel
//! by channel. A panel of eight output positions is gathered at a time, two taps side by side; padding is zero once the
//! zero point is gone. As many panels as the second-level cache holds share one pass over the weights.

use crate::conv::Origin;
use crate::geometry::Geometry;
use crate::integer::{pack_pairs, tile};
use crate::parallel::{self, Divided};
use crate::quantize::{Quanta, QuantaDivided};
use crate::scratch::{Scratch, prepare};
use crate::tile::{COLUMNS, ROWS};
use crate::v8::S8;
use crate::widen::Bytes;
use crate::{Result, fits};

/// Bytes of panels that share one pass over the weights.
const BLOCK: usize = 128 * 1024;
/// Panels of a pass, at least and at most.
const PANELS: (usize, usize) = (4, 32);
/// What vectors read beyond the last tap.
const SPARE: usize = 16;

/// Weights of [`conv`], from OIHW. Never inlined: in a caller that is compiled for size it would be so too.
#[inline(never)]
pub fn pack(g: &Geometry, weights: &[i16]) -> Result<Vec<i16>> {
    let (rows, k) = (g.group_out(), g.depth());
    fits(weights.len() == g.channels_out * k && !weights.is_empty())?;
    let group_len = rows.div_ceil(ROWS) * ROWS * k.next_multiple_of(2);
    let mut packed = Vec::with_capacity(g.groups * group_len);
    for group in weights.chunks_exact(rows * k) {
        pack_pairs(&mut packed, rows, k, ROWS, |r, i| group[r * k + i]);
    }
    let Work { lanes, lens: [wide, panels, sums], .. } = Work::new(g);
    prepare::<i16>(wide + lanes * panels);
    prepare::<i32>(lanes * sums);
    Ok(packed)
}

/// What is laid out at once, and what room that takes.
struct Work {
    /// Height and width of the image with the zeros around it.
    sides: [usize; 2],
    /// Numbers of an image of one group.
    image: usize,
    panels_each: usize,
    lanes: usize,
    /// Numbers of all images and what is behind them, and of a lane: of panels, of sums.
    lens: [usize; 3],
}

impl Work {
    fn new(g: &Geometry) -> Self {
        let (steps, plane) = (g.depth().div_ceil(2), g.plane());
        let sides = g.padded();
        let image = g.group_in() * sides[0] * sides[1];
        let lanes = parallel::lanes(&[g.batch * g.channels_out, plane, g.depth()]);
        let all = plane.div_ceil(COLUMNS);
        let most = if lanes > 1 { all.div_ceil(2 * lanes) } else { all };
        let panels_each = (BLOCK / (4 * COLUMNS * steps.max(1))).clamp(PANELS.0, PANELS.1);
        let panels_each = panels_each.min(most.max(PANELS.0)).min(all).max(1);
        let wide = g.batch * g.groups * image + SPARE;
        let lens = [wide, panels_each * 2 * COLUMNS * steps, ROWS * panels_each * COLUMNS];
        Self { sides, image, panels_each, lanes, lens }
    }
}

/// What becomes of the sums of a channel, its bias added.
pub enum Finish<'a> {
    /// They are the output.
    Sums(&'a mut [i32]),
    /// Times a scale each channel.
    Scaled(&'a [f32], &'a mut [f32]),
    /// Times a scale each channel, then rounded and moved by a zero point.
    Rounded(&'a [f32], i32, Quanta<'a>),
}

impl Finish<'_> {
    /// Where the output is, if it is of this length and each of the channels has its scale.
    pub(crate) fn places(&mut self, length: usize, channels: usize) -> Result<Places<'_>> {
        let (made, scales) = match self {
            Self::Sums(out) => (out.len(), channels),
            Self::Scaled(scales, out) => (out.len(), scales.len()),
            Self::Rounded(scales, _, out) => (out.len(), scales.len()),
        };
        fits(made == length && scales == channels)?;
        Ok(match self {
            Self::Sums(out) => Places::Sums(Divided::new(out)),
            Self::Scaled(scales, out) => Places::Scaled(scales, Divided::new(out)),
            Self::Rounded(scales, zero, out) => Places::Rounded(scales, *zero, out.divided()),
        })
    }
}

/// A [`Finish`] whose output several parts write.
pub(crate) enum Places<'a> {
    Sums(Divided<'a, i32>),
    Scaled(&'a [f32], Divided<'a, f32>),
    Rounded(&'a [f32], i32, QuantaDivided<'a>),
}

impl Places<'_> {
    /// # Safety
    /// No one else may write these outputs.
    pub(crate) unsafe fn run(&self, channel: usize, at: usize, sums: &[i32], bias: i32) {
        match self {
            Self::Sums(out) => {
                let out = unsafe { out.take(at, sums.len()) };
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out = sum.wrapping_add(bias);
                }
            }
            Self::Scaled(scales, out) => {
                let (out, scale) = (unsafe { out.take(at, sums.len()) }, scales[channel]);
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out = sum.wrapping_add(bias) as f32 * scale;
                }
            }
            Self::Rounded(scales, zero, out) => {
                unsafe { out.scale_round(sums, bias, scales[channel], *zero, at) };
            }
        }
    }
}

/// Each plane less its zero point, in planes of this height and width with zeros around it, and zeros behind all.
pub(crate) fn widened(
    g: &Geometry,
    x: Bytes<'_>,
    zero: i16,
    [height, width]: [usize; 2],
    wide: &mut [i16],
) {
    let planes = g.batch * g.channels_in;
    if g.input == [height, width] {
        let (image, behind) = wide.split_at_mut(planes * height * width);
        behind.fill(0);
        return x.shorts(0, zero, image);
    }
    wide.fill(0);
    let [top, left] = g.pad;
    for (at, plane) in wide.chunks_exact_mut((height * width).max(1)).enumerate().take(planes) {
        let rows = plane[top * width..].chunks_exact_mut(width.max(1));
        for (y, row) in rows.enumerate().take(g.input[0]) {
            let from = at * g.image() + y * g.input[1];
            x.shorts(from, zero, &mut row[left..left + g.input[1]]);
        }
    }
}

/// Convolves; `bias` has a value a channel.
pub fn conv(
    g: &Geometry,
    x: Bytes<'_>,
    zero: i16,
    packed: &[i16],
    bias: &[i32],
    finish: &mut Finish<'_>,
) -> Result<()> {
    let (m, steps, plane) = (g.group_out(), g.depth().div_ceil(2), g.plane());
    let group_len = m.div_ceil(ROWS) * ROWS * 2 * steps;
    fits(g.is_whole() && x.len() == g.batch * g.channels_in * g.image())?;
    fits(packed.len() == g.groups * group_len && bias.len() == g.channels_out)?;
    let places = finish.places(g.batch * g.channels_out * plane, g.channels_out)?;
    if x.len() == 0 {
        return Ok(());
    }
    let Work { sides, image, panels_each, lanes, lens: [wide_len, panels_len, sums_len] } =
        Work::new(g);
    let width = sides[1];
    let mut taps = g.taps(sides);
    // The second tap of an odd pair has weights of zero.
    taps.extend((g.depth() % 2 == 1).then_some(0));
    let origin = Origin { out_width: g.output[1], width, stride: g.stride };
    let (positions, panel_len) = (panels_each * COLUMNS, 2 * COLUMNS * steps);
    let mut shorts = Scratch::<i16>::new(wide_len + lanes * panels_len);
    let mut sums = Scratch::<i32>::new(lanes * sums_len);
    let (wide, panels) = shorts.split_at_mut(wide_len);
    widened(g, x, zero, sides, wide);
    let (panels, sums) = (Divided::new(panels), Divided::new(&mut sums));
    let chunks = plane.div_ceil(positions);
    parallel::each(g.batch * g.groups * chunks, lanes, |part, lane| {
        let (at, first) = (part / chunks, part % chunks * positions);
        let group = at % g.groups;
        let image = &wide[at * image..][..image + SPARE];
        let weights = &packed[group * group_len..][..group_len];
        // SAFETY: each lane has panels and sums of its own.
        let (panels, sums) = unsafe {
            (panels.take(lane * panels_len, panels_len), sums.take(lane * sums_len, sums_len))
        };
        let count = plane.min(first + positions) - first;
        let starts = || (0..count).step_by(COLUMNS);
        for (at, panel) in starts().zip(panels.chunks_exact_mut(panel_len)) {
            gather(image, &origin, first + at, COLUMNS.min(count - at), &taps, panel);
        }
        for row in (0..m).step_by(ROWS) {
            let tile_at = weights[row * 2 * steps..].as_ptr();
            for (at, panel) in starts().zip(panels.chunks_exact(panel_len)) {
                // SAFETY: a tile of weights has eight values a step, the panel sixteen, a row of sums all positions.
                unsafe {
                    let tile = tile::<ROWS, i16>(tile_at, panel.as_ptr(), steps);
                    for (r, [low, high]) in tile.iter().enumerate() {
                        let to = sums.as_mut_ptr().add(r * positions + at);
                        low.store(to);
                        high.store(to.add(4));
                    }
                }
            }
            for (r, sums) in sums.chunks_exact(positions).enumerate().take(m - row) {
                let channel = group * m + row + r;
                let to = (at * m + row + r) * plane + first;
                // SAFETY: each part has outputs of its own.
                unsafe { places.run(channel, to, &sums[..count], bias[channel]) };
            }
        }
    });
    Ok(())
}

/// Packs the taps of `count` positions, two by two; `image` goes on for two vectors behind the furthest tap.
fn gather(
    image: &[i16],
    origin: &Origin,
    position: usize,
    count: usize,
    taps: &[usize],
    panel: &mut [i16],
) {
    let start = |i: usize| origin.of(position + i.min(count - 1));
    let starts = [start(0), start(1), start(2), start(3), start(4), start(5), start(6), start(7)];
    // How far neighbours are apart, where it is the same for all.
    let apart = |step: usize| starts.iter().zip((starts[0]..).step_by(step)).all(|(s, e)| *s == e);
    let run = if apart(1) {
        1
    } else if apart(2) {
        2
    } else {
        0
    };
    for (pair, to) in taps.chunks_exact(2).zip(panel.chunks_exact_mut(2 * COLUMNS)) {
        if run > 0 {
            // SAFETY: sixteen pixels from the furthest tap on lie within the image and what follows it.
            unsafe {
                let at = |tap: usize| {
                    let from = image.as_ptr().add(starts[0] + tap);
                    if run == 1 {
                        S8::load(from)
                    } else {
                        S8::load(from).even(S8::load(from.add(8)))
                    }
                };
                let [low, high] = at(pair[0]).interleave(at(pair[1]));
                low.store(to.as_mut_ptr());
                high.store(to.as_mut_ptr().add(8));
            }
        } else {
            for (start, to) in starts.iter().zip(to.chunks_exact_mut(2)) {
                to[0] = image[start + pair[0]];
                to[1] = image[start + pair[1]];
            }
        }
    }
}
