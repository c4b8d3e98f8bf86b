//! Divisions whose last bit decides.
//!
//! In: a graph. Out: the same, with [`Quotient`] in place of divisions of floats that end in a rounding,
//! a comparison or a cast to integers. The engine's optimiser makes a product with the reciprocal of
//! every division, which other operators take in; it is off in the last bit, and where a step
//! follows, by a whole step.

use std::collections::HashSet;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;

use crate::model::ops::Quotient;

/// Operators, by the engine's name, whose results jump.
const STEPS: &[&str] = &[
    "Ceil",
    "Eq",
    "Floor",
    "GT",
    "GTE",
    "LT",
    "LTE",
    "NE",
    "Rem",
    "Round",
    "RoundHalfToEven",
    "RoundTo",
    "Sign",
];
/// Operators that pass every bit on.
const PASSES: &[&str] =
    &["Concat", "Gather", "Iff", "MultiBroadcastTo", "Pad", "Quotient", "Slice"];

/// How many operators between a division and a step are looked through.
const REACH: usize = 12;

pub(super) fn division(mut model: TypedModel) -> TractResult<TypedModel> {
    let exact: Vec<usize> = model
        .nodes()
        .iter()
        .filter(|n| is_division(n) && meets_a_step(&model, n.id))
        .map(|n| n.id)
        .collect();
    for id in exact {
        model.node_mut(id).op = Box::new(Quotient);
    }
    Ok(model)
}

fn is_division(node: &TypedNode) -> bool {
    let float = matches!(node.outputs[0].fact.datum_type, DatumType::F32 | DatumType::F64);
    float && node.op_as::<TypedBinOp>().is_some_and(|op| op.0.name() == "Div" && op.1.is_none())
}

fn meets_a_step(model: &TypedModel, division: usize) -> bool {
    let mut seen = HashSet::new();
    let mut next = vec![division];
    for _ in 0..REACH {
        let readers = next.drain(..).flat_map(|id| &model.node(id).outputs);
        let readers = readers.flat_map(|o| &o.successors).map(|inlet| inlet.node);
        for reader in readers.collect::<Vec<_>>() {
            if !seen.insert(reader) {
                continue;
            }
            let node = model.node(reader);
            let name = node.op.name();
            let to_integer = name == "Cast" && !node.outputs[0].fact.datum_type.is_float();
            if to_integer || STEPS.contains(&&*name) {
                return true;
            }
            let passes = node.op_is::<ElementWiseOp>()
                || node.op_is::<TypedBinOp>()
                || node.op_is::<AxisOp>()
                || name == "Cast"
                || PASSES.contains(&&*name);
            if passes {
                next.push(reader);
            }
        }
    }
    false
}
