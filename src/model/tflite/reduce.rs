//! Operators along axes: sums, extremes, where they are, running sums; and division that rounds down.
//!
//! In: an operator whose axes are constants. Out: nodes.

use tract_onnx::pb::tensor_proto::DataType;

use super::graph::{Graph, Refused};
use super::indices::give_whole;
use super::nodes::{Operator, int};
use super::shape::constant;

fn along(g: &mut Graph, op: &Operator, value: &str, op_type: &str) -> Refused<String> {
    let axes = constant(g, op, 1)?;
    // No axes at all are none to reduce along; to ONNX they are all.
    if axes.is_empty() {
        return Ok(value.to_owned());
    }
    let axes = g.longs(&axes);
    Ok(g.node(op_type, &[value, &axes], vec![int("keepdims", i64::from(op.flag(0)))]))
}

pub(super) fn reduce(g: &mut Graph, op: &Operator, op_type: &str) -> Refused {
    let value = g.value(op.input(0)?)?;
    let value = along(g, op, &value, op_type)?;
    g.give(op.outputs[0], value);
    Ok(())
}

/// Of truths: the greatest is whether any is true, the least whether all are.
pub(super) fn truths(g: &mut Graph, op: &Operator, op_type: &str) -> Refused {
    let value = g.value(op.input(0)?)?;
    let value = g.node("Cast", &[&value], vec![int("to", DataType::Int32 as i64)]);
    let value = along(g, op, &value, op_type)?;
    let value = g.node("Cast", &[&value], vec![int("to", DataType::Bool as i64)]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn arg(g: &mut Graph, op: &Operator, op_type: &str) -> Refused {
    let axis = constant(g, op, 1)?.first().copied().unwrap_or(-1);
    let value = g.value(op.input(0)?)?;
    let index = g.node(op_type, &[&value], vec![int("axis", axis), int("keepdims", 0)]);
    give_whole(g, op.outputs[0], &index);
    Ok(())
}

/// Options: without the element itself; from behind.
pub(super) fn running_sum(g: &mut Graph, op: &Operator) -> Refused {
    let axis = constant(g, op, 1)?.first().copied().unwrap_or(0);
    let (value, axis) = (g.value(op.input(0)?)?, g.long(axis));
    let flags = [("exclusive", 0), ("reverse", 1)];
    let flags = flags.map(|(name, number)| int(name, i64::from(op.flag(number)))).to_vec();
    let value = g.node("CumSum", &[&value, &axis], flags);
    g.give(op.outputs[0], value);
    Ok(())
}

/// What a division that rounds down leaves: it has the sign of the divisor.
fn rest(g: &mut Graph, op: &Operator, a: &str, b: &str) -> Refused<String> {
    if g.tensors[op.input(0)?].dtype != DataType::Float {
        return Ok(g.node("Mod", &[a, b], vec![]));
    }
    let quotient = g.node("Div", &[a, b], vec![]);
    let quotient = g.node("Floor", &[&quotient], vec![]);
    let whole = g.node("Mul", &[&quotient, b], vec![]);
    Ok(g.node("Sub", &[a, &whole], vec![]))
}

pub(super) fn floor_mod(g: &mut Graph, op: &Operator) -> Refused {
    let (a, b) = (g.value(op.input(0)?)?, g.value(op.input(1)?)?);
    let value = rest(g, op, &a, &b)?;
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn floor_div(g: &mut Graph, op: &Operator) -> Refused {
    let (a, b) = (g.value(op.input(0)?)?, g.value(op.input(1)?)?);
    let value = if g.tensors[op.input(0)?].dtype == DataType::Float {
        let quotient = g.node("Div", &[&a, &b], vec![]);
        g.node("Floor", &[&quotient], vec![])
    } else {
        let rest = rest(g, op, &a, &b)?;
        let whole = g.node("Sub", &[&a, &rest], vec![]);
        g.node("Div", &[&whole, &b], vec![])
    };
    g.give(op.outputs[0], value);
    Ok(())
}
