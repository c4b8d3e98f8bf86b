//! The weights of a convolution in the order of the method that suits its geometry.
//!
//! In: a geometry, weights in OIHW. Out: float32 sums in NCHW. The choice of the method is here and nowhere else.

use nearside_kernels::conv::{self, Geometry};
use nearside_kernels::{Epilogue, direct, winograd};
use tract_onnx::prelude::*;

/// How the sums are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// As a matrix product over gathered pixels.
    Product,
    /// By transformed tiles.
    Winograd,
    /// Pixels where they lie: each channel by itself, or few outputs.
    Direct,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packed {
    method: Method,
    weights: Vec<f32>,
}

impl Packed {
    /// `weights` in OIHW, the groups' outputs one after the other.
    pub(crate) fn new(g: &Geometry, weights: &[f32]) -> TractResult<Self> {
        let (method, weights) = if direct::suits(g) {
            (Method::Direct, direct::pack(g, weights)?)
        } else if winograd::suits(g) {
            (Method::Winograd, winograd::pack(g, weights)?)
        } else {
            (Method::Product, conv::pack(g, weights)?)
        };
        Ok(Self { method, weights })
    }

    pub(crate) fn method(&self) -> Method {
        self.method
    }

    /// Convolves; the geometry is the one that the weights were packed for.
    pub(crate) fn run(
        &self,
        g: &Geometry,
        x: &[f32],
        epilogue: &Epilogue<'_>,
        out: &mut [f32],
    ) -> TractResult<()> {
        let kernel = match self.method {
            Method::Product => conv::conv,
            Method::Winograd => winograd::conv,
            Method::Direct => direct::conv,
        };
        Ok(kernel(g, x, &self.weights, epilogue, out)?)
    }
}
