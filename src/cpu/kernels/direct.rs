//! Convolution with few outputs for each input: each channel by itself, or a handful of outputs from all.
//!
//! In: an image in NCHW, weights packed by [`pack`]. Out: NCHW. Nothing is gathered: neighbours in a row are read where
//! they lie, in a padded copy of the group's channels, and up to [`ROWS`] outputs share each read. The taps of stride 2
//! are the even lanes of two reads. Rows that are no whole vectors end in vectors that go partly unused.

use crate::geometry::{Geometry, frame};
use crate::parallel::{self, Divided};
use crate::scratch::{Scratch, prepare};
use crate::tile::ROWS;
use crate::v4::F4;
use crate::{Epilogue, Result, few, fits};

/// Outputs a group beyond which gathering pays.
const MOST: usize = 8;
/// Vectors between two calls of the epilogue.
const FINISHED: usize = 64;

/// Whether this form pays.
pub fn suits(g: &Geometry) -> bool {
    let narrow = g.output[1] < 4;
    let few = g.group_out() <= MOST && !narrow;
    let depthwise = g.group_in() == 1 && g.group_out() == 1;
    g.is_whole() && matches!(g.stride[1], 1 | 2) && (few || depthwise)
}

/// Weights in the order of [`conv`], from OIHW: the outputs of a group by [`ROWS`], tap by tap.
pub fn pack(g: &Geometry, weights: &[f32]) -> Result<Vec<f32>> {
    let k = g.depth();
    fits(g.is_whole() && weights.len() == g.channels_out * k)?;
    let mut packed = Vec::with_capacity(weights.len());
    for group in weights.chunks((g.group_out() * k).max(1)) {
        for rows in group.chunks((ROWS * k).max(1)) {
            for tap in 0..k {
                packed.extend(rows.iter().skip(tap).step_by(k));
            }
        }
    }
    let [height, width] = g.padded();
    prepare::<f32>(g.group_in() * height * width + spare(g));
    Ok(packed)
}

/// What the vectors of the last row read beyond it.
fn spare(g: &Geometry) -> usize {
    8 * g.stride[1]
}

/// Four neighbours of the output, or fewer at the end of a row.
#[derive(Clone, Copy)]
struct Four {
    /// Where their first tap lies.
    from: usize,
    /// The first of them in the plane.
    to: usize,
    count: usize,
}

fn fours(g: &Geometry, width: usize) -> Vec<Four> {
    let [rows, columns] = g.output;
    let mut fours = Vec::with_capacity(rows * columns.div_ceil(4));
    for y in 0..rows {
        fours.extend((0..columns).step_by(4).map(|x| Four {
            from: y * g.stride[0] * width + x * g.stride[1],
            to: y * columns + x,
            count: (columns - x).min(4),
        }));
    }
    fours
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
    let (k, outputs) = (g.depth(), g.group_out());
    fits(suits(g) && packed.len() == g.channels_out * k)?;
    if g.is_pointwise() {
        return few::conv(g, x, packed, epilogue, out);
    }
    if out.is_empty() || x.is_empty() {
        return Ok(());
    }
    let [height, width] = g.padded();
    let taps = g.taps([height, width]);
    let fours = fours(g, width);
    let spare = spare(g);
    let image = g.group_in() * height * width;
    let lanes = parallel::lanes(&[out.len(), k]);
    // Where there are few images, lanes share each of them.
    let images = g.batch * g.groups;
    let splits = if lanes > 1 && images < 2 * lanes { (4 * lanes).div_ceil(images) } else { 1 };
    let each = fours.len().div_ceil(splits).next_multiple_of(FINISHED);
    let splits = fours.len().div_ceil(each);
    let frames = if splits > 1 { images } else { lanes };
    let lay = |at: usize, frame_of: &mut [f32]| {
        let from = &x[at * g.group_in() * g.image()..][..g.group_in() * g.image()];
        frame(&mut frame_of[..image], from, g, [height, width]);
    };
    let mut padded = Scratch::<f32>::new(frames * (image + spare));
    padded.fill(0.);
    if splits > 1 {
        padded.chunks_exact_mut(image + spare).enumerate().for_each(|(at, one)| lay(at, one));
    }
    let (padded, out) = (Divided::new(&mut padded), Divided::new(out));
    parallel::each(images * splits, lanes, |part, lane| {
        let (at, split) = (part / splits, part % splits);
        let fours = &fours[split * each..fours.len().min((split + 1) * each)];
        let group = at % g.groups;
        let own = if splits > 1 { at } else { lane };
        // SAFETY: each lane has an image of its own, or all of them read the same one.
        let padded = unsafe { padded.take(own * (image + spare), image + spare) };
        if splits == 1 {
            lay(at, padded);
        }
        for row in (0..outputs).step_by(ROWS) {
            let rows = ROWS.min(outputs - row);
            let channel = group * outputs + row;
            let part = Part {
                taps: &taps,
                image: padded,
                weights: &packed[channel * k..][..rows * k],
                bias: std::array::from_fn(|r| F4::splat(epilogue.bias_of(channel + r))),
                plane: g.plane(),
            };
            let first = (at * outputs + row) * g.plane();
            for fours in fours.chunks(FINISHED) {
                // SAFETY: `padded` makes room for every tap of every output, and the lengths were checked; each part
                // has outputs of its own.
                unsafe {
                    let planes = out.at(first);
                    match (g.stride[1], rows) {
                        (1, 1) => part.run::<1, 1, 4>(fours, planes),
                        (1, 2) => part.run::<1, 2, 4>(fours, planes),
                        (1, 3) => part.run::<1, 3, 2>(fours, planes),
                        (1, _) => part.run::<1, 4, 2>(fours, planes),
                        (_, 1) => part.run::<2, 1, 4>(fours, planes),
                        (_, 2) => part.run::<2, 2, 4>(fours, planes),
                        (_, 3) => part.run::<2, 3, 2>(fours, planes),
                        (_, _) => part.run::<2, 4, 2>(fours, planes),
                    }
                }
                let count = fours.iter().map(|four| four.count).sum::<usize>();
                for r in 0..rows {
                    let at = first + r * g.plane() + fours[0].to;
                    // SAFETY: as above.
                    epilogue.finish(unsafe { out.take(at, count) }, at, channel + r);
                }
            }
        }
    });
    Ok(())
}

/// Up to [`ROWS`] outputs of one group of one image.
struct Part<'a> {
    taps: &'a [usize],
    image: &'a [f32],
    weights: &'a [f32],
    bias: [F4; ROWS],
    plane: usize,
}

impl Part<'_> {
    /// `R` outputs at these positions, `N` vectors at a time.
    ///
    /// # Safety
    /// The image must hold all taps of these positions and two vectors more, `weights` `R` a tap; of the `R` planes at
    /// `out` these positions must be no one else's.
    unsafe fn run<const STRIDE: usize, const R: usize, const N: usize>(
        &self,
        fours: &[Four],
        out: *mut f32,
    ) {
        for fours in fours.chunks(N) {
            let (first, last) = (fours[0].from, fours.len() - 1);
            // Whether all of them follow each other: from one row to the next it is always the same step.
            let runs = last + 1 == N && fours[last].from == first + 4 * STRIDE * last;
            let sums = if runs {
                unsafe { self.sums::<STRIDE, R, N, true>(&[first; N]) }
            } else {
                let from = std::array::from_fn(|v| fours[v.min(last)].from);
                unsafe { self.sums::<STRIDE, R, N, false>(&from) }
            };
            for (r, sums) in sums.iter().enumerate() {
                for (four, sum) in fours.iter().zip(sums) {
                    let to = r * self.plane + four.to;
                    unsafe { sum.store_first(out.add(to), four.count) };
                }
            }
        }
    }

    /// The sums of `R` outputs and `N` vectors, which follow each other where `RUNS`.
    ///
    /// # Safety
    /// As for [`Part::run`].
    #[inline(always)]
    unsafe fn sums<const STRIDE: usize, const R: usize, const N: usize, const RUNS: bool>(
        &self,
        from: &[usize; N],
    ) -> [[F4; N]; R] {
        let mut sums: [[F4; N]; R] = std::array::from_fn(|r| [self.bias[r]; N]);
        let mut weight = self.weights.as_ptr();
        let starts = from.map(|from| unsafe { self.image.as_ptr().add(from) });
        for tap in self.taps {
            unsafe {
                let weights: [F4; R] = std::array::from_fn(|r| F4::load_splat(weight.add(r)));
                weight = weight.add(R);
                let first = starts[0].add(*tap);
                for v in 0..N {
                    let at = if RUNS { first.add(4 * STRIDE * v) } else { starts[v].add(*tap) };
                    let pixels = match STRIDE {
                        1 => F4::load(at),
                        _ => F4::load(at).even(F4::load(at.add(4))),
                    };
                    for r in 0..R {
                        sums[r][v] = sums[r][v].add_product(pixels, weights[r]);
                    }
                }
            }
        }
        sums
    }
}
