//! `Slice`: with bounds that are attributes, as the first operator sets have it, and with any bounds, steps and axes
//! that are known when a plan is made. The engine has those that are not.
//!
//! In: a tensor, starts, ends, axes and steps. Out: the part between the bounds. The engine's own takes bounds and steps
//! beyond 32 bits for others.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::downsample::Downsample;
use tract_onnx::tract_hir::internal::*;

use super::either::as_chosen;
use super::equal::counts;
use super::host::i64s;
use super::lower::{Built, Inputs, lowered};
use super::slice_computed;
use super::wires::Wires;

/// As many as any tensor that is cut in steps has.
const AXES: usize = 8;

/// One list for each of these, as long as each other.
struct Cuts {
    starts: Vec<i64>,
    ends: Vec<i64>,
    axes: Vec<i64>,
    steps: Vec<i64>,
}

/// As `Slice` of operator set 10 was before it was that.
pub(super) fn dynamic(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| Cuts::read(g, inputs)?.wire(g, inputs.need(0)?))
}

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    if ctx.onnx_operator_set_version >= 10 {
        let given = |at: usize| node.input.get(at).is_some_and(|name| !name.is_empty());
        let name = || ctx.template.symbols.new_with_prefix("x");
        let counts: Vec<Symbol> = (0..if given(4) { AXES } else { 0 }).map(|_| name()).collect();
        let ours = lowered(node, move |g, inputs| {
            let known = |at: usize| TractResult::Ok(g.fact(inputs.need(at)?)?.konst.is_some());
            if counts.is_empty() || known(1)? && known(2)? {
                return Cuts::read(g, inputs)?.wire(g, inputs.need(0)?);
            }
            Ok(tvec!(slice_computed::wire(g, inputs, &counts)?))
        })?;
        // The engine's own takes steps without axes for axes.
        if given(4) && !given(3) {
            return Ok(ours);
        }
        let unknown = |f: &&TypedFact| f.konst.as_ref().is_none_or(|k| i64s(k).is_err());
        return as_chosen(super::theirs(ctx, node)?, ours, move |inputs| {
            let bounds = || inputs.iter().skip(1).take(2);
            if bounds().any(unknown) && slice_computed::is_stepped(inputs.get(4)) {
                return false;
            }
            // Where the sign is open, a run must tell it first: of ours there is no plan.
            if bounds().any(|f| f.konst.as_ref().is_some_and(|k| may_be_none(k))) {
                return false;
            }
            inputs.iter().skip(1).any(unknown)
                || inputs.first().is_none_or(|x| x.shape.as_concrete().is_none())
        });
    }
    let starts: Vec<i64> = node.get_attr_vec("starts")?;
    let ends: Vec<i64> = node.get_attr_vec("ends")?;
    let axes: Option<Vec<i64>> = node.get_attr_opt_vec("axes")?;
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let cuts = Cuts { steps: vec![1; starts.len()], starts, ends, axes };
    lowered(node, move |g, inputs| cuts.wire(g, inputs.need(0)?))
}

/// Whether a bound counts from the end by a number that may be 0, which counts from the start.
fn may_be_none(bounds: &Tensor) -> bool {
    let plain = (bounds.datum_type() == TDim::datum_type()).then(|| bounds.try_as_plain_ram().ok());
    let from_end = |d: &TDim| {
        let open = d.to_i64().is_err() && !d.prove_strict_negative();
        open && counts(&(d.clone() * -1))
    };
    plain.flatten().is_some_and(|p| p.as_slice::<TDim>().is_ok_and(|all| all.iter().any(from_end)))
}

impl Cuts {
    fn read(g: &Wires, inputs: &Inputs) -> TractResult<Self> {
        let list = |at: usize| -> TractResult<Option<Vec<i64>>> {
            inputs.known(g, at)?.map(|known| i64s(&known)).transpose()
        };
        let starts = list(1)?.context("input 1 is missing")?;
        let ends = list(2)?.context("input 2 is missing")?;
        let axes = list(3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = list(4)?.unwrap_or_else(|| vec![1; starts.len()]);
        Ok(Self { starts, ends, axes, steps })
    }

    fn wire(&self, g: &mut Wires, mut x: OutletId) -> TractResult<TVec<OutletId>> {
        let Self { starts, ends, axes, steps } = self;
        let same = [ends, axes, steps].iter().all(|list| list.len() == starts.len());
        ensure!(same, "two bounds and a step for each axis");
        let mut cut = vec![];
        for (((start, end), axis), step) in starts.iter().zip(ends).zip(axes).zip(steps) {
            let axis = g.axis(x, *axis)?;
            ensure!(!cut.contains(&axis), "axis {axis} is cut twice");
            cut.push(axis);
            ensure!(*step != 0, "a step of 0");
            let size = g.shape(x)?[axis].to_i64()?;
            let forth = *step > 0;
            let bound = |at: i64| {
                let at = if at < 0 { at.saturating_add(size) } else { at };
                if forth { at.clamp(0, size) } else { at.clamp(-1, (size - 1).max(-1)) }
            };
            // Backwards from a start before the first there is still the first, as ONNX Runtime has it.
            let start = if forth { bound(*start) } else { bound(*start).max(0) };
            // The largest number there is means all that is left, in either direction.
            let all = [i64::MAX, i64::from(i32::MAX)].contains(end);
            let end = if all && !forth { -1 } else { bound(*end) };
            let length = if forth { end - start } else { start - end };
            let length = if size == 0 { 0 } else { length.max(0) };
            let from = if forth { start } else { start + 1 - length };
            let step = (*step).clamp(-length.max(1), length.max(1));
            if length == 0 {
                x = g.slice(x, axis, 0.to_dim(), 0.to_dim())?;
                continue;
            }
            if step.unsigned_abs() >= length.unsigned_abs() {
                x = g.slice(x, axis, start.to_dim(), (start + 1).to_dim())?;
                continue;
            }
            x = g.slice(x, axis, from.to_dim(), (from + length).to_dim())?;
            if step != 1 {
                x = g.op(Downsample::new(axis, step as isize, 0), &[x])?;
            }
        }
        Ok(tvec!(x))
    }
}
