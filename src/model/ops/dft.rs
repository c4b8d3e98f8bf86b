//! `DFT` of another length than the signal's, which the importer reads over.
//!
//! In: a signal, perhaps a length and an axis. Out: the transform of as much of the signal, or of the signal and zeros behind
//! it. The engine's own operator follows, with what it is told as constants.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::{Pad, PadMode};
use tract_onnx::tract_hir::internal::*;

use super::host::{axis_of, i64s};
use super::lower::{Built, Part, lowered, their_whole};
use super::wires::Wires;

/// From this operator set on the axis is an input.
const AXIS_IS_INPUT: i64 = 20;

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let told = ctx.onnx_operator_set_version >= AXIS_IS_INPUT;
    let axis = node.get_attr_opt("axis")?.unwrap_or(if told { -2 } else { 1 });
    let flag = |name: &str| TractResult::Ok(node.get_attr_opt(name)?.unwrap_or(0i64) != 0);
    // Half a spectrum gives a whole signal.
    let halved = flag("inverse")? && flag("onesided")?;
    let own = theirs(ctx, node, told, false)?;
    let of_length = theirs(ctx, node, told, true)?;
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let axis = inputs.get(2).map_or(Ok(axis), |at| number(g, at, "axis"))?;
        let axis = axis_of(axis, g.rank(x)?)?;
        let Some(length) = inputs.get(1) else { return transform(g, &own, x, None, axis, told) };
        let length = usize::try_from(number(g, length, "dft_length")?)?;
        let x = resized(g, x, axis, if halved { length / 2 + 1 } else { length })?;
        transform(g, &of_length, x, Some(length), axis, told)
    })
}

/// The engine's own operator, which is told its axis where it may be, and its length where it has one.
fn theirs(ctx: &ParsingContext, node: &NodeProto, told: bool, length: bool) -> TractResult<Part> {
    let mut part = NodeProto { input: vec!["x".to_owned()], ..node.clone() };
    if told || length {
        part.input.push(if length { "length".to_owned() } else { String::new() });
    }
    if told {
        part.input.push("axis".to_owned());
    }
    their_whole(ctx, &part)
}

fn transform(
    g: &mut Wires<'_>,
    part: &Part,
    x: OutletId,
    length: Option<usize>,
    axis: usize,
    told: bool,
) -> TractResult<TVec<OutletId>> {
    if g.shape(x)?.iter().any(|d| *d == 0.to_dim()) {
        return Ok(tvec!(nothing(g, x)?));
    }
    let mut given = tvec!(x);
    if let Some(length) = length {
        given.push(g.constant(tensor0(i64::try_from(length)?))?);
    }
    if told {
        given.push(g.constant(tensor0(i64::try_from(axis)?))?);
    }
    g.parts(part, &given)
}

/// The transform of a tensor without elements, of which the engine's own looks for the first.
fn nothing(g: &mut Wires<'_>, x: OutletId) -> TractResult<OutletId> {
    let mut shape = g.lengths(x)?;
    if let Some(parts) = shape.last_mut() {
        *parts = 2;
    }
    ensure!(shape.contains(&0), "a transform of numbers without parts");
    g.constant(Tensor::zero_dt(g.dtype(x)?, &shape)?)
}

/// A scalar that is known when a plan is made.
fn number(g: &Wires<'_>, x: OutletId, name: &str) -> TractResult<i64> {
    let first = i64s(g.known(x, name)?.as_ref())?.first().copied();
    first.with_context(|| format!("{name} is empty"))
}

/// The first `length` places along an axis, or all of them and zeros behind.
fn resized(g: &mut Wires<'_>, x: OutletId, axis: usize, length: usize) -> TractResult<OutletId> {
    let shape = g.lengths(x)?;
    let held = shape[axis];
    if length <= held {
        return g.slice(x, axis, 0.to_dim(), length.to_dim());
    }
    let mut pads = vec![(0, 0); shape.len()];
    pads[axis].1 = length - held;
    let zero = Tensor::zero_scalar_dt(g.dtype(x)?)?.into_arc_tensor();
    g.op(Pad { mode: PadMode::Constant(zero), pads }, &[x])
}
