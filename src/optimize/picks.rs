//! What picks values out of a tensor becomes ours where the engine takes them one by one.
//!
//! In: the engine's `Topk` and `GridSample` of float32 and concrete sizes, in a canonical graph. Out: [`Top`] where it is
//! known how many are wanted, [`Sampled`] for images and up to four neighbours; the others stay.

use nearside_kernels::sample::{Outside, Sampling};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::Topk;
use tract_onnx::tract_core::ops::nn::GridSample;
use tract_onnx::tract_core::ops::nn::grid_sample::{InterpolationMode, PaddingMode};

use super::constant;
use crate::cpu::sampling::Sampled;
use crate::cpu::top::Top;
use crate::scalar::Scalar as _;

pub(super) fn picks(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    if let Some(op) = node.op_as::<Topk>() {
        rule_if_some!(op = top(model, node, op)?);
        return TypedModelPatch::replace_single_op(model, node, &node.inputs[..1], op).map(Some);
    }
    rule_if_some!(op = node.op_as::<GridSample>());
    rule_if_some!(op = sampled(model, node, op)?);
    TypedModelPatch::replace_single_op(model, node, &node.inputs, op).map(Some)
}

fn top(model: &TypedModel, node: &TypedNode, op: &Topk) -> TractResult<Option<Top>> {
    let fact = model.outlet_fact(node.inputs[0])?;
    rule_if_some!(shape = fact.shape.as_concrete());
    rule_if_some!(count = constant(model, node.inputs[1])?);
    rule_if!(fact.datum_type == DatumType::F32 && op.axis < shape.len() && count.len() == 1);
    let Ok(count) = usize::try_from(count.number::<i64>()?) else { return Ok(None) };
    rule_if!(count <= shape[op.axis]);
    let size = |of: &[usize]| of.iter().product();
    let sizes = [size(&shape[..op.axis]), shape[op.axis], size(&shape[op.axis + 1..])];
    let mut out: TVec<usize> = shape.into();
    out[op.axis] = count;
    Ok(Some(Top { sizes, count, largest: op.largest, shape: out }))
}

fn sampled(model: &TypedModel, node: &TypedNode, op: &GridSample) -> TractResult<Option<Sampled>> {
    let facts = model.node_input_facts(node.id)?;
    rule_if!(facts.len() == 2 && facts.iter().all(|f| f.datum_type == DatumType::F32));
    let (Some(image), Some(grid)) = (facts[0].shape.as_concrete(), facts[1].shape.as_concrete())
    else {
        return Ok(None);
    };
    let ([n, c, h, w], [images, high, wide, 2]) = (image, grid) else { return Ok(None) };
    rule_if!(n == images && !image.contains(&0) && !grid.contains(&0));
    let nearest = match op.mode {
        InterpolationMode::Nearest => true,
        InterpolationMode::Bilinear => false,
        InterpolationMode::Bicubic => return Ok(None),
    };
    let outside = match op.padding_mode {
        PaddingMode::Zeros => Outside::Zeros,
        PaddingMode::Border => Outside::Border,
        PaddingMode::Reflection => Outside::Reflection,
    };
    let how = Sampling { nearest, outside, aligned: op.align_corners };
    Ok(Some(Sampled { how, image: [*n, *c, *h, *w], shape: tvec!(*n, *c, *high, *wide) }))
}
