//! Bytes less a zero point, as int16 or float32.
//!
//! In: uint8 or int8. Out: `value - zero` of each, exact in both.

use crate::v8::S8;

/// Calls `eight` for each eight bytes, and for the rest of them filled up, which come back by `rest`.
#[inline(always)]
fn each<S: Copy + Default, T: Copy + Default>(
    from: &[S],
    to: &mut [T],
    eight: impl Fn(&[S; 8], &mut [T; 8]),
) {
    let (whole, rest) = from.as_chunks();
    let (to, to_rest) = to.as_chunks_mut();
    whole.iter().zip(to).for_each(|(from, to)| eight(from, to));
    if !rest.is_empty() {
        let (mut last, mut made) = ([S::default(); 8], [T::default(); 8]);
        last[..rest.len()].copy_from_slice(rest);
        eight(&last, &mut made);
        to_rest.copy_from_slice(&made[..to_rest.len()]);
    }
}

macro_rules! widening {
    ($($type:ty, $load:ident, $shorts:ident, $floats:ident;)*) => {
        $(
            /// As int16.
            #[inline(always)]
            pub(crate) fn $shorts(from: &[$type], zero: i16, to: &mut [i16]) {
                let zero = S8::splat(zero);
                each(from, to, |from, to: &mut [i16; 8]| {
                    // SAFETY: there are eight of both.
                    unsafe { S8::$load(from.as_ptr()).minus(zero).store(to.as_mut_ptr()) };
                });
            }

            /// As float32.
            pub(crate) fn $floats(from: &[$type], zero: i16, to: &mut [f32]) {
                let zero = S8::splat(zero);
                each(from, to, |from, to: &mut [f32; 8]| {
                    // SAFETY: there are eight of both.
                    unsafe {
                        let [low, high] = S8::$load(from.as_ptr()).minus(zero).wide();
                        low.floats().store(to.as_mut_ptr());
                        high.floats().store(to.as_mut_ptr().add(4));
                    }
                });
            }
        )*
    };
}

widening! { u8, load_u8, shorts_u8, floats_u8; i8, load_i8, shorts_i8, floats_i8; }

/// Values of 8 bits.
#[derive(Clone, Copy, Debug)]
pub enum Bytes<'a> {
    /// uint8.
    U8(&'a [u8]),
    /// int8.
    I8(&'a [i8]),
}

impl Bytes<'_> {
    /// How many they are.
    #[allow(clippy::len_without_is_empty)] // nobody asks
    pub fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::I8(values) => values.len(),
        }
    }

    /// All of them less `zero`.
    #[inline(never)]
    pub fn wide(&self, zero: i16) -> Vec<i16> {
        let mut wide = vec![0; self.len()];
        self.shorts(0, zero, &mut wide);
        wide
    }

    /// Those from `first` on less `zero`, as many as `to` holds.
    #[inline(always)]
    pub(crate) fn shorts(&self, first: usize, zero: i16, to: &mut [i16]) {
        let end = first + to.len();
        match self {
            Self::U8(values) => shorts_u8(&values[first..end], zero, to),
            Self::I8(values) => shorts_i8(&values[first..end], zero, to),
        }
    }

    /// The same as float32.
    pub(crate) fn floats(&self, first: usize, zero: i16, to: &mut [f32]) {
        let end = first + to.len();
        match self {
            Self::U8(values) => floats_u8(&values[first..end], zero, to),
            Self::I8(values) => floats_i8(&values[first..end], zero, to),
        }
    }
}
