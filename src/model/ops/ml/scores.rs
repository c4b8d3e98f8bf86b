//! What turns raw scores into what a model reports.
//!
//! In: the scores of one row. Out: the same under the node's `post_transform`, as ONNX Runtime
//! computes it (its inverse error function is an approximation, which is kept).

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PostTransform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    pub(super) fn of(node: &NodeProto) -> TractResult<Self> {
        let name: Option<&str> = node.get_attr_opt("post_transform")?;
        Ok(match name.unwrap_or("NONE") {
            "NONE" => Self::None,
            "LOGISTIC" => Self::Logistic,
            "SOFTMAX" => Self::Softmax,
            "SOFTMAX_ZERO" => Self::SoftmaxZero,
            "PROBIT" => Self::Probit,
            other => bail!("post_transform {other} is unknown"),
        })
    }

    /// By the numbers of the operator set 5, as ONNX Runtime reads them: the specification has 1 for
    /// SOFTMAX and 2 for LOGISTIC.
    pub(super) fn of_number(number: i64) -> TractResult<Self> {
        let all = [Self::None, Self::Logistic, Self::Softmax, Self::SoftmaxZero, Self::Probit];
        let at = usize::try_from(number).ok();
        at.and_then(|n| all.get(n).copied())
            .with_context(|| format!("post_transform {number} is unknown"))
    }

    pub(super) fn apply(self, scores: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|s| *s = logistic(*s)),
            Self::Probit => scores.iter_mut().for_each(|s| *s = probit(*s)),
            Self::Softmax => softmax(scores, false),
            Self::SoftmaxZero => softmax(scores, true),
        }
    }

    /// The two scores of a row whose only score is that of the second class. `positive`: the weights
    /// are probabilities, so the other one is what is missing to 1. (Of the transforms ONNX Runtime
    /// applies only `LOGISTIC` here.)
    pub(super) fn second_class(self, score: f32, positive: bool) -> [f32; 2] {
        match self {
            Self::Logistic => [logistic(-score), logistic(score)],
            _ if positive => [1.0 - score, score],
            _ => [-score, score],
        }
    }
}

pub(super) fn logistic(x: f32) -> f32 {
    let v = 1.0 / (1.0 + (-x.abs()).exp());
    if x < 0.0 { 1.0 - v } else { v }
}

pub(super) fn probit(x: f32) -> f32 {
    std::f32::consts::SQRT_2 * inverse_erf(2.0 * x - 1.0)
}

/// Winitzki's approximation.
#[expect(clippy::approx_constant, reason = "as short as in ONNX Runtime, for the same last bits")]
fn inverse_erf(x: f32) -> f32 {
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let v = 2.0 / (3.14159 * 0.147) + 0.5 * log;
    let root = (-v + (v * v - log / 0.147).sqrt()).sqrt();
    if x < 0.0 { -root } else { root }
}

/// With `keep_zeros`, scores of 0 stay 0 and have no share.
fn softmax(scores: &mut [f32], keep_zeros: bool) {
    let max = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        if keep_zeros && score.abs() <= 1e-7 {
            *score *= (-max).exp();
        } else {
            *score = (*score - max).exp();
            sum += *score;
        }
    }
    scores.iter_mut().for_each(|s| *s /= sum);
}
