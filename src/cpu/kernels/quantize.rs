//! Rounding to integers of 8 and 16 bits.
//!
//! In: float32 values in steps of a scale. Out: `saturate(round(x) + zero)`, halves to even.

use crate::parallel::Divided;

use crate::v4::F4;

/// An integer that quantisation gives.
pub trait Quantum: Copy {
    /// The least and the greatest.
    const RANGE: (i32, i32);

    /// A value within the range.
    fn narrow(value: i32) -> Self;
}

macro_rules! quantum {
    ($($type:ty)*) => {
        $(impl Quantum for $type {
            const RANGE: (i32, i32) = (<$type>::MIN as i32, <$type>::MAX as i32);

            #[inline(always)]
            fn narrow(value: i32) -> Self {
                value as $type
            }
        })*
    };
}

quantum!(u8 i8 u16 i16);

/// Adding this leaves no bits below 1, so the addition rounds; it vectorises everywhere.
const ROUNDER: f32 = 12_582_912.;

#[inline(always)]
fn step<T: Quantum>(x: f32, zero: i32) -> i32 {
    let (low, high) = ((T::RANGE.0 - zero) as f32, (T::RANGE.1 - zero) as f32);
    // Not `max` and `min`, which cost more where there is NaN to think of: it becomes the least.
    let x = if x > low { x } else { low };
    let x = if x < high { x } else { high };
    // Within 2^22 the bits of the sum are the integer.
    ((x + ROUNDER).to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32)
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

#[inline(always)]
fn fill<S: Copy, T: Quantum>(from: &[S], zero: i32, out: &mut [T], steps: impl Fn(S) -> f32) {
    for (x, out) in from.iter().zip(out) {
        *out = T::narrow(step::<T>(steps(*x), zero) + zero);
    }
}

/// Rounds each value.
pub fn round(x: &[f32], zero: i32, out: Quanta<'_>) {
    each!(out, out => fill(x, zero, out, |x| x));
}

/// Rounds `x / scale`.
pub fn divide_round(x: &[f32], scale: f32, zero: i32, out: Quanta<'_>) {
    each!(out, out => fill(x, zero, out, |x| x / scale));
}

impl Quanta<'_> {
    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        each!(self, out => out.len())
    }

    /// Rounds each value to the places from `at` on.
    pub(crate) fn round_from(&mut self, at: usize, x: &[f32], zero: i32) {
        each!(self, out => fill(x, zero, &mut out[at..at + x.len()], |x| x));
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

impl QuantaDivided<'_> {
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
        let step = |sum: i32| sum.wrapping_add(bias) as f32 * scale;
        match self {
            Self::U8(out) => fill(sums, zero, unsafe { out.take(at, sums.len()) }, step),
            Self::I8(out) => fill(sums, zero, unsafe { out.take(at, sums.len()) }, step),
            Self::U16(out) => fill(sums, zero, unsafe { out.take(at, sums.len()) }, step),
            Self::I16(out) => fill(sums, zero, unsafe { out.take(at, sums.len()) }, step),
        }
    }
}

/// Rounds `x / scale` to uint8, or int8 where `signed`, and takes it back: `round(x / scale) * back`, in place.
pub fn round_trip(x: &mut [f32], scale: f32, signed: bool, zero: i32, back: f32) {
    fn run<T: Quantum>(x: &mut [f32], scale: f32, zero: i32, back: f32) {
        for x in x {
            *x = step::<T>(*x / scale, zero) as f32 * back;
        }
    }
    if signed {
        run::<i8>(x, scale, zero, back);
    } else {
        run::<u8>(x, scale, zero, back);
    }
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
    let (fours, rest) = values.as_chunks::<4>();
    let mut ends = [F4::splat(0.); 2];
    for four in fours {
        // SAFETY: it has four floats.
        let x = unsafe { F4::load(four.as_ptr()) };
        ends = [ends[0].min(x), ends[1].max(x)];
    }
    let [low, high] = ends.map(F4::to_array);
    (
        low.iter().chain(rest).fold(0., |a, b| a.min(*b)),
        high.iter().chain(rest).fold(0., |a, b| a.max(*b)),
    )
}
