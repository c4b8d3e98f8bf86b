//! What both support vector machines share: how alike a row and a support vector are.
//!
//! In: the kernel's attributes. Out: the kernel's value for two vectors, in float32.

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Linear,
    Poly,
    Rbf,
    Sigmoid,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct SvmKernel {
    kind: Kind,
    gamma: f32,
    coef0: f32,
    degree: f32,
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl SvmKernel {
    pub(super) const LINEAR: Self =
        Self { kind: Kind::Linear, gamma: 0.0, coef0: 0.0, degree: 0.0 };

    pub(super) fn of(node: &NodeProto) -> TractResult<Self> {
        let kind: Option<&str> = node.get_attr_opt("kernel_type")?;
        let kind = match kind.unwrap_or("LINEAR") {
            "LINEAR" => Kind::Linear,
            "POLY" => Kind::Poly,
            "RBF" => Kind::Rbf,
            "SIGMOID" => Kind::Sigmoid,
            other => bail!("kernel_type {other} is unknown"),
        };
        let params = node.get_attr_opt_slice::<f32>("kernel_params")?.unwrap_or_default();
        Ok(match *params {
            [] => Self { kind, ..Self::LINEAR },
            [gamma, coef0, degree] => Self { kind, gamma, coef0, degree },
            _ => bail!("it has {} kernel_params instead of 3", params.len()),
        })
    }

    pub(super) fn apply(&self, a: &[f32], b: &[f32]) -> f32 {
        let affine = || self.gamma * dot(a, b) + self.coef0;
        match self.kind {
            Kind::Linear => dot(a, b),
            Kind::Poly => affine().powf(self.degree),
            Kind::Sigmoid => affine().tanh(),
            Kind::Rbf => {
                let distance: f32 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
                (-self.gamma * distance).exp()
            }
        }
    }
}

/// The rows of a table as float32.
pub(super) fn float_rows(input: &Tensor) -> TractResult<(usize, usize, Cow<'_, Tensor>)> {
    let (rows, columns) = super::kernel::table(input.shape())?;
    Ok((rows, columns, input.cast_to::<f32>()?))
}
