//! `Slice` of the first operator sets, whose bounds are attributes, also with axes from the end.
//!
//! In: a tensor. Out: the part between the bounds.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    if ctx.onnx_operator_set_version >= 10 {
        return super::theirs(ctx, node);
    }
    let starts: Vec<i64> = node.get_attr_vec("starts")?;
    let ends: Vec<i64> = node.get_attr_vec("ends")?;
    let axes: Option<Vec<i64>> = node.get_attr_opt_vec("axes")?;
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    ensure!(starts.len() == ends.len() && axes.len() == ends.len(), "two bounds for each axis");
    lowered(node, move |g, inputs| {
        let mut x = inputs.need(0)?;
        for ((axis, start), end) in axes.iter().zip(&starts).zip(&ends) {
            let axis = g.axis(x, *axis)?;
            let size = g.shape(x)?[axis].to_i64()?;
            let bound =
                |at: i64| (if at < 0 { at.saturating_add(size) } else { at }).clamp(0, size);
            let start = bound(*start);
            x = g.slice(x, axis, start.to_dim(), bound(*end).max(start).to_dim())?;
        }
        Ok(tvec!(x))
    })
}
