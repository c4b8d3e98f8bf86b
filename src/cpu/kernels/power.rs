//! Powers.
//!
//! In and out: four lanes. Logarithm and exponential in float64, by series short enough for float32's last bit; what has
//! no logarithm, or a power beyond float32's normal numbers, is the library's. Everything is done to all lanes before the
//! next thing is, so that two of them share an instruction.

use std::f64::consts::{LN_2, LOG2_E};

/// Whose bits are those of 2 to some power times a mantissa around 1.
const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
/// Bits of a mantissa.
const MANTISSA: u64 = (1 << 52) - 1;
/// Of 2 to the power of 52: or-ed into a small number they make it a float64, above that.
const SHIFTED: u64 = 0x4330_0000_0000_0000;
/// Keeps exponents positive.
const ABOVE: u64 = 1024;
/// Added to a number and taken off it, it leaves a whole one; its last bits are that number.
const WHOLE: f64 = 6_755_399_441_055_744.;
/// Powers of two up to which float32 is normal, with room.
const MOST: f64 = 125.;

type Four = [f64; 4];

#[inline(always)]
fn each(f: impl Fn(usize) -> f64) -> Four {
    std::array::from_fn(f)
}

/// The sum of `coefficients` times powers of `x`, the highest first.
#[inline(always)]
fn series(x: &Four, coefficients: &[f64]) -> Four {
    let mut sum = [0.; 4];
    for c in coefficients {
        sum = each(|i| sum[i] * x[i] + c);
    }
    sum
}

/// The same with the coefficients of even and of odd powers, which need not wait for each other.
#[inline(always)]
fn halves(x: &Four, even: &[f64], odd: &[f64]) -> Four {
    let square = each(|i| x[i] * x[i]);
    let (even, odd) = (series(&square, even), series(&square, odd));
    each(|i| even[i] + x[i] * odd[i])
}

/// The logarithm to base 2 of positive finite numbers.
#[inline(always)]
fn log2(x: &Four) -> Four {
    let bits: [u64; 4] =
        std::array::from_fn(|i| x[i].to_bits().wrapping_sub(ROOT_HALF).wrapping_add(ABOVE << 52));
    let zero = f64::from_bits(SHIFTED) + ABOVE as f64;
    let exponent = each(|i| f64::from_bits(bits[i] >> 52 | SHIFTED) - zero);
    let mantissa = each(|i| f64::from_bits((bits[i] & MANTISSA) + ROOT_HALF));
    let s = each(|i| (mantissa[i] - 1.) / (mantissa[i] + 1.));
    let square = each(|i| s[i] * s[i]);
    let even = [1. / 13., 1. / 9., 1. / 5., 1.];
    let odd = [1. / 15., 1. / 11., 1. / 7., 1. / 3.];
    let sum = halves(&square, &even, &odd);
    each(|i| exponent[i] + s[i] * sum[i] * (2. * LOG2_E))
}

/// 2 to powers between -1022 and 1023.
#[inline(always)]
fn exp2(x: &Four) -> Four {
    let shifted = each(|i| x[i] + WHOLE);
    let rest = each(|i| (x[i] - (shifted[i] - WHOLE)) * LN_2);
    let even = [1. / 40_320., 1. / 720., 1. / 24., 0.5, 1.];
    let odd = [1. / 362_880., 1. / 5_040., 1. / 120., 1. / 6., 1.];
    let sum = halves(&rest, &even, &odd);
    each(|i| sum[i] * f64::from_bits(shifted[i].to_bits().wrapping_add(1023) << 52))
}

/// `x` to the power of `y`.
#[inline(never)]
pub(crate) fn power(x: [f32; 4], y: [f32; 4]) -> [f32; 4] {
    let logarithms = log2(&each(|i| f64::from(x[i].abs())));
    let exponents = each(|i| f64::from(y[i]) * logarithms[i]);
    let mut powers = exp2(&exponents).map(|power| power as f32);
    // Not so of NaN.
    let normal = |i: usize| x[i] != 0. && x[i].is_finite() && exponents[i].abs() < MOST;
    if (0..4).all(|i| x[i] > 0. && normal(i)) {
        return powers;
    }
    for i in 0..4 {
        let (x, y) = (x[i], y[i]);
        if !normal(i) {
            powers[i] = x.powf(y);
        } else if x < 0. {
            let whole = y.trunc() == y;
            let odd = (y / 2.).trunc() * 2. != y;
            powers[i] = match (whole, odd) {
                (true, true) => -powers[i],
                (true, false) => powers[i],
                (false, _) => f32::NAN,
            };
        }
    }
    powers
}
