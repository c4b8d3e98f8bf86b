//! Eight int16 lanes and four int32 lanes: what the integer kernels are written in.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod lanes {
    use core::arch::wasm32::*;

    use crate::v4::F4;

    /// Eight int16.
    #[derive(Clone, Copy)]
    pub struct S8(v128);

    /// Four int32.
    #[derive(Clone, Copy)]
    pub struct I4(v128);

    impl S8 {
        /// Eight unsigned bytes from `at` on.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load_u8(at: *const u8) -> Self {
            Self(unsafe { i16x8_load_extend_u8x8(at) })
        }

        /// Eight signed bytes from `at` on.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load_i8(at: *const i8) -> Self {
            Self(unsafe { i16x8_load_extend_i8x8(at) })
        }

        /// All lanes `value`.
        #[inline(always)]
        pub fn splat(value: i16) -> Self {
            Self(i16x8_splat(value))
        }

        /// `self + other`, wrapping.
        #[inline(always)]
        pub fn plus(self, other: Self) -> Self {
            Self(i16x8_add(self.0, other.0))
        }

        /// `self - other`, wrapping.
        #[inline(always)]
        pub fn minus(self, other: Self) -> Self {
            Self(i16x8_sub(self.0, other.0))
        }

        /// Lanes 0, 2, 4, 6 of `self`, then of `other`.
        #[inline(always)]
        pub fn even(self, other: Self) -> Self {
            Self(i16x8_shuffle::<0, 2, 4, 6, 8, 10, 12, 14>(self.0, other.0))
        }

        /// Lanes 1, 3, 5, 7 of `self`, then of `other`.
        #[inline(always)]
        pub fn odd(self, other: Self) -> Self {
            Self(i16x8_shuffle::<1, 3, 5, 7, 9, 11, 13, 15>(self.0, other.0))
        }

        /// The first four lanes and the last four, as int32.
        #[inline(always)]
        pub fn wide(self) -> [I4; 2] {
            [I4(i32x4_extend_low_i16x8(self.0)), I4(i32x4_extend_high_i16x8(self.0))]
        }

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
        /// Four from `at` on.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load(at: *const i32) -> Self {
            Self(unsafe { v128_load(at.cast()) })
        }

        /// `self - other`, wrapping.
        #[inline(always)]
        pub fn minus(self, other: Self) -> Self {
            Self(i32x4_sub(self.0, other.0))
        }

        /// A quarter, rounded down.
        #[inline(always)]
        pub fn quarter(self) -> Self {
            Self(i32x4_shr(self.0, 2))
        }

        /// The lanes of both, in turns.
        #[inline(always)]
        pub fn interleave(self, other: Self) -> [Self; 2] {
            [
                Self(i32x4_shuffle::<0, 4, 1, 5>(self.0, other.0)),
                Self(i32x4_shuffle::<2, 6, 3, 7>(self.0, other.0)),
            ]
        }

        /// As floats.
        #[inline(always)]
        pub fn floats(self) -> F4 {
            F4(f32x4_convert_i32x4(self.0))
        }

        /// The bits of floats.
        #[inline(always)]
        pub fn bits(floats: F4) -> Self {
            Self(floats.0)
        }

        /// Sixteen as uint8, saturating.
        ///
        /// # Safety
        /// So many must be writable.
        #[inline(always)]
        pub unsafe fn store_u8([a, b, c, d]: [Self; 4], at: *mut u8) {
            let (low, high) = (i16x8_narrow_i32x4(a.0, b.0), i16x8_narrow_i32x4(c.0, d.0));
            unsafe { v128_store(at.cast(), u8x16_narrow_i16x8(low, high)) }
        }

        /// Sixteen as int8, saturating.
        ///
        /// # Safety
        /// So many must be writable.
        #[inline(always)]
        pub unsafe fn store_i8([a, b, c, d]: [Self; 4], at: *mut i8) {
            let (low, high) = (i16x8_narrow_i32x4(a.0, b.0), i16x8_narrow_i32x4(c.0, d.0));
            unsafe { v128_store(at.cast(), i8x16_narrow_i16x8(low, high)) }
        }

        /// Sixteen as uint16, saturating.
        ///
        /// # Safety
        /// So many must be writable.
        #[inline(always)]
        pub unsafe fn store_u16([a, b, c, d]: [Self; 4], at: *mut u16) {
            unsafe {
                v128_store(at.cast(), u16x8_narrow_i32x4(a.0, b.0));
                v128_store(at.add(8).cast(), u16x8_narrow_i32x4(c.0, d.0));
            }
        }

        /// Sixteen as int16, saturating.
        ///
        /// # Safety
        /// So many must be writable.
        #[inline(always)]
        pub unsafe fn store_i16([a, b, c, d]: [Self; 4], at: *mut i16) {
            unsafe {
                v128_store(at.cast(), i16x8_narrow_i32x4(a.0, b.0));
                v128_store(at.add(8).cast(), i16x8_narrow_i32x4(c.0, d.0));
            }
        }

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
    use crate::v4::F4;

    /// Eight int16.
    #[derive(Clone, Copy)]
    pub struct S8([i16; 8]);

    /// Four int32.
    #[derive(Clone, Copy)]
    pub struct I4([i32; 4]);

    impl S8 {
        /// Eight unsigned bytes from `at` on.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load_u8(at: *const u8) -> Self {
            Self(unsafe { at.cast::<[u8; 8]>().read() }.map(i16::from))
        }

        /// Eight signed bytes from `at` on.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load_i8(at: *const i8) -> Self {
            Self(unsafe { at.cast::<[i8; 8]>().read() }.map(i16::from))
        }

        /// All lanes `value`.
        #[inline(always)]
        pub fn splat(value: i16) -> Self {
            Self([value; 8])
        }

        /// `self + other`, wrapping.
        #[inline(always)]
        pub fn plus(self, other: Self) -> Self {
            Self(std::array::from_fn(|i| self.0[i].wrapping_add(other.0[i])))
        }

        /// `self - other`, wrapping.
        #[inline(always)]
        pub fn minus(self, other: Self) -> Self {
            Self(std::array::from_fn(|i| self.0[i].wrapping_sub(other.0[i])))
        }

        /// Lanes 0, 2, 4, 6 of `self`, then of `other`.
        #[inline(always)]
        pub fn even(self, other: Self) -> Self {
            let ([a, _, b, _, c, _, d, _], [e, _, f, _, g, _, h, _]) = (self.0, other.0);
            Self([a, b, c, d, e, f, g, h])
        }

        /// Lanes 1, 3, 5, 7 of `self`, then of `other`.
        #[inline(always)]
        pub fn odd(self, other: Self) -> Self {
            let ([_, a, _, b, _, c, _, d], [_, e, _, f, _, g, _, h]) = (self.0, other.0);
            Self([a, b, c, d, e, f, g, h])
        }

        /// The first four lanes and the last four, as int32.
        #[inline(always)]
        pub fn wide(self) -> [I4; 2] {
            let [a, b, c, d, e, f, g, h] = self.0.map(i32::from);
            [I4([a, b, c, d]), I4([e, f, g, h])]
        }

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
        /// Four from `at` on.
        ///
        /// # Safety
        /// They must be readable.
        #[inline(always)]
        pub unsafe fn load(at: *const i32) -> Self {
            Self(unsafe { at.cast::<[i32; 4]>().read() })
        }

        /// `self - other`, wrapping.
        #[inline(always)]
        pub fn minus(self, other: Self) -> Self {
            Self(std::array::from_fn(|i| self.0[i].wrapping_sub(other.0[i])))
        }

        /// A quarter, rounded down.
        #[inline(always)]
        pub fn quarter(self) -> Self {
            Self(self.0.map(|lane| lane >> 2))
        }

        /// The lanes of both, in turns.
        #[inline(always)]
        pub fn interleave(self, other: Self) -> [Self; 2] {
            let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
            [Self([a, e, b, f]), Self([c, g, d, h])]
        }

        /// As floats.
        #[inline(always)]
        pub fn floats(self) -> F4 {
            F4(self.0.map(|lane| lane as f32))
        }

        /// The bits of floats.
        #[inline(always)]
        pub fn bits(floats: F4) -> Self {
            Self(floats.0.map(|lane| lane.to_bits().cast_signed()))
        }

        /// Sixteen as uint8, saturating.
        ///
        /// # Safety
        /// So many must be writable.
        #[inline(always)]
        pub unsafe fn store_u8(values: [Self; 4], at: *mut u8) {
            let narrow = values.map(|four| four.0.map(|v| v.clamp(0, 255) as u8));
            unsafe { at.cast::<[[u8; 4]; 4]>().write(narrow) }
        }

        /// Sixteen as int8, saturating.
        ///
        /// # Safety
        /// So many must be writable.
        #[inline(always)]
        pub unsafe fn store_i8(values: [Self; 4], at: *mut i8) {
            let narrow = values.map(|four| four.0.map(|v| v.clamp(-128, 127) as i8));
            unsafe { at.cast::<[[i8; 4]; 4]>().write(narrow) }
        }

        /// Sixteen as uint16, saturating.
        ///
        /// # Safety
        /// So many must be writable.
        #[inline(always)]
        pub unsafe fn store_u16(values: [Self; 4], at: *mut u16) {
            let narrow = values.map(|four| four.0.map(|v| v.clamp(0, 65535) as u16));
            unsafe { at.cast::<[[u16; 4]; 4]>().write_unaligned(narrow) }
        }

        /// Sixteen as int16, saturating.
        ///
        /// # Safety
        /// So many must be writable.
        #[inline(always)]
        pub unsafe fn store_i16(values: [Self; 4], at: *mut i16) {
            let narrow = values.map(|four| four.0.map(|v| v.clamp(-32768, 32767) as i16));
            unsafe { at.cast::<[[i16; 4]; 4]>().write_unaligned(narrow) }
        }

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
