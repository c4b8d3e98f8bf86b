//! Rounding to integers of 8 and 16 bits.
//!
//! In: float32 values in steps of a scale. Out: `saturate(round(x) + zero)`, halves to even.

use crate::Activation;
use crate::integer::put;
use crate::parallel::Divided;
use crate::tile::{COLUMNS, ROWS};
use crate::v4::F4;
use crate::v8::I4;

/// An integer that quantisation gives.
pub trait Quantum: Copy + Default {
    /// The least and the greatest.
    const RANGE: (i32, i32);

    /// Sixteen values within the range.
    ///
    /// # Safety
    /// So many must be writable.
    unsafe fn store(values: [I4; 4], at: *mut Self);
}

macro_rules! quantum {
    ($($type:ty, $store:ident;)*) => {
        $(impl Quantum for $type {
            const RANGE: (i32, i32) = (<$type>::MIN as i32, <$type>::MAX as i32);

            #[inline(always)]
            unsafe fn store(values: [I4; 4], at: *mut Self) {
                unsafe { I4::$store(values, at) }
            }
        })*
    };
}

quantum! { u8, store_u8; i8, store_i8; u16, store_u16; i16, store_i16; }

/// Adding this leaves no bits below 1, so the addition rounds, everywhere the same.
const ROUNDER: f32 = 12_582_912.;

/// What rounds floats in steps of a scale to integers of a type: `saturate(round(x) + zero)`.
#[derive(Clone, Copy)]
struct Rounding {
    low: F4,
    high: F4,
    /// The zero point, less what [`ROUNDER`] leaves in the bits.
    moved: I4,
}

impl Rounding {
    #[inline(always)]
    fn to<T: Quantum>(zero: i32) -> Self {
        Self {
            low: F4::splat((T::RANGE.0 - zero) as f32),
            high: F4::splat((T::RANGE.1 - zero) as f32),
            moved: I4::splat(zero.wrapping_sub(ROUNDER.to_bits() as i32)),
        }
    }

    #[inline(always)]
    fn of(self, x: F4) -> I4 {
        // In this order NaN becomes the least. Within 2^22 the bits of the sum are the integer.
        let x = self.high.min(self.low.max(x));
        I4::bits(x.add(F4::splat(ROUNDER))).plus(self.moved)
    }
}

/// Integers to write. The loops are instantiated here, because this crate is what is compiled for speed.
pub enum Quanta<'a> {
    /// uint8.
    U8(&'a mut [u8]),
    /// int8.
    I8(&'a mut [i8]),
    /// uint16.
    U16(&'a mut [u16]),
    /// int16.
    I16(&'a mut [i16]),
}

/// Runs `$body` with `$out` as the slice of whichever type.
macro_rules! each {
    ($quanta:expr, $out:ident => $body:expr) => {
        match $quanta {
            Quanta::U8($out) => $body,
            Quanta::I8($out) => $body,
            Quanta::U16($out) => $body,
            Quanta::I16($out) => $body,
        }
    };
}

/// Rounds what `four` makes of four values, sixteen at a time.
#[inline(always)]
fn fill<S: Copy + Default, T: Quantum>(
    from: &[S],
    zero: i32,
    out: &mut [T],
    four: impl Fn(*const S) -> F4,
) {
    let rounding = Rounding::to::<T>(zero);
    let sixteen = |from: &[S; 16], to: &mut [T; 16]| {
        let values = [0, 4, 8, 12].map(|at| rounding.of(four(from[at..].as_ptr())));
        // SAFETY: there are sixteen.
        unsafe { T::store(values, to.as_mut_ptr()) };
    };
    let (whole, rest) = from.as_chunks();
    let (out, out_rest) = out.as_chunks_mut();
    whole.iter().zip(out).for_each(|(from, to)| sixteen(from, to));
    if !rest.is_empty() {
        let (mut last, mut made) = ([S::default(); 16], [T::default(); 16]);
        last[..rest.len()].copy_from_slice(rest);
        sixteen(&last, &mut made);
        out_rest.copy_from_slice(&made[..out_rest.len()]);
    }
}

/// Four floats.
#[inline(always)]
fn floats(at: *const f32) -> F4 {
    // SAFETY: `fill` calls it where there are four.
    unsafe { F4::load(at) }
}

/// Rounds each value.
pub fn round(x: &[f32], zero: i32, out: Quanta<'_>) {
    each!(out, out => fill(x, zero, out, floats));
}

/// Rounds `x / scale`.
pub fn divide_round(x: &[f32], scale: f32, zero: i32, out: Quanta<'_>) {
    let scale = F4::splat(scale);
    each!(out, out => fill(x, zero, out, |x| floats(x).div(scale)));
}

impl Quanta<'_> {
    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        each!(self, out => out.len())
    }

    /// Rounds each value to the places from `at` on.
    pub(crate) fn round_from(&mut self, at: usize, x: &[f32], zero: i32) {
        each!(self, out => fill(x, zero, &mut out[at..at + x.len()], floats));
    }

    /// The same for parts that write at once.
    pub(crate) fn divided(&mut self) -> QuantaDivided<'_> {
        match self {
            Self::U8(out) => QuantaDivided::U8(Divided::new(out)),
            Self::I8(out) => QuantaDivided::I8(Divided::new(out)),
            Self::U16(out) => QuantaDivided::U16(Divided::new(out)),
            Self::I16(out) => QuantaDivided::I16(Divided::new(out)),
        }
    }
}

/// [`Quanta`] that several parts write, each its own.
pub(crate) enum QuantaDivided<'a> {
    U8(Divided<'a, u8>),
    I8(Divided<'a, i8>),
    U16(Divided<'a, u16>),
    I16(Divided<'a, i16>),
}

/// # Safety
/// See [`QuantaDivided::round_rows`].
#[inline(always)]
unsafe fn round_rows<T: Quantum>(
    x: &[f32],
    zero: i32,
    out: &Divided<'_, T>,
    at: impl Fn(usize) -> usize,
    count: usize,
) {
    let mut made = [T::default(); ROWS * COLUMNS];
    let made = &mut made[..x.len()];
    fill(x, zero, made, floats);
    for (r, made) in made.as_chunks().0.iter().enumerate() {
        unsafe { put(out, at(r), made, count) };
    }
}

impl QuantaDivided<'_> {
    /// Rounds rows of eight; the first `count` of row `r` to the places from `at(r)` on.
    ///
    /// # Safety
    /// These must be there, and no one else may write them.
    #[inline(always)]
    pub(crate) unsafe fn round_rows(
        &self,
        x: &[f32],
        zero: i32,
        at: impl Fn(usize) -> usize,
        count: usize,
    ) {
        match self {
            Self::U8(out) => unsafe { round_rows(x, zero, out, at, count) },
            Self::I8(out) => unsafe { round_rows(x, zero, out, at, count) },
            Self::U16(out) => unsafe { round_rows(x, zero, out, at, count) },
            Self::I16(out) => unsafe { round_rows(x, zero, out, at, count) },
        }
    }

    /// Rounds `(sum + bias) * scale` to the places from `at` on.
    ///
    /// # Safety
    /// No one else may write there.
    pub(crate) unsafe fn scale_round(
        &self,
        sums: &[i32],
        bias: i32,
        scale: f32,
        zero: i32,
        at: usize,
    ) {
        let (bias, scale) = (I4::splat(bias), F4::splat(scale));
        // SAFETY: `fill` calls it where there are four.
        let four = |at| unsafe { I4::load(at) }.plus(bias).floats().mul(scale);
        match self {
            Self::U8(out) => fill(sums, zero, unsafe { out.take(at, sums.len()) }, four),
            Self::I8(out) => fill(sums, zero, unsafe { out.take(at, sums.len()) }, four),
            Self::U16(out) => fill(sums, zero, unsafe { out.take(at, sums.len()) }, four),
            Self::I16(out) => fill(sums, zero, unsafe { out.take(at, sums.len()) }, four),
        }
    }
}

/// Rounds `x / scale` to uint8, or int8 where `signed`, and takes it back: `round(x / scale) * back`, in place.
pub fn round_trip(x: &mut [f32], scale: f32, signed: bool, zero: i32, back: f32) {
    let (least, most) = if signed { i8::RANGE } else { u8::RANGE };
    let [low, high] = [least, most].map(|end| (end - zero) as f32);
    Activation::RoundTrip { scale, low, high, back }.apply(x);
}

/// uint8 over the range of all values and 0, as ONNX's dynamic quantisation; the scale and the zero point.
pub fn over_range(x: &[f32], out: &mut [u8]) -> (f32, u8) {
    let (low, high) = range(x);
    // A range of nothing has any scale; ONNX Runtime's is 1.
    let scale = if high > low { (high - low) / 255. } else { 1. };
    let zero = (-low / scale).round_ties_even() as u8;
    divide_round(x, scale, zero.into(), Quanta::U8(out));
    (scale, zero)
}

/// The least and the greatest of all values and 0.
fn range(values: &[f32]) -> (f32, f32) {
    let (sixteens, rest) = values.as_chunks::<16>();
    let mut ends = [[F4::splat(0.); 2]; 4];
    for sixteen in sixteens {
        for (i, [least, most]) in ends.iter_mut().enumerate() {
            // SAFETY: it has sixteen floats.
            let x = unsafe { F4::load(sixteen.as_ptr().add(4 * i)) };
            (*least, *most) = (least.min(x), most.max(x));
        }
    }
    let least = ends.iter().flat_map(|[least, _]| least.to_array());
    let most = ends.iter().flat_map(|[_, most]| most.to_array());
    (
        least.chain(rest.iter().copied()).fold(0., f32::min),
        most.chain(rest.iter().copied()).fold(0., f32::max),
    )
}
