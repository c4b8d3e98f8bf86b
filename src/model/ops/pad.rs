//! `Pad` in mode `wrap`.
//!
//! In: a tensor, how much to add on each side, and perhaps for which axes. Out: the tensor repeated.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct Wrap;

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    match node.get_attr_opt("mode")?.unwrap_or("constant") {
        "wrap" => host(node, Wrap),
        _ => super::theirs(ctx, node),
    }
}

/// For each axis what is added before and behind.
fn pads(rank: usize, pads: &[i64], axes: Option<Vec<i64>>) -> TractResult<Vec<(i64, i64)>> {
    let axes = axes.unwrap_or_else(|| (0..rank as i64).collect());
    ensure!(pads.len() == 2 * axes.len(), "two pads for each axis");
    let mut all = vec![(0, 0); rank];
    for (i, axis) in axes.iter().enumerate() {
        all[axis_of(*axis, rank)?] = (pads[i], pads[i + axes.len()]);
    }
    Ok(all)
}

fn shape(from: &[usize], pads: &[(i64, i64)]) -> TractResult<Vec<usize>> {
    let size = |(size, (before, behind)): (&usize, &(i64, i64))| {
        let size = i64::try_from(*size)?.checked_add(*before).and_then(|s| s.checked_add(*behind));
        Ok(usize::try_from(size.context("too large")?)?)
    };
    let shape = from.iter().zip(pads).map(size).collect::<TractResult<Vec<_>>>()?;
    volume(&shape)?;
    Ok(shape)
}

impl Host for Wrap {
    fn name(&self) -> &'static str {
        "Pad"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let input = need(inputs, 0)?;
        let from = dims(input)?;
        let axes = maybe(inputs, 3).map(|_| steering(inputs, 3)).transpose()?;
        let pads = pads(from.len(), &steering(inputs, 1)?, axes)?;
        Ok(tvec!(input.datum_type.fact(shape(&from, &pads)?)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let input = need(inputs, 0)?;
        let from = input.shape();
        let axes = maybe(inputs, 3).map(i64s).transpose()?;
        let pads = pads(from.len(), &i64s(need(inputs, 1)?)?, axes)?;
        let shape = shape(from, &pads)?;
        ensure!(input.len() > 0 || volume(&shape)? == 0, "nothing to repeat");
        let index: Vec<Option<usize>> = coordinates(&shape)
            .map(|at| {
                let place = |axis: usize| {
                    (at[axis] as i64 - pads[axis].0).rem_euclid(from[axis] as i64) as usize
                };
                Some(flat(&(0..at.len()).map(place).collect::<Vec<_>>(), from))
            })
            .collect();
        Ok(tvec!(take(input, &shape, &index)?))
    }
}
