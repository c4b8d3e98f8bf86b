//! What happens to a sum before it is written: bias, activation, residual.
//!
//! In: sums that were just written. Out: outputs, in place. Done piece by piece while the sums are in the nearest
//! cache, because a tensor that is read and written once more costs as much as a small convolution.

use crate::parallel;
use crate::v4::F4;

/// Floats that are done together.
const PIECE: usize = 512;

/// A function of one value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// The value itself.
    #[default]
    None,
    /// Within these bounds.
    Clamp(f32, f32),
    /// Times this where negative.
    Leaky(f32),
    /// `clamp(alpha x + beta, 0, 1)`.
    HardSigmoid(f32, f32),
    /// `x clamp(x / 6 + 1 / 2, 0, 1)`.
    HardSwish,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `x sigmoid(x)`.
    Silu,
    /// `x / 2 (1 + erf(x / sqrt 2))`.
    Gelu,
    /// `round(clamp(x / scale, low, high)) * back`: to integers and back, halves to even.
    RoundTrip {
        /// The step of the integers.
        scale: f32,
        /// The least of them.
        low: f32,
        /// The greatest of them, both below 2^22.
        high: f32,
        /// What a step is worth afterwards.
        back: f32,
    },
}

/// Adding this leaves no bits below 1, so that adding it and taking it away rounds; rounding itself is slow on some
/// machines.
const ROUNDER: f32 = 12_582_912.;

impl Activation {
    /// Applied in place, to all of a tensor.
    pub fn apply_to_all(self, values: &mut [f32]) {
        let cost = match self {
            Self::None => return,
            Self::Sigmoid | Self::Silu | Self::Gelu => 8,
            _ => 2,
        };
        parallel::pieces(values, PIECE, cost, |_, values| self.apply(values));
    }

    /// Applied in place. One loop a function, so that each keeps its constants in registers.
    pub fn apply(self, values: &mut [f32]) {
        let (zero, one) = (F4::splat(0.), F4::splat(1.));
        match self {
            Self::None => {}
            Self::Clamp(low, high) => {
                let (low, high) = (F4::splat(low), F4::splat(high));
                map(values, |x| x.max(low).min(high));
            }
            Self::Leaky(slope) => {
                let slope = F4::splat(slope);
                map(values, |x| x.if_negative(x.mul(slope), x));
            }
            Self::HardSigmoid(alpha, beta) => {
                let (alpha, beta) = (F4::splat(alpha), F4::splat(beta));
                map(values, |x| beta.add_product(x, alpha).max(zero).min(one));
            }
            Self::HardSwish => {
                let (sixth, half) = (F4::splat(1. / 6.), F4::splat(0.5));
                map(values, |x| x.mul(half.add_product(x, sixth).max(zero).min(one)));
            }
            Self::Sigmoid => map(values, F4::sigmoid),
            Self::Silu => map(values, |x| x.mul(x.sigmoid())),
            Self::Gelu => map(values, F4::gelu),
            Self::RoundTrip { scale, low, high, back } => {
                let [scale, low, high, back] = [scale, low, high, back].map(F4::splat);
                let rounder = F4::splat(ROUNDER);
                // NaN becomes the least.
                map(values, |x| {
                    low.max(x.div(scale)).min(high).add(rounder).sub(rounder).mul(back)
                });
            }
        }
    }
}

/// `f` of each value, in place.
#[inline(always)]
fn map(values: &mut [f32], f: impl Fn(F4) -> F4) {
    let mut fours = values.chunks_exact_mut(4);
    for four in &mut fours {
        // SAFETY: it is four floats long.
        unsafe { f(F4::load(four.as_ptr())).store(four.as_mut_ptr()) };
    }
    let rest = fours.into_remainder();
    let mut four = [0.; 4];
    four[..rest.len()].copy_from_slice(rest);
    // SAFETY: an array of four.
    let result = f(unsafe { F4::load(four.as_ptr()) }).to_array();
    rest.copy_from_slice(&result[..rest.len()]);
}

fn add(values: &mut [f32], more: &[f32]) {
    for (value, more) in values.iter_mut().zip(more) {
        *value += more;
    }
}

/// What a kernel does with its sums.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// Added to each output channel.
    pub bias: Option<&'a [f32]>,
    /// A tensor of the output's shape, added to it.
    pub residual: Option<&'a [f32]>,
    /// Whether the residual is added before the activation.
    pub residual_first: bool,
    /// Applied to the sum.
    pub activation: Activation,
    /// Instead of an activation: what the sums of each output channel are multiplied by where negative.
    pub slopes: Option<&'a [f32]>,
}

impl Epilogue<'_> {
    /// The bias of a channel.
    #[inline(always)]
    pub(crate) fn bias_of(&self, channel: usize) -> f32 {
        self.bias.and_then(|b| b.get(channel)).copied().unwrap_or(0.)
    }

    /// The activation of a channel.
    #[inline(always)]
    pub(crate) fn activation_of(&self, channel: usize) -> Activation {
        let slope = self.slopes.and_then(|slopes| slopes.get(channel));
        slope.map_or(self.activation, |slope| Activation::Leaky(*slope))
    }

    /// Finishes these sums of a channel, which already hold the bias and lie from `at` on in the output. To be called
    /// while they are in the cache.
    pub(crate) fn finish(&self, sums: &mut [f32], at: usize, channel: usize) {
        let residual = self.residual.and_then(|r| r.get(at..at + sums.len()));
        self.apply(sums, residual.unwrap_or_default(), channel);
    }

    /// Finishes these sums of a channel with this part of the residual.
    #[inline(never)]
    pub(crate) fn apply(&self, sums: &mut [f32], residual: &[f32], channel: usize) {
        if self.residual_first {
            add(sums, residual);
        }
        self.activation_of(channel).apply(sums);
        if !self.residual_first {
            add(sums, residual);
        }
    }
}
