//! `DeformConv`: a 2-D convolution whose kernel points are moved by offsets.
//!
//! In: `[N, C, H, W]`, weights, offsets for each output place and kernel point, a bias and a mask. Out: as
//! of a convolution; between elements values are interpolated, outside they are zero. The GPU has kernels for it.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
pub(crate) struct DeformConv {
    pub(crate) group: usize,
    pub(crate) offset_group: usize,
    /// Of two axes, as the dilations.
    pub(crate) strides: Vec<usize>,
    pub(crate) dilations: Vec<usize>,
    /// Before both axes, then behind.
    pub(crate) pads: Vec<usize>,
}

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    let op = DeformConv {
        group: node.get_attr_opt("group")?.unwrap_or(1),
        offset_group: node.get_attr_opt("offset_group")?.unwrap_or(1),
        strides: node.get_attr_opt_vec("strides")?.unwrap_or_else(|| vec![1; 2]),
        dilations: node.get_attr_opt_vec("dilations")?.unwrap_or_else(|| vec![1; 2]),
        pads: node.get_attr_opt_vec("pads")?.unwrap_or_else(|| vec![0; 4]),
    };
    ensure!(
        op.strides.len() == 2 && op.dilations.len() == 2 && op.pads.len() == 4,
        "only two spatial axes are supported"
    );
    ensure!(op.group > 0 && op.offset_group > 0 && op.strides.iter().all(|s| *s > 0), "a zero");
    host(node, op)
}

impl DeformConv {
    pub(crate) fn shape(&self, x: &[usize], w: &[usize]) -> TractResult<Vec<usize>> {
        ensure!(x.len() == 4 && w.len() == 4, "only two spatial axes are supported");
        ensure!(
            w[1] * self.group == x[1] && w[0].is_multiple_of(self.group),
            "weights do not fit the input"
        );
        ensure!(
            x[1].is_multiple_of(self.offset_group) && w[2] > 0 && w[3] > 0,
            "offsets do not fit"
        );
        let size = |a: usize| -> TractResult<usize> {
            let span = (w[a + 2] - 1) * self.dilations[a] + 1;
            let free = (x[a + 2] + self.pads[a] + self.pads[a + 2]).checked_sub(span);
            Ok(free.context("the kernel is over the input")? / self.strides[a] + 1)
        };
        let shape = vec![x[0], w[0], size(0)?, size(1)?];
        volume(&shape)?;
        Ok(shape)
    }
}

/// The value between elements of a plane of `h` rows and `w` columns.
fn between(plane: &[f64], h: usize, w: usize, y: f64, x: f64) -> f64 {
    let (top, left) = (y.floor(), x.floor());
    let mut sum = 0.0;
    for (row, wy) in [(top, top + 1.0 - y), (top + 1.0, y - top)] {
        for (column, wx) in [(left, left + 1.0 - x), (left + 1.0, x - left)] {
            if row >= 0.0 && row < h as f64 && column >= 0.0 && column < w as f64 {
                sum += wy * wx * plane[row as usize * w + column as usize];
            }
        }
    }
    sum
}

impl Host for DeformConv {
    fn name(&self) -> &'static str {
        "DeformConv"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let (x, w) = (need(inputs, 0)?, need(inputs, 1)?);
        Ok(tvec!(x.datum_type.fact(self.shape(&dims(x)?, &dims(w)?)?)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (x, w, offsets) = (need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?);
        let shape = self.shape(x.shape(), w.shape())?;
        let [batch, filters, rows, columns] = shape[..] else { bail!("not four axes") };
        let (channels, height, width) = (x.shape()[1], x.shape()[2], x.shape()[3]);
        let (depth, kh, kw) = (w.shape()[1], w.shape()[2], w.shape()[3]);
        let (points, places) = (kh * kw, rows * columns);
        let per_offset = channels / self.offset_group;
        let count = batch * self.offset_group * points * places;
        let (x_, w_, o_) = (f64s(x)?, f64s(w)?, f64s(offsets)?);
        let mask = maybe(inputs, 4).map(f64s).transpose()?;
        let bias = maybe(inputs, 3).map(f64s).transpose()?;
        ensure!(o_.len() == 2 * count, "the offsets do not fit");
        ensure!(mask.as_ref().is_none_or(|m| m.len() == count), "the mask does not fit");
        ensure!(bias.as_ref().is_none_or(|b| b.len() == filters), "the bias does not fit");
        let mut out = vec![0.0; volume(&shape)?];
        // The columns of the input that one output place sees, for all filters.
        let mut seen = vec![0.0; channels * points];
        for n in 0..batch {
            for place in 0..places {
                let (row, column) = (place / columns, place % columns);
                for c in 0..channels {
                    let plane = &x_[(n * channels + c) * height * width..][..height * width];
                    let group = n * self.offset_group + c / per_offset;
                    for k in 0..points {
                        let at = group * points + k;
                        let by = |axis: usize| o_[(at * 2 + axis) * places + place];
                        let start = |o: usize, k: usize, a: usize| {
                            (o * self.strides[a] + k * self.dilations[a]) as f64
                                - self.pads[a] as f64
                        };
                        let (y, x) =
                            (start(row, k / kw, 0) + by(0), start(column, k % kw, 1) + by(1));
                        let scale = mask.as_ref().map_or(1.0, |m| m[at * places + place]);
                        seen[c * points + k] = scale * between(plane, height, width, y, x);
                    }
                }
                for f in 0..filters {
                    let from = f / (filters / self.group) * depth * points;
                    let weights = &w_[f * depth * points..][..depth * points];
                    let sum: f64 = weights.iter().zip(&seen[from..]).map(|(w, x)| w * x).sum();
                    out[(n * filters + f) * places + place] =
                        sum + bias.as_ref().map_or(0.0, |b| b[f]);
                }
            }
        }
        Ok(tvec!(from_f64(&shape, &out, x.datum_type())?))
    }
}
