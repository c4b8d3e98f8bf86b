//! Fourier transforms of real numbers, and what is made of complex ones, which are pairs along a last axis here.
//!
//! In: `RFFT2D` of one row, as audio models have it, and operators on its result. Out: ONNX's `DFT` and reductions.

use super::graph::{Graph, Refused};
use super::nodes::{Operator, int};
use super::shape::constant;

/// Inputs: `[…, 1, samples]`; the lengths of both axes, to which they are cut or filled with zeros.
pub(super) fn transform(g: &mut Graph, op: &Operator) -> Refused {
    let lengths = constant(g, op, 1)?;
    let [1, length] = lengths[..] else {
        return Err(format!("of the lengths {lengths:?}"));
    };
    if g.tensors[op.input(0)?].shape.iter().rev().nth(1) != Some(&1) {
        return Err("of several rows".to_owned());
    }
    let (value, last) = (g.value(op.input(0)?)?, g.longs(&[-1]));
    let value = g.node("Unsqueeze", &[&value, &last], vec![]);
    let (length, axis) = (g.long(length), g.long(-2));
    let value = g.node("DFT", &[&value, &length, &axis], vec![int("onesided", 1)]);
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn magnitude(g: &mut Graph, op: &Operator) -> Refused {
    let (value, last) = (g.value(op.input(0)?)?, g.longs(&[-1]));
    let value = g.node("ReduceL2", &[&value, &last], vec![int("keepdims", 0)]);
    g.give(op.outputs[0], value);
    Ok(())
}

/// The real part is the first of the pair, the imaginary one the second.
pub(super) fn part(g: &mut Graph, op: &Operator, which: i64) -> Refused {
    let (value, which) = (g.value(op.input(0)?)?, g.long(which));
    let value = g.node("Gather", &[&value, &which], vec![int("axis", -1)]);
    g.give(op.outputs[0], value);
    Ok(())
}
