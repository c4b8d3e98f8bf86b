//! Functions of lanes: exponentials, and what is made of them.
//!
//! In and out: [`F4`]. Polynomials, so that they give the same bits on every machine.

use crate::v4::F4;

impl F4 {
    /// e to the power of the lanes, within 2 units in the last place.
    #[inline(always)]
    pub fn exp(self) -> Self {
        let x = self.min(Self::splat(88.)).max(Self::splat(-87.));
        let n = x.mul(Self::splat(std::f32::consts::LOG2_E)).round();
        // ln 2 in two parts, the first exact in few bits.
        let r = x.sub(n.mul(Self::splat(0.693_359_4))).sub(n.mul(Self::splat(-2.121_944_4e-4)));
        let mut p = Self::splat(1.987_569_1e-4);
        for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
            p = Self::splat(c).add_product(p, r);
        }
        let y = Self::splat(1.).add(r).add_product(p, r.mul(r));
        y.mul(n.exp2_integer())
    }

    /// The logistic function.
    #[inline(always)]
    pub fn sigmoid(self) -> Self {
        let one = Self::splat(1.);
        one.div(one.add(Self::splat(0.).sub(self).exp()))
    }

    /// The hyperbolic tangent, within 4 units in the last place: Eigen's quotient of polynomials.
    #[inline(always)]
    pub fn tanh(self) -> Self {
        let most = Self::splat(7.905_311);
        let x = self.min(most).max(Self::splat(0.).sub(most));
        let square = x.mul(x);
        let poly = |coefficients: &[f32]| {
            let mut sum = Self::splat(0.);
            for c in coefficients {
                sum = Self::splat(*c).add_product(sum, square);
            }
            sum
        };
        let above = poly(&[
            -2.760_768_5e-16,
            2.000_188e-13,
            -8.604_672e-11,
            5.122_297e-8,
            1.485_722_4e-5,
            6.372_619_3e-4,
            4.893_524_6e-3,
        ]);
        let below = poly(&[1.198_258_4e-6, 1.185_347e-4, 2.268_434_6e-3, 4.893_525e-3]);
        x.mul(above).div(below)
    }

    /// The error function to 4e-7 of itself, near zero too: the rational function of Eigen's.
    #[inline(always)]
    pub fn erf(self) -> Self {
        let (zero, one, most) = (Self::splat(0.), Self::splat(1.), Self::splat(3.832_507));
        let x = self.min(most).max(zero.sub(most));
        let square = x.mul(x);
        let poly = |coefficients: &[f32]| {
            let mut sum = zero;
            for c in coefficients {
                sum = Self::splat(*c).add_product(sum, square);
            }
            sum
        };
        let above = poly(&[
            2.123_732_2e-6,
            2.861_979_6e-4,
            3.658_048_3e-3,
            5.243_302e-2,
            1.874_160_8e-1,
            std::f32::consts::FRAC_2_SQRT_PI,
        ]);
        let below =
            poly(&[3.891_857_3e-5, 1.143_296e-3, 1.475_208_8e-2, 1.129_456_8e-1, 4.994_258e-1, 1.]);
        x.mul(above).div(below).min(one).max(zero.sub(one))
    }

    /// `x / 2 (1 + erf(x / sqrt 2))`
    #[inline(always)]
    pub fn gelu(self) -> Self {
        let half = self.mul(Self::splat(0.5));
        half.add_product(half, self.mul(Self::splat(std::f32::consts::FRAC_1_SQRT_2)).erf())
    }
}
