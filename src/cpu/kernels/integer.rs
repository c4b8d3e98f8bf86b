//! Products of 8-bit integers, exact in int32.
//!
//! In: values less their zero points, as int16, and weights packed the same way. Out: sums, or
//! what they round to. Two products a lane and step: with the zero points gone beforehand there is nothing to
//! correct afterwards, and padding is zero.

use crate::conv::{Origin, PANELS};
use crate::geometry::{Geometry, pad_into};
use crate::parallel::{self, Divided};
use crate::quantize::{Quanta, QuantaDivided};
use crate::tile::{COLUMNS, ROWS};
use crate::v8::{I4, S8};
use crate::{Result, fits};

/// `R` rows by eight columns: a step takes two int16 of each row, which `row(r, step)` points to, and sixteen of
/// `columns`.
///
/// # Safety
/// `row` must point to two readable int16 for all rows and steps, `columns` to `16 * steps`.
#[inline(always)]
unsafe fn tile<const R: usize>(
    row: impl Fn(usize, usize) -> *const i16,
    columns: *const i16,
    steps: usize,
) -> [[I4; 2]; R] {
    let mut sums = [[I4::splat(0); 2]; R];
    let mut take = |i: usize| unsafe {
        let (low, high) = (S8::load(columns.add(16 * i)), S8::load(columns.add(16 * i + 8)));
        for (r, sums) in sums.iter_mut().enumerate() {
            let pair = S8::load_pair(row(r, i));
            sums[0] = sums[0].plus(pair.dot(low));
            sums[1] = sums[1].plus(pair.dot(high));
        }
    };
    for i in 0..steps {
        take(i);
    }
    sums
}

/// `value - zero` of each.
pub fn widen_u8(values: &[u8], zero: i16) -> Vec<i16> {
    values.iter().map(|v| i16::from(*v) - zero).collect()
}

/// `value - zero` of each.
pub fn widen_i8(values: &[i8], zero: i16) -> Vec<i16> {
    values.iter().map(|v| i16::from(*v) - zero).collect()
}

/// Interleaves a matrix, whose element in line `r` and step `i` is `at(r, i)`, in blocks of `width` lines by two steps;
/// zeros where there is none.
fn pack_pairs(lines: usize, k: usize, width: usize, at: impl Fn(usize, usize) -> i16) -> Vec<i16> {
    let mut packed = Vec::with_capacity(lines.div_ceil(width) * width * k.div_ceil(2) * 2);
    for first in (0..lines).step_by(width) {
        for i in (0..k).step_by(2) {
            for r in first..first + width {
                packed.extend([i, i + 1].map(|i| if r < lines && i < k { at(r, i) } else { 0 }));
            }
        }
    }
    packed
}

/// Weights of a [`Dense`] product from `k` rows of `n`.
pub fn pack_dense(k: usize, n: usize, weights: &[i16]) -> Result<Vec<i16>> {
    fits(weights.len() == k * n)?;
    Ok(pack_pairs(n, k, COLUMNS, |column, i| weights[i * n + column]))
}

/// `m` rows of `k` times `k` rows of `n`, packed by [`pack_dense`].
pub fn dense([m, k, n]: [usize; 3], x: &[i16], packed: &[i16], out: &mut [i32]) -> Result<()> {
    let steps = k.div_ceil(2);
    fits(x.len() == m * k && out.len() == m * n)?;
    fits(packed.len() == n.div_ceil(COLUMNS) * COLUMNS * 2 * steps)?;
    let mut even = vec![];
    let x = if k % 2 == 0 {
        x
    } else {
        x.chunks_exact(k).for_each(|row| {
            even.extend_from_slice(row);
            even.push(0);
        });
        &even
    };
    let lanes = parallel::lanes(&[out.len(), k]);
    let out = Divided::new(out);
    parallel::each(n.div_ceil(COLUMNS), lanes, |panel, _| {
        let first = panel * COLUMNS;
        let count = COLUMNS.min(n - first);
        let columns = &packed[first * 2 * steps..];
        let mut row = 0;
        while row < m {
            let at = |r: usize| &x[(row + r) * 2 * steps..];
            let mut sums = [[0; COLUMNS]; ROWS];
            // SAFETY: each row has `2 * steps` values, and the columns 16 a step.
            let taken = unsafe {
                if row + ROWS <= m {
                    let rows = [at(0).as_ptr(), at(1).as_ptr(), at(2).as_ptr(), at(3).as_ptr()];
                    let row = |r: usize, i: usize| rows[r].add(2 * i);
                    store(&tile::<ROWS>(row, columns.as_ptr(), steps), &mut sums);
                    ROWS
                } else {
                    let row = |_: usize, i: usize| at(0).as_ptr().add(2 * i);
                    store(&tile::<1>(row, columns.as_ptr(), steps), &mut sums);
                    1
                }
            };
            for sums in &sums[..taken] {
                // SAFETY: each part has columns of its own.
                unsafe { out.take(row * n + first, count) }.copy_from_slice(&sums[..count]);
                row += 1;
            }
        }
    });
    Ok(())
}

fn store(tile: &[[I4; 2]], sums: &mut [[i32; COLUMNS]]) {
    for ([low, high], sums) in tile.iter().zip(sums) {
        // SAFETY: a row of sums is two vectors long.
        unsafe {
            low.store(sums.as_mut_ptr());
            high.store(sums.as_mut_ptr().add(4));
        }
    }
}

/// Weights of [`conv`], from OIHW.
pub fn pack(g: &Geometry, weights: &[i16]) -> Result<Vec<i16>> {
    let (rows, k) = (g.group_out(), g.depth());
    fits(weights.len() == g.channels_out * k && !weights.is_empty())?;
    Ok(weights
        .chunks_exact(rows * k)
        .flat_map(|group| pack_pairs(rows, k, ROWS, |r, i| group[r * k + i]))
        .collect())
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
    pub(crate) fn places(&mut self) -> Places<'_> {
        match self {
            Self::Sums(out) => Places::Sums(Divided::new(out)),
            Self::Scaled(scales, out) => Places::Scaled(scales, Divided::new(out)),
            Self::Rounded(scales, zero, out) => Places::Rounded(scales, *zero, out.divided()),
        }
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

/// Convolves; `bias` has a value a channel.
pub fn conv(
    g: &Geometry,
    x: &[i16],
    packed: &[i16],
    bias: &[i32],
    finish: &mut Finish<'_>,
) -> Result<()> {
    let (m, steps) = (g.group_out(), g.depth().div_ceil(2));
    let group_len = m.div_ceil(ROWS) * ROWS * 2 * steps;
    fits(g.is_whole() && x.len() == g.batch * g.channels_in * g.image())?;
    fits(packed.len() == g.groups * group_len && bias.len() == g.channels_out)?;
    if x.is_empty() {
        return Ok(());
    }
    let [height, width] = g.padded();
    let mut taps = g.taps([height, width]);
    // The second tap of an odd pair has weights of zero.
    taps.extend((g.depth() % 2 == 1).then_some(0));
    let furthest = taps.iter().fold(0, |most, tap| if *tap > most { *tap } else { most });
    let origin = Origin { out_width: g.output[1], width, stride: g.stride };
    let image = g.group_in() * height * width;
    let mut padded = Vec::with_capacity(g.batch * g.groups * image);
    pad_into(&mut padded, x, g, [height, width], 0);
    let plane = g.plane();
    let lanes = parallel::lanes(&[g.batch * g.channels_out, plane, g.depth()]);
    let panel_len = PANELS * COLUMNS * 2 * steps;
    let mut panels = vec![0; lanes * panel_len];
    let panels = Divided::new(&mut panels);
    let places = finish.places();
    let chunks = plane.div_ceil(PANELS * COLUMNS);
    parallel::each(g.batch * g.groups * chunks, lanes, |part, lane| {
        let (at, first) = (part / chunks, part % chunks * PANELS * COLUMNS);
        let group = at % g.groups;
        let padded = &padded[at * image..][..image];
        let weights = &packed[group * group_len..][..group_len];
        // SAFETY: each lane has panels of its own.
        let panels = unsafe { panels.take(lane * panel_len, panel_len) };
        let count = plane.min(first + PANELS * COLUMNS) - first;
        for (at, panel) in
            (0..count).step_by(COLUMNS).zip(panels.chunks_exact_mut(COLUMNS * 2 * steps))
        {
            let some = COLUMNS.min(count - at);
            gather(padded, &origin, first + at, some, (&taps, furthest), panel);
        }
        for row in (0..m).step_by(ROWS) {
            let tile_at = weights[row * 2 * steps..].as_ptr();
            let mut sums = [[0; PANELS * COLUMNS]; ROWS];
            for (at, panel) in
                (0..count).step_by(COLUMNS).zip(panels.chunks_exact(COLUMNS * 2 * steps))
            {
                // SAFETY: a tile of weights has eight values a step, the panel sixteen, a row of sums all columns.
                unsafe {
                    let row = |r: usize, i: usize| tile_at.add(2 * ROWS * i + 2 * r);
                    let tile = tile::<ROWS>(row, panel.as_ptr(), steps);
                    for ([low, high], sums) in tile.iter().zip(&mut sums) {
                        low.store(sums.as_mut_ptr().add(at));
                        high.store(sums.as_mut_ptr().add(at + 4));
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate().take(m - row) {
                let channel = group * m + row + r;
                let to = (at * m + row + r) * plane + first;
                // SAFETY: each part has outputs of its own.
                unsafe { places.run(channel, to, &sums[..count], bias[channel]) };
            }
        }
    });
    Ok(())
}

/// Packs the taps of `count` positions, two by two.
fn gather(
    image: &[i16],
    origin: &Origin,
    position: usize,
    count: usize,
    (taps, furthest): (&[usize], usize),
    panel: &mut [i16],
) {
    let start = |i: usize| origin.of(position + i.min(count - 1));
    let starts = [start(0), start(1), start(2), start(3), start(4), start(5), start(6), start(7)];
    let run = starts.iter().zip(starts[0]..).all(|(s, e)| *s == e)
        && starts[0] + furthest + 8 <= image.len();
    for (pair, to) in taps.chunks_exact(2).zip(panel.chunks_exact_mut(2 * COLUMNS)) {
        if run {
            // SAFETY: eight pixels from the furthest tap on lie within the image.
            unsafe {
                let at = |tap: usize| S8::load(image.as_ptr().add(starts[0] + tap));
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
