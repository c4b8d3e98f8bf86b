//! Operators that work element by element, or along the last axis.
//!
//! In: an operator. Out: nodes.

use tract_onnx::pb::tensor_proto::DataType;

use super::graph::{Graph, Refused};
use super::nodes::{Operator, float, int, ints, text};
use super::ops::activated;

pub(super) fn unary(g: &mut Graph, op: &Operator, op_type: &str) -> Refused {
    composed(g, op, &[op_type])
}

pub(super) fn composed(g: &mut Graph, op: &Operator, types: &[&str]) -> Refused {
    let mut value = g.value(op.input(0)?)?;
    for op_type in types {
        value = g.node(op_type, &[&value], vec![]);
    }
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn clipped(g: &mut Graph, op: &Operator, activation: i8) -> Refused {
    let value = g.value(op.input(0)?)?;
    let value = activated(g, value, activation)?;
    g.give(op.outputs[0], value);
    Ok(())
}

/// `activation` is the number of the option that says the fused one.
pub(super) fn binary(
    g: &mut Graph,
    op: &Operator,
    op_type: &str,
    activation: Option<usize>,
) -> Refused {
    let (a, b) = (g.value(op.input(0)?)?, g.value(op.input(1)?)?);
    let value = g.node(op_type, &[&a, &b], vec![]);
    let value = activated(g, value, activation.map_or(0, |number| op.byte(number)))?;
    g.give(op.outputs[0], value);
    Ok(())
}

/// The angle of a point, from all four quadrants: that of a quotient, turned by half a turn where `x` is negative.
pub(super) fn angle(g: &mut Graph, op: &Operator) -> Refused {
    let (y, x) = (g.value(op.input(0)?)?, g.value(op.input(1)?)?);
    let (zero, half) = (g.floats(&[0.0], &[]), g.floats(&[std::f32::consts::PI], &[]));
    let minus = g.floats(&[-std::f32::consts::PI], &[]);
    let on_axis = g.node("Equal", &[&x, &zero], vec![]);
    // A zero has no sign here.
    let x = g.node("Where", &[&on_axis, &zero, &x], vec![]);
    let quotient = g.node("Div", &[&y, &x], vec![]);
    let angle = g.node("Atan", &[&quotient], vec![]);
    let (left, below) =
        (g.node("Less", &[&x, &zero], vec![]), g.node("Less", &[&y, &zero], vec![]));
    let turn = g.node("Where", &[&below, &minus, &half], vec![]);
    let turned = g.node("Add", &[&angle, &turn], vec![]);
    let angle = g.node("Where", &[&left, &turned, &angle], vec![]);
    let flat = g.node("Equal", &[&y, &zero], vec![]);
    let nowhere = g.node("And", &[&flat, &on_axis], vec![]);
    let angle = g.node("Where", &[&nowhere, &zero, &angle], vec![]);
    g.give(op.outputs[0], angle);
    Ok(())
}

pub(super) fn not_equal(g: &mut Graph, op: &Operator) -> Refused {
    let (a, b) = (g.value(op.input(0)?)?, g.value(op.input(1)?)?);
    let equal = g.node("Equal", &[&a, &b], vec![]);
    let value = g.node("Not", &[&equal], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

/// Between quantised, half and float32 numbers: what is read is float32 already, or is made so. A
/// constant becomes one, so that weights are not converted in each run.
pub(super) fn same(g: &mut Graph, op: &Operator) -> Refused {
    let at = op.input(0)?;
    let from = &g.tensors[at];
    if let Some(floats) = from.floats()
        && !g.tensors[op.outputs[0]].is_quantised()
    {
        g.constant(op.outputs[0], floats);
        return Ok(());
    }
    let half = from.dtype == DataType::Float16;
    let mut value = g.value(at)?;
    if half {
        value = g.node("Cast", &[&value], vec![int("to", DataType::Float as i64)]);
    }
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn with_axis(g: &mut Graph, op: &Operator, op_type: &str) -> Refused {
    let value = g.value(op.input(0)?)?;
    let value = g.node(op_type, &[&value], vec![int("axis", -1)]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn softmax(g: &mut Graph, op: &Operator) -> Refused {
    let mut value = g.value(op.input(0)?)?;
    let beta = op.options.map_or(1.0, |o| o.float(0));
    if beta != 1.0 {
        let beta = g.floats(&[beta], &[]);
        value = g.node("Mul", &[&value, &beta], vec![]);
    }
    let value = g.node("Softmax", &[&value], vec![int("axis", -1)]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn l2_normalise(g: &mut Graph, op: &Operator) -> Refused {
    let value = g.value(op.input(0)?)?;
    let square = g.node("Mul", &[&value, &value], vec![]);
    let axes = g.longs(&[-1]);
    let sum = g.node("ReduceSum", &[&square, &axes], vec![int("keepdims", 1)]);
    let (least, root) = (g.floats(&[1e-12], &[]), "Sqrt");
    let sum = g.node("Max", &[&sum, &least], vec![]);
    let norm = g.node(root, &[&sum], vec![]);
    let value = g.node("Div", &[&value, &norm], vec![]);
    let value = activated(g, value, op.byte(0))?;
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn cast(g: &mut Graph, op: &Operator) -> Refused {
    let value = g.value(op.input(0)?)?;
    let out = &g.tensors[op.outputs[0]];
    if out.is_quantised() || g.tensors[op.input(0)?].is_quantised() {
        return Err("of quantised values".to_owned());
    }
    let to = int("to", out.dtype as i64);
    let value = g.node("Cast", &[&value], vec![to]);
    g.give(op.outputs[0], value);
    Ok(())
}

/// Options: least, greatest, bits, whether the lowest step is left out. Zero is one of the steps.
pub(super) fn fake_quantised(g: &mut Graph, op: &Operator) -> Refused {
    let bits = op.int(2);
    let (low, high) = (op.real(0), op.real(1));
    if !(2..=16).contains(&bits) || high <= low {
        return Err(format!("of {bits} bits from {low} to {high}"));
    }
    let first = if op.flag(3) { 1.0 } else { 0.0 };
    let last = ((1u32 << bits) - 1) as f32;
    let scale = (high - low) / (last - first);
    let zero = (first - low / scale).clamp(first, last).round();
    let value = g.value(op.input(0)?)?;
    let (least, most) = ((first - zero) * scale, (last - zero) * scale);
    let (least, most, step) =
        (g.floats(&[least], &[]), g.floats(&[most], &[]), g.floats(&[scale], &[]));
    let value = g.node("Clip", &[&value, &least, &most], vec![]);
    let value = g.node("Sub", &[&value, &least], vec![]);
    let value = g.node("Div", &[&value, &step], vec![]);
    let half = g.floats(&[0.5], &[]);
    let value = g.node("Add", &[&value, &half], vec![]);
    let value = g.node("Floor", &[&value], vec![]);
    let value = g.node("Mul", &[&value, &step], vec![]);
    let value = g.node("Add", &[&value, &least], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn prelu(g: &mut Graph, op: &Operator) -> Refused {
    let (value, slope) = (g.value(op.input(0)?)?, g.value(op.input(1)?)?);
    let zero = g.floats(&[0.0], &[]);
    let above = g.node("Relu", &[&value], vec![]);
    let below = g.node("Min", &[&value, &zero], vec![]);
    let below = g.node("Mul", &[&below, &slope], vec![]);
    let value = g.node("Add", &[&above, &below], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn leaky(g: &mut Graph, op: &Operator) -> Refused {
    let value = g.value(op.input(0)?)?;
    let alpha = float("alpha", op.options.map_or(0.0, |o| o.float(0)));
    let value = g.node("LeakyRelu", &[&value], vec![alpha]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn gelu(g: &mut Graph, op: &Operator) -> Refused {
    let value = g.value(op.input(0)?)?;
    let form = text("approximate", if op.flag(0) { "tanh" } else { "none" });
    let value = g.node("Gelu", &[&value], vec![form]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn square(g: &mut Graph, op: &Operator) -> Refused {
    let value = g.value(op.input(0)?)?;
    let value = g.node("Mul", &[&value, &value], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn squared_difference(g: &mut Graph, op: &Operator) -> Refused {
    let (a, b) = (g.value(op.input(0)?)?, g.value(op.input(1)?)?);
    let difference = g.node("Sub", &[&a, &b], vec![]);
    let value = g.node("Mul", &[&difference, &difference], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn sum(g: &mut Graph, op: &Operator) -> Refused {
    let mut value = g.value(op.input(0)?)?;
    for at in 1..op.inputs.len() {
        let other = g.value(op.input(at)?)?;
        value = g.node("Add", &[&value, &other], vec![]);
    }
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn select(g: &mut Graph, op: &Operator) -> Refused {
    let condition = g.value(op.input(0)?)?;
    let (a, b) = (g.value(op.input(1)?)?, g.value(op.input(2)?)?);
    let value = g.node("Where", &[&condition, &a, &b], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn batch_matmul(g: &mut Graph, op: &Operator) -> Refused {
    let mut values = vec![];
    for at in 0..2 {
        let index = op.input(at)?;
        let mut value = g.value(index)?;
        if op.flag(at) {
            let rank = g.tensors[index].shape.len();
            if rank < 2 {
                return Err("of less than two dimensions".to_owned());
            }
            let mut order: Vec<i64> = (0..rank as i64).collect();
            order.swap(rank - 2, rank - 1);
            value = g.node("Transpose", &[&value], vec![ints("perm", &order)]);
        }
        values.push(value);
    }
    let value = g.node("MatMul", &[&values[0], &values[1]], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}
