//! What picks values out of a tensor becomes ours where the engine takes them one by one.
//!
//! In: the engine's operators that pick, in a canonical graph. Out: ours for the types that models have: [`Top`] where it is
//! known how many are wanted, [`Sampled`] for images and up to four neighbours, gathers by elements and tuples, scatters of
//! elements, triangles, the places of what is not zero, suppression of boxes; the others stay.

use nearside_kernels::sample::{Outside, Sampling};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{
    GatherElements, GatherNd, ScatterElements, ScatterReduction, Topk, Trilu,
};
use tract_onnx::tract_core::ops::nn::GridSample;
use tract_onnx::tract_core::ops::nn::grid_sample::{InterpolationMode, PaddingMode};
use tract_onnx_opl::non_max_suppression::{BoxRepr, NonMaxSuppression};
use tract_onnx_opl::non_zero::NonZero;

use super::{CheckIndices, constant};
use crate::cpu::picking::{AtIndex, ByIndex, ByTuple, NotZero, Triangle};
use crate::cpu::sampling::Sampled;
use crate::cpu::suppression::Suppression;
use crate::cpu::top::Top;
use crate::cpu::work::Working;
use crate::scalar::Scalar as _;

pub(super) fn picks(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    if let Some(op) = node.op_as::<Topk>() {
        rule_if_some!(op = top(model, node, op)?);
        return Working::instead(node, op).patch(model, node, &node.inputs[..1]);
    }
    rule_if_some!(work = work(model, node)?);
    let mut inputs = node.inputs.clone();
    if let Some((_, unchecked)) = checked(model, node) {
        inputs[1] = unchecked;
    }
    work.patch(model, node, &inputs)
}

/// The check that indices pass before it, and what it is given: ours looks at them itself.
fn checked<'m>(model: &'m TypedModel, node: &TypedNode) -> Option<(&'m CheckIndices, OutletId)> {
    let ours = node.op_is::<GatherElements>() || node.op_is::<GatherNd>();
    let ours = ours || node.op_is::<ScatterElements>();
    let before = model.node(node.inputs.get(1).filter(|_| ours)?.node);
    Some((before.op_as::<CheckIndices>()?, *before.inputs.first()?))
}

/// What does the same as a node of the same inputs.
fn work(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Working>> {
    if let Some(op) = node.op_as::<GridSample>() {
        rule_if_some!(op = sampled(model, node, op)?);
        return Ok(Some(Working::instead(node, op)));
    }
    rule_if_some!(first = node.inputs.first());
    let of = model.outlet_fact(*first)?.datum_type;
    let plain = of.is_copy() && !of.is_quantized();
    let check = checked(model, node).map(|(check, _)| check.clone());
    if let Some(op) = node.op_as::<GatherElements>() {
        rule_if!(plain && matches!(of.size_of(), 1 | 2 | 4 | 8));
        return Ok(Some(Working::instead(node, ByIndex { axis: op.axis, check })));
    }
    if let Some(op) = node.op_as::<ScatterElements>() {
        let put = op.reduction == ScatterReduction::None && matches!(of.size_of(), 1 | 4 | 8);
        rule_if!(plain && (of == DatumType::F32 || put));
        let facts = model.node_input_facts(node.id)?;
        rule_if!(facts.len() == 3 && facts[2].datum_type == of);
        return Ok(Some(Working::instead(
            node,
            AtIndex { axis: op.axis, how: op.reduction, check },
        )));
    }
    if let Some(op) = node.op_as::<GatherNd>() {
        rule_if!(plain);
        return Ok(Some(Working::instead(node, ByTuple { before: op.batch_dims, check })));
    }
    if let Some(op) = node.op_as::<Trilu>() {
        rule_if!(plain);
        return Ok(Some(Working::instead(node, Triangle { upper: op.upper })));
    }
    if node.op_is::<NonZero>() {
        rule_if!(
            matches!(of, DatumType::F32 | DatumType::I64 | DatumType::I32)
                || matches!(of, DatumType::Bool | DatumType::U8 | DatumType::I8)
        );
        return Ok(Some(Working::instead(node, NotZero)));
    }
    rule_if_some!(op = node.op_as::<NonMaxSuppression>());
    rule_if!(of == DatumType::F32);
    let work = Suppression {
        centred: op.center_point_box == BoxRepr::CenterWidthHeight,
        bounded: op.has_score_threshold,
    };
    Ok(Some(Working::instead(node, work)))
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
    Ok(Some(Top { sizes, count, largest: op.largest }))
}

fn sampled(model: &TypedModel, node: &TypedNode, op: &GridSample) -> TractResult<Option<Sampled>> {
    let facts = model.node_input_facts(node.id)?;
    rule_if!(facts.len() == 2 && facts.iter().all(|f| f.datum_type == DatumType::F32));
    let (Some(image), Some(grid)) = (facts[0].shape.as_concrete(), facts[1].shape.as_concrete())
    else {
        return Ok(None);
    };
    let ([n, c, h, w], [images, _, _, 2]) = (image, grid) else { return Ok(None) };
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
    Ok(Some(Sampled { how, image: [*n, *c, *h, *w] }))
}
