//! com.microsoft's normalised sums: `EmbedLayerNormalization`, the first layer of BERT, `QEmbedLayerNormalization`, the
//! same of eight bits, and `SkipLayerNormalization` and `SkipSimplifiedLayerNormalization`, its later ones.
//!
//! In: tables and indices, or two hidden states. Out: the sum, normalised over the last axis, and the
//! sum itself. (The importer drops the bias of the simplified one, takes the wrong input where beta
//! is absent, and has another default for epsilon.)

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::MultiBroadcastTo;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::Reducer;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, Inputs, lowered};
use super::wires::Wires;

pub(super) fn embed(_: &ParsingContext, node: &NodeProto) -> Built {
    let epsilon = node.get_attr_opt("epsilon")?.unwrap_or(1e-12f32);
    lowered(node, move |g, inputs| embedded(g, inputs, inputs.get(8), epsilon, |_, x, _| Ok(x)))
}

/// The same of eight bits: behind the mask there are a scale for each table, gamma and beta, and then their zero points.
pub(super) fn embed_quantized(_: &ParsingContext, node: &NodeProto) -> Built {
    let epsilon = node.get_attr_opt("epsilon")?.unwrap_or(1e-12f32);
    lowered(node, move |g, inputs| {
        embedded(g, inputs, None, epsilon, |g, x, of| {
            let (scale, zero) = (inputs.need(of + 6)?, inputs.need(of + 11)?);
            let (scale, zero) = (g.parameter(scale)?, g.parameter(zero)?);
            let (x, zero) = (g.f32(x)?, g.f32(zero)?);
            let x = g.sub(x, zero)?;
            g.mul(x, scale)
        })
    })
}

/// `real` makes numbers of what is read of an input.
fn embedded(
    g: &mut Wires<'_>,
    inputs: &Inputs,
    places: Option<OutletId>,
    epsilon: f32,
    real: impl Fn(&mut Wires<'_>, OutletId, usize) -> TractResult<OutletId>,
) -> TractResult<TVec<OutletId>> {
    let ids = inputs.need(0)?;
    let shape = g.shape(ids)?;
    ensure!(shape.len() == 2, "the token indices have {} axes instead of 2", shape.len());
    let words = gather(g, inputs.need(2)?, ids)?;
    let mut sum = real(g, words, 2)?;
    let positions = inputs.need(3)?;
    let at = match places {
        Some(at) => gather(g, positions, at)?,
        None => {
            let at = g.slice(positions, 0, 0.to_dim(), shape[1].clone())?;
            g.add_axis(at, 0)?
        }
    };
    let at = real(g, at, 3)?;
    sum = g.add(sum, at)?;
    if let Some(table) = inputs.get(4) {
        // Without segment indices all are in segment 0.
        let segment = match inputs.get(1) {
            Some(ids) => gather(g, table, ids)?,
            None => g.slice(table, 0, 0.to_dim(), 1.to_dim())?,
        };
        let segment = real(g, segment, 4)?;
        sum = g.add(sum, segment)?;
    }
    let (gamma, beta) = (inputs.need(5)?, inputs.need(6)?);
    let (gamma, beta) = (real(g, gamma, 5)?, real(g, beta, 6)?);
    let [y, _, _] = normalize(g, sum, gamma, Some(beta), true, epsilon)?;
    let kept = match inputs.get(7) {
        Some(mask) => {
            let mask = g.cast(mask, DatumType::I32)?;
            let kept = g.reduce(mask, Reducer::Sum, &[1])?;
            g.remove_axis(kept, 1)?
        }
        None => {
            let zero = g.constant(tensor1(&[0i32]))?;
            let shape = ShapeFact::from_dims([shape[0].clone()]);
            g.op(MultiBroadcastTo::new(shape), &[zero])?
        }
    };
    Ok(tvec!(y, kept, sum))
}

fn gather(g: &mut Wires<'_>, table: OutletId, at: OutletId) -> TractResult<OutletId> {
    let at = g.cast(at, DatumType::I64)?;
    g.gather(0, table, at)
}

pub(super) fn skip(_: &ParsingContext, node: &NodeProto) -> Built {
    let epsilon = node.get_attr_opt("epsilon")?.unwrap_or(1e-12f32);
    lowered(node, move |g, inputs| {
        let mut sum = g.add(inputs.need(0)?, inputs.need(1)?)?;
        if let Some(bias) = inputs.get(4) {
            sum = g.add(sum, bias)?;
        }
        let [y, mean, inverse] = normalize(g, sum, inputs.need(2)?, inputs.get(3), true, epsilon)?;
        Ok(tvec!(y, mean, inverse, sum))
    })
}

pub(super) fn skip_simplified(_: &ParsingContext, node: &NodeProto) -> Built {
    let epsilon = node.get_attr_opt("epsilon")?.unwrap_or(1e-12f32);
    lowered(node, move |g, inputs| {
        let mut sum = g.add(inputs.need(0)?, inputs.need(1)?)?;
        if let Some(bias) = inputs.get(3) {
            sum = g.add(sum, bias)?;
        }
        let [y, mean, inverse] = normalize(g, sum, inputs.need(2)?, None, false, epsilon)?;
        Ok(tvec!(y, mean, inverse, sum))
    })
}

/// Normalises over the last axis, less the mean where `centre`; gives also mean and the inverse of
/// the deviation.
fn normalize(
    g: &mut Wires<'_>,
    x: OutletId,
    gamma: OutletId,
    beta: Option<OutletId>,
    centre: bool,
    epsilon: f32,
) -> TractResult<[OutletId; 3]> {
    let dtype = g.dtype(x)?;
    let mut x = g.f32(x)?;
    let last = g.rank(x)?.checked_sub(1).context("a scalar has no last axis")?;
    let width = g.shape(x)?[last].to_usize()?.max(1) as f32;
    let sum = g.reduce(x, Reducer::Sum, &[last])?;
    let mean = g.scaled(sum, 1. / width)?;
    if centre {
        x = g.sub(x, mean)?;
    }
    let squares = g.op(math::square(), &[x])?;
    let squares = g.reduce(squares, Reducer::Sum, &[last])?;
    let variance = g.scaled(squares, 1. / width)?;
    let epsilon = g.scalar(epsilon)?;
    let variance = g.add(variance, epsilon)?;
    let deviation = g.op(math::sqrt(), &[variance])?;
    let inverse = g.op(math::recip(), &[deviation])?;
    let mut y = g.mul(x, inverse)?;
    let gamma = g.f32(gamma)?;
    y = g.mul(y, gamma)?;
    if let Some(beta) = beta {
        let beta = g.f32(beta)?;
        y = g.add(y, beta)?;
    }
    Ok([g.cast(y, dtype)?, mean, inverse])
}
