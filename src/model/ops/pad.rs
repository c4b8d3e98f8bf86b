//! `Pad` in mode `wrap`, and with what takes away instead of adding.
//!
//! In: a tensor, how much to add on each side, and perhaps for which axes. Out: the tensor repeated, or
//! cut and then padded. (The importer panics at a negative pad.)

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::{Pad, PadMode};
use tract_onnx::tract_hir::internal::*;

use super::host::*;
use super::lower::lowered;
use super::wires::Wires;

#[derive(Debug)]
struct Wrap;

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    match node.get_attr_opt("mode")?.unwrap_or("constant") {
        "wrap" => host(node, Wrap),
        mode => {
            let listed: Option<Vec<i64>> = node.get_attr_opt_vec("pads")?;
            let adds = |pads: &[i64]| pads.iter().all(|p| *p >= 0);
            match listed {
                Some(pads) if adds(&pads) => super::theirs(ctx, node),
                Some(pads) => cut(node, mode, Some(pads)),
                None => either(super::theirs(ctx, node)?, cut(node, mode, None)?, move |inputs| {
                    let pads = inputs.get(1).and_then(|pads| pads.konst.as_ref());
                    pads.and_then(|pads| i64s(pads).ok()).is_none_or(|pads| adds(&pads))
                }),
            }
        }
    }
}

/// Cuts where pads are negative, then pads by the others.
fn cut(node: &NodeProto, mode: &str, listed: Option<Vec<i64>>) -> Built {
    let mode = mode.to_owned();
    let value: f32 = node.get_attr_opt("value")?.unwrap_or(0.);
    lowered(node, move |g, inputs| {
        let mut x = inputs.need(0)?;
        let (rank, dtype) = (g.rank(x)?, g.dtype(x)?);
        let konst = |g: &Wires<'_>, at: usize| -> TractResult<Option<Arc<Tensor>>> {
            let Some(input) = inputs.get(at) else { return Ok(None) };
            let konst = g.fact(input)?.konst.clone();
            Ok(Some(konst.with_context(|| format!("input {at} must be constant"))?))
        };
        let given = match &listed {
            Some(listed) => listed.clone(),
            None => i64s(konst(g, 1)?.context("no pads")?.as_ref())?,
        };
        let axes = konst(g, 3)?.map(|axes| i64s(&axes)).transpose()?;
        let value = match konst(g, 2)? {
            Some(value) => value.cast_to_dt(dtype)?.into_owned().into_shape(&[])?,
            None => tensor0(value).cast_to_dt(dtype)?.into_owned(),
        };
        let mut added = vec![];
        for (axis, (before, behind)) in pads(rank, &given, axes)?.into_iter().enumerate() {
            let size = g.shape(x)?[axis].clone();
            if before < 0 || behind < 0 {
                let end = size + behind.min(0);
                x = g.slice(x, axis, before.min(0).abs().to_dim(), end)?;
            }
            added.push((usize::try_from(before.max(0))?, usize::try_from(behind.max(0))?));
        }
        let mode = match mode.as_str() {
            "constant" => PadMode::Constant(value.into_arc_tensor()),
            "edge" => PadMode::Edge,
            "reflect" => PadMode::Reflect,
            other => bail!("mode {other} is unknown"),
        };
        if added.iter().all(|p| *p == (0, 0)) {
            return Ok(tvec!(x));
        }
        Ok(tvec!(g.op(Pad { pads: added, mode }, &[x])?))
    })
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
