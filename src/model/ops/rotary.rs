//! com.microsoft `RotaryEmbedding`, where the position may be one offset for all rows, and `MRotaryEmbedding`, where a
//! token has one in time and two in an image.
//!
//! In: as the importer's operator, which takes positions a row and token only, and reads an offset as
//! the position of every token. Out: the same, with the offset counted up, or with tables of which each column is
//! looked up by one of the three.

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

/// Which of the three positions each column of a table is looked up by.
fn sources(sections: &[usize; 3], interleaved: bool) -> Vec<usize> {
    let [time, down, across] = *sections;
    let width = time + down + across;
    let source = |at: usize| match (interleaved, at % 3) {
        (false, _) => usize::from(at >= time) + usize::from(at >= time + down),
        (true, 1) if at < 3 * down => 1,
        (true, 2) if at < 3 * across => 2,
        _ => 0,
    };
    (0..width).map(source).collect()
}

pub(super) fn of_three(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let sections: Vec<usize> = node.get_attr_vec("mrope_section")?;
    let sections: [usize; 3] =
        sections[..].try_into().ok().with_context(|| format!("mrope_section {sections:?}"))?;
    ensure!(sections.iter().all(|s| *s < 1 << 16), "mrope_section {sections:?}");
    let layout: i64 = node.get_attr_opt("mrope_layout")?.unwrap_or(0);
    ensure!(matches!(layout, 0 | 1), "mrope_layout {layout} is unknown");
    let scale: f32 = node.get_attr_opt("scale")?.unwrap_or(1.);
    let packed: i64 = node.get_attr_opt("is_packed_batching")?.unwrap_or(0);
    ensure!(scale == 1. && packed == 0, "a scale, or packed rows, are not implemented");
    let sources = sources(&sections, layout == 1);
    let heads: usize = node.get_attr_opt("num_heads")?.unwrap_or(0);
    let turned: i64 = node.get_attr_opt("rotary_embedding_dim")?.unwrap_or(0);
    ensure!(turned == 0 || heads > 0, "rotary_embedding_dim without num_heads");
    // ONNX's own operator takes tables of rows that are looked up already.
    let mut plain = node.clone();
    plain.domain.clear();
    plain.attribute.retain(|a| matches!(a.name.as_str(), "interleaved" | "rotary_embedding_dim"));
    let rotate = part(ctx, &plain, "RotaryEmbedding", 3)?;
    lowered(node, move |g, inputs| {
        let (x, positions) = (inputs.need(0)?, inputs.need(1)?);
        ensure!(g.rank(positions)? == 3, "positions of {} axes", g.rank(positions)?);
        let mut tables = [inputs.need(2)?, inputs.need(3)?];
        for table in &mut tables {
            let width = sources.len();
            let shape = g.shape(*table)?;
            ensure!(shape.len() == 2 && shape[1] == width.to_dim(), "a table of shape {shape:?}");
            let mut made = None;
            for of in 0..3 {
                let at = g.slice(positions, 0, of.to_dim(), (of + 1).to_dim())?;
                let at = g.remove_axis(at, 0)?;
                let rows = g.gather(0, *table, at)?;
                let own: Vec<bool> = sources.iter().map(|s| *s == of).collect();
                let own = g.constant(Tensor::from_shape(&[1, 1, width], &own)?)?;
                made = Some(made.map_or(Ok(rows), |made| g.select(own, rows, made))?);
            }
            *table = made.context("no positions")?;
        }
        let [cos, sin] = tables;
        if g.rank(x)? == 4 {
            return Ok(tvec!(g.part(&rotate, &[x, cos, sin])?));
        }
        let shape = g.shape(x)?;
        ensure!(shape.len() == 3, "an input of {} axes", shape.len());
        let width = shape[2].to_usize()?;
        let heads = if heads > 0 { heads } else { width / (2 * sources.len()).max(1) };
        ensure!(heads > 0 && width.is_multiple_of(heads), "{width} values in {heads} heads");
        let apart = tvec!(heads.to_dim(), (width / heads).to_dim());
        let x = g.reshape(x, 2, tvec!(width.to_dim()), apart.clone())?;
        let x = g.move_axis(x, 2, 1)?;
        let y = g.part(&rotate, &[x, cos, sin])?;
        let y = g.move_axis(y, 1, 2)?;
        Ok(tvec!(g.reshape(y, 2, apart, tvec!(width.to_dim()))?))
    })
}
