//! `BatchNormalization` in training mode; other forms are handed on.
//!
//! In: a batch, scale, bias, and the running mean and variance. Out: the batch normalised by its own mean
//! and variance, and the running ones moved towards them.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::Reducer;
use tract_onnx::tract_hir::internal::*;

use super::either::like_first;
use super::lower::{Built, lowered};
use super::wires::Wires;

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    if node.get_attr_opt("training_mode")?.unwrap_or(0i64) == 0 {
        // The engine's own takes constants only, and a channel axis.
        let constant = |inputs: &[&TypedFact]| {
            inputs[0].rank() > 1 && inputs[1..].iter().all(|f| f.konst.is_some())
        };
        return like_first(super::theirs(ctx, node)?, super::small::batch_norm(node)?, constant);
    }
    let epsilon: f32 = node.get_attr_opt("epsilon")?.unwrap_or(1e-5);
    let momentum: f32 = node.get_attr_opt("momentum")?.unwrap_or(0.9);
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let rank = g.rank(x)?;
        ensure!(rank >= 2, "a batch and a channel axis are needed");
        let (dtype, shape) = (g.dtype(x)?, g.lengths(x)?);
        ensure!(dtype.is_float(), "a norm of {dtype:?}");
        let wide = if dtype == DatumType::F64 { dtype } else { DatumType::F32 };
        let axes: Vec<usize> = (0..rank).filter(|axis| *axis != 1).collect();
        let count: usize = axes.iter().map(|axis| shape[*axis]).product();
        // The parameters, each over its channel.
        let mut parameters = tvec!();
        for at in 1..5 {
            let parameter = inputs.need(at)?;
            ensure!(g.lengths(parameter)?[..] == shape[1..2], "one parameter for each channel");
            let mut parameter = g.cast(parameter, wide)?;
            for _ in 2..rank {
                parameter = g.add_axis(parameter, 1)?;
            }
            parameters.push(g.add_axis(parameter, 0)?);
        }
        let x = g.cast(x, wide)?;
        let count = g.constant(tensor0(count as f64).cast_to_dt(wide)?.into_owned())?;
        let mean = |g: &mut Wires<'_>, x| {
            let sum = g.reduce(x, Reducer::Sum, &axes)?;
            g.binary(math::div(), sum, count)
        };
        let own = mean(g, x)?;
        let x = g.sub(x, own)?;
        let squares = g.op(math::square(), &[x])?;
        let spread = mean(g, squares)?;
        let least = g.like(spread, epsilon)?;
        let norm = g.add(spread, least)?;
        let norm = g.op(math::sqrt(), &[norm])?;
        let factor = g.binary(math::div(), parameters[0], norm)?;
        let y = g.mul(x, factor)?;
        let y = g.add(y, parameters[1])?;
        let mut outputs = tvec!(g.cast(y, dtype)?);
        for (at, (running, own)) in
            [(parameters[2], own), (parameters[3], spread)].into_iter().enumerate()
        {
            let kept = g.scaled(running, momentum)?;
            let new = g.scaled(own, 1. - momentum)?;
            let mut moved = g.add(kept, new)?;
            for axis in axes.iter().rev() {
                moved = g.remove_axis(moved, *axis)?;
            }
            outputs.push(g.cast(moved, g.dtype(inputs.need(3 + at)?)?)?);
        }
        Ok(outputs)
    })
}
