//! Blocks of space that become channels or entries of the batch, and back.
//!
//! In: an operator with a block size. Out: nodes.

use super::graph::{Graph, Refused};
use super::nodes::{Operator, int, ints};
use super::shape::constant;

/// Between depth and space; ONNX has the channels before the space.
pub(super) fn blocks(g: &mut Graph, op: &Operator, op_type: &str) -> Refused {
    let value = g.value(op.input(0)?)?;
    let value = g.node("Transpose", &[&value], vec![ints("perm", &[0, 3, 1, 2])]);
    let value = g.node(op_type, &[&value], vec![int("blocksize", i64::from(op.int(0)))]);
    let value = g.node("Transpose", &[&value], vec![ints("perm", &[0, 2, 3, 1])]);
    g.give(op.outputs[0], value);
    Ok(())
}

/// Of values, block sizes, and pairs of paddings or crops for each axis of space.
struct Blocks {
    /// Behind the batch: the sizes of the axes of space.
    space: Vec<i64>,
    /// What is behind the space.
    rest: Vec<i64>,
    sizes: Vec<i64>,
    pairs: Vec<[i64; 2]>,
}

fn read(g: &Graph, op: &Operator) -> Refused<Blocks> {
    let sizes = constant(g, op, 1)?;
    let pairs = constant(g, op, 2)?.as_chunks().0.to_vec();
    let shape: Vec<i64> = g.tensors[op.input(0)?].shape.iter().map(|d| *d as i64).collect();
    let fits = shape.len() > sizes.len() && pairs.len() == sizes.len();
    if !fits || sizes.iter().any(|b| *b < 1) || pairs.iter().flatten().any(|p| *p < 0) {
        return Err(format!("of blocks {sizes:?} in {shape:?}"));
    }
    let (space, rest) = shape[1..].split_at(sizes.len());
    Ok(Blocks { space: space.to_vec(), rest: rest.to_vec(), sizes, pairs })
}

fn reshape(g: &mut Graph, value: &str, shape: &[i64]) -> String {
    let shape = g.longs(shape);
    g.node("Reshape", &[value, &shape], vec![])
}

/// `[batch, …, rest]` to `[blocks · batch, …, rest]`.
pub(super) fn to_batch(g: &mut Graph, op: &Operator) -> Refused {
    let Blocks { space, rest, sizes, pairs } = read(g, op)?;
    let count = sizes.len();
    let padded = space.iter().zip(&pairs).map(|(s, [a, b])| s + a + b);
    let padded: Vec<i64> = padded.collect();
    if padded.iter().zip(&sizes).any(|(s, b)| s % b != 0) {
        return Err(format!("of blocks {sizes:?} in {padded:?}"));
    }
    let zeros = |n: usize| std::iter::repeat_n(0, n);
    let side = |i: usize| pairs.iter().map(move |p| p[i]);
    let pads = zeros(1).chain(side(0)).chain(zeros(rest.len() + 1)).chain(side(1));
    let pads: Vec<i64> = pads.chain(zeros(rest.len())).collect();
    let (value, pads) = (g.value(op.input(0)?)?, g.longs(&pads));
    let value = g.node("Pad", &[&value, &pads], vec![]);
    let cut = padded.iter().zip(&sizes).flat_map(|(s, b)| [s / b, *b]);
    let split: Vec<i64> = std::iter::once(-1).chain(cut).chain(rest.iter().copied()).collect();
    let value = reshape(g, &value, &split);
    // The blocks first, then the batch, then where a block is.
    let n = count as i64;
    let order = (0..n).map(|i| 2 * i + 2).chain([0]).chain((0..n).map(|i| 2 * i + 1));
    let order: Vec<i64> = order.chain((0..rest.len() as i64).map(|i| 2 * n + 1 + i)).collect();
    let value = g.node("Transpose", &[&value], vec![ints("perm", &order)]);
    let small = padded.iter().zip(&sizes).map(|(s, b)| s / b);
    let shape: Vec<i64> = std::iter::once(-1).chain(small).chain(rest.iter().copied()).collect();
    let value = reshape(g, &value, &shape);
    g.give(op.outputs[0], value);
    Ok(())
}

/// The other way round.
pub(super) fn from_batch(g: &mut Graph, op: &Operator) -> Refused {
    let Blocks { space, rest, sizes, pairs } = read(g, op)?;
    let n = sizes.len() as i64;
    let value = g.value(op.input(0)?)?;
    let split = sizes.iter().copied().chain([-1]).chain(space.iter().copied());
    let split: Vec<i64> = split.chain(rest.iter().copied()).collect();
    let value = reshape(g, &value, &split);
    let order = std::iter::once(n).chain((0..n).flat_map(|i| [n + 1 + i, i]));
    let order: Vec<i64> = order.chain((0..rest.len() as i64).map(|i| 2 * n + 1 + i)).collect();
    let value = g.node("Transpose", &[&value], vec![ints("perm", &order)]);
    let whole: Vec<i64> = space.iter().zip(&sizes).map(|(s, b)| s * b).collect();
    let shape = std::iter::once(-1).chain(whole.iter().copied()).chain(rest.iter().copied());
    let value = reshape(g, &value, &shape.collect::<Vec<_>>());
    let starts: Vec<i64> = pairs.iter().map(|p| p[0]).collect();
    let ends: Vec<i64> = whole.iter().zip(&pairs).map(|(s, p)| s - p[1]).collect();
    let axes: Vec<i64> = (1..=n).collect();
    let (starts, ends, axes) = (g.longs(&starts), g.longs(&ends), g.longs(&axes));
    let value = g.node("Slice", &[&value, &starts, &ends, &axes], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}
