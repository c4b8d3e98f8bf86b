//! The hard swish where it is written out.
//!
//! In: a graph. Out: the same, with the engine's operator in place of `x * clamp(x + 3, 0, 6) / 6`, whatever the order of
//! its factors: exporters write it so for models that are older than the operator. A convolution takes the operator
//! in, while of the six functions it can take none, since `x` is read twice.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::nn::hard_swish;

use super::constant;

pub(super) fn swishes(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        if let Some(patch) = swish(&model, model.node(id))? {
            patch.apply(&mut model)?;
        }
    }
    Ok(model)
}

fn swish(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    let whole = OutletId::new(node.id, 0);
    rule_if!(node.op_is::<TypedBinOp>());
    let fact = model.outlet_fact(whole)?;
    rule_if!(fact.datum_type == DatumType::F32);
    // A sixth of the product, or the product with a sixth.
    let (sides, divided) = match sixth(model, whole)? {
        Some(product) => (times(model, product), true),
        None => (times(model, whole), false),
    };
    rule_if_some!(sides = sides);
    for (x, other) in [(sides[0], sides[1]), (sides[1], sides[0])] {
        let clamped = if divided { Some(other) } else { sixth(model, other)? };
        let Some(clamped) = clamped else { continue };
        let of = model.outlet_fact(x)?;
        let same = of.datum_type == fact.datum_type && of.shape == fact.shape;
        if same && within(model, clamped)? == Some(x) {
            let inputs = [x];
            return TypedModelPatch::replace_single_op(model, node, &inputs, hard_swish())
                .map(Some);
        }
    }
    Ok(None)
}

/// The inputs of a binary operator of this name.
fn inputs_of(model: &TypedModel, outlet: OutletId, name: &str) -> Option<[OutletId; 2]> {
    let node = model.node(outlet.node);
    let op = node.op_as::<TypedBinOp>().filter(|op| op.0.name() == name && op.1.is_none());
    match (op, &node.inputs[..]) {
        (Some(_), [a, b]) => Some([*a, *b]),
        _ => None,
    }
}

fn times(model: &TypedModel, outlet: OutletId) -> Option<[OutletId; 2]> {
    inputs_of(model, outlet, "Mul")
}

/// What an operator of this name does to a single number: the other operand.
fn with(
    model: &TypedModel,
    outlet: OutletId,
    name: &str,
    number: f32,
) -> TractResult<Option<OutletId>> {
    let Some([a, b]) = inputs_of(model, outlet, name) else { return Ok(None) };
    for (other, konst) in [(a, b), (b, a)] {
        let is = constant(model, konst)?
            .filter(|k| k.len() == 1 && k.datum_type() == DatumType::F32)
            .map(|k| k.try_as_plain_ram()?.as_slice::<f32>().map(|k| k.first().copied()))
            .transpose()?
            .flatten()
            .is_some_and(|k| (k - number).abs() <= f32::EPSILON * number.abs());
        // Of a division, by the number.
        if is && (name != "Div" || konst == b) {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

fn sixth(model: &TypedModel, outlet: OutletId) -> TractResult<Option<OutletId>> {
    match with(model, outlet, "Div", 6.)? {
        Some(of) => Ok(Some(of)),
        None => with(model, outlet, "Mul", 1. / 6.),
    }
}

/// `x` of `clamp(x + 3, 0, 6)`.
fn within(model: &TypedModel, outlet: OutletId) -> TractResult<Option<OutletId>> {
    for [(first, bound), (second, other)] in
        [[("Max", 0.), ("Min", 6.)], [("Min", 6.), ("Max", 0.)]]
    {
        let Some(inner) = with(model, outlet, second, other)? else { continue };
        if let Some(sum) = with(model, inner, first, bound)? {
            return with(model, sum, "Add", 3.);
        }
    }
    Ok(None)
}
