//! The engine's reductions to the greatest and the least, as ours: see [`Extreme`].
//!
//! In: a graph. Out: the same, with [`Extreme`] in place of them.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};

use crate::model::ops::Extreme;

pub(super) fn extremes(mut model: TypedModel) -> TractResult<TypedModel> {
    for node in &mut model.nodes {
        let Some(Reduce { axes, reducer }) = node.op_as::<Reduce>() else { continue };
        let max = match reducer {
            Reducer::Max => true,
            Reducer::Min => false,
            _ => continue,
        };
        if !node.outputs[0].fact.datum_type.is_quantized() {
            node.op = Box::new(Extreme { axes: axes.clone(), max });
        }
    }
    Ok(model)
}
