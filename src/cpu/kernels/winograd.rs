//! Convolution by 3x3 with stride 1 as Winograd's F(4x4, 3x3): 36 products for 16 outputs instead of 144.
//!
//! In: an image in NCHW, weights transformed by [`pack`]. Out: NCHW. The plane is cut into tiles of 4x4 outputs; the
//! 6x6 pixels under each are transformed, multiplied by the transformed weights as 36 matrix products over the
//! channels, and transformed back. The transforms keep four tiles in the four lanes. Rounding: about ten times
//! that of plain sums, some 1e-6 of the largest value.

use std::ops::Range;

use crate::geometry::Geometry;
use crate::parallel::{self, Divided};
use crate::scratch::{Scratch, prepare};
use crate::strips::{IN, OUT, Strips, Tile};
use crate::tile::{COLUMNS, ROWS, packed_len, tile};
use crate::v4::F4;
use crate::{Activation, Epilogue, Result, fits};

/// Products of a tile.
const POINTS: usize = IN * IN;
/// Floats between one point's pixels and the next's beyond what they need: without them the 36 lines that a tile is
/// written to fall into the same few places of the cache.
const SKEW: usize = 16;
/// Floats that the transformed tiles of a block may take: what stays in a second-level cache.
const BLOCK: usize = 96 * 1024;
/// Tiles of a block, at most.
const MOST: usize = 64;
/// Floats of weights that stay in a second-level cache beside a block.
const NEAR: usize = 48 * 1024;

/// Whether this form pays: each side of a product has to be worth its transform, and the tiles, of which there are 36
/// products each, have to be fewer than the pixels, of which there are nine.
pub fn suits(g: &Geometry) -> bool {
    let plain = g.kernel == [3, 3] && g.stride == [1, 1] && g.dilation == [1, 1] && g.groups == 1;
    let wide = g.channels_in >= 8 && g.channels_out >= 8 && g.output.iter().all(|n| *n >= 3);
    let tiles = g.batch * g.output[0].div_ceil(OUT) * g.output[1].div_ceil(OUT);
    let products = 4 * tiles.next_multiple_of(4);
    plain && wide && products + products / 4 < g.batch * g.plane().next_multiple_of(4)
}

/// Channels in whose weights are transformed before they are laid where they belong: so far from each other the points
/// lie that they would push each other out of the cache.
const SOME: usize = 16;

/// `G g` of three rows, [`ROWS`] filters at a time.
#[inline(always)]
fn line_of_weights([a, b, c]: [[f64; ROWS]; 3]) -> [[f64; ROWS]; IN] {
    let each = |f: &dyn Fn(f64, f64, f64) -> f64| std::array::from_fn(|r| f(a[r], b[r], c[r]));
    let outer = |a: f64, c: f64| (a + c) * (1. / 6.);
    let inner = |a: f64, c: f64| (a + 4. * c) * (1. / 24.);
    [
        each(&|a, _, _| a * 0.25),
        each(&|a, b, c| -outer(a, c) - b * (1. / 6.)),
        each(&|a, b, c| -outer(a, c) + b * (1. / 6.)),
        each(&|a, b, c| inner(a, c) + b * (1. / 12.)),
        each(&|a, b, c| inner(a, c) - b * (1. / 12.)),
        c,
    ]
}

/// The transform of the weights: `G g G^T`, in the order of the products. Never inlined: in a caller that is
/// compiled for size it would be so too, and it is most of the time that loading a model takes.
#[inline(never)]
pub fn pack(g: &Geometry, weights: &[f32]) -> Result<Vec<f32>> {
    let (rows, k) = (g.channels_out, g.channels_in);
    fits(weights.len() == rows * k * 9)?;
    let point_len = packed_len(rows, k);
    let mut packed = vec![0f32; POINTS * point_len];
    let mut points = [[0f32; SOME * ROWS]; POINTS];
    for row in (0..rows).step_by(ROWS) {
        for first in (0..k).step_by(SOME) {
            let some = SOME.min(k - first);
            for i in 0..some {
                let mut taps = [[0f64; ROWS]; 9];
                for r in 0..ROWS.min(rows - row) {
                    let filter = &weights[((row + r) * k + first + i) * 9..][..9];
                    taps.iter_mut().zip(filter).for_each(|(tap, w)| tap[r] = (*w).into());
                }
                let lines: [[[f64; ROWS]; IN]; 3] = std::array::from_fn(|y| {
                    line_of_weights([taps[3 * y], taps[3 * y + 1], taps[3 * y + 2]])
                });
                for x in 0..IN {
                    let column = line_of_weights([lines[0][x], lines[1][x], lines[2][x]]);
                    for (y, values) in column.iter().enumerate() {
                        let to = &mut points[y * IN + x][i * ROWS..(i + 1) * ROWS];
                        to.iter_mut().zip(values).for_each(|(to, value)| *to = *value as f32);
                    }
                }
            }
            for (point, values) in points.iter().enumerate() {
                let to = point * point_len + row * k + first * ROWS;
                packed[to..to + some * ROWS].copy_from_slice(&values[..some * ROWS]);
            }
        }
    }
    let Work { lens, lanes, .. } = Work::new(g, packed.len());
    prepare::<f32>(lanes * lens.iter().sum::<usize>());
    Ok(packed)
}

/// How the tiles are shared, and what room that takes.
struct Work {
    strips: Strips,
    /// Tiles of a part.
    block: usize,
    /// Floats of a lane: of pixels as they are, of transformed ones, of products.
    lens: [usize; 3],
    /// Channels out, in whole tiles of the product.
    rows: usize,
    lanes: usize,
}

impl Work {
    fn new(g: &Geometry, packed_len: usize) -> Self {
        let rows = g.channels_out.div_ceil(ROWS) * ROWS;
        let per_tile = POINTS * (g.channels_in + rows).max(1);
        let tiles = g.batch * g.output[0].div_ceil(OUT) * g.output[1].div_ceil(OUT);
        let lanes = parallel::lanes(&[tiles, POINTS, g.channels_in, rows]);
        let most = (BLOCK / per_tile / COLUMNS * COLUMNS).clamp(COLUMNS, MOST);
        // Several blocks a lane, for one that is slower than the others, where the weights, which each block reads
        // anew, are near.
        let blocks = if packed_len <= NEAR { 4 } else { 1 };
        let wanted = if lanes > 1 { tiles.div_ceil(blocks * lanes) } else { most };
        let block = most.min(wanted.next_multiple_of(COLUMNS));
        let block = block.min(tiles.next_multiple_of(COLUMNS)).max(COLUMNS);
        let strips = Strips::new(g, block);
        let pixels = POINTS * (g.channels_in * block + SKEW);
        let lens = [strips.room(), pixels, POINTS * rows * block];
        Self { strips, block, lens, rows, lanes }
    }
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
    fits(suits(g) && packed.len() == POINTS * packed_len(g.channels_out, g.channels_in))?;
    if out.is_empty() || x.is_empty() {
        return Ok(());
    }
    let Work { strips, block, lens, rows, lanes } = Work::new(g, packed.len());
    let each = lens.iter().sum::<usize>();
    let mut scratch = Scratch::<f32>::new(lanes * each);
    let (scratch, out) = (Divided::new(&mut scratch), Divided::new(out));
    // Few tiles: lanes share them, and take some of the outputs each.
    let even = strips.parts().is_multiple_of(lanes) || strips.parts() >= 4 * lanes;
    let splits = if even { 1 } else { lanes };
    let rows_each = rows.div_ceil(splits).next_multiple_of(ROWS);
    let splits = rows.div_ceil(rows_each);
    parallel::each(strips.parts() * splits, lanes, |part, lane| {
        let first = part % splits * rows_each;
        let rows = first..rows.min(first + rows_each);
        // SAFETY: the lengths were checked; the scratch was made for this geometry, and every tile lies within. Each
        // lane has its scratch, each part its outputs.
        unsafe {
            let room = scratch.take(lane * each, lens[0]);
            let pixels = scratch.take(lane * each + lens[0], lens[1]);
            let products = scratch.take(lane * each + lens[0] + lens[1], lens[2]);
            let tiles = strips.lay(g, part / splits, x, room);
            for (at, four) in tiles.chunks(4).enumerate() {
                transform_in(g, room, four, at, block, pixels);
            }
            multiply(g, packed, pixels, &rows, tiles.len(), block, products);
            let channels = rows.start..rows.end.min(g.channels_out);
            for (at, four) in tiles.chunks(4).enumerate() {
                transform_out(g, products, channels.clone(), four, at, block, epilogue, &out);
            }
        }
    });
    Ok(())
}

/// `B^T d` of six rows.
#[inline(always)]
fn line_in([a, b, c, d, e, f]: [F4; IN]) -> [F4; IN] {
    let (two, four, five) = (F4::splat(2.), F4::splat(4.), F4::splat(5.));
    let (even, odd) = (e.sub(c.mul(four)), d.sub(b.mul(four)));
    let (near, far) = (e.sub(c), d.sub(b).mul(two));
    [
        a.mul(four).sub(c.mul(five)).add(e),
        even.add(odd),
        even.sub(odd),
        near.add(far),
        near.sub(far),
        b.mul(four).sub(d.mul(five)).add(f),
    ]
}

/// `A^T m` of six rows.
#[inline(always)]
fn line_out([a, b, c, d, e, f]: [F4; IN]) -> [F4; OUT] {
    let (sum, difference) = (b.add(c), b.sub(c));
    let (far_sum, far) = (d.add(e), d.sub(e));
    [
        a.add(sum).add(far_sum),
        difference.add_product(far, F4::splat(2.)),
        sum.add_product(far_sum, F4::splat(4.)),
        difference.add_product(far, F4::splat(8.)).add(f),
    ]
}

/// The pixels under four tiles: `pixels[point][panel][channel][tile]`.
///
/// # Safety
/// `four` must hold 1 to 4 tiles of what is laid out in `room`; `pixels` is for `block` tiles, of which these are number
/// `4 * at` and following.
unsafe fn transform_in(
    g: &Geometry,
    room: &[f32],
    four: &[Tile],
    at: usize,
    block: usize,
    pixels: &mut [f32],
) {
    let tiles: [Tile; 4] = std::array::from_fn(|i| four[i.min(four.len() - 1)]);
    let starts = tiles.map(|tile| unsafe { room.as_ptr().add(tile.pixel) });
    let panel = at / 2 * COLUMNS * g.channels_in + at % 2 * 4;
    for channel in 0..g.channels_in {
        let mut half = [[F4::splat(0.); IN]; IN];
        for (y, row) in half.iter_mut().enumerate() {
            *row = unsafe {
                let at = |i: usize| starts[i].add(channel * tiles[i].channel + y * tiles[i].line);
                let (a, b, c, d) = (at(0), at(1), at(2), at(3));
                let [c0, c1, c2, c3] =
                    F4::transpose([F4::load(a), F4::load(b), F4::load(c), F4::load(d)]);
                let low = F4::load_pairs(a.add(4), b.add(4));
                let high = F4::load_pairs(c.add(4), d.add(4));
                line_in([c0, c1, c2, c3, low.even(high), low.odd(high)])
            };
        }
        let to = unsafe { pixels.as_mut_ptr().add(panel + channel * COLUMNS) };
        for x in 0..IN {
            let [r0, r1, r2, r3, r4, r5] = &half;
            let column = line_in([r0[x], r1[x], r2[x], r3[x], r4[x], r5[x]]);
            for (y, value) in column.iter().enumerate() {
                unsafe { value.store(to.add((y * IN + x) * (block * g.channels_in + SKEW))) };
            }
        }
    }
}

/// `products[channel out][point][tile]`.
///
/// # Safety
/// The slices must be for this geometry and `block` tiles, of which there are `count`; `some` are rows of it.
unsafe fn multiply(
    g: &Geometry,
    packed: &[f32],
    pixels: &[f32],
    some: &Range<usize>,
    count: usize,
    block: usize,
    products: &mut [f32],
) {
    let k = g.channels_in;
    let rows = g.channels_out.div_ceil(ROWS) * ROWS;
    for point in 0..POINTS {
        for row in some.clone().step_by(ROWS) {
            let a = unsafe { packed.as_ptr().add((point * rows + row) * k) };
            for first in (0..count).step_by(COLUMNS) {
                unsafe {
                    let b = pixels.as_ptr().add(point * (block * k + SKEW) + first * k);
                    let sums = tile::<2>(a, b, k, [F4::splat(0.); ROWS]);
                    for (r, [low, high]) in sums.iter().enumerate() {
                        let to =
                            products.as_mut_ptr().add(((row + r) * POINTS + point) * block + first);
                        low.store(to);
                        high.store(to.add(4));
                    }
                }
            }
        }
    }
}

/// What becomes of outputs while they are in registers.
#[derive(Clone, Copy)]
enum End {
    None,
    Clamp(F4, F4),
    Leaky(F4),
}

/// The outputs of four tiles.
///
/// # Safety
/// As for [`transform_in`]; `out` must be the output of this geometry.
#[allow(clippy::too_many_arguments)] // one call
unsafe fn transform_out(
    g: &Geometry,
    products: &[f32],
    channels: Range<usize>,
    four: &[Tile],
    at: usize,
    block: usize,
    epilogue: &Epilogue<'_>,
    out: &Divided<'_, f32>,
) {
    let whole = four.iter().all(|tile| tile.rows == OUT && tile.columns == OUT);
    for channel in channels {
        let end = match epilogue.activation_of(channel) {
            Activation::None => Some(End::None),
            Activation::Clamp(low, high) => Some(End::Clamp(F4::splat(low), F4::splat(high))),
            Activation::Leaky(slope) => Some(End::Leaky(F4::splat(slope))),
            _ => None,
        };
        let from = unsafe { products.as_ptr().add(channel * POINTS * block + 4 * at) };
        let mut half = [[F4::splat(0.); IN]; OUT];
        for x in 0..IN {
            let point = |y: usize| unsafe { F4::load(from.add((y * IN + x) * block)) };
            let column = line_out([point(0), point(1), point(2), point(3), point(4), point(5)]);
            for (row, value) in half.iter_mut().zip(&column) {
                row[x] = *value;
            }
        }
        let bias = F4::splat(epilogue.bias_of(channel));
        let outputs = half.map(|row| {
            let [c0, c1, c2, c3] = line_out(row);
            F4::transpose([c0.add(bias), c1.add(bias), c2.add(bias), c3.add(bias)])
        });
        let first = channel * g.plane();
        match end {
            Some(end) if whole => {
                let put = |tile: &Tile, y: usize, sum: F4| unsafe {
                    let to = tile.output + first + y * g.output[1];
                    let more = epilogue.residual.map(|all| F4::load(all.as_ptr().add(to)));
                    let plus = |sum: F4, wanted: bool| match more {
                        Some(more) if wanted => sum.add(more),
                        _ => sum,
                    };
                    let sum = plus(sum, epilogue.residual_first);
                    let sum = match end {
                        End::None => sum,
                        End::Clamp(low, high) => sum.max(low).min(high),
                        End::Leaky(slope) => sum.if_negative(sum.mul(slope), sum),
                    };
                    plus(sum, !epilogue.residual_first).store(out.at(to));
                };
                for (y, row) in outputs.iter().enumerate() {
                    for (tile, sum) in four.iter().zip(row) {
                        put(tile, y, *sum);
                    }
                }
            }
            _ => unsafe { finish(g, &outputs, channel, four, epilogue, out) },
        }
    }
}

/// The outputs of one channel of four tiles, of which some may be cut, with any epilogue.
///
/// # Safety
/// As for [`transform_in`]; `out` must be the output of this geometry.
unsafe fn finish(
    g: &Geometry,
    outputs: &[[F4; 4]; OUT],
    channel: usize,
    four: &[Tile],
    epilogue: &Epilogue<'_>,
    out: &Divided<'_, f32>,
) {
    let first = channel * g.plane();
    let mut sums = [0.; 4 * OUT * OUT];
    let mut residual = [0.; 4 * OUT * OUT];
    let used = epilogue.residual.map_or(0, |_| residual.len());
    for (y, row) in outputs.iter().enumerate() {
        for (t, values) in row.iter().enumerate() {
            unsafe { values.store(sums.as_mut_ptr().add((t * OUT + y) * OUT)) };
        }
    }
    let rows = || {
        four.iter().enumerate().flat_map(|(t, tile)| {
            let first = tile.output + first;
            (0..tile.rows)
                .map(move |y| ((t * OUT + y) * OUT, first + y * g.output[1], tile.columns))
        })
    };
    if let Some(all) = epilogue.residual {
        for (at, from, count) in rows() {
            unsafe {
                F4::load_first(all.as_ptr().add(from), count).store(residual.as_mut_ptr().add(at))
            };
        }
    }
    epilogue.apply(&mut sums, &residual[..used], channel);
    for (at, to, count) in rows() {
        unsafe { F4::load(sums.as_ptr().add(at)).store_first(out.at(to), count) };
    }
}
