//! Powers.
//!
//! In and out: four lanes. Logarithm and exponential in float64, by series short enough for float32's last bit; what has
//! no logarithm, or a power beyond float32's normal numbers, is the library's.

use std::f64::consts::{LN_2, LOG2_E};

/// Whose bits are those of 2 to some power times a mantissa around 1.
const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
/// Added to a number and taken off it, it leaves a whole one; its last bits are that number.
const WHOLE: f64 = 6_755_399_441_055_744.;
/// Powers of two up to which float32 is normal, with room.
const MOST: f64 = 125.;

/// The sum of `coefficients` times powers of `x`, the highest first.
#[inline(always)]
fn series(x: f64, coefficients: &[f64]) -> f64 {
    coefficients.iter().fold(0., |sum, c| sum * x + c)
}

/// The logarithm to base 2 of a positive finite number.
#[inline(always)]
fn log2(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = (bits.wrapping_sub(ROOT_HALF) as i64) >> 52;
    let mantissa = f64::from_bits(bits.wrapping_sub((exponent as u64) << 52));
    let s = (mantissa - 1.) / (mantissa + 1.);
    let odd = [1. / 15., 1. / 13., 1. / 11., 1. / 9., 1. / 7., 1. / 5., 1. / 3., 1.];
    exponent as f64 + s * series(s * s, &odd) * (2. * LOG2_E)
}

/// 2 to a power between -1022 and 1023.
#[inline(always)]
fn exp2(x: f64) -> f64 {
    let shifted = x + WHOLE;
    let rest = (x - (shifted - WHOLE)) * LN_2;
    let terms = [
        1. / 3_628_800.,
        1. / 362_880.,
        1. / 40_320.,
        1. / 5_040.,
        1. / 720.,
        1. / 120.,
        1. / 24.,
        1. / 6.,
        0.5,
        1.,
        1.,
    ];
    let scale = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    series(rest, &terms) * scale
}

/// `x` to the power of `y`.
#[inline(never)]
pub(crate) fn power(x: [f32; 4], y: [f32; 4]) -> [f32; 4] {
    let mut exponents = [0.; 4];
    let mut powers = [0.; 4];
    for i in 0..4 {
        exponents[i] = f64::from(y[i]) * log2(f64::from(x[i].abs()));
        powers[i] = exp2(exponents[i].clamp(-MOST, MOST)) as f32;
    }
    for i in 0..4 {
        let (x, y) = (x[i], y[i]);
        // Not so of NaN either.
        let plain = x != 0. && x.is_finite() && exponents[i].abs() < MOST;
        if !plain {
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
