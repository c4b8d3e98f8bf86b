//! Eight int16 lanes and four int32 lanes: what the integer kernels are written in.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod lanes {
    use core::arch::wasm32::*;

    /// Eight int16.
    #[derive(Clone, Copy)]
    pub struct S8(v128);

    /// Four int32.
    #[derive(Clone, Copy)]
    pub struct I4(v128);

    impl S8 {
        /// Eight from `at` on.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load(at: *const i16) -> Self {
            Self(unsafe { v128_load(at.cast()) })
        }

        /// The two at `at`, four times.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load_pair(at: *const i16) -> Self {
            Self(unsafe { v128_load32_splat(at.cast()) })
        }

        /// Writes the lanes from `at` on.
        ///
        /// # Safety
        /// Eight must be writable.
        #[inline(always)]
        pub unsafe fn store(self, at: *mut i16) {
            unsafe { v128_store(at.cast(), self.0) }
        }

        /// The first four lanes of both, in turns, and the last four.
        #[inline(always)]
        pub fn interleave(self, other: Self) -> [Self; 2] {
            [
                Self(i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(self.0, other.0)),
                Self(i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(self.0, other.0)),
            ]
        }

        /// Products, two neighbours added.
        #[inline(always)]
        pub fn dot(self, other: Self) -> I4 {
            I4(i32x4_dot_i16x8(self.0, other.0))
        }
    }

    impl I4 {
        /// All lanes `value`.
        #[inline(always)]
        pub fn splat(value: i32) -> Self {
            Self(i32x4_splat(value))
        }

        /// `self + other`, wrapping.
        #[inline(always)]
        pub fn plus(self, other: Self) -> Self {
            Self(i32x4_add(self.0, other.0))
        }

        /// Writes the lanes from `at` on.
        ///
        /// # Safety
        /// Four must be writable.
        #[inline(always)]
        pub unsafe fn store(self, at: *mut i32) {
            unsafe { v128_store(at.cast(), self.0) }
        }
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod lanes {
    /// Eight int16.
    #[derive(Clone, Copy)]
    pub struct S8([i16; 8]);

    /// Four int32.
    #[derive(Clone, Copy)]
    pub struct I4([i32; 4]);

    impl S8 {
        /// Eight from `at` on.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load(at: *const i16) -> Self {
            Self(unsafe { at.cast::<[i16; 8]>().read() })
        }

        /// The two at `at`, four times.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load_pair(at: *const i16) -> Self {
            let (a, b) = unsafe { (*at, *at.add(1)) };
            Self([a, b, a, b, a, b, a, b])
        }

        /// Writes the lanes from `at` on.
        ///
        /// # Safety
        /// Eight must be writable.
        #[inline(always)]
        pub unsafe fn store(self, at: *mut i16) {
            unsafe { at.cast::<[i16; 8]>().write(self.0) }
        }

        /// The first four lanes of both, in turns, and the last four.
        #[inline(always)]
        pub fn interleave(self, other: Self) -> [Self; 2] {
            let ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]) = (self.0, other.0);
            [Self([a, i, b, j, c, k, d, l]), Self([e, m, f, n, g, o, h, p])]
        }

        /// Products, two neighbours added.
        #[inline(always)]
        pub fn dot(self, other: Self) -> I4 {
            let pair = |i: usize| {
                let product = |i: usize| i32::from(self.0[i]) * i32::from(other.0[i]);
                product(2 * i).wrapping_add(product(2 * i + 1))
            };
            I4([pair(0), pair(1), pair(2), pair(3)])
        }
    }

    impl I4 {
        /// All lanes `value`.
        #[inline(always)]
        pub fn splat(value: i32) -> Self {
            Self([value; 4])
        }

        /// `self + other`, wrapping.
        #[inline(always)]
        pub fn plus(self, other: Self) -> Self {
            let lane = |i: usize| self.0[i].wrapping_add(other.0[i]);
            Self([lane(0), lane(1), lane(2), lane(3)])
        }

        /// Writes the lanes from `at` on.
        ///
        /// # Safety
        /// Four must be writable.
        #[inline(always)]
        pub unsafe fn store(self, at: *mut i32) {
            unsafe { at.cast::<[i32; 4]>().write(self.0) }
        }
    }
}

pub use lanes::{I4, S8};
