//! `CenterCropPad`: crops or pads around the centre.
//!
//! In: a tensor and the wanted sizes, for all axes or for some. Out: a tensor of those sizes.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::{from_strings, i64s, sizes, volume};
use super::lower::{Built, lowered};
use crate::limit;

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    let axes: Option<Vec<i64>> = node.get_attr_opt_vec("axes")?;
    lowered(node, move |g, inputs| {
        let mut x = inputs.need(0)?;
        let wanted = g.known(inputs.need(1)?, "the sizes")?;
        let wanted = sizes(&i64s(&wanted)?)?;
        volume(&wanted)?;
        let axes = match &axes {
            Some(axes) => axes.clone(),
            None => (0..g.rank(x)? as i64).collect(),
        };
        ensure!(axes.len() == wanted.len(), "one size for each axis");
        for (axis, new) in axes.into_iter().zip(wanted) {
            let axis = g.axis(x, axis)?;
            let shape = g.lengths(x)?;
            let old = shape[axis];
            // The smaller one lies in the middle of the larger one, an odd rest behind it.
            let before = old.abs_diff(new) / 2;
            if new < old {
                x = g.slice(x, axis, before.to_dim(), (before + new).to_dim())?;
            } else if new > old {
                let (dtype, mut parts) = (g.dtype(x)?, tvec!(x));
                for (at, missing) in [(0, before), (1, new - old - before)] {
                    let mut shape = shape.clone();
                    shape[axis] = missing;
                    if volume(&shape)? > 0 {
                        let nothing = g.constant(nothing(&shape, dtype)?)?;
                        parts.insert(if at == 0 { 0 } else { parts.len() }, nothing);
                    }
                }
                x = g.concat(axis, &parts)?;
            }
        }
        Ok(tvec!(x))
    })
}

fn nothing(shape: &[usize], dtype: DatumType) -> TractResult<Tensor> {
    limit::check(|| "CenterCropPad".to_owned(), dtype, shape)?;
    if dtype == String::datum_type() {
        return from_strings(shape, vec![String::new(); volume(shape)?]);
    }
    Tensor::zero_dt(dtype, shape)
}
