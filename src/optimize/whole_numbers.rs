//! Arithmetic of int64 and of truth becomes ours.
//!
//! In: the engine's binary operators of int64 or bool and concrete shapes. Out: [`Integers`] where each operand has the output's
//! shape, or is one number, or one tensor again and again; the others stay.

use nearside_kernels::pointwise::Repeat;
use nearside_kernels::whole::Whole;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;

use super::chains::repeat;
use crate::cpu::whole::Integers;
use crate::cpu::work::Working;

/// By the engine's name.
const OPERATORS: &[(&str, Whole)] = &[
    ("Add", Whole::Add),
    ("Div", Whole::Div),
    ("Max", Whole::Max),
    ("Min", Whole::Min),
    ("Mul", Whole::Mul),
    ("OrderedRem", Whole::Rem),
    ("Rem", Whole::Rem),
    ("Sub", Whole::Sub),
];
/// Elements below which an operator costs what it costs by itself.
const LEAST: usize = 32;

pub(super) fn whole_numbers(
    model: &TypedModel,
    node: &TypedNode,
) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!(op = node.op_as::<TypedBinOp>());
    let out = &node.outputs[0].fact;
    rule_if!(op.1.is_none() && node.inputs.len() == 2);
    let known = OPERATORS.iter().find(|(name, _)| *name == op.0.name());
    let work = match (known, out.datum_type, op.0.name()) {
        (Some((_, whole)), DatumType::I64, _) => Integers::Whole(*whole),
        (_, DatumType::Bool, "And") => Integers::And,
        (_, DatumType::Bool, "Or") => Integers::Or,
        _ => return Ok(None),
    };
    rule_if_some!(shape = out.shape.as_concrete());
    rule_if!(shape.iter().product::<usize>() >= LEAST);
    for input in &node.inputs {
        let fact = model.outlet_fact(*input)?;
        rule_if_some!(x = fact.shape.as_concrete());
        rule_if!(fact.datum_type == out.datum_type && fact.exotic_fact.is_none());
        rule_if!(matches!(repeat(x, shape), Some(Repeat::Never | Repeat::Each(1))));
    }
    Working::instead(node, work).patch(model, node, &node.inputs)
}
