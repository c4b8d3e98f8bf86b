//! Convolution of each channel by itself.
//!
//! In: an image in NCHW, weights as they are. Out: NCHW. Direct: sixteen outputs of a row at a time, over a padded
//! copy of the channel; the taps of stride 2 are the even lanes of two loads.

use crate::conv::{Geometry, pad_into};
use crate::v4::F4;
use crate::{Epilogue, Result, fits};

/// Lanes of outputs that are computed together.
const VECTORS: usize = 4;

/// Whether this is one.
pub fn suits(g: &Geometry) -> bool {
    g.groups > 1
        && g.groups == g.channels_in
        && g.groups == g.channels_out
        && matches!(g.stride[1], 1 | 2)
}

/// Convolves.
pub fn conv(
    g: &Geometry,
    x: &[f32],
    weights: &[f32],
    epilogue: &Epilogue<'_>,
    out: &mut [f32],
) -> Result<()> {
    g.check(x, out, epilogue)?;
    let taps = g.depth();
    fits(suits(g) && weights.len() == g.channels_out * taps)?;
    if out.is_empty() || x.is_empty() {
        return Ok(());
    }
    let [height, width] = g.padded();
    // A row is computed in whole vectors, which read beyond the last row.
    let spare = 4 * (VECTORS + 1) * g.stride[1];
    let mut padded = Vec::with_capacity(height * width + spare);
    for (at, image) in x.chunks_exact(g.image()).enumerate() {
        let channel = at % g.channels_in;
        padded.clear();
        pad_into(&mut padded, image, g, [height, width], 0.);
        padded.resize(height * width + spare, 0.);
        let weights = &weights[channel * taps..][..taps];
        let bias = F4::splat(epilogue.bias_of(channel));
        for y in 0..g.output[0] {
            let from = &padded[y * g.stride[0] * width..];
            let to = (at * g.output[0] + y) * g.output[1];
            // SAFETY: the lengths were checked, and `padded` makes room for every tap.
            unsafe {
                if g.stride[1] == 1 {
                    row::<1>(g, from, width, weights, bias, &mut out[to..]);
                } else {
                    row::<2>(g, from, width, weights, bias, &mut out[to..]);
                }
            }
            epilogue.finish(out, to, g.output[1]);
        }
    }
    Ok(())
}

/// One row of outputs.
///
/// # Safety
/// `from` must hold all rows under this one, and a vector more; `out` a row.
unsafe fn row<const STRIDE: usize>(
    g: &Geometry,
    from: &[f32],
    width: usize,
    weights: &[f32],
    bias: F4,
    out: &mut [f32],
) {
    let mut left = 0;
    while left < g.output[1] {
        let out = &mut out[left..g.output[1]];
        let from = &from[left * STRIDE..];
        if out.len() > 4 * (VECTORS - 1) {
            unsafe { part::<STRIDE, VECTORS>(g, from, width, weights, bias, out) };
            left += 4 * VECTORS;
        } else {
            unsafe { part::<STRIDE, 1>(g, from, width, weights, bias, out) };
            left += 4;
        }
    }
}

/// `4 * N` outputs of a row, as far as it goes.
///
/// # Safety
/// As for [`row`], from the first of these outputs on.
#[inline(always)]
unsafe fn part<const STRIDE: usize, const N: usize>(
    g: &Geometry,
    from: &[f32],
    width: usize,
    weights: &[f32],
    bias: F4,
    out: &mut [f32],
) {
    let mut sums = [bias; N];
    let mut weight = weights.as_ptr();
    let mut line = from.as_ptr();
    for _ in 0..g.kernel[0] {
        let mut tap = line;
        for _ in 0..g.kernel[1] {
            unsafe {
                let w = F4::load_splat(weight);
                for (v, sum) in sums.iter_mut().enumerate() {
                    let at = tap.add(4 * v * STRIDE);
                    let pixels = if STRIDE == 1 {
                        F4::load(at)
                    } else {
                        F4::load(at).even(F4::load(at.add(4)))
                    };
                    *sum = sum.add_product(pixels, w);
                }
                weight = weight.add(1);
                tap = tap.add(g.dilation[1]);
            }
        }
        line = unsafe { line.add(width * g.dilation[0]) };
    }
    for (v, sum) in sums.iter().enumerate() {
        if let Some(to) = out.get_mut(4 * v..) {
            unsafe { sum.store_first(to.as_mut_ptr(), to.len()) };
        }
    }
}
