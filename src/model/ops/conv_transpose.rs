//! `ConvTranspose` whose output's shape is given, from which its padding follows. (The importer cuts at
//! the wrong ends.)
//!
//! In: a feature map and kernels. Out: the whole product, cut to the shape.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::{Pad, PadMode};
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered, their_part};

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let Some(wanted) = node.get_attr_opt_vec::<usize>("output_shape")? else {
        return super::theirs(ctx, node);
    };
    let upper = node.get_attr_opt("auto_pad")? == Some("SAME_UPPER");
    let more: Vec<usize> =
        node.get_attr_opt_vec("output_padding")?.unwrap_or_else(|| vec![0; wanted.len()]);
    ensure!(more.len() == wanted.len(), "output_padding does not fit output_shape");
    let mut whole = node.clone();
    let padding = ["auto_pad", "output_padding", "output_shape", "pads"];
    whole.attribute.retain(|a| !padding.contains(&a.name.as_str()));
    let whole = their_part(ctx, &whole, "ConvTranspose", node.input.len())?;
    lowered(node, move |g, inputs| {
        let all = (0..inputs.len()).map(|at| inputs.need(at)).collect::<TractResult<TVec<_>>>()?;
        let mut y = g.part(&whole, &all)?;
        ensure!(g.rank(y)? == wanted.len() + 2, "output_shape does not fit the input");
        for (axis, (wanted, more)) in (2..).zip(wanted.iter().zip(&more)) {
            let size = g.shape(y)?[axis].to_usize()?;
            let cut = (size + more).saturating_sub(*wanted);
            let before = if upper { cut / 2 } else { cut - cut / 2 };
            let end = (before + wanted).min(size);
            y = g.slice(y, axis, before.min(end).to_dim(), end.to_dim())?;
            let rest = wanted - (end - before.min(end));
            if rest > 0 {
                let mut pads = vec![(0, 0); g.rank(y)?];
                pads[axis] = (0, rest);
                let zero = Tensor::zero_scalar_dt(g.dtype(y)?)?.into_arc_tensor();
                y = g.op(Pad { pads, mode: PadMode::Constant(zero) }, &[y])?;
            }
        }
        Ok(tvec!(y))
    })
}
