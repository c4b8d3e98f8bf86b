//! Normalisations of layers and of planes become one operator.
//!
//! In: a canonical graph, in which the engine has found what is divided by the root of a mean of squares along one axis.
//! Out: [`Normalisation`] of that and of what is over several axes, as planes of an instance normalisation are, with what
//! is taken off before that, the mean, and with the scale and the shift of columns that follow. Those of channels are
//! left to the chains, which take in what else follows.

use nearside_kernels::norm::Norm;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math::{Add, Mul, Rsqrt, Sub};
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
    rule_if_some!(found = found(model, node)?);
    let Found { divided, axis, epsilon, last } = found;
    let fact = model.outlet_fact(divided)?;
    rule_if!(fact.datum_type == DatumType::F32);
    rule_if_some!(trailing = fact.shape.get(axis..));
    rule_if_some!(
        trailing = trailing.iter().map(|d| d.to_usize().ok()).collect::<Option<Vec<_>>>()
    );
    rule_if!(!trailing.is_empty() && trailing.iter().all(|d| *d > 0));
    let centred = without_mean(model, divided, axis, &trailing)?;
    let (norm, input) = match centred {
        Some(input) => (Norm::Deviation, input),
        None => (Norm::MeanSquare, divided),
    };
    let scale = column_after::<Mul>(model, last, &trailing)?;
    let last = scale.as_ref().map_or(last, |(next, _)| next);
    let shift = column_after::<Add>(model, last, &trailing)?;
    let last = shift.as_ref().map_or(last, |(next, _)| next);
    let op = Normalisation {
        norm,
        axis,
        epsilon,
        scale: scale.as_ref().map(|(_, values)| values.clone()),
        shift: shift.as_ref().map(|(_, values)| values.clone()),
    };
    let mut patch = TypedModelPatch::default();
    let input = patch.tap_model(model, input)?;
    let wire = patch.wire_node(&last.name, op, &[input])?;
    patch.shunt_outside(model, last.id.into(), wire[0])?;
    Ok(Some(patch))
}

/// Something over the root of its mean of squares.
struct Found<'m> {
    divided: OutletId,
    /// The first of the axes that have a mean, which are all from there on.
    axis: usize,
    epsilon: f32,
    last: &'m TypedNode,
}

/// What begins at this node: as the engine found it over one axis, or over several, which it leaves as they are written.
fn found<'m>(model: &'m TypedModel, node: &'m TypedNode) -> TractResult<Option<Found<'m>>> {
    if let Some(rms) = node.op_as::<RmsNorm>() {
        let last_axis = model.outlet_fact(node.inputs[0])?.rank() == rms.axis + 1;
        let found = || -> TractResult<Found<'m>> {
            let epsilon = rms.eps.number()?;
            Ok(Found { divided: node.inputs[0], axis: rms.axis, epsilon, last: node })
        };
        return last_axis.then(found).transpose();
    }
    rule_if_some!(mean = node.op_as::<Reduce>());
    rule_if!(mean.reducer == Reducer::MeanOfSquares && mean.axes.len() > 1);
    let (divided, axis) = (node.inputs[0], mean.axes[0]);
    rule_if!(mean.axes.iter().copied().eq(axis..model.outlet_fact(divided)?.rank()));
    rule_if_some!(sum = only_reader(model, node)?);
    rule_if!(is::<Add>(sum));
    rule_if_some!(epsilon = other_input(sum, node));
    rule_if_some!(epsilon = model.outlet_fact(epsilon)?.konst.clone());
    rule_if!(epsilon.len() == 1 && epsilon.datum_type() == DatumType::F32);
    rule_if_some!(root = only_reader(model, sum)?);
    rule_if!(root.op_as::<ElementWiseOp>().is_some_and(|op| op.0.is::<Rsqrt>()));
    rule_if_some!(last = only_reader(model, root)?);
    rule_if!(is::<Mul>(last) && other_input(last, root) == Some(divided));
    Ok(Some(Found { divided, axis, epsilon: epsilon.number()?, last }))
}

/// What alone reads a node, which is nothing that the model gives.
fn only_reader<'m>(model: &'m TypedModel, node: &TypedNode) -> TractResult<Option<&'m TypedNode>> {
    rule_if!(!model.outputs.contains(&node.id.into()));
    model.single_succ(node.id)
}

/// What an operator of two inputs reads beside a node.
fn other_input(of: &TypedNode, node: &TypedNode) -> Option<OutletId> {
    of.inputs.iter().find(|input| input.node != node.id).copied()
}

/// `x`, where the outlet is `x` less its mean along the trailing axes.
fn without_mean(
    model: &TypedModel,
    outlet: OutletId,
    axis: usize,
    trailing: &[usize],
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
    let width = trailing.iter().fold(1., |n, d| n * *d as f32);
    rule_if!((factor.number::<f32>()? * width - 1.).abs() < 1e-6);
    let sum = model.node(sum.node);
    rule_if_some!(reduce = sum.op_as::<Reduce>());
    rule_if!(reduce.reducer == Reducer::Sum && sum.inputs[0] == x);
    rule_if!(reduce.axes.iter().copied().eq(axis..axis + trailing.len()));
    Ok(Some(x))
}

fn is<Op: tract_onnx::tract_core::ops::binary::BinMiniOp>(node: &TypedNode) -> bool {
    node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Op>() && op.1.is_none())
}

/// The only reader of a node, if it combines that with a constant that has one value for each column.
fn column_after<'m, Op: tract_onnx::tract_core::ops::binary::BinMiniOp>(
    model: &'m TypedModel,
    node: &TypedNode,
    trailing: &[usize],
) -> TractResult<Option<(&'m TypedNode, Vec<f32>)>> {
    rule_if_some!(next = only_reader(model, node)?);
    rule_if!(is::<Op>(next));
    rule_if!(model.outlet_fact(next.id.into())?.shape == model.outlet_fact(node.id.into())?.shape);
    rule_if_some!(other = other_input(next, node));
    rule_if_some!(konst = model.outlet_fact(other)?.konst.clone());
    rule_if!(konst.datum_type() == DatumType::F32 && konst.shape().ends_with(trailing));
    rule_if!(konst.len() == trailing.iter().product::<usize>());
    let values = konst.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
    Ok(Some((next, values)))
}
