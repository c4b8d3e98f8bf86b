//! Operators that move values about.
//!
//! In: an operator whose axes, sizes or paddings are constants. Out: nodes.

use tract_onnx::pb::tensor_proto::DataType;

use super::graph::{Graph, Refused};
use super::indices::longs;
use super::nodes::{Operator, int, ints};
use super::ops::activated;

/// An input that must be known while the file is read.
pub(super) fn constant(g: &Graph, op: &Operator, at: usize) -> Refused<Vec<i64>> {
    let tensor = &g.tensors[op.input(at)?];
    let known = tensor.ints();
    known.ok_or_else(|| format!("`{}`, input {at}, is no constant", tensor.name))
}

/// One node with constant whole numbers as its second input.
fn one(g: &mut Graph, op: &Operator, from: usize, op_type: &str, numbers: &[i64]) -> Refused {
    let (value, numbers) = (g.value(op.input(from)?)?, g.longs(numbers));
    let value = g.node(op_type, &[&value, &numbers], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn with_longs(g: &mut Graph, op: &Operator, op_type: &str) -> Refused {
    let (value, numbers) = (g.value(op.input(0)?)?, longs(g, op, 1)?);
    let value = g.node(op_type, &[&value, &numbers], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn concat(g: &mut Graph, op: &Operator) -> Refused {
    let mut values = vec![];
    for at in 0..op.inputs.len() {
        values.push(g.value(op.input(at)?)?);
    }
    let names: Vec<_> = values.iter().map(String::as_str).collect();
    let value = g.node("Concat", &names, vec![int("axis", i64::from(op.int(0)))]);
    let value = activated(g, value, op.byte(1))?;
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn reshape(g: &mut Graph, op: &Operator) -> Refused {
    let given = if op.inputs.len() > 1 { constant(g, op, 1).ok() } else { None };
    let option = || op.options.map(|o| o.ints(0)).filter(|s| !s.is_empty());
    let declared = |g: &Graph| g.tensors[op.outputs[0]].declared.clone();
    let long = |list: Vec<i32>| list.into_iter().map(i64::from).collect();
    let computed = given.is_none() && op.maybe(1).is_some();
    let value = g.value(op.input(0)?)?;
    let sizes = if computed {
        longs(g, op, 1)?
    } else {
        let sizes: Vec<i64> =
            given.unwrap_or_else(|| long(option().unwrap_or_else(|| declared(g))));
        if sizes.iter().filter(|d| **d < 0).count() > 1 {
            return Err("to a shape that is not known".to_owned());
        }
        g.longs(&sizes)
    };
    let value = g.node("Reshape", &[&value, &sizes], vec![int("allowzero", 1)]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn transpose(g: &mut Graph, op: &Operator) -> Refused {
    let order = constant(g, op, 1)?;
    let value = g.value(op.input(0)?)?;
    let value = g.node("Transpose", &[&value], vec![ints("perm", &order)]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn squeeze(g: &mut Graph, op: &Operator) -> Refused {
    let mut axes: Vec<i64> =
        op.options.map(|o| o.ints(0)).unwrap_or_default().into_iter().map(i64::from).collect();
    if axes.is_empty() {
        let shape = g.tensors[op.input(0)?].shape.iter().enumerate();
        axes = shape.filter(|(_, d)| **d == 1).map(|(axis, _)| axis as i64).collect();
    }
    one(g, op, 0, "Squeeze", &axes)
}

pub(super) fn expand_dims(g: &mut Graph, op: &Operator) -> Refused {
    let axes = constant(g, op, 1)?;
    one(g, op, 0, "Unsqueeze", &axes)
}

pub(super) fn shape(g: &mut Graph, op: &Operator) -> Refused {
    let value = g.value(op.input(0)?)?;
    let sizes = g.node("Shape", &[&value], vec![]);
    let to = g.tensors[op.outputs[0]].dtype as i64;
    let value = g.node("Cast", &[&sizes], vec![int("to", to)]);
    g.give(op.outputs[0], value);
    Ok(())
}

/// Paddings as ONNX has them: all beginnings, then all ends.
fn paddings(g: &Graph, op: &Operator) -> Refused<Vec<i64>> {
    let pairs = constant(g, op, 1)?;
    Ok(pairs.iter().step_by(2).chain(pairs.iter().skip(1).step_by(2)).copied().collect())
}

pub(super) fn pad(g: &mut Graph, op: &Operator) -> Refused {
    let pads = paddings(g, op)?;
    let (value, pads) = (g.value(op.input(0)?)?, g.longs(&pads));
    let with = op.inputs.get(2).copied().flatten().map(|at| g.value(at)).transpose()?;
    let mut inputs = vec![value.as_str(), &pads];
    inputs.extend(with.as_deref());
    let value = g.node("Pad", &inputs, vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn pack(g: &mut Graph, op: &Operator) -> Refused {
    let axis = i64::from(op.int(1));
    let mut values = vec![];
    for at in 0..op.inputs.len() {
        let (value, axes) = (g.value(op.input(at)?)?, g.longs(&[axis]));
        values.push(g.node("Unsqueeze", &[&value, &axes], vec![]));
    }
    let names: Vec<_> = values.iter().map(String::as_str).collect();
    let value = g.node("Concat", &names, vec![int("axis", axis)]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn unpack(g: &mut Graph, op: &Operator) -> Refused {
    let axis = i64::from(op.int(1));
    let value = g.value(op.input(0)?)?;
    for (index, output) in op.outputs.iter().enumerate() {
        let index = g.raw(DataType::Int64, &[], (index as i64).to_le_bytes().to_vec());
        let one = g.node("Gather", &[&value, &index], vec![int("axis", axis)]);
        g.give(*output, one);
    }
    Ok(())
}

/// `from` and `by` are the numbers of the inputs that hold the values and the axis.
pub(super) fn split(g: &mut Graph, op: &Operator, from: usize, by: usize) -> Refused {
    let index = op.input(from)?;
    let rank = g.tensors[index].shape.len() as i64;
    let axis = constant(g, op, by)?.first().copied().unwrap_or(0);
    let axis = if axis < 0 { axis + rank } else { axis };
    let size = |at: &usize| g.tensors[*at].shape.get(axis as usize).map(|d| *d as i64);
    let sizes: Option<Vec<i64>> = op.outputs.iter().map(size).collect();
    let sizes = sizes.ok_or("along an axis that there is not")?;
    let (value, sizes) = (g.value(index)?, g.longs(&sizes));
    let parts = g.nodes("Split", &[&value, &sizes], op.outputs.len(), vec![int("axis", axis)]);
    for (output, part) in op.outputs.iter().zip(parts) {
        g.give(*output, part);
    }
    Ok(())
}
