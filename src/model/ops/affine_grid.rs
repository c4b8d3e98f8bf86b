//! `AffineGrid`: the sampling grid of an affine transformation.
//!
//! In: `theta` `[N, 2, 3]` or `[N, 3, 4]` and the size `[N, C, (D,) H, W]`. Out: `[N, (D,) H, W, 2 or 3]`.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct AffineGrid {
    align_corners: bool,
}

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    let align_corners = node.get_attr_opt("align_corners")?.unwrap_or(false);
    host(node, AffineGrid { align_corners })
}

/// The shape of the grid for the wanted size.
fn grid(size: &[i64]) -> TractResult<Vec<usize>> {
    ensure!(matches!(size.len(), 4 | 5), "the size has 4 or 5 entries");
    let mut shape = sizes(size)?;
    shape.remove(1);
    shape.push(size.len() - 2);
    volume(&shape)?;
    Ok(shape)
}

impl Host for AffineGrid {
    fn name(&self) -> &'static str {
        "AffineGrid"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(need(inputs, 0)?.datum_type.fact(grid(&steering(inputs, 1)?)?)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let theta = need(inputs, 0)?;
        let shape = grid(&i64s(need(inputs, 1)?)?)?;
        let axes = shape.len() - 2;
        ensure!(theta.shape() == [shape[0], axes, axes + 1], "theta does not fit the size");
        let values = f64s(theta)?;
        let place = |at: usize, size: usize| match (self.align_corners, size) {
            (true, 1) => 0.0,
            (true, _) => 2.0 * at as f64 / (size - 1) as f64 - 1.0,
            (false, _) => (2 * at + 1) as f64 / size as f64 - 1.0,
        };
        let mut out = Vec::with_capacity(volume(&shape)?);
        for at in coordinates(&shape[..=axes]) {
            // The innermost axis comes first in theta's rows.
            let point: Vec<f64> = (1..=axes).rev().map(|a| place(at[a], shape[a])).collect();
            for row in values[at[0] * axes * (axes + 1)..].chunks_exact(axes + 1).take(axes) {
                out.push(row.iter().zip(&point).map(|(a, b)| a * b).sum::<f64>() + row[axes]);
            }
        }
        Ok(tvec!(from_f64(&shape, &out, theta.datum_type())?))
    }
}
