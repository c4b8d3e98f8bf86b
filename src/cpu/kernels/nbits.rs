//! Rows times a constant matrix of 2, 4 or 8 bits in blocks, each with a scale and a zero point.
//!
//! In: float32 rows, and codes packed by [`Packed::new`], which stay as small as they are. Out: float32 rows. Each lane
//! is a column; a word of it holds the codes of as many inputs as fit. Nothing is shifted: a code at bit `b` is read as
//! itself times `2^b`, and the input that meets it is divided by as much beforehand, which is exact. Many rows share a
//! few columns that are unpacked for all of them.

use crate::dense::dense;
use crate::parallel::{self, Divided};
use crate::tile::COLUMNS;
use crate::v4::{F4, I4};
use crate::{Result, fits};

/// Lanes of a group of columns.
const LANES: usize = 4;
/// Groups that one row takes at once, so that their sums do not wait for each other.
const GROUPS: usize = 4;
/// Rows from which on columns are unpacked.
const MANY_ROWS: usize = 4;

/// A matrix of `k` rows and `n` columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    k: usize,
    n: usize,
    bits: usize,
    /// Inputs that share a scale.
    block: usize,
    /// By group of columns, by word, by lane.
    words: Vec<u32>,
    /// By group of columns, by block, by lane.
    scales: Vec<f32>,
    /// Likewise.
    zeros: Vec<f32>,
}

impl Packed {
    /// `codes` of `bits` bits, 2, 4 or 8, column by column, the lowest bits first, up to whole blocks; `scale` and `zero`
    /// are by column and block.
    pub fn new(
        [k, n]: [usize; 2],
        bits: usize,
        block: usize,
        codes: &[u8],
        scale: impl Fn(usize, usize) -> f32,
        zero: impl Fn(usize, usize) -> f32,
    ) -> Result<Self> {
        fits(matches!(bits, 2 | 4 | 8) && block > 0 && block.is_multiple_of(32 / bits))?;
        let blocks = k.div_ceil(block);
        let (groups, column) = (n.div_ceil(LANES), blocks * block * bits / 8);
        fits(codes.len() == n * column)?;
        let mut words = Vec::with_capacity(groups * LANES * column / 4);
        let (mut scales, mut zeros) = (vec![], vec![]);
        for first in (0..groups * LANES).step_by(LANES) {
            // The bytes of a word are in the order of its bits.
            let lanes: [&[[u8; 4]]; LANES] = std::array::from_fn(|lane| {
                let from = (first + lane).min(n) * column;
                codes[from..codes.len().min(from + column)].as_chunks().0
            });
            for word in 0..column / 4 {
                words
                    .extend(lanes.map(|lane| lane.get(word).map_or(0, |w| u32::from_le_bytes(*w))));
            }
            for b in 0..blocks {
                let columns = first..first + LANES;
                scales.extend(columns.clone().map(|c| if c < n { scale(c, b) } else { 0. }));
                zeros.extend(columns.map(|c| if c < n { zero(c, b) } else { 0. }));
            }
        }
        Ok(Self { k, n, bits, block, words, scales, zeros })
    }

    /// Rows of `k` to rows of `n`.
    pub fn product(&self, rows: usize, x: &[f32], out: &mut [f32]) -> Result<()> {
        fits(x.len() == rows * self.k && out.len() == rows * self.n)?;
        if self.k == 0 || self.n == 0 {
            out.fill(0.);
            return Ok(());
        }
        if rows >= MANY_ROWS {
            return self.many(rows, x, out);
        }
        let mut scaled = Scaled::new(self);
        for (x, out) in x.chunks_exact(self.k).zip(out.chunks_exact_mut(self.n)) {
            scaled.set(self, x);
            match self.bits {
                2 => self.one::<2>(&scaled, out),
                4 => self.one::<4>(&scaled, out),
                _ => self.one::<8>(&scaled, out),
            }
        }
        Ok(())
    }

    fn blocks(&self) -> usize {
        self.k.div_ceil(self.block)
    }

    /// One row.
    fn one<const BITS: usize>(&self, x: &Scaled, out: &mut [f32]) {
        let groups = self.n.div_ceil(LANES);
        let lanes = parallel::lanes(&[self.k, self.n]);
        let out = Divided::new(out);
        parallel::each(groups.div_ceil(GROUPS), lanes, |part, _| {
            let some = part * GROUPS..groups.min((part + 1) * GROUPS);
            if some.len() == GROUPS {
                // SAFETY: there are that many groups, and each part has its own.
                unsafe {
                    let sums = self.groups::<BITS, GROUPS>(some.start, x);
                    self.put(some.start, sums, &out);
                }
                return;
            }
            for first in some {
                // SAFETY: as above.
                unsafe {
                    let sums = self.groups::<BITS, 1>(first, x);
                    self.put(first, sums, &out);
                }
            }
        });
    }

    /// # Safety
    /// No one else may write these columns.
    unsafe fn put<const G: usize>(&self, first: usize, sums: [F4; G], out: &Divided<'_, f32>) {
        for (group, sum) in sums.iter().enumerate() {
            let column = (first + group) * LANES;
            let out = unsafe { out.take(column, LANES.min(self.n - column)) };
            // SAFETY: as many floats as it has.
            unsafe { sum.store_first(out.as_mut_ptr(), out.len()) };
        }
    }

    /// # Safety
    /// `first..first + G` must be groups, and `x` made for this matrix.
    #[inline(always)]
    unsafe fn groups<const BITS: usize, const G: usize>(
        &self,
        first: usize,
        x: &Scaled,
    ) -> [F4; G] {
        let (per_word, blocks) = (32 / BITS, self.blocks());
        let words_a_block = self.block / per_word;
        let words_a_group = blocks * words_a_block * LANES;
        let zero = F4::splat(0.);
        let mut sums = [zero; G];
        for block in 0..blocks {
            let mut parts = [[zero; 2]; G];
            for word in block * words_a_block..(block + 1) * words_a_block {
                // SAFETY: the slices are as long as `new` and `Scaled` made them.
                let codes: [I4; G] = std::array::from_fn(|g| unsafe {
                    let at = (first + g) * words_a_group + word * LANES;
                    I4::load(self.words.as_ptr().add(at))
                });
                for i in 0..per_word {
                    // SAFETY: as above.
                    let left =
                        unsafe { F4::load_splat(x.values.as_ptr().add(word * per_word + i)) };
                    for (part, codes) in parts.iter_mut().zip(codes) {
                        let code = if i + 1 < per_word {
                            codes.masked(((1 << BITS) - 1) << (BITS * i))
                        } else {
                            // Its highest bit would be a sign.
                            codes.above((BITS * i) as u32)
                        };
                        part[i % 2] = part[i % 2].add_product(left, code);
                    }
                }
            }
            let total = F4::splat(x.sums[block]);
            for (g, (sum, [even, odd])) in sums.iter_mut().zip(parts).enumerate() {
                let at = ((first + g) * blocks + block) * LANES;
                // SAFETY: as above.
                let (scale, middle) = unsafe {
                    (F4::load(self.scales.as_ptr().add(at)), F4::load(self.zeros.as_ptr().add(at)))
                };
                let part = even.add(odd).sub(middle.mul(total));
                *sum = sum.add_product(scale, part);
            }
        }
        sums
    }

    /// Two groups of columns at a time are unpacked for all rows.
    fn many(&self, rows: usize, x: &[f32], out: &mut [f32]) -> Result<()> {
        let mut panel = vec![0.; self.k * COLUMNS];
        let mut sums = vec![0.; rows * COLUMNS];
        for first in (0..self.n).step_by(COLUMNS) {
            let columns = COLUMNS.min(self.n - first);
            for half in 0..columns.div_ceil(LANES) {
                let group = first / LANES + half;
                match self.bits {
                    2 => self.unpack::<2>(group, half, &mut panel),
                    4 => self.unpack::<4>(group, half, &mut panel),
                    _ => self.unpack::<8>(group, half, &mut panel),
                }
            }
            dense([rows, self.k, COLUMNS], x, &panel, None, &mut sums)?;
            for (out, sums) in out.chunks_exact_mut(self.n).zip(sums.chunks_exact(COLUMNS)) {
                out[first..first + columns].copy_from_slice(&sums[..columns]);
            }
        }
        Ok(())
    }

    /// A group of columns as floats, to one half of each eight.
    fn unpack<const BITS: usize>(&self, group: usize, half: usize, panel: &mut [f32]) {
        let (per_word, blocks) = (32 / BITS, self.blocks());
        let words_a_group = blocks * self.block / per_word * LANES;
        let words = &self.words[group * words_a_group..][..words_a_group];
        let weight: [f32; 16] = std::array::from_fn(|i| 1. / (1u64 << (BITS * i).min(32)) as f32);
        let rows = panel.chunks_mut(COLUMNS * per_word).zip(words.chunks_exact(LANES));
        for (word, (rows, codes)) in rows.enumerate() {
            let at = (group * blocks + word * per_word / self.block) * LANES;
            let (scales, zeros) = (&self.scales[at..at + LANES], &self.zeros[at..at + LANES]);
            // SAFETY: each slice has four elements.
            let (codes, scale, zero) = unsafe {
                (I4::load(codes.as_ptr()), F4::load(scales.as_ptr()), F4::load(zeros.as_ptr()))
            };
            for (i, row) in rows.chunks_exact_mut(COLUMNS).enumerate() {
                let code = if i + 1 < per_word {
                    codes.masked(((1 << BITS) - 1) << (BITS * i)).mul(F4::splat(weight[i]))
                } else {
                    codes.above((BITS * i) as u32)
                };
                let row = &mut row[half * LANES..(half + 1) * LANES];
                // SAFETY: it has four elements.
                unsafe { code.sub(zero).mul(scale).store(row.as_mut_ptr()) };
            }
        }
    }
}

impl std::fmt::Display for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { k, n, bits, block, .. } = self;
        write!(f, "{k} x {n} of {bits} bits in blocks of {block}")
    }
}

/// A row, each value divided by the weight of the bits that it meets; and the sums of its blocks.
struct Scaled {
    values: Vec<f32>,
    sums: Vec<f32>,
}

impl Scaled {
    fn new(of: &Packed) -> Self {
        Self { values: vec![0.; of.blocks() * of.block], sums: vec![0.; of.blocks()] }
    }

    fn set(&mut self, of: &Packed, x: &[f32]) {
        for (sum, block) in self.sums.iter_mut().zip(x.chunks(of.block)) {
            *sum = block.iter().sum();
        }
        let per_word = 32 / of.bits;
        for (values, x) in self.values.chunks_exact_mut(per_word).zip(x.chunks(per_word)) {
            let mut scale = 1.;
            let last = per_word - 1;
            for (i, (value, x)) in values.iter_mut().zip(x).enumerate() {
                *value = if i == last { *x } else { x * scale };
                scale /= (1 << of.bits) as f32;
            }
        }
    }
}
