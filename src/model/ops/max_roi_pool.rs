//! `MaxRoiPool`: the greatest of each cell of a grid over regions of a feature map.
//!
//! In: `[N, C, H, W]`, and regions `[R, 5]` of a batch entry and corners. Out: `[R, C, rows, columns]`.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct MaxRoiPool {
    grid: [usize; 2],
    scale: f32,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let grid: Vec<usize> = node.get_attr_vec("pooled_shape")?;
    let grid = <[usize; 2]>::try_from(grid).map_err(|_| format_err!("pooled_shape is no pair"))?;
    let scale = node.get_attr_opt("spatial_scale")?.unwrap_or(1f32);
    host(node, MaxRoiPool { grid, scale })
}

impl Host for MaxRoiPool {
    fn name(&self) -> &'static str {
        "MaxRoiPool"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let (x, rois) = (need(inputs, 0)?, need(inputs, 1)?);
        ensure!(x.rank() == 4 && rois.rank() == 2, "a feature map of rank 4 and regions of rank 2");
        let [rows, columns] = self.grid.map(|d| d.to_dim());
        Ok(tvec!(x.datum_type.fact([rois.shape[0].clone(), x.shape[1].clone(), rows, columns])))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (x, rois) = (need(inputs, 0)?, need(inputs, 1)?);
        let &[batch, channels, height, width] = x.shape() else { bail!("a feature map of rank 4") };
        let (values, regions) = (f64s(x)?, f64s(rois)?);
        ensure!(regions.len() == 5 * rois.shape()[0], "five numbers for each region");
        let shape = [rois.shape()[0], channels, self.grid[0], self.grid[1]];
        let mut out = Vec::with_capacity(volume(&shape)?);
        for region in regions.chunks_exact(5) {
            let entry = region[0] as usize;
            ensure!(region[0] >= 0.0 && entry < batch, "a region lies in no batch entry");
            let [left, top, right, bottom] =
                [1, 2, 3, 4].map(|i| f64::from((region[i] as f32 * self.scale).round()));
            // The rows, or columns, of a cell.
            let cell = |at: usize, cells: usize, low: f64, high: f64, size: usize| {
                let each = (high - low + 1.0).max(1.0) / cells as f64;
                let inside = |v: f64| (v + low).clamp(0.0, size as f64) as usize;
                inside((at as f64 * each).floor())..inside(((at + 1) as f64 * each).ceil())
            };
            for at in coordinates(&shape[1..]) {
                let plane = &values[(entry * channels + at[0]) * height * width..];
                let columns = cell(at[2], self.grid[1], left, right, width);
                let cells = cell(at[1], self.grid[0], top, bottom, height)
                    .flat_map(|y| columns.clone().map(move |x| plane[y * width + x]));
                // Nothing of the map lies in an empty cell.
                out.push(cells.reduce(f64::max).unwrap_or(0.0));
            }
        }
        Ok(tvec!(from_f64(&shape, &out, x.datum_type())?))
    }
}
