//! `Slice` in steps between bounds that a run computes.
//!
//! In: a tensor, starts and ends, and axes and steps that are known when a plan is made. Out: what lies at the places of a range along
//! each axis. The engine's own drops the steps of bounds that it does not know, and with them the cut.

use tract_onnx::tract_core::ops::array::Range;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::{comp_gte, comp_lt};
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_hir::internal::*;

use super::host::i64s;
use super::lower::Inputs;
use super::wires::Wires;

/// From here on an end means all that is left.
const ALL: i64 = i32::MAX as i64;

/// Whether an input holds steps of which one is not 1.
pub(super) fn is_stepped(steps: Option<&&TypedFact>) -> bool {
    let known = steps.and_then(|steps| steps.konst.as_ref());
    known.is_some_and(|known| i64s(known).is_ok_and(|steps| steps.iter().any(|step| *step != 1)))
}

/// `counts` are the names of the extents that only a run knows, by axis.
pub(super) fn wire(g: &mut Wires<'_>, inputs: &Inputs, counts: &[Symbol]) -> TractResult<OutletId> {
    let mut x = inputs.need(0)?;
    let steps = inputs.known(g, 4)?.context("no steps")?;
    let steps = i64s(&steps)?;
    let axes = inputs.known(g, 3)?.map(|axes| i64s(&axes)).transpose()?;
    let axes = axes.unwrap_or_else(|| (0..steps.len() as i64).collect());
    ensure!(axes.len() == steps.len(), "a step for each axis");
    let mut cut = vec![];
    for (at, (axis, step)) in axes.into_iter().zip(steps).enumerate() {
        let axis = g.axis(x, axis)?;
        ensure!(!cut.contains(&axis), "axis {axis} is cut twice");
        cut.push(axis);
        ensure!(step != 0, "a step of 0");
        let size = g.shape(x)?[axis].to_i64().ok().filter(|size| *size < ALL);
        let size = size.context("a cut in steps of an axis whose length is not known")?;
        if size == 0 {
            continue;
        }
        let start = bound(g, inputs.need(1)?, at, size)?;
        let end = bound(g, inputs.need(2)?, at, size)?;
        let last = if step > 0 { size } else { size - 1 };
        let start = within(g, start, 0, last)?;
        let end = if step > 0 {
            within(g, end, 0, last)?
        } else {
            let all = g.constant(tensor0(ALL))?;
            let all = g.binary(TypedBinOp(comp_gte(), None), end, all)?;
            let end = within(g, end, -1, last)?;
            let first = g.constant(tensor0(-1i64))?;
            g.select(all, first, end)?
        };
        let step = g.constant(tensor0(step.clamp(-size, size)))?;
        let count = counts.get(axis).context("a cut in steps of so late an axis")?;
        let places = g.op(Range::new(count.to_dim()), &[start, end, step])?;
        x = g.gather(axis, x, places)?;
    }
    Ok(x)
}

/// One of a list of bounds, those from the end counted from the front.
fn bound(g: &mut Wires<'_>, list: OutletId, at: usize, size: i64) -> TractResult<OutletId> {
    let one = g.slice(list, 0, at.to_dim(), (at + 1).to_dim())?;
    let one = g.remove_axis(one, 0)?;
    let one = g.cast(one, DatumType::I64)?;
    let (zero, size) = (g.constant(tensor0(0i64))?, g.constant(tensor0(size))?);
    let negative = g.binary(TypedBinOp(comp_lt(), None), one, zero)?;
    let turned = g.add(one, size)?;
    g.select(negative, turned, one)
}

fn within(g: &mut Wires<'_>, x: OutletId, low: i64, high: i64) -> TractResult<OutletId> {
    let (low, high) = (g.constant(tensor0(low))?, g.constant(tensor0(high))?);
    let x = g.binary(math::max(), x, low)?;
    g.binary(math::min(), x, high)
}
