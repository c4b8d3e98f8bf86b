//! The functions that a gate may have, with their parameters.
//!
//! In: a name and the lists of parameters. Out: a function of one number.

use tract_onnx::tract_hir::internal::*;

#[derive(Debug, Clone, Copy)]
pub(super) struct Activation {
    function: fn(f64, f64, f64) -> f64,
    alpha: f64,
    beta: f64,
}

/// (name, default alpha, default beta, function of x, alpha and beta)
type Function = (&'static str, f64, f64, fn(f64, f64, f64) -> f64);

const FUNCTIONS: &[Function] = &[
    ("affine", 1.0, 0.0, |x, a, b| a * x + b),
    ("elu", 1.0, 0.0, |x, a, _| if x >= 0.0 { x } else { a * x.exp_m1() }),
    ("hardsigmoid", 0.2, 0.5, |x, a, b| (a * x + b).clamp(0.0, 1.0)),
    ("leakyrelu", 0.01, 0.0, |x, a, _| if x >= 0.0 { x } else { a * x }),
    ("relu", 0.0, 0.0, |x, _, _| x.max(0.0)),
    ("scaledtanh", 1.0, 1.0, |x, a, b| a * (b * x).tanh()),
    ("sigmoid", 0.0, 0.0, |x, _, _| 1.0 / (1.0 + (-x).exp())),
    ("softplus", 0.0, 0.0, |x, _, _| x.exp().ln_1p()),
    ("softsign", 0.0, 0.0, |x, _, _| x / (1.0 + x.abs())),
    ("tanh", 0.0, 0.0, |x, _, _| x.tanh()),
    ("thresholdedrelu", 1.0, 0.0, |x, a, _| if x > a { x } else { 0.0 }),
];

impl Activation {
    /// The parameters lie in lists of their own, in the order of the functions that take them.
    pub(super) fn new(
        name: &str,
        alphas: &mut impl Iterator<Item = f32>,
        betas: &mut impl Iterator<Item = f32>,
    ) -> TractResult<Self> {
        let lower = name.to_lowercase();
        let (name, mut alpha, mut beta, function) = *FUNCTIONS
            .iter()
            .find(|f| f.0 == lower)
            .with_context(|| format!("the activation {name} is unknown"))?;
        if !matches!(name, "relu" | "sigmoid" | "softplus" | "softsign" | "tanh") {
            alpha = alphas.next().map_or(alpha, f64::from);
        }
        if matches!(name, "affine" | "hardsigmoid" | "scaledtanh") {
            beta = betas.next().map_or(beta, f64::from);
        }
        Ok(Self { function, alpha, beta })
    }

    pub(super) fn of(&self, x: f64) -> f64 {
        (self.function)(x, self.alpha, self.beta)
    }
}
