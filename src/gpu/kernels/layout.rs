//! Operators that only move elements: most are views and cost nothing, the rest are copies.
//!
//! In: axis, slice, broadcast, concatenation and tile nodes. Out: views, or copies between
//! them. Whether a view must become dense memory is its reader's business.

use tract_onnx::tract_core::internal::{AxisOp, DimLike};
use tract_onnx::tract_core::ops::Downsample;
use tract_onnx::tract_core::ops::array::{
    FiniteReshape, MultiBroadcastTo, Slice, Tile, TypedConcat,
};
use tract_onnx::tract_core::ops::identity::Identity;

use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::chain::Chain;
use crate::gpu::value::View;
use crate::optimize::Stride;

pub(crate) fn identity(cx: &mut Cx, _op: &Identity) -> Lowered<()> {
    cx.alias(Ok)
}

pub(crate) fn axis(cx: &mut Cx, op: &AxisOp) -> Lowered<()> {
    let (_, shape) = cx.output_fact(0)?;
    if let AxisOp::Move(from, to) = op {
        let mut order: Vec<usize> = (0..shape.len()).collect();
        let moved = order.remove(*from);
        order.insert(*to, moved);
        return cx.alias(|view| Ok(view.permuted(&order)));
    }
    reshaped(cx)
}

pub(crate) fn reshape(cx: &mut Cx, _op: &FiniteReshape) -> Lowered<()> {
    reshaped(cx)
}

/// The input's elements in order, under the output's shape.
fn reshaped(cx: &mut Cx) -> Lowered<()> {
    let (_, shape) = cx.output_fact(0)?;
    let view = cx.input(0)?;
    if view.reshaped(&shape).is_some() {
        return cx.alias(|view| view.reshaped(&shape).map_or_else(|| because("no view"), Ok));
    }
    let view = cx.dense(view)?;
    let view = view.reshaped(&shape).map_or_else(|| because("no view"), Ok)?;
    cx.is(0, view, true);
    Ok(())
}

pub(crate) fn downsample(cx: &mut Cx, op: &Downsample) -> Lowered<()> {
    let (_, shape) = cx.output_fact(0)?;
    let view = cx.input(0)?;
    let start = if op.stride < 0 { view.shape[op.axis] - 1 - op.modulo } else { op.modulo };
    let view = view.sliced(op.axis, start, shape[op.axis], op.stride);
    cx.is(0, view, false);
    Ok(())
}

pub(crate) fn stride(cx: &mut Cx, op: &Stride) -> Lowered<()> {
    downsample(cx, &op.0)
}

pub(crate) fn slice(cx: &mut Cx, op: &Slice) -> Lowered<()> {
    let (_, shape) = cx.output_fact(0)?;
    let Ok(start) = op.start.to_usize() else { return because("a slice that depends on the data") };
    let view = cx.input(0)?.sliced(op.axis, start, shape[op.axis], 1);
    cx.is(0, view, false);
    Ok(())
}

pub(crate) fn broadcast(cx: &mut Cx, _op: &MultiBroadcastTo) -> Lowered<()> {
    let (_, shape) = cx.output_fact(0)?;
    let view = cx.input(0)?.broadcast(&shape);
    let view = view.map_or_else(|| because("shapes that do not broadcast"), Ok)?;
    cx.is(0, view, false);
    Ok(())
}

pub(crate) fn concat(cx: &mut Cx, op: &TypedConcat) -> Lowered<()> {
    let whole = cx.output(0)?;
    let mut at = 0;
    for ix in 0..cx.inputs() {
        let (_, shape) = cx.input_fact(ix)?;
        let part = shape[op.axis];
        if shape.contains(&0) {
            continue;
        }
        cx.place(ix, whole.sliced(op.axis, at, part, 1))?;
        at += part;
    }
    Ok(())
}

pub(crate) fn tile(cx: &mut Cx, op: &Tile) -> Lowered<()> {
    // A copy over (repeat, length) pairs, read with stride 0 along the repeats.
    let view = cx.input(0)?;
    let output = cx.output(0)?;
    let (mut shape, mut strides) = (vec![], vec![]);
    for ((n, stride), times) in view.shape.iter().zip(&view.strides).zip(&op.multipliers) {
        let Ok(times) = times.to_usize() else { return because("a tile that depends on the data") };
        shape.extend([times, *n]);
        strides.extend([0, *stride]);
    }
    let source = View { shape: shape.clone(), strides, ..view };
    let target = output.reshaped(&shape).map_or_else(|| because("no view"), Ok)?;
    cx.run_elements(Chain::copy(source), target);
    Ok(())
}
