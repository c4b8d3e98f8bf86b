//! `RoiAlign`: regions of a feature map, each sampled into a grid of one size.
//!
//! In: `[N, C, H, W]`, regions `[R, 4]` and which batch entry each lies in. Out: `[R, C, rows, columns]`.
//! The GPU has a kernel for it.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
pub(crate) struct RoiAlign {
    pub(crate) max: bool,
    pub(crate) half_pixel: bool,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Samples along each axis of a cell; 0 for as many as it has pixels.
    pub(crate) sampling: usize,
    pub(crate) scale: f64,
}

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let max = match node.get_attr_opt("mode")?.unwrap_or("avg") {
        "avg" => false,
        "max" => true,
        other => bail!("mode {other} is unknown"),
    };
    // Before operator set 16 nothing was shifted.
    let default =
        if ctx.onnx_operator_set_version >= 16 { "half_pixel" } else { "output_half_pixel" };
    let half_pixel = match node.get_attr_opt("coordinate_transformation_mode")?.unwrap_or(default) {
        "half_pixel" => true,
        "output_half_pixel" => false,
        other => bail!("coordinate_transformation_mode {other} is unknown"),
    };
    let op = RoiAlign {
        max,
        half_pixel,
        rows: node.get_attr_opt("output_height")?.unwrap_or(1),
        columns: node.get_attr_opt("output_width")?.unwrap_or(1),
        sampling: node.get_attr_opt("sampling_ratio")?.unwrap_or(0),
        scale: f64::from(node.get_attr_opt("spatial_scale")?.unwrap_or(1f32)),
    };
    ensure!(
        op.rows > 0 && op.columns > 0 && op.sampling <= 1 << 10,
        "an attribute is out of range"
    );
    host(node, op)
}

/// Samples along an axis of a region, and of all regions: no detector needs as many.
const MOST_ALONG: usize = 1 << 20;
const MOST_SAMPLES: u64 = 1 << 33;

impl RoiAlign {
    /// Whether so many samples of a cell, down and across, are as many along an axis as there may be.
    pub(crate) fn bounds(&self, samples: [usize; 2]) -> bool {
        let each = [self.rows, self.columns].into_iter().zip(samples);
        each.map(|(cells, count)| cells.saturating_mul(count)).all(|n| n <= MOST_ALONG)
    }
}

/// The two elements around a place, with their weights; nothing when it lies outside.
type Tap = Option<[(usize, f64); 2]>;

fn between(at: f64, size: usize) -> Tap {
    if size == 0 || !(-1.0..=size as f64).contains(&at) {
        return None;
    }
    let at = at.clamp(0.0, (size - 1) as f64);
    let low = at as usize;
    let share = at - low as f64;
    Some([(low, 1.0 - share), ((low + 1).min(size - 1), share)])
}

impl Host for RoiAlign {
    fn name(&self) -> &'static str {
        "RoiAlign"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let (x, rois) = (need(inputs, 0)?, need(inputs, 1)?);
        ensure!(x.rank() == 4 && rois.rank() == 2, "a feature map of rank 4 and regions of rank 2");
        let (rows, columns) = (self.rows.to_dim(), self.columns.to_dim());
        Ok(tvec!(x.datum_type.fact([rois.shape[0].clone(), x.shape[1].clone(), rows, columns])))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (x, rois) = (need(inputs, 0)?, need(inputs, 1)?);
        let &[batch, channels, height, width] = x.shape() else { bail!("a feature map of rank 4") };
        let (values, regions) = (f64s(x)?, f64s(rois)?);
        let entries = sizes(&i64s(need(inputs, 2)?)?)?;
        ensure!(
            regions.len() == 4 * entries.len(),
            "a batch entry for each region of four numbers"
        );
        ensure!(entries.iter().all(|e| *e < batch), "a region lies in no batch entry");
        let offset = if self.half_pixel { 0.5 } else { 0.0 };
        let shape = [entries.len(), channels, self.rows, self.columns];
        let total = volume(&shape)?;
        let mut out = Vec::with_capacity(total);
        for (entry, region) in entries.iter().zip(regions.chunks_exact(4)) {
            let [left, top, right, bottom] = [0, 1, 2, 3].map(|i| region[i] * self.scale - offset);
            let least = |length: f64| if self.half_pixel { length } else { length.max(1.0) };
            let cell =
                [least(bottom - top) / self.rows as f64, least(right - left) / self.columns as f64];
            let samples = cell.map(|c| match self.sampling {
                // A region far over the map is no reason to sample for ever.
                0 => (c.ceil().max(0.0) as usize).min(1 << 10),
                fixed => fixed,
            });
            let count = (samples[0] * samples[1]).max(1) as f64;
            let work = (total as u64).saturating_mul((samples[0] * samples[1]) as u64);
            let fits = self.bounds(samples) && work <= MOST_SAMPLES;
            ensure!(fits, "{samples:?} samples of each of {} by {}", self.rows, self.columns);
            // Where each sample lies, cell by cell, is the same for all channels.
            let taps = |axis: usize, start: f64, cells: usize, size: usize| -> Vec<Tap> {
                let count = samples[axis];
                let place = |at: usize, sample: usize| {
                    start + (at as f64 + (sample as f64 + 0.5) / count as f64) * cell[axis]
                };
                let each = |at| (0..count).map(move |sample| between(place(at, sample), size));
                (0..cells).flat_map(each).collect()
            };
            let down = taps(0, top, self.rows, height);
            let across = taps(1, left, self.columns, width);
            for channel in 0..channels {
                let plane =
                    &values[(entry * channels + channel) * height * width..][..height * width];
                for at in 0..self.rows * self.columns {
                    let (row, column) = (at / self.columns, at % self.columns);
                    let (mut sum, mut most) = (0.0, None::<f64>);
                    for y in &down[row * samples[0]..][..samples[0]] {
                        for x in &across[column * samples[1]..][..samples[1]] {
                            let corners = y.zip(*x).map(|(y, x)| {
                                [(0, 0), (0, 1), (1, 0), (1, 1)]
                                    .map(|(i, j)| y[i].1 * x[j].1 * plane[y[i].0 * width + x[j].0])
                            });
                            let corners = corners.unwrap_or([0.0; 4]);
                            sum += corners.iter().sum::<f64>();
                            // ONNX takes the largest weighted corner, not the largest interpolated value.
                            let high = corners.into_iter().fold(f64::NEG_INFINITY, f64::max);
                            most = Some(most.map_or(high, |m| m.max(high)));
                        }
                    }
                    out.push(if self.max { most.unwrap_or(0.0) } else { sum / count });
                }
            }
        }
        Ok(tvec!(from_f64(&shape, &out, x.datum_type())?))
    }
}
