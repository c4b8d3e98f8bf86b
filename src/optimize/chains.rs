//! Functions of single elements that follow each other become one operator.
//!
//! In: a decluttered graph, whose convolutions have taken in what they can. Out: [`Pointwise`] for each group of
//! functions of float32 whose intermediate results nobody else reads; it may begin with integers and end in a rounding. A group grows from its last function backwards:
//! one that is read by members of one group alone, and is of the same shape, joins it.

use std::collections::HashMap;

use nearside_kernels::pointwise::{Binary, Function, Operand, Program, Repeat, Unary};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::logic::Iff;
use tract_onnx::tract_core::ops::math::PowConst;
use tract_onnx::tract_core::ops::quant::DequantizeLinearF32;

use crate::cpu::activation_of;
use crate::cpu::pointwise::Pointwise;
use crate::cpu::round_trip::RoundTrip;
use crate::model::ops::{Quotient, RoundTo};
use crate::scalar::Scalar as _;

/// Elements below which an operator costs what it costs by itself.
const LEAST: usize = 32;
/// Functions of a group: their intermediate values share the nearest cache.
const MOST: usize = 16;

/// What may become float32 on the way.
const INTEGERS: &[DatumType] = &[DatumType::U8, DatumType::I8, DatumType::I32];

/// By the engine's name.
const UNARY: &[(&str, Unary)] = &[
    ("Abs", Unary::Abs),
    ("Erf", Unary::Erf),
    ("Exp", Unary::Exp),
    ("Neg", Unary::Neg),
    ("Recip", Unary::Reciprocal),
    ("Rsqrt", Unary::Rsqrt),
    ("Sqrt", Unary::Sqrt),
    ("Square", Unary::Square),
    ("Tanh", Unary::Tanh),
];
/// By the engine's name, and whether the operands change places.
const BINARY: &[(&str, Binary, bool)] = &[
    ("Add", Binary::Add, false),
    ("Div", Binary::Div, false),
    ("GT", Binary::Less, true),
    ("GTE", Binary::LessOrEqual, true),
    ("LT", Binary::Less, false),
    ("LTE", Binary::LessOrEqual, false),
    ("Max", Binary::Max, false),
    ("Min", Binary::Min, false),
    ("Mul", Binary::Mul, false),
    ("Pow", Binary::Power, false),
    ("Sub", Binary::Sub, false),
];

/// What a node computes of its inputs.
#[derive(Clone, Copy)]
enum Kind {
    Unary(Unary),
    Binary(Binary, bool),
    /// By a constant exponent.
    Power(f32),
    Select,
    /// An integer as it is.
    Float,
    /// An integer less a zero point, times a scale.
    Dequantize(i32, f32),
    /// To integers; nothing follows.
    Round,
}

pub(super) fn chains(model: &mut TypedModel) -> TractResult<()> {
    let groups = groups(model)?;
    for (last, members) in groups {
        let op = write(model, &members)?;
        let node = model.node(last);
        if let Some((op, inputs)) = op {
            TypedModelPatch::replace_single_op(model, node, &inputs, op)?.apply(model)?;
        }
    }
    Ok(())
}

/// The members of each group in the order in which they run, by its last one.
fn groups(model: &TypedModel) -> TractResult<Vec<(usize, Vec<usize>)>> {
    let mut group_of: HashMap<usize, usize> = HashMap::new();
    let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
    let order = model.eval_order()?;
    for id in order.iter().rev() {
        let node = model.node(*id);
        if kind(model, node)?.is_none() {
            continue;
        }
        // What rounds is last: its integers are what others read.
        let rounds = node.op_is::<RoundTo>();
        // A choice joins only with its condition, which therefore always does.
        let condition = node.outputs[0].fact.datum_type == DatumType::Bool;
        let joined = readers(model, node)
            .filter(|_| !rounds)
            .and_then(|readers| {
                let groups: Option<Vec<usize>> =
                    readers.iter().map(|r| group_of.get(r).copied()).collect();
                groups.filter(|g| g.windows(2).all(|two| two[0] == two[1]))?.first().copied()
            })
            .filter(|group| {
                shape(model, *group) == shape(model, *id)
                    && members.get(group).is_some_and(|m| condition || m.len() < MOST)
            });
        let group = match joined {
            Some(group) => group,
            None if rounds || node.outputs[0].fact.datum_type == DatumType::F32 => *id,
            None => continue,
        };
        group_of.insert(*id, group);
        members.entry(group).or_default().insert(0, *id);
    }
    let mut groups: Vec<_> = members.into_iter().collect();
    groups.sort_unstable();
    Ok(groups)
}

/// The nodes that read this one's output, unless the model gives it.
fn readers(model: &TypedModel, node: &TypedNode) -> Option<Vec<usize>> {
    let given = model.outputs.iter().any(|o| o.node == node.id);
    (!given).then(|| node.outputs[0].successors.iter().map(|inlet| inlet.node).collect())
}

fn shape(model: &TypedModel, id: usize) -> Option<&[usize]> {
    model.node(id).outputs.first()?.fact.shape.as_concrete()
}

/// What a node computes, if a program can.
fn kind(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Kind>> {
    let kind = if let Some(op) = node.op_as::<ElementWiseOp>() {
        rule_if!(op.1.is_none());
        if let Some(activation) = activation_of(node) {
            Kind::Unary(Unary::Activation(activation))
        } else if let Some(power) = op.0.downcast_ref::<PowConst>() {
            Kind::Power(power.exponent)
        } else {
            let name = op.0.name();
            rule_if_some!(row = UNARY.iter().find(|(known, _)| *known == name));
            Kind::Unary(row.1)
        }
    } else if let Some(op) = node.op_as::<TypedBinOp>() {
        rule_if!(op.1.is_none());
        rule_if_some!(row = BINARY.iter().find(|(known, ..)| *known == op.0.name()));
        Kind::Binary(row.1, row.2)
    } else if let Some(op) = node.op_as::<RoundTrip>() {
        Kind::Unary(Unary::Activation(op.activation()))
    } else if node.op_is::<Quotient>() {
        Kind::Binary(Binary::Div, false)
    } else if node.op_is::<Iff>() {
        Kind::Select
    } else if let Some(op) = node.op_as::<DequantizeLinearF32>() {
        Kind::Dequantize(op.zero_point, op.scale)
    } else if node.op_as::<Cast>().is_some_and(|op| op.to == DatumType::F32) {
        Kind::Float
    } else if node.op_is::<RoundTo>() {
        Kind::Round
    } else {
        return Ok(None);
    };
    rule_if_some!(out = shape(model, node.id));
    rule_if!(out.iter().product::<usize>() >= LEAST);
    for (at, input) in node.inputs.iter().enumerate() {
        let fact = model.outlet_fact(*input)?;
        let condition = at == 0 && matches!(kind, Kind::Select);
        if condition {
            // It is known to no other operator, so that it need not be a tensor.
            let made = model.node(input.node);
            rule_if!(made.op_is::<TypedBinOp>() && self::kind(model, made)?.is_some());
            rule_if!(readers(model, made).is_some_and(|r| r == [node.id]));
            rule_if!(shape(model, made.id) == Some(out));
        } else {
            let known = match kind {
                Kind::Float | Kind::Dequantize(..) => INTEGERS.contains(&fact.datum_type),
                _ => fact.datum_type == DatumType::F32,
            };
            rule_if!(known && fact.exotic_fact.is_none());
            rule_if!(fact.shape.as_concrete().is_some_and(|x| repeat(x, out).is_some()));
        }
    }
    Ok(Some(kind))
}

/// How a tensor is repeated over another.
pub(super) fn repeat(x: &[usize], out: &[usize]) -> Option<Repeat> {
    if x == out {
        return Some(Repeat::Never);
    }
    if x.len() != out.len() {
        return None;
    }
    let Some(first) = x.iter().position(|n| *n != 1) else { return Some(Repeat::Each(1)) };
    let last = x.iter().rposition(|n| *n != 1)?;
    (x[first..=last] == out[first..=last]).then(|| Repeat::Each(out[last + 1..].iter().product()))
}

/// The operator for a group, and what it reads.
fn write(model: &TypedModel, members: &[usize]) -> TractResult<Option<(Pointwise, Vec<OutletId>)>> {
    let (mut steps, mut inputs, mut repeats) = (vec![], vec![], vec![]);
    let mut values: HashMap<usize, Operand> = HashMap::new();
    let mut round = None;
    rule_if_some!(last = members.last());
    rule_if_some!(out = shape(model, *last));
    for id in members {
        let node = model.node(*id);
        rule_if_some!(kind = kind(model, node)?);
        let mut operands = vec![];
        for input in &node.inputs {
            let fact = model.outlet_fact(*input)?;
            let scalar = fact.konst.as_ref().filter(|konst| konst.len() == 1);
            operands.push(if let Some(value) = values.get(&input.node) {
                *value
            } else if let Some(scalar) = scalar {
                Operand::Constant(scalar.number()?)
            } else if let Some(known) = inputs.iter().position(|known| known == input) {
                Operand::Input(known)
            } else {
                rule_if_some!(x = fact.shape.as_concrete());
                rule_if_some!(repeat = repeat(x, out));
                inputs.push(*input);
                repeats.push(repeat);
                Operand::Input(inputs.len() - 1)
            });
        }
        let mut step = |function| {
            steps.push((function, steps.len()));
            Operand::Register(steps.len() - 1)
        };
        let value = match (kind, &operands[..]) {
            (Kind::Unary(f), [a]) => step(Function::Unary(f, *a)),
            (Kind::Binary(f, false), [a, b]) => step(Function::Binary(f, [*a, *b])),
            (Kind::Binary(f, true), [a, b]) => step(Function::Binary(f, [*b, *a])),
            (Kind::Power(exponent), [a]) => {
                step(Function::Binary(Binary::Power, [*a, Operand::Constant(exponent)]))
            }
            (Kind::Select, [c, a, b]) => step(Function::Select([*c, *a, *b])),
            (Kind::Float, [a]) => *a,
            (Kind::Dequantize(zero, scale), [a]) => {
                let zero = Operand::Constant(zero as f32);
                let steps = step(Function::Binary(Binary::Sub, [*a, zero]));
                step(Function::Binary(Binary::Mul, [steps, Operand::Constant(scale)]))
            }
            (Kind::Round, [a]) => {
                round = node.op_as::<RoundTo>().cloned();
                *a
            }
            _ => return Ok(None),
        };
        values.insert(*id, value);
    }
    // What only moves values is the engine's: there has to be a step, and the last one has to be what is given.
    let given = Operand::Register(steps.len().wrapping_sub(1));
    rule_if!(!inputs.is_empty() && values.get(last) == Some(&given));
    let program = Program { registers: steps.len(), steps };
    Ok(Some((Pointwise { program, repeats, shape: out.into(), round }, inputs)))
}
