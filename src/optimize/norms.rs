//! Layer normalisations become one operator.
//!
//! In: a canonical graph, in which the engine has found what is divided by the root of a mean of squares. Out:
//! [`Normalisation`], with what is taken off before that, the mean, and with the scale and the shift that follow.

use nearside_kernels::norm::Norm;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::math::{Add, Mul, Sub};
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer, RmsNorm};

use crate::cpu::norm::Normalisation;
use crate::scalar::Scalar as _;

/// All of them in a graph that the engine's optimiser is done with.
#[cfg(feature = "gpu")]
pub(crate) fn norms(model: &mut TypedModel) -> TractResult<()> {
    for id in model.eval_order()? {
        if let Some(patch) = normalisation(model, model.node(id))? {
            patch.apply(model)?;
        }
    }
    // What the patches replaced is still there, without effect.
    model.compact()?;
    Ok(())
}

pub(super) fn normalisation(
    model: &TypedModel,
    node: &TypedNode,
) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!(rms = node.op_as::<RmsNorm>());
    let fact = model.outlet_fact(node.id.into())?;
    let Some((width, rows)) = fact.shape.split_last() else { return Ok(None) };
    let Ok(width) = width.to_usize() else { return Ok(None) };
    rule_if!(fact.datum_type == DatumType::F32 && rms.axis == rows.len() && width > 0);
    let centred = without_mean(model, node.inputs[0], rms.axis, width)?;
    let (norm, input) = match centred {
        Some(input) => (Norm::Deviation, input),
        None => (Norm::MeanSquare, node.inputs[0]),
    };
    let scale = column_after::<Mul>(model, node, width)?;
    let last = scale.as_ref().map_or(node, |(next, _)| next);
    let shift = column_after::<Add>(model, last, width)?;
    let last = shift.as_ref().map_or(last, |(next, _)| next);
    let op = Normalisation {
        norm,
        epsilon: rms.eps.number()?,
        scale: scale.as_ref().map(|(_, values)| values.clone()),
        shift: shift.as_ref().map(|(_, values)| values.clone()),
    };
    let mut patch = TypedModelPatch::default();
    let input = patch.tap_model(model, input)?;
    let wire = patch.wire_node(&last.name, op, &[input])?;
    patch.shunt_outside(model, last.id.into(), wire[0])?;
    Ok(Some(patch))
}

/// `x`, where the outlet is `x` less its mean along the axis.
fn without_mean(
    model: &TypedModel,
    outlet: OutletId,
    axis: usize,
    width: usize,
) -> TractResult<Option<OutletId>> {
    let node = model.node(outlet.node);
    rule_if!(is::<Sub>(node));
    let (x, mean) = (node.inputs[0], model.node(node.inputs[1].node));
    rule_if!(is::<Mul>(mean));
    let konst = |input: &OutletId| model.outlet_fact(*input).map(|f| f.konst.clone());
    let factors = [konst(&mean.inputs[0])?, konst(&mean.inputs[1])?];
    let (factor, sum) = match factors {
        [Some(factor), None] => (factor, mean.inputs[1]),
        [None, Some(factor)] => (factor, mean.inputs[0]),
        _ => return Ok(None),
    };
    rule_if!(factor.len() == 1);
    rule_if!((factor.number::<f32>()? * width as f32 - 1.).abs() < 1e-6);
    let sum = model.node(sum.node);
    rule_if_some!(reduce = sum.op_as::<Reduce>());
    rule_if!(reduce.reducer == Reducer::Sum && reduce.axes[..] == [axis] && sum.inputs[0] == x);
    Ok(Some(x))
}

fn is<Op: tract_onnx::tract_core::ops::binary::BinMiniOp>(node: &TypedNode) -> bool {
    node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Op>() && op.1.is_none())
}

/// The only reader of a node, if it combines that with a constant that has one value for each column.
fn column_after<'m, Op: tract_onnx::tract_core::ops::binary::BinMiniOp>(
    model: &'m TypedModel,
    node: &TypedNode,
    width: usize,
) -> TractResult<Option<(&'m TypedNode, Vec<f32>)>> {
    let outlet = OutletId::new(node.id, 0);
    rule_if!(!model.outputs.contains(&outlet));
    rule_if_some!(next = model.single_succ(node.id)?);
    rule_if!(is::<Op>(next));
    rule_if!(model.outlet_fact(next.id.into())?.shape == model.outlet_fact(outlet)?.shape);
    rule_if_some!(other = next.inputs.iter().find(|i| **i != outlet));
    rule_if_some!(konst = model.outlet_fact(*other)?.konst.clone());
    rule_if!(konst.datum_type() == DatumType::F32 && konst.len() == width);
    rule_if!(konst.shape().last() == Some(&width));
    let values = konst.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
    Ok(Some((next, values)))
}
