//! `GridSample`: cubic with the border's values outside, which the engine clamps before it weighs, and reflection of what
//! is very far off; the rest is the engine's.
//!
//! In: images and where to sample them. Out: the samples. The one decision: the border is put around the image, and what
//! lies further out is brought to where there is nothing but border.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::{Pad, PadMode};
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered, their_whole};

/// Pixels around the image: a sample reads two on either side of where it lies, which is at most two outside.
const AROUND: i64 = 5;
const OUTSIDE: f64 = 2.0;
/// What is reflected from farther off is no place at all: the engine counts reflections in 32 bits.
const FARTHEST: f32 = 1e4;

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let mode = node.get_attr_opt("mode")?.unwrap_or("linear");
    let padding = node.get_attr_opt("padding_mode")?.unwrap_or("zeros");
    let (reflects, cubic) = (padding == "reflection", matches!(mode, "cubic" | "bicubic"));
    if reflects {
        let sample = their_whole(ctx, node)?;
        return lowered(node, move |g, inputs| {
            let (x, grid) = (inputs.need(0)?, inputs.need(1)?);
            ensure!(!cubic || g.rank(x)? == 4, "cubic sampling is of images, of rank 4");
            let grid = g.f32(grid)?;
            let grid = g.clip(grid, Some(-FARTHEST), Some(FARTHEST))?;
            Ok(tvec!(g.part(&sample, &[x, grid])?))
        });
    }
    if !cubic {
        return super::theirs(ctx, node);
    }
    let border = padding == "border";
    let aligned = node.get_attr_opt::<i64>("align_corners")?.unwrap_or(0) != 0;
    let mut inner = node.clone();
    if border {
        inner.attribute.retain(|a| a.name != "padding_mode");
    }
    let sample = their_whole(ctx, &inner)?;
    lowered(node, move |g, inputs| {
        let (x, grid) = (inputs.need(0)?, inputs.need(1)?);
        ensure!(g.rank(x)? == 4 && g.rank(grid)? == 4, "cubic sampling is of images, of rank 4");
        let shape = g.shape(x)?;
        ensure!(g.shape(grid)?[3] == 2.to_dim(), "two coordinates for each sample");
        if !border {
            return Ok(tvec!(g.part(&sample, &[x, grid])?));
        }
        // Columns before rows, as the grid has them.
        let sizes = [shape[3].to_i64()? as f64, shape[2].to_i64()? as f64];
        let mut grid = g.f32(grid)?;
        let around = AROUND as f64;
        // From -1..1 to pixels, and back for the larger image.
        let to = |s: f64| if aligned { (s - 1.0) / 2.0 } else { s / 2.0 };
        let wide = sizes.map(|s| s + 2.0 * around);
        let back = wide.map(|w| 1.0 / to(w));
        let rest =
            |w: f64| if aligned { around / to(w) - 1.0 } else { (around + 0.5) / to(w) - 1.0 };
        let steps = [
            (math::mul(), sizes.map(to)),
            (math::add(), sizes.map(|s| (s - 1.0) / 2.0)),
            (math::max(), [-OUTSIDE; 2]),
            (math::min(), sizes.map(|s| s - 1.0 + OUTSIDE)),
            (math::mul(), back),
            (math::add(), wide.map(rest)),
        ];
        for (op, values) in steps {
            let values = tensor1(&values.map(|v| v as f32)).into_shape(&[1, 1, 1, 2])?;
            let values = g.constant(values)?;
            grid = g.binary(op, grid, values)?;
        }
        let side = AROUND as usize;
        let pads = vec![(0, 0), (0, 0), (side, side), (side, side)];
        let x = g.op(Pad { pads, mode: PadMode::Edge }, &[x])?;
        Ok(tvec!(g.part(&sample, &[x, grid])?))
    })
}
