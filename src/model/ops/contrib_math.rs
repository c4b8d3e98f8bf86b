//! com.microsoft's small operators: `CDist`, `ConvTransposeWithDynamicPads`, `ExpandDims`, `Inverse`, `SampleOp`,
//! `UnfoldTensor`.
//!
//! In and out: see each.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;
use super::lower::{lowered, part};
use crate::limit;

/// The input.
pub(super) fn same(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |_, inputs| Ok(tvec!(inputs.need(0)?)))
}

/// A transposed convolution, of which an input says how much is cut off at each end.
pub(super) fn conv_transpose(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let automatic = node.get_attr_opt("auto_pad")?.unwrap_or("NOTSET");
    ensure!(automatic == "NOTSET", "auto_pad {automatic} is not implemented");
    let biased = node.input.get(3).is_some_and(|name| !name.is_empty());
    let whole = part(ctx, node, "ConvTranspose", if biased { 3 } else { 2 })?;
    lowered(node, move |g, inputs| {
        let sides = [Some(inputs.need(0)?), Some(inputs.need(1)?), inputs.get(3)];
        let sides: TVec<OutletId> = sides.into_iter().flatten().collect();
        let mut y = g.part(&whole, &sides)?;
        let Some(pads) = inputs.known(g, 2)? else { return Ok(tvec!(y)) };
        let pads = sizes(&i64s(&pads)?)?;
        let spatial = g.rank(y)?.saturating_sub(2);
        ensure!(pads.len() == 2 * spatial, "{} pads for {spatial} axes", pads.len());
        let (before, behind) = pads.split_at(spatial);
        for (axis, (before, behind)) in before.iter().zip(behind).enumerate() {
            let length = g.shape(y)?[axis + 2].to_usize()?;
            let end = length.checked_sub(*behind).filter(|end| end >= before);
            let end = end.with_context(|| format!("{before} and {behind} cut off of {length}"))?;
            y = g.slice(y, axis + 2, before.to_dim(), end.to_dim())?;
        }
        Ok(tvec!(y))
    })
}

/// Windows along an axis, which become the last one.
pub(super) fn unfold(_: &ParsingContext, node: &NodeProto) -> Built {
    let axis: i64 = node.get_attr_opt("dim")?.unwrap_or(-1);
    let (size, step): (usize, usize) =
        (node.get_attr("size")?, node.get_attr_opt("step")?.unwrap_or(1));
    ensure!(size > 0 && step > 0, "windows of {size} every {step}");
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let axis = g.axis(x, axis)?;
        let length = g.shape(x)?[axis].to_usize()?;
        let room = length.checked_sub(size);
        let count = room.with_context(|| format!("windows of {size} along {length}"))? / step + 1;
        volume(&[count, size])?;
        limit::check(|| "UnfoldTensor".to_owned(), DatumType::I64, &[count, size])?;
        let places: Vec<i64> =
            (0..count * size).map(|at| (at / size * step + at % size) as i64).collect();
        let places = g.constant(Tensor::from_shape(&[count, size], &places)?)?;
        let y = g.gather(axis, x, places)?;
        let last = g.rank(y)? - 1;
        Ok(tvec!(g.move_axis(y, axis + 1, last)?))
    })
}

/// An axis more, at a constant place.
pub(super) fn expand_dims(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let (x, at) = (inputs.need(0)?, inputs.need(1)?);
        let at = g.known(at, "the axis")?;
        let at = i64s(&at)?.first().copied().context("no axis")?;
        let at = axis_of(at, g.rank(x)? + 1)?;
        Ok(tvec!(g.add_axis(x, at)?))
    })
}

/// Distances between the rows of two matrices.
#[derive(Debug)]
struct Distances {
    squared: bool,
}

pub(super) fn cdist(_: &ParsingContext, node: &NodeProto) -> Built {
    let squared = match node.get_attr_opt("metric")?.unwrap_or("sqeuclidean") {
        "sqeuclidean" => true,
        "euclidean" => false,
        other => bail!("the metric {other} is not implemented"),
    };
    host(node, Distances { squared })
}

impl Host for Distances {
    fn name(&self) -> &'static str {
        "CDist"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
        ensure!(a.rank() == 2 && b.rank() == 2 && a.shape[1] == b.shape[1], "rows of one length");
        Ok(tvec!(a.datum_type.fact([a.shape[0].clone(), b.shape[0].clone()])))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
        let (&[m, length], &[n, other]) = (a.shape(), b.shape()) else { bail!("two matrices") };
        ensure!(length == other, "rows of one length");
        let (x, y) = (f64s(a)?, f64s(b)?);
        let mut out = Vec::with_capacity(volume(&[m, n])?);
        for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
            let pairs = x[i * length..][..length].iter().zip(&y[j * length..][..length]);
            let sum: f64 = pairs.map(|(a, b)| (a - b) * (a - b)).sum();
            out.push(if self.squared { sum } else { sum.sqrt() });
        }
        Ok(tvec!(from_f64(&[m, n], &out, a.datum_type())?))
    }
}

/// The inverses of square matrices `[…, n, n]`.
#[derive(Debug)]
struct Inverse;

pub(super) fn inverse(_: &ParsingContext, node: &NodeProto) -> Built {
    host(node, Inverse)
}

/// By elimination with the largest pivot; a singular matrix gives infinities or NaN.
fn invert(m: &mut [f64], n: usize) -> Vec<f64> {
    let mut out: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect();
    for column in 0..n {
        let size = |row: &usize| m[row * n + column].abs();
        let pivot = (column..n).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(column);
        for side in [&mut *m, &mut out] {
            (0..n).for_each(|i| side.swap(pivot * n + i, column * n + i));
        }
        let value = m[column * n + column];
        for row in (0..n).filter(|row| *row != column) {
            let factor = m[row * n + column] / value;
            for side in [&mut *m, &mut out] {
                (0..n).for_each(|i| side[row * n + i] -= factor * side[column * n + i]);
            }
        }
        for side in [&mut *m, &mut out] {
            side[column * n..][..n].iter_mut().for_each(|v| *v /= value);
        }
    }
    out
}

impl Host for Inverse {
    fn name(&self) -> &'static str {
        "Inverse"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let x = need(inputs, 0)?;
        let rank = x.rank();
        ensure!(rank >= 2 && x.shape[rank - 1] == x.shape[rank - 2], "no square matrices");
        Ok(tvec!(x.without_value()))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let x = need(inputs, 0)?;
        let n = x.shape().last().copied().unwrap_or(0);
        let mut values = f64s(x)?;
        let inverses = values.chunks_exact_mut((n * n).max(1)).flat_map(|m| invert(m, n));
        Ok(tvec!(from_f64(x.shape(), &inverses.collect::<Vec<_>>(), x.datum_type())?))
    }
}
