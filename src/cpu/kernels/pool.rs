//! The greatest value, or the mean, under a window.
//!
//! In: an image in NCHW and a [`Geometry`] with one group a channel. Out: NCHW. First down, then across: a window of
//! `h` by `w` costs `h + w` operations instead of `h * w`.

use crate::geometry::{Geometry, frame};
use crate::parallel::{self, Divided};
use crate::v4::F4;
use crate::{Epilogue, Result, fits};

/// How values under a window become one.
trait Fold {
    /// What changes nothing, and lies beyond the image.
    const NONE: f32;

    fn fold(a: F4, b: F4) -> F4;
}

struct Greatest;

impl Fold for Greatest {
    const NONE: f32 = f32::NEG_INFINITY;

    #[inline(always)]
    fn fold(a: F4, b: F4) -> F4 {
        a.max(b)
    }
}

struct Sum;

impl Fold for Sum {
    const NONE: f32 = 0.;

    #[inline(always)]
    fn fold(a: F4, b: F4) -> F4 {
        a.add(b)
    }
}

/// The greatest of each window. What is beyond the image never wins.
pub fn max(g: &Geometry, x: &[f32], out: &mut [f32]) -> Result<()> {
    pool::<Greatest>(g, x, out, |_, _| {})
}

/// The sum of each window times a factor for its row and one for its column.
pub fn mean(g: &Geometry, x: &[f32], [down, across]: [&[f32]; 2], out: &mut [f32]) -> Result<()> {
    fits([down.len(), across.len()] == g.output)?;
    pool::<Sum>(g, x, out, |y, row| {
        for (sum, factor) in row.iter_mut().zip(across) {
            *sum *= down[y] * factor;
        }
    })
}

fn pool<F: Fold>(
    g: &Geometry,
    x: &[f32],
    out: &mut [f32],
    finish: impl Fn(usize, &mut [f32]) + Sync,
) -> Result<()> {
    g.check(x, out, &Epilogue::default())?;
    fits(g.channels_in == g.channels_out && g.kernel.iter().all(|k| *k > 0))?;
    if out.is_empty() || x.is_empty() {
        return Ok(());
    }
    let [height, width] = g.padded();
    // Lines are folded in whole vectors, of which two are read at once.
    let spare = 8 * g.stride[1].max(1);
    let room = height * width + spare;
    let line = width + spare;
    let lanes = parallel::lanes(&[out.len(), g.kernel[0] + g.kernel[1]]);
    // A framed plane and a line a lane.
    let mut scratch = vec![F::NONE; lanes * (room + line)];
    let (scratch, out) = (Divided::new(&mut scratch), Divided::new(out));
    let plane = g.plane();
    parallel::each(g.batch * g.channels_in, lanes, |at, lane| {
        // SAFETY: each lane has scratch of its own, each part its outputs.
        let (scratch, out) = unsafe {
            (scratch.take(lane * (room + line), room + line), out.take(at * plane, plane))
        };
        let (padded, column) = scratch.split_at_mut(room);
        frame(padded, &x[at * g.image()..][..g.image()], g, [height, width]);
        for (y, row) in out.chunks_exact_mut(g.output[1]).enumerate() {
            let lines = &padded[y * g.stride[0] * width..];
            // SAFETY: `padded` has `spare` floats after the last line, and `column` as many after its own.
            unsafe {
                for at in (0..width).step_by(4) {
                    let mut all = F4::load(lines.as_ptr().add(at));
                    for tap in 1..g.kernel[0] {
                        let line = lines.as_ptr().add(tap * g.dilation[0] * width + at);
                        all = F::fold(all, F4::load(line));
                    }
                    all.store(column.as_mut_ptr().add(at));
                }
                across::<F>(g, column, row);
            }
            finish(y, row);
        }
    });
    Ok(())
}

/// What becomes of each window of one line.
///
/// # Safety
/// `line` must hold two vectors more than the windows of `row` reach.
unsafe fn across<F: Fold>(g: &Geometry, line: &[f32], row: &mut [f32]) {
    let stride = g.stride[1];
    for (i, four) in row.chunks_mut(4).enumerate() {
        let start = unsafe { line.as_ptr().add(4 * i * stride) };
        let mut all = F4::splat(F::NONE);
        for tap in 0..g.kernel[1] {
            let values = unsafe {
                let at = start.add(tap * g.dilation[1]);
                match stride {
                    1 => F4::load(at),
                    2 => F4::load(at).even(F4::load(at.add(4))),
                    _ => {
                        let lane =
                            |i: usize| if i < four.len() { *at.add(i * stride) } else { F::NONE };
                        F4::load([lane(0), lane(1), lane(2), lane(3)].as_ptr())
                    }
                }
            };
            all = if tap == 0 { values } else { F::fold(all, values) };
        }
        // SAFETY: as many as there are.
        unsafe { all.store_first(four.as_mut_ptr(), four.len()) };
    }
}
