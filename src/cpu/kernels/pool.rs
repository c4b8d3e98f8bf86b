//! The greatest value under a window.
//!
//! In: an image in NCHW and a [`Geometry`] with one group a channel. Out: NCHW. First down, then across: a window of
//! `h` by `w` costs `h + w` comparisons instead of `h * w`.

use crate::geometry::{Geometry, frame};
use crate::parallel::{self, Divided};
use crate::v4::F4;
use crate::{Epilogue, Result, fits};

/// Pools. What is beyond the image never wins.
pub fn max(g: &Geometry, x: &[f32], out: &mut [f32]) -> Result<()> {
    g.check(x, out, &Epilogue::default())?;
    fits(g.channels_in == g.channels_out && g.kernel.iter().all(|k| *k > 0))?;
    if out.is_empty() || x.is_empty() {
        return Ok(());
    }
    let [height, width] = g.padded();
    // Lines are compared in whole vectors, of which two are read at once.
    let spare = 8 * g.stride[1].max(1);
    let room = height * width + spare;
    let line = width + spare;
    let lanes = parallel::lanes(&[out.len(), g.kernel[0] + g.kernel[1]]);
    // A framed plane and a line a lane.
    let mut scratch = vec![f32::NEG_INFINITY; lanes * (room + line)];
    let (scratch, out) = (Divided::new(&mut scratch), Divided::new(out));
    let plane = g.plane();
    parallel::each(g.batch * g.channels_in, lanes, |at, lane| {
        // SAFETY: each lane has scratch of its own, each part its outputs.
        let (scratch, out) = unsafe {
            (scratch.take(lane * (room + line), room + line), out.take(at * plane, plane))
        };
        let (padded, tallest) = scratch.split_at_mut(room);
        frame(padded, &x[at * g.image()..][..g.image()], g, [height, width]);
        for (y, row) in out.chunks_exact_mut(g.output[1]).enumerate() {
            let lines = &padded[y * g.stride[0] * width..];
            // SAFETY: `padded` has `spare` floats after the last line, and `tallest` as many after its own.
            unsafe {
                for at in (0..width).step_by(4) {
                    let mut most = F4::load(lines.as_ptr().add(at));
                    for tap in 1..g.kernel[0] {
                        most = most
                            .max(F4::load(lines.as_ptr().add(tap * g.dilation[0] * width + at)));
                    }
                    most.store(tallest.as_mut_ptr().add(at));
                }
                across(g, tallest, row);
            }
        }
    });
    Ok(())
}

/// The greatest of each window of one line.
///
/// # Safety
/// `line` must hold two vectors more than the windows of `row` reach.
unsafe fn across(g: &Geometry, line: &[f32], row: &mut [f32]) {
    let stride = g.stride[1];
    for (i, four) in row.chunks_mut(4).enumerate() {
        let start = unsafe { line.as_ptr().add(4 * i * stride) };
        let mut most = F4::splat(f32::NEG_INFINITY);
        for tap in 0..g.kernel[1] {
            let values = unsafe {
                let at = start.add(tap * g.dilation[1]);
                match stride {
                    1 => F4::load(at),
                    2 => F4::load(at).even(F4::load(at.add(4))),
                    _ => {
                        let lane = |i: usize| {
                            if i < four.len() { *at.add(i * stride) } else { f32::NEG_INFINITY }
                        };
                        F4::load([lane(0), lane(1), lane(2), lane(3)].as_ptr())
                    }
                }
            };
            most = if tap == 0 { values } else { most.max(values) };
        }
        // SAFETY: as many as there are.
        unsafe { most.store_first(four.as_mut_ptr(), four.len()) };
    }
}
