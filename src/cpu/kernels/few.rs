//! Pointwise convolution to few channels: sums that stay near while the channels pass by.
//!
//! In: an image in NCHW, weights packed by [`crate::direct::pack`]. Out: NCHW. A block of pixels is gone through channel
//! by channel, so that what is read lies in one piece; were all channels of a few pixels read in turn, each would be in
//! another line of the same few places of the cache. In the order of the channels, as [`crate::direct`] adds them.

use crate::geometry::Geometry;
use crate::parallel::{self, Divided};
use crate::tile::ROWS;
use crate::v4::F4;
use crate::{Epilogue, Result, fits};

/// Pixels of a block.
const BLOCK: usize = 512;
/// Channels that are added at a time.
const CHANNELS: usize = 4;

/// Convolves.
pub(crate) fn conv(
    g: &Geometry,
    x: &[f32],
    packed: &[f32],
    epilogue: &Epilogue<'_>,
    out: &mut [f32],
) -> Result<()> {
    g.check(x, out, epilogue)?;
    let (k, outputs, plane) = (g.group_in(), g.group_out(), g.plane());
    fits(g.is_pointwise() && packed.len() == g.channels_out * k)?;
    if out.is_empty() || x.is_empty() {
        return Ok(());
    }
    let lanes = parallel::lanes(&[out.len(), k]);
    let blocks = plane.div_ceil(BLOCK);
    let out = Divided::new(out);
    parallel::each(g.batch * g.groups * blocks, lanes, |part, _| {
        let (at, first) = (part / blocks, part % blocks * BLOCK);
        let count = BLOCK.min(plane - first);
        let channels = &x[at * k * plane..][..k * plane];
        for row in (0..outputs).step_by(ROWS) {
            let channel = at % g.groups * outputs + row;
            let weights = &packed[channel * k..];
            let to = (at * outputs + row) * plane + first;
            let rows = ROWS.min(outputs - row);
            for r in 0..rows {
                // SAFETY: each part has outputs of its own.
                unsafe { out.take(to + r * plane, count) }.fill(epilogue.bias_of(channel + r));
            }
            let from = channels[first..].as_ptr();
            // SAFETY: `count` pixels of each of `k` channels lie from there on, each a plane apart, as do the outputs.
            unsafe {
                let (to, weights) = (out.at(to), weights.as_ptr());
                match rows {
                    1 => add::<1>(from, plane, k, weights, to, count),
                    2 => add::<2>(from, plane, k, weights, to, count),
                    3 => add::<3>(from, plane, k, weights, to, count),
                    _ => add::<4>(from, plane, k, weights, to, count),
                }
            }
            for r in 0..rows {
                let at = to + r * plane;
                // SAFETY: as above.
                epilogue.finish(unsafe { out.take(at, count) }, at, channel + r);
            }
        }
    });
    Ok(())
}

/// Adds `k` channels, each times its weight, to `R` outputs.
///
/// # Safety
/// From `x` on `count` floats must be readable at each of `k` planes, from `out` on as many writable at `R`; of `weights`
/// there must be `R` a channel.
unsafe fn add<const R: usize>(
    x: *const f32,
    plane: usize,
    k: usize,
    weights: *const f32,
    out: *mut f32,
    count: usize,
) {
    let whole = k / CHANNELS * CHANNELS;
    for channel in (0..whole).step_by(CHANNELS) {
        unsafe {
            let weights = weights.add(channel * R);
            some::<R, CHANNELS>(x.add(channel * plane), plane, weights, out, count);
        }
    }
    for channel in whole..k {
        unsafe {
            let weights = weights.add(channel * R);
            some::<R, 1>(x.add(channel * plane), plane, weights, out, count);
        }
    }
}

/// The same of `C` channels.
///
/// # Safety
/// As for [`add`].
#[inline(always)]
unsafe fn some<const R: usize, const C: usize>(
    x: *const f32,
    plane: usize,
    weights: *const f32,
    out: *mut f32,
    count: usize,
) {
    let weights: [[F4; C]; R] = std::array::from_fn(|r| {
        std::array::from_fn(|c| unsafe { F4::load_splat(weights.add(c * R + r)) })
    });
    let add_at = |at: usize, left: usize| {
        // SAFETY: `left` floats are left of each.
        let load = |from: *const f32| unsafe { F4::load_first(from, left) };
        let pixels: [F4; C] = std::array::from_fn(|c| load(x.wrapping_add(c * plane + at)));
        for (r, weights) in weights.iter().enumerate() {
            let to = out.wrapping_add(r * plane + at);
            let mut sum = load(to);
            for (pixels, weight) in pixels.iter().zip(weights) {
                sum = sum.add_product(*pixels, *weight);
            }
            // SAFETY: as above.
            unsafe { sum.store_first(to, left) };
        }
    };
    let whole = count / 4 * 4;
    (0..whole).step_by(4).for_each(|at| add_at(at, 4));
    if whole < count {
        add_at(whole, count - whole);
    }
}
