//! com.microsoft `RotaryEmbedding`, where the position may be one offset for all rows.
//!
//! In: as the importer's operator, which takes positions a row and token only, and reads an offset as
//! the position of every token. Out: the same, with the offset counted up.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::MultiBroadcastTo;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered, part};

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let rotate = part(ctx, node, "RotaryEmbedding", 4)?;
    lowered(node, move |g, inputs| {
        let (x, mut positions) = (inputs.need(0)?, inputs.need(1)?);
        if g.rank(positions)? == 1 {
            let shape = g.shape(x)?;
            ensure!(matches!(shape.len(), 3 | 4), "an input of {} axes", shape.len());
            // [batch, length, width] or [batch, heads, length, size]
            let length = shape[shape.len() - 2].to_usize()?;
            let steps: Vec<i64> = (0..length as i64).collect();
            let steps = g.constant(Tensor::from_shape(&[1, length], &steps)?)?;
            let offset = g.cast(positions, DatumType::I64)?;
            let offset = g.add_axis(offset, 0)?;
            let all = g.add(steps, offset)?;
            let wide = ShapeFact::from_dims([shape[0].clone(), length.to_dim()]);
            positions = g.op(MultiBroadcastTo::new(wide), &[all])?;
        }
        Ok(tvec!(g.part(&rotate, &[x, positions, inputs.need(2)?, inputs.need(3)?])?))
    })
}
