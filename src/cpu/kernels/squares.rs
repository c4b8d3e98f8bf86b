//! Convolution of 8-bit integers by 3x3 with stride 1 as Winograd's F(2x2, 3x3): 16 products for 4 outputs instead of
//! 36, all of them exact.
//!
//! In: bytes and their zero point, weights less theirs, transformed by [`pack`]. Out: what becomes of the sums. The
//! transform of the weights halves twice; here it does not, and the sums come out four times too large, as integers that
//! int32 holds. Eight tiles of 2x2 outputs lie in eight lanes: two runs of four neighbours, wherever each is.

use crate::geometry::Geometry;
use crate::integer::tile;
use crate::integer_conv::{Finish, Places, widened};
use crate::parallel::{self, Divided};
use crate::scratch::{Scratch, prepare};
use crate::tile::{COLUMNS, ROWS};
use crate::v8::{I4, S8};
use crate::widen::Bytes;
use crate::{Result, fits};

/// Products of a tile.
const POINTS: usize = 16;
/// Outputs of four neighbouring tiles in a row.
const WIDE: usize = 8;
/// Values between one point's pixels and the next's beyond what they need: without them the lines that a tile is written
/// to fall into the same few places of the cache.
const SKEW: usize = 32;
/// Bytes that the transformed tiles of a part may take: what stays in a second-level cache.
const BLOCK: usize = 256 * 1024;
/// Products in one sum, of at most 255 times 255 each, of which four times as many stay within int32.
const EXACT: usize = 8192;

/// Whether this form is exact, and pays: both sides have to be worth their transforms, and the tiles filled.
pub fn suits(g: &Geometry) -> bool {
    let plain = g.kernel == [3, 3] && g.stride == [1, 1] && g.dilation == [1, 1] && g.groups == 1;
    let deep = g.channels_in >= 8 && g.channels_out >= 8 && g.depth() <= EXACT;
    let made = g.output[0].next_multiple_of(2) * g.output[1].next_multiple_of(WIDE);
    plain && deep && 2 * made <= 3 * g.plane()
}

/// Pairs of channels in whose weights are transformed before they are laid where they belong, see
/// [`crate::winograd::pack`].
const SOME: usize = 16;

/// `2 G g` of three rows.
#[inline(always)]
fn line_of_weights([a, b, c]: [S8; 3]) -> [S8; 4] {
    let sum = a.plus(c);
    [a.plus(a), sum.plus(b), sum.minus(b), c.plus(c)]
}

/// Four times the transform of the weights, point by point. Never inlined: in a caller that is compiled for size it
/// would be so too.
#[inline(never)]
pub fn pack(g: &Geometry, weights: &[i16]) -> Result<Vec<i16>> {
    const EIGHT: usize = 2 * ROWS;
    let (rows, k) = (g.channels_out, g.channels_in);
    fits(g.kernel == [3, 3] && weights.len() == rows * k * 9)?;
    let (point_len, steps) = (point_len(rows, k), k.div_ceil(2));
    let mut packed = vec![0; POINTS * point_len];
    let mut points = [[0; SOME * EIGHT]; POINTS];
    for row in (0..rows).step_by(ROWS) {
        for first in (0..steps).step_by(SOME) {
            let some = SOME.min(steps - first);
            for i in 0..some {
                let mut taps = [[0; EIGHT]; 9];
                for lane in 0..EIGHT {
                    let (row, channel) = (row + lane / 2, 2 * (first + i) + lane % 2);
                    if row < rows && channel < k {
                        let filter = &weights[(row * k + channel) * 9..][..9];
                        taps.iter_mut().zip(filter).for_each(|(tap, w)| tap[lane] = *w);
                    }
                }
                // SAFETY: eight weights are a vector, and so are eight values of a point.
                unsafe {
                    let tap = |at: usize| S8::load(taps[at].as_ptr());
                    let lines: [[S8; 4]; 3] = std::array::from_fn(|y| {
                        line_of_weights([tap(3 * y), tap(3 * y + 1), tap(3 * y + 2)])
                    });
                    for x in 0..4 {
                        let column = line_of_weights([lines[0][x], lines[1][x], lines[2][x]]);
                        for (y, value) in column.iter().enumerate() {
                            value.store(points[4 * y + x][i * EIGHT..(i + 1) * EIGHT].as_mut_ptr());
                        }
                    }
                }
            }
            for (point, values) in points.iter().enumerate() {
                let to = point * point_len + row * 2 * steps + first * EIGHT;
                packed[to..to + some * EIGHT].copy_from_slice(&values[..some * EIGHT]);
            }
        }
    }
    let Work { lanes, wide_len, lens: [pixels, products, made], .. } = Work::new(g);
    prepare::<i16>(wide_len + lanes * pixels);
    prepare::<i32>(lanes * (products + made));
    Ok(packed)
}

/// How the tiles are shared, and what room that takes.
struct Work {
    /// Height and width of the image with room for whole tiles.
    sides: [usize; 2],
    /// Lines of tiles, and runs of four tiles in each.
    tall: usize,
    fours: usize,
    /// Lines of a part.
    lines: usize,
    /// Pairs of runs of a part.
    groups: usize,
    panel_len: usize,
    /// Numbers of all images.
    wide_len: usize,
    /// Numbers of a lane: of pixels, of products, of what they make.
    lens: [usize; 3],
    lanes: usize,
}

impl Work {
    fn new(g: &Geometry) -> Self {
        let (tall, fours) = (g.output[0].div_ceil(2), g.output[1].div_ceil(WIDE));
        let height = (2 * tall + 2).max(g.input[0] + g.pad[0]);
        let width = (WIDE * fours + 2).max(g.input[1] + g.pad[1]);
        let rows = g.channels_out.next_multiple_of(ROWS);
        let lanes = parallel::lanes(&[g.batch * tall, fours, POINTS, g.channels_in, rows]);
        let line = 4 * fours * POINTS * (2 * g.channels_in + 4 * rows);
        let wanted = if lanes > 1 { (g.batch * tall).div_ceil(2 * lanes) } else { tall };
        let lines = (BLOCK / line.max(1)).min(wanted).clamp(1, tall.max(1));
        let groups = (lines * fours).div_ceil(2);
        let panel_len = 2 * COLUMNS * g.channels_in.div_ceil(2);
        let pixels = POINTS * (groups * panel_len + SKEW);
        let lens = [pixels, rows * POINTS * groups * COLUMNS, 2 * lines * fours * WIDE];
        let wide_len = g.batch * g.channels_in * height * width;
        Self {
            sides: [height, width],
            tall,
            fours,
            lines,
            groups,
            panel_len,
            wide_len,
            lens,
            lanes,
        }
    }
}

/// Packed weights of a point.
fn point_len(rows: usize, k: usize) -> usize {
    rows.div_ceil(ROWS) * ROWS * k.next_multiple_of(2)
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
    let point_len = point_len(g.channels_out, g.channels_in);
    fits(suits(g) && x.len() == g.batch * g.channels_in * g.image())?;
    fits(packed.len() == POINTS * point_len && bias.len() == g.channels_out)?;
    let places = finish.places(g.batch * g.channels_out * g.plane(), g.channels_out)?;
    if x.len() == 0 {
        return Ok(());
    }
    let Work { sides, tall, fours, lines, groups, panel_len, wide_len, lens, lanes } = Work::new(g);
    let [height, width] = sides;
    let mut shorts = Scratch::<i16>::new(wide_len + lanes * lens[0]);
    let mut sums = Scratch::<i32>::new(lanes * (lens[1] + lens[2]));
    let (wide, pixels) = shorts.split_at_mut(wide_len);
    widened(g, x, zero, sides, wide);
    let (products, made) = sums.split_at_mut(lanes * lens[1]);
    let (pixels, products, made) =
        (Divided::new(pixels), Divided::new(products), Divided::new(made));
    let parts = tall.div_ceil(lines);
    parallel::each(g.batch * parts, lanes, |part, lane| {
        let (n, first) = (part / parts, part % parts * lines);
        let block = Block {
            g,
            image: &wide[n * g.channels_in * height * width..][..g.channels_in * height * width],
            sides,
            n,
            first,
            lines: lines.min(tall - first),
            fours,
            groups,
            panel_len,
        };
        // SAFETY: the lengths were checked, and everything else was made for this geometry. Each lane has its pixels,
        // products and sums, each part its outputs.
        unsafe {
            let pixels = pixels.take(lane * lens[0], lens[0]);
            let products = products.take(lane * lens[1], lens[1]);
            let made = made.take(lane * lens[2], lens[2]);
            block.transform_in(pixels);
            block.multiply(packed, point_len, pixels, products);
            block.transform_out(products, made, bias, &places);
        }
    });
    Ok(())
}

/// Some lines of tiles of one image.
struct Block<'a> {
    g: &'a Geometry,
    /// Padded.
    image: &'a [i16],
    /// Of it: height and width.
    sides: [usize; 2],
    /// Which image.
    n: usize,
    /// The first line.
    first: usize,
    lines: usize,
    /// Runs of four tiles in a line.
    fours: usize,
    /// Pairs of such runs that there is room for.
    groups: usize,
    panel_len: usize,
}

/// `B^T d` of four rows.
#[inline(always)]
fn line_in([a, b, c, d]: [S8; 4]) -> [S8; 4] {
    [a.minus(c), b.plus(c), c.minus(b), b.minus(d)]
}

/// `A^T m` of four rows.
#[inline(always)]
fn line_out([a, b, c, d]: [I4; 4]) -> [I4; 2] {
    [a.plus(b).plus(c), b.minus(c).minus(d)]
}

impl Block<'_> {
    /// Pairs of runs.
    fn pairs(&self) -> usize {
        (self.lines * self.fours).div_ceil(2)
    }

    /// The pixels under eight tiles of a channel, transformed, by column and row.
    ///
    /// # Safety
    /// Both runs must lie within the image.
    #[inline(always)]
    unsafe fn square(&self, channel: usize, runs: [usize; 2]) -> [[S8; 4]; 4] {
        let [height, width] = self.sides;
        let [a, b] =
            runs.map(|run| unsafe { self.image.as_ptr().add(channel * height * width + run) });
        let rows: [[S8; 4]; 4] = std::array::from_fn(|y| unsafe {
            let (a, b) = (a.add(y * width), b.add(y * width));
            let (first, second) = (S8::load(a), S8::load(b));
            let (third, fourth) = (S8::load(a.add(2)), S8::load(b.add(2)));
            line_in([first.even(second), first.odd(second), third.even(fourth), third.odd(fourth)])
        });
        std::array::from_fn(|x| line_in([rows[0][x], rows[1][x], rows[2][x], rows[3][x]]))
    }

    /// `pixels[point][pair of runs][pair of channels][tile]`, both channels of a pair side by side.
    ///
    /// # Safety
    /// `pixels` must be as long as [`conv`] makes it.
    unsafe fn transform_in(&self, pixels: &mut [i16]) {
        let all = self.lines * self.fours;
        let run = |at: usize| {
            let at = at.min(all - 1);
            2 * (self.first + at / self.fours) * self.sides[1] + at % self.fours * WIDE
        };
        for pair in 0..self.pairs() {
            let runs = [run(2 * pair), run(2 * pair + 1)];
            for channel in (0..self.g.channels_in).step_by(2) {
                // Where the second is none its weights are zero.
                let next = (channel + 1).min(self.g.channels_in - 1);
                unsafe {
                    let one = self.square(channel, runs);
                    let two = self.square(next, runs);
                    let to = pixels.as_mut_ptr().add(pair * self.panel_len + channel * COLUMNS);
                    for (x, (one, two)) in one.iter().zip(&two).enumerate() {
                        for (y, (one, two)) in one.iter().zip(two).enumerate() {
                            let to = to.add((4 * y + x) * (self.groups * self.panel_len + SKEW));
                            let [low, high] = one.interleave(*two);
                            low.store(to);
                            high.store(to.add(8));
                        }
                    }
                }
            }
        }
    }

    /// `products[channel out][point][tile]`.
    ///
    /// # Safety
    /// As for [`Block::transform_in`].
    unsafe fn multiply(
        &self,
        packed: &[i16],
        point_len: usize,
        pixels: &[i16],
        products: &mut [i32],
    ) {
        let steps = self.g.channels_in.div_ceil(2);
        for point in 0..POINTS {
            for row in (0..self.g.channels_out).step_by(ROWS) {
                for pair in 0..self.pairs() {
                    unsafe {
                        let weights = packed.as_ptr().add(point * point_len + row * 2 * steps);
                        let from = point * (self.groups * self.panel_len + SKEW);
                        let columns = pixels.as_ptr().add(from + pair * self.panel_len);
                        let sums = tile::<ROWS, i16>(weights, columns, steps);
                        for (r, [low, high]) in sums.iter().enumerate() {
                            let to = ((row + r) * POINTS + point) * self.groups + pair;
                            let to = products.as_mut_ptr().add(to * COLUMNS);
                            low.store(to);
                            high.store(to.add(4));
                        }
                    }
                }
            }
        }
    }

    /// The outputs, channel by channel, line by line.
    ///
    /// # Safety
    /// As for [`Block::transform_in`]; no one else may write these outputs.
    unsafe fn transform_out(
        &self,
        products: &[i32],
        made: &mut [i32],
        bias: &[i32],
        places: &Places<'_>,
    ) {
        let width = self.fours * WIDE;
        let [rows, columns] = self.g.output;
        let first = 2 * self.first;
        let count = (2 * self.lines).min(rows - first);
        for (channel, bias) in bias.iter().enumerate() {
            let from = channel * POINTS * self.groups * COLUMNS;
            for at in 0..self.lines * self.fours {
                unsafe {
                    let from = products.as_ptr().add(from + 4 * at);
                    let point = |y: usize, x: usize| {
                        I4::load(from.add((4 * y + x) * self.groups * COLUMNS))
                    };
                    let halves: [[I4; 2]; 4] = std::array::from_fn(|x| {
                        line_out([point(0, x), point(1, x), point(2, x), point(3, x)])
                    });
                    let to = 2 * (at / self.fours) * width + at % self.fours * WIDE;
                    let to = made.as_mut_ptr().add(to);
                    for y in 0..2 {
                        let [even, odd] = line_out(halves.map(|half| half[y]));
                        let [low, high] = even.quarter().interleave(odd.quarter());
                        low.store(to.add(y * width));
                        high.store(to.add(y * width + 4));
                    }
                }
            }
            let at = ((self.n * self.g.channels_out + channel) * rows + first) * columns;
            if width == columns {
                // SAFETY: the caller's.
                unsafe { places.run(channel, at, &made[..count * width], *bias) };
                continue;
            }
            for (y, row) in made.chunks_exact(width).enumerate().take(count) {
                // SAFETY: the caller's.
                unsafe { places.run(channel, at + y * columns, &row[..columns], *bias) };
            }
        }
    }
}
