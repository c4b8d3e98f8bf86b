//! com.microsoft's fusions of an operator with what follows it: taken apart again.
//!
//! In: `FusedConv`, `FusedGemm`, `FusedMatMul`, `TransposeMatMul`. Out: the operator, the scaling,
//! the addition and the activation, which the engine's optimiser fuses its own way.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{AttributeProto, NodeProto};
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::{leaky_relu, sigmoid};
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered, part, their_part};
use super::small::Gemm;
use super::wires::Wires;

/// A named activation with its parameters.
#[derive(Clone, Copy)]
enum Activation {
    None,
    Relu,
    Tanh,
    Sigmoid,
    LeakyRelu(f32),
    Clip(f32, f32),
    HardSigmoid(f32, f32),
}

impl Activation {
    /// `parameters` as the operator gives them; one left out has ONNX's default.
    fn named(name: Option<&str>, parameters: &[f32]) -> TractResult<Self> {
        let parameter = |at: usize, default: f32| parameters.get(at).copied().unwrap_or(default);
        Ok(match name {
            None | Some("") => Activation::None,
            Some("Relu") => Activation::Relu,
            Some("Tanh") => Activation::Tanh,
            Some("Sigmoid") => Activation::Sigmoid,
            Some("LeakyRelu") => Activation::LeakyRelu(parameter(0, 0.01)),
            Some("Clip") => Activation::Clip(parameter(0, f32::MIN), parameter(1, f32::MAX)),
            Some("HardSigmoid") => Activation::HardSigmoid(parameter(0, 0.2), parameter(1, 0.5)),
            Some(other) => bail!("the activation {other} is not supported"),
        })
    }

    fn apply(self, g: &mut Wires<'_>, x: OutletId) -> TractResult<OutletId> {
        match self {
            Activation::None => Ok(x),
            Activation::Relu => g.clip(x, Some(0.), None),
            Activation::Tanh => g.op(math::tanh(), &[x]),
            Activation::Sigmoid => g.op(sigmoid(), &[x]),
            Activation::LeakyRelu(alpha) => g.op(leaky_relu(alpha), &[x]),
            Activation::Clip(low, high) => g.clip(x, Some(low), Some(high)),
            Activation::HardSigmoid(alpha, beta) => {
                let x = g.scaled(x, alpha)?;
                let beta = g.like(x, beta)?;
                let x = g.add(x, beta)?;
                g.clip(x, Some(0.), Some(1.))
            }
        }
    }
}

pub(super) fn conv(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let parameters: Vec<f32> = node.get_attr_opt_vec("activation_params")?.unwrap_or_default();
    let activation = Activation::named(node.get_attr_opt("activation")?, &parameters)?;
    let plain = part(ctx, node, "Conv", 2)?;
    let biased = part(ctx, node, "Conv", 3)?;
    lowered(node, move |g, inputs| {
        let (x, w) = (inputs.need(0)?, inputs.need(1)?);
        let mut y = match inputs.get(2) {
            Some(bias) => g.part(&biased, &[x, w, bias])?,
            None => g.part(&plain, &[x, w])?,
        };
        if let Some(z) = inputs.get(3) {
            y = g.add(y, z)?;
        }
        Ok(tvec!(activation.apply(g, y)?))
    })
}

/// Its activation may be any function of ONNX's, whose attributes are its own behind `activation_`.
pub(super) fn gemm(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let gemm = Gemm::of(node)?;
    let after = match node.get_attr_opt("activation")?.unwrap_or("") {
        "" => None,
        name @ ("Elu" | "HardSigmoid" | "HardSwish" | "LeakyRelu" | "Relu" | "Selu" | "Sigmoid"
        | "Softplus" | "Softsign" | "Tanh" | "ThresholdedRelu") => {
            let its = |a: &AttributeProto| {
                let name = a.name.strip_prefix("activation_")?.to_owned();
                Some(AttributeProto { name, ..a.clone() })
            };
            let attribute = node.attribute.iter().filter_map(its).collect();
            let node = NodeProto { attribute, ..node.clone() };
            // Of these ours is for what a product is not.
            let theirs = ["Relu", "Sigmoid"].contains(&name);
            let after = if theirs { their_part } else { part };
            Some(after(ctx, &node, name, 1)?)
        }
        other => bail!("the activation {other} is not supported"),
    };
    lowered(node, move |g, inputs| {
        let y = gemm.wire(g, inputs)?;
        Ok(tvec!(match &after {
            Some(after) => g.part(after, &[y])?,
            None => y,
        }))
    })
}

pub(super) fn matmul(_: &ParsingContext, node: &NodeProto) -> Built {
    let flag = |name: &str| Ok(node.get_attr_opt(name)?.unwrap_or(false)) as TractResult<bool>;
    let alpha = node.get_attr_opt("alpha")?.unwrap_or(1f32);
    let transposed = (flag("transA")?, flag("transB")?);
    let batch = (flag("transBatchA")?, flag("transBatchB")?);
    lowered(node, move |g, inputs| {
        let a = batch_innermost(g, inputs.need(0)?, batch.0)?;
        let b = batch_innermost(g, inputs.need(1)?, batch.1)?;
        // A vector has nothing to transpose.
        let flip = |flag: bool, rank: usize| flag && rank > 1;
        let (flip_a, flip_b) = (flip(transposed.0, g.rank(a)?), flip(transposed.1, g.rank(b)?));
        let y = g.matmul(a, b, flip_a, flip_b)?;
        Ok(tvec!(g.scaled(y, alpha)?))
    })
}

/// With `transBatch` the batch axes lie between the two of the matrix: `[m, batch…, k]`.
fn batch_innermost(g: &mut Wires<'_>, x: OutletId, flag: bool) -> TractResult<OutletId> {
    let rank = g.rank(x)?;
    if flag && rank > 2 { g.move_axis(x, 0, rank - 2) } else { Ok(x) }
}
