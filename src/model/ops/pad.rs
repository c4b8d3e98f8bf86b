//! `Pad` of flags, in mode `wrap`, with what takes away instead of adding, and with a value that its mode has no use for.
//!
//! In: a tensor, how much to add on each side, and perhaps for which axes. Out: the tensor cut, and then repeated or padded. (The
//! importer panics at a negative pad, and pads with the value that it is given in any mode.)

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::{Pad, PadMode, Tile};
use tract_onnx::tract_hir::internal::*;

use super::either::either;
use super::host::*;
use super::lower::lowered;
use super::wires::Wires;

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    match node.get_attr_opt("mode")?.unwrap_or("constant") {
        "wrap" => wrap(node),
        mode => {
            let listed: Option<Vec<i64>> = node.get_attr_opt_vec("pads")?;
            let adds = |pads: &[i64]| pads.iter().all(|p| *p >= 0);
            match listed {
                Some(pads) if adds(&pads) => super::theirs(ctx, node),
                Some(pads) => cut(node, mode, Some(pads)),
                None if mode != "constant" && node.input.get(2).is_some_and(|n| !n.is_empty()) => {
                    cut(node, mode, None)
                }
                None => either(super::theirs(ctx, node)?, cut(node, mode, None)?, move |inputs| {
                    if inputs.first().is_some_and(|x| x.datum_type == DatumType::Bool) {
                        return false;
                    }
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
        let (x, given_dtype) = (inputs.need(0)?, g.dtype(inputs.need(0)?)?);
        // The engine pads numbers.
        let dtype = if given_dtype == DatumType::Bool { DatumType::U8 } else { given_dtype };
        let mut x = g.cast(x, dtype)?;
        let rank = g.rank(x)?;
        let given = match &listed {
            Some(listed) => listed.clone(),
            None => i64s(inputs.known(g, 1)?.context("no pads")?.as_ref())?,
        };
        let axes = inputs.known(g, 3)?.map(|axes| i64s(&axes)).transpose()?;
        let mut added = vec![];
        for (axis, (before, behind)) in pads(rank, &given, axes)?.into_iter().enumerate() {
            let size = g.shape(x)?[axis].clone();
            let start = before.min(0).checked_neg().context("no such size")?;
            if let Ok(size) = size.to_i64() {
                let left = size.saturating_sub(start).saturating_add(behind.min(0));
                ensure!(left >= 0, "{before} and {behind} taken away of {size}");
                let most = if mode == "reflect" { left - 1 } else { i64::MAX };
                let grows = before.max(behind) > 0 && mode != "constant";
                ensure!(
                    !grows || left > 0 && before.max(behind) <= most,
                    "{before} and {behind} elements of {left}"
                );
            }
            if before < 0 || behind < 0 {
                let end = size + behind.min(0);
                x = g.slice(x, axis, start.to_dim(), end)?;
            }
            added.push((usize::try_from(before.max(0))?, usize::try_from(behind.max(0))?));
        }
        let mode = match mode.as_str() {
            "constant" => {
                let value = match inputs.known(g, 2)? {
                    Some(value) => value.cast_to_dt(dtype)?.into_owned().into_shape(&[])?,
                    None => tensor0(value).cast_to_dt(dtype)?.into_owned(),
                };
                PadMode::Constant(value.into_arc_tensor())
            }
            "edge" => PadMode::Edge,
            "reflect" => PadMode::Reflect,
            other => bail!("mode {other} is unknown"),
        };
        if added.iter().any(|p| *p != (0, 0)) {
            x = g.op(Pad { pads: added, mode }, &[x])?;
        }
        Ok(tvec!(g.cast(x, given_dtype)?))
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

/// The tensor, cut, repeated along each axis, and cut to where it begins and ends.
fn wrap(node: &NodeProto) -> Built {
    lowered(node, move |g, inputs| {
        let mut x = inputs.need(0)?;
        let fact = |g: &Wires<'_>, at: usize| -> TractResult<Option<Vec<i64>>> {
            inputs.known(g, at)?.map(|known| i64s(&known)).transpose()
        };
        let shape = g.shape(x)?;
        let given = fact(g, 1)?.context("no pads")?;
        for (axis, (before, behind)) in
            pads(shape.len(), &given, fact(g, 3)?)?.into_iter().enumerate()
        {
            if (before, behind) == (0, 0) {
                continue;
            }
            let mut size = i64::try_from(shape[axis].to_usize()?)?;
            if before < 0 || behind < 0 {
                let start = before.min(0).checked_neg().context("no such size")?;
                let end = size.saturating_add(behind.min(0));
                ensure!(start <= end, "{before} and {behind} taken away of {size}");
                x = g.slice(x, axis, start.to_dim(), end.to_dim())?;
                size = end - start;
            }
            let (before, behind) = (before.max(0), behind.max(0));
            if (before, behind) == (0, 0) {
                continue;
            }
            let wanted = size.checked_add(before).and_then(|s| s.checked_add(behind));
            let wanted = wanted.filter(|w| *w >= 0).context("no such size")?;
            ensure!(size > 0, "nothing to repeat");
            let start = before.checked_neg().context("no such size")?.rem_euclid(size);
            let end = start.checked_add(wanted).context("too large")?;
            let mut times: TVec<TDim> = tvec!(1.to_dim(); shape.len());
            times[axis] = ((end + size - 1) / size).max(1).to_dim();
            x = g.op(Tile { multipliers: times }, &[x])?;
            x = g.slice(x, axis, start.to_dim(), end.to_dim())?;
        }
        Ok(tvec!(x))
    })
}
