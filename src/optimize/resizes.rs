//! Resizing of images becomes ours.
//!
//! In: the engine's `Resize` and `NearestUpsample` of concrete sizes. Out: [`Resampling`] where only the last two axes
//! change; the others stay. Where each pixel comes from is asked of the engine's operator itself, one axis at a time.

use nearside_kernels::resample::Taps;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::nn::{NearestUpsample, Resize};

use super::constant;
use crate::cpu::resampling::{Resampling, Way};

pub(super) fn resizes(
    model: &TypedModel,
    node: &TypedNode,
) -> TractResult<Option<TypedModelPatch>> {
    let op = if let Some(op) = node.op_as::<Resize>() {
        resize(model, node, op)?
    } else if let Some(op) = node.op_as::<NearestUpsample>() {
        upsample(model, node, op)?
    } else {
        None
    };
    rule_if_some!(op = op);
    TypedModelPatch::replace_single_op(model, node, &node.inputs[..1], op).map(Some)
}

/// The shapes of a node's input and output, if only the last two axes differ and there is something to do.
fn shapes(model: &TypedModel, node: &TypedNode) -> TractResult<Option<(TVec<usize>, TVec<usize>)>> {
    let (from, to) = (model.outlet_fact(node.inputs[0])?, model.outlet_fact(node.id.into())?);
    rule_if_some!(x = from.shape.as_concrete());
    rule_if_some!(y = to.shape.as_concrete());
    let kept = x.len().saturating_sub(2);
    rule_if!(x.len() == y.len() && kept > 0 && x[..kept] == y[..kept] && !x.contains(&0));
    rule_if!(matches!(from.datum_type, DatumType::F32 | DatumType::U8 | DatumType::I8));
    Ok(Some((x.into(), y.into())))
}

fn resize(model: &TypedModel, node: &TypedNode, op: &Resize) -> TractResult<Option<Resampling>> {
    rule_if_some!((from, to) = shapes(model, node)?);
    let rank = from.len();
    let scales = match op.optional_scales_input.and_then(|at| node.inputs.get(at)) {
        Some(input) => constant(model, *input)?.filter(|scales| scales.len() == rank),
        None => None,
    };
    let scales: Vec<f32> = match scales {
        Some(scales) => scales.cast_to::<f32>()?.try_as_plain_ram()?.as_slice::<f32>()?.to_vec(),
        None => to.iter().zip(&from).map(|(to, from)| *to as f32 / *from as f32).collect(),
    };
    let taps = |axis: usize| {
        let (length, count, scale) = (from[axis], to[axis], scales[axis]);
        if length == count && scale == 1. {
            return Taps { window: 1, places: (0..count).collect(), weights: vec![1.; count] };
        }
        let plan = op.plan_axis(scale, length, count);
        Taps { window: plan.window, places: plan.indices, weights: plan.weights }
    };
    let (rows, columns) = (taps(rank - 2), taps(rank - 1));
    let way = match (single(&rows), single(&columns)) {
        (Some(rows), Some(columns)) => Way::Nearest { rows, columns },
        _ => Way::Weighted { rows, columns },
    };
    let float = model.outlet_fact(node.inputs[0])?.datum_type == DatumType::F32;
    rule_if!(float || matches!(way, Way::Nearest { .. }));
    Ok(Some(Resampling { image: [from[rank - 2], from[rank - 1]], shape: to, way }))
}

/// The place of each output that is one input as it is.
fn single(taps: &Taps) -> Option<Vec<usize>> {
    let each = taps.places.chunks_exact(taps.window).zip(taps.weights.chunks_exact(taps.window));
    each.map(|(places, weights)| {
        let mut used = places.iter().zip(weights).filter(|(_, weight)| **weight != 0.);
        let (place, weight) = used.next()?;
        (*weight == 1. && used.next().is_none()).then_some(*place)
    })
    .collect()
}

fn upsample(
    model: &TypedModel,
    node: &TypedNode,
    op: &NearestUpsample,
) -> TractResult<Option<Resampling>> {
    rule_if_some!((from, to) = shapes(model, node)?);
    let rank = from.len();
    let places = |axis: usize| (0..to[axis]).map(|at| at / op.scales[axis].max(1)).collect();
    let way = Way::Nearest { rows: places(rank - 2), columns: places(rank - 1) };
    Ok(Some(Resampling { image: [from[rank - 2], from[rank - 1]], shape: to, way }))
}
