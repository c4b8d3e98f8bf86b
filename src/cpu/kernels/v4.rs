//! Four float32 lanes: what every kernel is written in.
//!
//! On wasm a `v128`, elsewhere an array of four; both round after every operation, so that a kernel gives the same bits
//! on every machine. The one exception is [`F4::add_product`], where the build has relaxed SIMD.

// Methods, because a chain of them shows the order of roundings.
#![allow(clippy::should_implement_trait)]

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod lanes {
    use core::arch::wasm32::*;

    /// Four lanes.
    #[derive(Clone, Copy)]
    pub struct F4(pub(crate) v128);

    impl F4 {
        /// All lanes `value`.
        #[inline(always)]
        pub fn splat(value: f32) -> Self {
            Self(f32x4_splat(value))
        }

        /// Four floats from `at` on.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load(at: *const f32) -> Self {
            Self(unsafe { v128_load(at.cast()) })
        }

        /// Two floats from each of two places.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load_pairs(low: *const f32, high: *const f32) -> Self {
            Self(unsafe { v128_load64_lane::<1>(v128_load64_zero(low.cast()), high.cast()) })
        }

        /// The float at `at` in all lanes.
        ///
        /// # Safety
        /// It must be readable.
        #[inline(always)]
        pub unsafe fn load_splat(at: *const f32) -> Self {
            Self(unsafe { v128_load32_splat(at.cast()) })
        }

        /// Writes the lanes from `at` on.
        ///
        /// # Safety
        /// Four floats must be writable.
        #[inline(always)]
        pub unsafe fn store(self, at: *mut f32) {
            unsafe { v128_store(at.cast(), self.0) }
        }

        /// As an array.
        #[inline(always)]
        pub fn to_array(self) -> [f32; 4] {
            [
                f32x4_extract_lane::<0>(self.0),
                f32x4_extract_lane::<1>(self.0),
                f32x4_extract_lane::<2>(self.0),
                f32x4_extract_lane::<3>(self.0),
            ]
        }

        /// `self + other`.
        #[inline(always)]
        pub fn add(self, other: Self) -> Self {
            Self(f32x4_add(self.0, other.0))
        }

        /// `self - other`.
        #[inline(always)]
        pub fn sub(self, other: Self) -> Self {
            Self(f32x4_sub(self.0, other.0))
        }

        /// `self * other`.
        #[inline(always)]
        pub fn mul(self, other: Self) -> Self {
            Self(f32x4_mul(self.0, other.0))
        }

        /// `self + a * b`, rounded twice; with relaxed SIMD once, where the machine fuses the two.
        #[inline(always)]
        pub fn add_product(self, a: Self, b: Self) -> Self {
            #[cfg(target_feature = "relaxed-simd")]
            return Self(f32x4_relaxed_madd(a.0, b.0, self.0));
            #[cfg(not(target_feature = "relaxed-simd"))]
            return self.add(a.mul(b));
        }

        /// `self / other`.
        #[inline(always)]
        pub fn div(self, other: Self) -> Self {
            Self(f32x4_div(self.0, other.0))
        }

        /// The lesser lanes; where `self` is NaN, NaN.
        #[inline(always)]
        pub fn min(self, other: Self) -> Self {
            Self(f32x4_pmin(self.0, other.0))
        }

        /// The greater lanes; where `self` is NaN, NaN.
        #[inline(always)]
        pub fn max(self, other: Self) -> Self {
            Self(f32x4_pmax(self.0, other.0))
        }

        /// The nearest integers, ties to even.
        #[inline(always)]
        pub fn round(self) -> Self {
            Self(f32x4_nearest(self.0))
        }

        /// 2 to the power of lanes that are integers in -126..=127.
        #[inline(always)]
        pub fn exp2_integer(self) -> Self {
            let exponent = i32x4_add(i32x4_trunc_sat_f32x4(self.0), i32x4_splat(127));
            Self(i32x4_shl(exponent, 23))
        }

        /// Where `self` is negative `then`, elsewhere `other`.
        #[inline(always)]
        pub fn if_negative(self, then: Self, other: Self) -> Self {
            Self(v128_bitselect(then.0, other.0, f32x4_lt(self.0, f32x4_splat(0.))))
        }

        /// Where `self < other` `then`, elsewhere `or`.
        #[inline(always)]
        pub fn if_less(self, other: Self, then: Self, or: Self) -> Self {
            Self(v128_bitselect(then.0, or.0, f32x4_lt(self.0, other.0)))
        }

        /// Where `self <= other` `then`, elsewhere `or`.
        #[inline(always)]
        pub fn if_not_greater(self, other: Self, then: Self, or: Self) -> Self {
            Self(v128_bitselect(then.0, or.0, f32x4_le(self.0, other.0)))
        }

        /// The square roots.
        #[inline(always)]
        pub fn sqrt(self) -> Self {
            Self(f32x4_sqrt(self.0))
        }

        /// Lanes 0, 2 of `self`, then of `other`.
        #[inline(always)]
        pub fn even(self, other: Self) -> Self {
            Self(i32x4_shuffle::<0, 2, 4, 6>(self.0, other.0))
        }

        /// Lanes 1, 3 of `self`, then of `other`.
        #[inline(always)]
        pub fn odd(self, other: Self) -> Self {
            Self(i32x4_shuffle::<1, 3, 5, 7>(self.0, other.0))
        }

        /// Rows to columns.
        #[inline(always)]
        pub fn transpose(rows: [Self; 4]) -> [Self; 4] {
            let [Self(a), Self(b), Self(c), Self(d)] = rows;
            let (ab_low, ab_high) =
                (i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<2, 6, 3, 7>(a, b));
            let (cd_low, cd_high) =
                (i32x4_shuffle::<0, 4, 1, 5>(c, d), i32x4_shuffle::<2, 6, 3, 7>(c, d));
            [
                Self(i64x2_shuffle::<0, 2>(ab_low, cd_low)),
                Self(i64x2_shuffle::<1, 3>(ab_low, cd_low)),
                Self(i64x2_shuffle::<0, 2>(ab_high, cd_high)),
                Self(i64x2_shuffle::<1, 3>(ab_high, cd_high)),
            ]
        }
    }

    /// Four 32-bit integers.
    #[derive(Clone, Copy)]
    pub struct I4(v128);

    impl I4 {
        /// Four integers from `at` on.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load(at: *const u32) -> Self {
            Self(unsafe { v128_load(at.cast()) })
        }

        /// The same integer four times.
        #[inline(always)]
        pub fn splat(value: u32) -> Self {
            Self(u32x4_splat(value))
        }

        /// The bits of `keep` alone, except where `x <= most`: those all.
        #[inline(always)]
        pub fn unless_at_most(self, x: F4, most: F4, keep: Self) -> Self {
            Self(v128_and(self.0, v128_or(keep.0, f32x4_le(x.0, most.0))))
        }

        /// The bits of `keep` alone where `x > most`, elsewhere all, also of NaN.
        #[inline(always)]
        pub fn where_above(self, x: F4, most: F4, keep: Self) -> Self {
            Self(v128_andnot(self.0, v128_andnot(f32x4_gt(x.0, most.0), keep.0)))
        }

        /// The integers.
        #[inline(always)]
        pub fn to_array(self) -> [u32; 4] {
            let mut array = [0; 4];
            // SAFETY: an array of four.
            unsafe { v128_store(array.as_mut_ptr().cast(), self.0) };
            array
        }

        /// The bits of `mask` as signed integers, in floats.
        #[inline(always)]
        pub fn masked(self, mask: u32) -> F4 {
            F4(f32x4_convert_i32x4(v128_and(self.0, u32x4_splat(mask))))
        }

        /// The bits from `shift` on, which must leave some out, in floats.
        #[inline(always)]
        pub fn above(self, shift: u32) -> F4 {
            F4(f32x4_convert_i32x4(u32x4_shr(self.0, shift)))
        }
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod lanes {
    /// Four lanes.
    #[derive(Clone, Copy)]
    pub struct F4(pub(crate) [f32; 4]);

    #[inline(always)]
    fn each(f: impl Fn(usize) -> f32) -> F4 {
        F4([f(0), f(1), f(2), f(3)])
    }

    impl F4 {
        /// All lanes `value`.
        #[inline(always)]
        pub fn splat(value: f32) -> Self {
            Self([value; 4])
        }

        /// Four floats from `at` on.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load(at: *const f32) -> Self {
            Self(unsafe { at.cast::<[f32; 4]>().read() })
        }

        /// Two floats from each of two places.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load_pairs(low: *const f32, high: *const f32) -> Self {
            Self(unsafe { [*low, *low.add(1), *high, *high.add(1)] })
        }

        /// The float at `at` in all lanes.
        ///
        /// # Safety
        /// It must be readable.
        #[inline(always)]
        pub unsafe fn load_splat(at: *const f32) -> Self {
            Self::splat(unsafe { *at })
        }

        /// Writes the lanes from `at` on.
        ///
        /// # Safety
        /// Four floats must be writable.
        #[inline(always)]
        pub unsafe fn store(self, at: *mut f32) {
            unsafe { at.cast::<[f32; 4]>().write(self.0) }
        }

        /// As an array.
        #[inline(always)]
        pub fn to_array(self) -> [f32; 4] {
            self.0
        }

        /// `self + other`.
        #[inline(always)]
        pub fn add(self, other: Self) -> Self {
            each(|i| self.0[i] + other.0[i])
        }

        /// `self - other`.
        #[inline(always)]
        pub fn sub(self, other: Self) -> Self {
            each(|i| self.0[i] - other.0[i])
        }

        /// `self * other`.
        #[inline(always)]
        pub fn mul(self, other: Self) -> Self {
            each(|i| self.0[i] * other.0[i])
        }

        /// `self + a * b`, rounded twice.
        #[inline(always)]
        pub fn add_product(self, a: Self, b: Self) -> Self {
            self.add(a.mul(b))
        }

        /// `self / other`.
        #[inline(always)]
        pub fn div(self, other: Self) -> Self {
            each(|i| self.0[i] / other.0[i])
        }

        /// The lesser lanes; where `self` is NaN, NaN.
        #[inline(always)]
        pub fn min(self, other: Self) -> Self {
            each(|i| if other.0[i] < self.0[i] { other.0[i] } else { self.0[i] })
        }

        /// The greater lanes; where `self` is NaN, NaN.
        #[inline(always)]
        pub fn max(self, other: Self) -> Self {
            each(|i| if self.0[i] < other.0[i] { other.0[i] } else { self.0[i] })
        }

        /// The nearest integers, ties to even.
        #[inline(always)]
        pub fn round(self) -> Self {
            each(|i| self.0[i].round_ties_even())
        }

        /// 2 to the power of lanes that are integers in -126..=127.
        #[inline(always)]
        pub fn exp2_integer(self) -> Self {
            each(|i| f32::from_bits((self.0[i] as i32).wrapping_add(127).wrapping_shl(23) as u32))
        }

        /// Where `self` is negative `then`, elsewhere `other`.
        #[inline(always)]
        pub fn if_negative(self, then: Self, other: Self) -> Self {
            each(|i| if self.0[i] < 0. { then.0[i] } else { other.0[i] })
        }

        /// Where `self < other` `then`, elsewhere `or`.
        #[inline(always)]
        pub fn if_less(self, other: Self, then: Self, or: Self) -> Self {
            each(|i| if self.0[i] < other.0[i] { then.0[i] } else { or.0[i] })
        }

        /// Where `self <= other` `then`, elsewhere `or`.
        #[inline(always)]
        pub fn if_not_greater(self, other: Self, then: Self, or: Self) -> Self {
            each(|i| if self.0[i] <= other.0[i] { then.0[i] } else { or.0[i] })
        }

        /// The square roots.
        #[inline(always)]
        pub fn sqrt(self) -> Self {
            each(|i| self.0[i].sqrt())
        }

        /// Lanes 0, 2 of `self`, then of `other`.
        #[inline(always)]
        pub fn even(self, other: Self) -> Self {
            Self([self.0[0], self.0[2], other.0[0], other.0[2]])
        }

        /// Lanes 1, 3 of `self`, then of `other`.
        #[inline(always)]
        pub fn odd(self, other: Self) -> Self {
            Self([self.0[1], self.0[3], other.0[1], other.0[3]])
        }

        /// Rows to columns.
        #[inline(always)]
        pub fn transpose(rows: [Self; 4]) -> [Self; 4] {
            let column = |i: usize| each(|j| rows[j].0[i]);
            [column(0), column(1), column(2), column(3)]
        }
    }

    /// Four 32-bit integers.
    #[derive(Clone, Copy)]
    pub struct I4([u32; 4]);

    impl I4 {
        /// Four integers from `at` on.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load(at: *const u32) -> Self {
            Self(unsafe { at.cast::<[u32; 4]>().read() })
        }

        /// The same integer four times.
        #[inline(always)]
        pub fn splat(value: u32) -> Self {
            Self([value; 4])
        }

        /// The bits of `keep` alone, except where `x <= most`: those all.
        #[inline(always)]
        pub fn unless_at_most(self, x: F4, most: F4, keep: Self) -> Self {
            let kept = |i: usize| if x.0[i] <= most.0[i] { u32::MAX } else { keep.0[i] };
            Self(std::array::from_fn(|i| self.0[i] & kept(i)))
        }

        /// The bits of `keep` alone where `x > most`, elsewhere all, also of NaN.
        #[inline(always)]
        pub fn where_above(self, x: F4, most: F4, keep: Self) -> Self {
            let kept = |i: usize| if x.0[i] > most.0[i] { keep.0[i] } else { u32::MAX };
            Self(std::array::from_fn(|i| self.0[i] & kept(i)))
        }

        /// The integers.
        #[inline(always)]
        pub fn to_array(self) -> [u32; 4] {
            self.0
        }

        /// The bits of `mask` as signed integers, in floats.
        #[inline(always)]
        pub fn masked(self, mask: u32) -> F4 {
            each(|i| (self.0[i] & mask) as i32 as f32)
        }

        /// The bits from `shift` on, which must leave some out, in floats.
        #[inline(always)]
        pub fn above(self, shift: u32) -> F4 {
            each(|i| (self.0[i] >> shift) as i32 as f32)
        }
    }
}

pub use lanes::{F4, I4};

impl F4 {
    /// Writes the first `count` lanes from `at` on; all four where there are more.
    ///
    /// # Safety
    /// `count.min(4)` floats must be writable.
    #[inline(always)]
    pub unsafe fn store_first(self, at: *mut f32, count: usize) {
        if count >= 4 {
            return unsafe { self.store(at) };
        }
        for (i, value) in self.to_array().iter().enumerate().take(count) {
            unsafe { *at.add(i) = *value };
        }
    }

    /// Reads the first `count` floats from `at` on, and zeros beyond.
    ///
    /// # Safety
    /// `count.min(4)` floats must be readable.
    #[inline(always)]
    pub unsafe fn load_first(at: *const f32, count: usize) -> Self {
        if count >= 4 {
            return unsafe { Self::load(at) };
        }
        let mut lanes = [0.; 4];
        for (i, lane) in lanes.iter_mut().enumerate().take(count) {
            *lane = unsafe { *at.add(i) };
        }
        unsafe { Self::load(lanes.as_ptr()) }
    }
}
