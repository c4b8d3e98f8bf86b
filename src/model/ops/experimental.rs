//! Operators that ONNX had as experiments, which converters of its first years wrote and ONNX Runtime runs: `Affine`, `Crop`,
//! `DynamicSlice`, `ImageScaler`, `ParametricSoftplus`, `Scale`, `ScaledTanh`.
//!
//! In: one tensor. Out: the same, scaled and moved, cut, or through an activation. Their definitions are those of ONNX Runtime's
//! kernels (onnxruntime/core/providers/cpu, `contrib_ops`).

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered, part};

fn float(node: &NodeProto, name: &str, default: f32) -> TractResult<f32> {
    Ok(node.get_attr_opt(name)?.unwrap_or(default))
}

/// `alpha * x + beta`
pub(super) fn affine(_: &ParsingContext, node: &NodeProto) -> Built {
    let (alpha, beta) = (float(node, "alpha", 1.)?, float(node, "beta", 0.)?);
    lowered(node, move |g, inputs| {
        let x = g.scaled(inputs.need(0)?, alpha)?;
        let beta = g.like(x, beta)?;
        Ok(tvec!(g.add(x, beta)?))
    })
}

/// A picture `[batch, channels, height, width]` without its border, or of a size from a corner on.
pub(super) fn crop(_: &ParsingContext, node: &NodeProto) -> Built {
    let border: Vec<usize> = node.get_attr_vec("border")?;
    let size: Vec<usize> = node.get_attr_opt_vec("scale")?.unwrap_or_default();
    ensure!(border.len() == 4, "a border of {} sides", border.len());
    ensure!(size.is_empty() || size.len() == 2, "a scale of {} sides", size.len());
    lowered(node, move |g, inputs| {
        let mut x = inputs.need(0)?;
        let shape = g.lengths(x)?;
        ensure!(shape.len() == 4, "a picture of {} axes", shape.len());
        // The border is left, top, right, bottom.
        for (axis, before, behind) in [(2, border[1], border[3]), (3, border[0], border[2])] {
            let end = match size.get(axis - 2) {
                Some(size) => before.checked_add(*size),
                None => shape[axis].checked_sub(behind),
            };
            let end = end.filter(|end| (before..=shape[axis]).contains(end));
            let end = end.with_context(|| format!("nothing is left of {} pixels", shape[axis]))?;
            x = g.slice(x, axis, before.to_dim(), end.to_dim())?;
        }
        Ok(tvec!(x))
    })
}

/// `scale * x`
pub(super) fn scale(_: &ParsingContext, node: &NodeProto) -> Built {
    let scale = float(node, "scale", 1.)?;
    lowered(node, move |g, inputs| Ok(tvec!(g.scaled(inputs.need(0)?, scale)?)))
}

/// `scale * x + bias`, with a bias for each channel.
pub(super) fn image_scaler(_: &ParsingContext, node: &NodeProto) -> Built {
    let scale = float(node, "scale", 1.)?;
    let bias: Vec<f32> = node.get_attr_opt_vec("bias")?.unwrap_or_default();
    lowered(node, move |g, inputs| {
        let x = g.scaled(inputs.need(0)?, scale)?;
        let shape = g.lengths(x)?;
        ensure!(shape.len() == 4, "a picture of {} axes", shape.len());
        ensure!(bias.len() == shape[1], "{} biases of {} channels", bias.len(), shape[1]);
        let bias = Tensor::from_shape(&[1, bias.len(), 1, 1], &bias)?;
        let bias = g.constant(bias.cast_to_dt(g.dtype(x)?)?.into_owned())?;
        Ok(tvec!(g.add(x, bias)?))
    })
}

/// `alpha * ln(exp(beta * x) + 1)`
pub(super) fn parametric_softplus(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let (alpha, beta) = (float(node, "alpha", 1.)?, float(node, "beta", 1.)?);
    let softplus = part(ctx, node, "Softplus", 1)?;
    lowered(node, move |g, inputs| {
        let x = g.scaled(inputs.need(0)?, beta)?;
        let y = g.part(&softplus, &[x])?;
        Ok(tvec!(g.scaled(y, alpha)?))
    })
}

/// `alpha * tanh(beta * x)`
pub(super) fn scaled_tanh(_: &ParsingContext, node: &NodeProto) -> Built {
    let (alpha, beta) = (float(node, "alpha", 1.)?, float(node, "beta", 1.)?);
    lowered(node, move |g, inputs| {
        let x = g.scaled(inputs.need(0)?, beta)?;
        let y = g.op(math::tanh(), &[x])?;
        Ok(tvec!(g.scaled(y, alpha)?))
    })
}
