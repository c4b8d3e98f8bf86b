//! `SpaceToDepth`: blocks of pixels become channels; in mode `CRD` those of one channel stay together.
//!
//! In: `[N, C, H, W]`. Out: `[N, C * b * b, H / b, W / b]`.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let block: usize = node.get_attr("blocksize")?;
    ensure!(block > 0, "a block of no pixels");
    let channels_first = match node.get_attr_opt("mode")?.unwrap_or("DCR") {
        "CRD" => true,
        "DCR" => false,
        other => bail!("mode {other} is unknown"),
    };
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let shape = g.shape(x)?;
        ensure!(shape.len() == 4, "{} axes instead of 4", shape.len());
        let size = block.to_dim();
        let (high, wide) = (shape[2].clone() / block, shape[3].clone() / block);
        ensure!(
            high.clone() * block == shape[2] && wide.clone() * block == shape[3],
            "{shape:?} does not divide into blocks of {block}"
        );
        // [N, C, H, b, W, b] -> [N, C, b, b, H, W] or [N, b, b, C, H, W]
        let x = g.reshape(x, 3, tvec!(shape[3].clone()), tvec!(wide.clone(), size.clone()))?;
        let x = g.reshape(x, 2, tvec!(shape[2].clone()), tvec!(high, size.clone()))?;
        let x = g.move_axis(x, 3, 2)?;
        let x = g.move_axis(x, 5, 3)?;
        let channels = shape[1].clone();
        let (x, parts) = if channels_first {
            (x, tvec!(channels.clone(), size.clone(), size))
        } else {
            (g.move_axis(x, 1, 3)?, tvec!(size.clone(), size, channels.clone()))
        };
        Ok(tvec!(g.reshape(x, 1, parts, tvec!(channels * block * block))?))
    })
}
