//! Operators that pick elements by number, or make numbers.
//!
//! In: an operator with indices. Out: nodes; indices become int64, which ONNX wants.

use tract_onnx::pb::tensor_proto::DataType;

use super::graph::{Graph, Refused};
use super::nodes::{Operator, int, ints, text};

/// An input as int64, whether it is a constant or not.
pub(super) fn longs(g: &mut Graph, op: &Operator, at: usize) -> Refused<String> {
    let index = op.input(at)?;
    match g.tensors[index].ints() {
        Some(known) if g.tensors[index].shape.len() == 1 => Ok(g.longs(&known)),
        _ => {
            let value = g.value(index)?;
            Ok(g.node("Cast", &[&value], vec![int("to", DataType::Int64 as i64)]))
        }
    }
}

/// Whole numbers as the type that an output has.
pub(super) fn give_whole(g: &mut Graph, at: usize, value: &str) {
    let to = g.tensors[at].dtype as i64;
    let value = g.node("Cast", &[value], vec![int("to", to)]);
    g.give(at, value);
}

pub(super) fn gather(g: &mut Graph, op: &Operator) -> Refused {
    let batch = i64::from(op.int(1));
    let mut axis = i64::from(op.int(0));
    if axis < 0 {
        axis += g.tensors[op.input(0)?].shape.len() as i64;
    }
    let (value, indices) = (g.value(op.input(0)?)?, longs(g, op, 1)?);
    let value = if batch == 0 {
        g.node("Gather", &[&value, &indices], vec![int("axis", axis)])
    } else if batch == axis {
        let axes = g.longs(&[-1]);
        let indices = g.node("Unsqueeze", &[&indices, &axes], vec![]);
        g.node("GatherND", &[&value, &indices], vec![int("batch_dims", batch)])
    } else {
        return Err("with batch dimensions before another axis".to_owned());
    };
    g.give(op.outputs[0], value);
    Ok(())
}

/// Inputs: row numbers, rows.
pub(super) fn embedding(g: &mut Graph, op: &Operator) -> Refused {
    let (indices, rows) = (longs(g, op, 0)?, g.value(op.input(1)?)?);
    let value = g.node("Gather", &[&rows, &indices], vec![int("axis", 0)]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn gather_nd(g: &mut Graph, op: &Operator) -> Refused {
    let (value, indices) = (g.value(op.input(0)?)?, longs(g, op, 1)?);
    let value = g.node("GatherND", &[&value, &indices], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

/// Inputs: indices, updates, the shape. What is named twice is added up.
pub(super) fn scatter_nd(g: &mut Graph, op: &Operator) -> Refused {
    let (indices, updates, shape) = (longs(g, op, 0)?, g.value(op.input(1)?)?, longs(g, op, 2)?);
    let zero = zero_like(g, op.input(1)?)?;
    let zeros = g.node("Expand", &[&zero, &shape], vec![]);
    let add = text("reduction", "add");
    let value = g.node("ScatterND", &[&zeros, &indices, &updates], vec![add]);
    g.give(op.outputs[0], value);
    Ok(())
}

/// The scalar 0 of the type in which a tensor is read.
pub(super) fn zero_like(g: &mut Graph, at: usize) -> Refused<String> {
    let dtype = if g.tensors[at].is_quantised() { DataType::Float } else { g.tensors[at].dtype };
    let width = super::tensor::width(dtype).ok_or_else(|| format!("of the type {dtype:?}"))?;
    Ok(g.raw(dtype, &[], vec![0; width]))
}

pub(super) fn zeros(g: &mut Graph, op: &Operator) -> Refused {
    let index = op.input(0)?;
    let (value, zero) = (g.value(index)?, zero_like(g, index)?);
    let shape = g.node("Shape", &[&value], vec![]);
    let value = g.node("Expand", &[&zero, &shape], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

/// Inputs: the shape, a scalar.
pub(super) fn fill(g: &mut Graph, op: &Operator) -> Refused {
    let (shape, value) = (longs(g, op, 0)?, g.value(op.input(1)?)?);
    let value = g.node("Expand", &[&value, &shape], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

/// Inputs: where to begin, where to end, the step.
pub(super) fn range(g: &mut Graph, op: &Operator) -> Refused {
    let mut bounds = vec![];
    for at in 0..3 {
        bounds.push(g.value(op.input(at)?)?);
    }
    let bounds: Vec<_> = bounds.iter().map(String::as_str).collect();
    let value = g.node("Range", &bounds, vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn rank(g: &mut Graph, op: &Operator) -> Refused {
    let rank = g.tensors[op.input(0)?].shape.len() as i64;
    let value = g.long(rank);
    give_whole(g, op.outputs[0], &value);
    Ok(())
}

/// Inputs: values, how many.
pub(super) fn top(g: &mut Graph, op: &Operator) -> Refused {
    let (value, count, one) = (g.value(op.input(0)?)?, longs(g, op, 1)?, g.longs(&[1]));
    let count = g.node("Reshape", &[&count, &one], vec![]);
    let made = g.nodes("TopK", &[&value, &count], 2, vec![]);
    g.give(op.output(0)?, made[0].clone());
    give_whole(g, op.output(1)?, &made[1]);
    Ok(())
}

/// Inputs: indices, how many places, what is there, what is elsewhere. A negative index is nowhere.
pub(super) fn one_hot(g: &mut Graph, op: &Operator) -> Refused {
    let (indices, depth) = (longs(g, op, 0)?, longs(g, op, 1)?);
    let zero = g.long(0);
    let below = g.node("Less", &[&indices, &zero], vec![]);
    let scalar = g.longs(&[]);
    let depth = g.node("Reshape", &[&depth, &scalar], vec![]);
    let indices = g.node("Where", &[&below, &depth, &indices], vec![]);
    let mut values = vec![];
    for at in [3, 2] {
        let (value, one) = (g.value(op.input(at)?)?, g.longs(&[1]));
        values.push(g.node("Reshape", &[&value, &one], vec![]));
    }
    let values = g.node("Concat", &[&values[0], &values[1]], vec![int("axis", 0)]);
    let axis = int("axis", i64::from(op.int(0)));
    let value = g.node("OneHot", &[&indices, &depth, &values], vec![axis]);
    g.give(op.outputs[0], value);
    Ok(())
}

/// Where something is: the coordinates of what is not zero, one a row.
pub(super) fn places(g: &mut Graph, op: &Operator) -> Refused {
    let value = g.value(op.input(0)?)?;
    let value = g.node("NonZero", &[&value], vec![]);
    let value = g.node("Transpose", &[&value], vec![ints("perm", &[1, 0])]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn unique(g: &mut Graph, op: &Operator) -> Refused {
    let value = g.value(op.input(0)?)?;
    let made = g.nodes("Unique", &[&value], 3, vec![int("sorted", 0)]);
    g.give(op.output(0)?, made[0].clone());
    give_whole(g, op.output(1)?, &made[2]);
    Ok(())
}

/// Inputs: a tensor, what is put into it, and where, moved so that it fits.
pub(super) fn update(g: &mut Graph, op: &Operator) -> Refused {
    let [whole, part] = [op.input(0)?, op.input(1)?];
    let (sizes, shape) = (g.tensors[whole].shape.clone(), g.tensors[part].shape.clone());
    let room = sizes.iter().zip(&shape).map(|(s, p)| s.checked_sub(*p).map(|r| r as i64));
    let room = room.collect::<Option<Vec<_>>>().filter(|_| sizes.len() == shape.len());
    let room = room.ok_or("of a part that is larger than the whole")?;
    let count = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
    let count =
        count.filter(|n| n.saturating_mul(shape.len()) < 1 << 24).ok_or("of a large part")?;
    let mut grid = Vec::with_capacity(count * shape.len());
    for flat in 0..count {
        let inner = |axis: usize| shape[axis + 1..].iter().product::<usize>();
        grid.extend((0..shape.len()).map(|axis| (flat / inner(axis) % shape[axis]) as i64));
    }
    let grid = grid.iter().flat_map(|i| i.to_le_bytes()).collect();
    let mut dims = shape.clone();
    dims.push(shape.len());
    let grid = g.raw(DataType::Int64, &dims, grid);
    let (start, zero, room) = (longs(g, op, 2)?, g.long(0), g.longs(&room));
    let start = g.node("Max", &[&start, &zero], vec![]);
    let start = g.node("Min", &[&start, &room], vec![]);
    let grid = g.node("Add", &[&grid, &start], vec![]);
    let (whole, part) = (g.value(whole)?, g.value(part)?);
    let value = g.node("ScatterND", &[&whole, &grid, &part], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}
