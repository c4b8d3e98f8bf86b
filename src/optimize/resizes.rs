//! Resizing becomes ours.
//!
//! In: the engine's `Resize`, ONNX's with all that it allows, and `NearestUpsample`, of concrete sizes. Out: [`Moved`]
//! where each element is one of the input; else, of float32, a [`Resampling`] for each pair of neighbouring axes, innermost
//! first. Where each element comes from is asked of the engine's operator itself, one axis at a time.

use nearside_kernels::resample::Taps;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::nn::resize::{
    AxisPlan, Interpolator, cubic_weights, linear_weights, plan_axis, window_size,
};
use tract_onnx::tract_core::ops::nn::{NearestUpsample, Resize};
use tract_onnx_opl::resize::{AspectRatio, CoordTransform, Nearest, Resize as OnnxResize};

use super::constant;
use super::moves::{Steps, moves};
use crate::cpu::resampling::Resampling;
use crate::cpu::work::Working;

pub(super) fn resizes(
    model: &TypedModel,
    node: &TypedNode,
) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!((from, to) = shapes(model, node)?);
    let taps = if let Some(op) = node.op_as::<Resize>() {
        resize(model, node, op, &from, &to)?
    } else if let Some(op) = node.op_as::<OnnxResize>() {
        resize_onnx(model, node, op, &from, &to)?
    } else {
        node.op_as::<NearestUpsample>().map(|op| upsample(op, &to))
    };
    rule_if_some!(taps = taps);
    let nearest: Option<Vec<Vec<usize>>> = taps.iter().map(single).collect();
    if let Some(places) = nearest {
        let steps = Steps::along(&from, places);
        rule_if_some!(moved = moves(&steps, node)?);
        return moved.patch(model, node, &node.inputs[..1]);
    }
    rule_if!(model.outlet_fact(node.inputs[0])?.datum_type == DatumType::F32);
    weighted(model, node, &from, &taps).map(Some)
}

/// The shapes of a node's input and output, if there is something to do.
fn shapes(model: &TypedModel, node: &TypedNode) -> TractResult<Option<(TVec<usize>, TVec<usize>)>> {
    let known = node.op_is::<Resize>() || node.op_is::<OnnxResize>();
    rule_if!(known || node.op_is::<NearestUpsample>());
    let (from, to) = (model.outlet_fact(node.inputs[0])?, model.outlet_fact(node.id.into())?);
    rule_if_some!(x = from.shape.as_concrete());
    rule_if_some!(y = to.shape.as_concrete());
    rule_if!(x.len() == y.len() && !x.contains(&0) && !y.contains(&0));
    Ok(Some((x.into(), y.into())))
}

/// Each element as it is.
fn same(count: usize) -> Taps {
    Taps { window: 1, places: (0..count).collect(), weights: vec![1.; count] }
}

fn taps(plan: AxisPlan) -> Taps {
    Taps { window: plan.window, places: plan.indices, weights: plan.weights }
}

/// The scales that an input holds, for so many axes.
fn given(
    model: &TypedModel,
    node: &TypedNode,
    at: Option<usize>,
    axes: usize,
) -> TractResult<Option<Vec<f32>>> {
    rule_if_some!(input = at.and_then(|at| node.inputs.get(at)));
    rule_if_some!(scales = constant(model, *input)?);
    rule_if!(scales.len() == axes);
    Ok(Some(scales.cast_to::<f32>()?.try_as_plain_ram()?.as_slice::<f32>()?.to_vec()))
}

fn ratios(from: &[usize], to: &[usize]) -> Vec<f32> {
    to.iter().zip(from).map(|(to, from)| *to as f32 / *from as f32).collect()
}

/// Those of each axis.
fn planned(
    from: &[usize],
    to: &[usize],
    scales: &[f32],
    plan: impl Fn(f32, usize, usize) -> AxisPlan,
) -> Vec<Taps> {
    let axes = from.iter().zip(to).zip(scales);
    axes.map(|((length, count), scale)| {
        if length == count && *scale == 1. {
            same(*count)
        } else {
            taps(plan(*scale, *length, *count))
        }
    })
    .collect()
}

fn resize(
    model: &TypedModel,
    node: &TypedNode,
    op: &Resize,
    from: &[usize],
    to: &[usize],
) -> TractResult<Option<Vec<Taps>>> {
    let scales = given(model, node, op.optional_scales_input, from.len())?;
    let scales = scales.unwrap_or_else(|| ratios(from, to));
    Ok(Some(planned(from, to, &scales, |scale, from, to| op.plan_axis(scale, from, to))))
}

fn resize_onnx(
    model: &TypedModel,
    node: &TypedNode,
    op: &OnnxResize,
    from: &[usize],
    to: &[usize],
) -> TractResult<Option<Vec<Taps>>> {
    rule_if!(op.coord_transformer != CoordTransform::TfCropAndResize);
    let listed = op.resized_axes(from.len())?;
    let mut scales = vec![1f32; from.len()];
    if let Some(given) = given(model, node, op.optional_scales_input, listed.len())? {
        for (axis, scale) in listed.iter().zip(given) {
            *scales.get_mut(*axis).context("a scale of no axis")? = scale;
        }
    } else {
        rule_if!(op.keep_aspect_ratio_policy == AspectRatio::Stretch);
        scales = ratios(from, to);
    }
    let plan = |scale, from, to| onnx_plan(op, scale, from, to, (0., 1.));
    Ok(Some(planned(from, to, &scales, plan)))
}

/// The taps of an axis, by the definition of ONNX's Resize; `region` is where a crop starts and ends.
pub(crate) fn onnx_plan(
    op: &OnnxResize,
    scale: f32,
    from: usize,
    to: usize,
    region: (f32, f32),
) -> AxisPlan {
    let window = window_size(&op.interpolator, op.antialias, scale);
    let coordinate = |x: usize| match &op.coord_transformer {
        CoordTransform::Plain(transform) => Some(transform.transform(x, scale, from, to)),
        CoordTransform::TfCropAndResize => {
            let last = from as f32 - 1.0;
            let (span, width) = (last * (region.1 - region.0), scale * from as f32);
            let along = if width == 1.0 { span / 2.0 } else { x as f32 * span / (width - 1.0) };
            let at = along + region.0 * last;
            (at >= 0.0 && at <= last).then_some(at)
        }
    };
    let right = |part: f32| match op.nearest {
        Nearest::Floor => part == 1.0,
        Nearest::Ceil => true,
        Nearest::RoundPreferFloor => part > 0.5,
        Nearest::RoundPreferCeil => part >= 0.5,
    };
    plan_axis(from, to, window, op.exclude_outside, coordinate, |part, taps| {
        match op.interpolator {
            Interpolator::Linear => linear_weights(part, scale, op.antialias, taps),
            Interpolator::Cubic => {
                cubic_weights(part, scale, op.cubic_coeff_a(), op.antialias, taps);
            }
            Interpolator::Nearest => {
                let right = right(part);
                taps[0] = f32::from(u8::from(!right));
                taps[1] = f32::from(u8::from(right));
            }
        }
    })
}

fn upsample(op: &NearestUpsample, to: &[usize]) -> Vec<Taps> {
    let axes = to.iter().zip(&op.scales);
    let places = |(to, scale): (&usize, &usize)| Taps {
        window: 1,
        places: (0..*to).map(|at| at / (*scale).max(1)).collect(),
        weights: vec![1.; *to],
    };
    axes.map(places).collect()
}

/// The place of each output that is one input as it is.
fn single(taps: &Taps) -> Option<Vec<usize>> {
    let mut single = vec![];
    let along = taps.places.chunks_exact(taps.window).zip(taps.weights.chunks_exact(taps.window));
    for (places, weights) in along {
        let used = weights.iter().filter(|weight| **weight != 0.).count();
        let at = weights.iter().position(|weight| *weight == 1.).filter(|_| used == 1)?;
        single.push(places[at]);
    }
    Some(single)
}

/// Elements of so many each.
fn wide(taps: &Taps, each: usize) -> Taps {
    if each == 1 {
        return taps.clone();
    }
    let (mut places, mut weights) = (vec![], vec![]);
    let along = taps.places.chunks_exact(taps.window).zip(taps.weights.chunks_exact(taps.window));
    for (from, shares) in along {
        for i in 0..each {
            for (place, share) in from.iter().zip(shares) {
                places.push(place * each + i);
                weights.push(*share);
            }
        }
    }
    Taps { window: taps.window, places, weights }
}

/// Two axes at a time.
fn weighted(
    model: &TypedModel,
    node: &TypedNode,
    from: &[usize],
    taps: &[Taps],
) -> TractResult<TypedModelPatch> {
    let count = |taps: &Taps| taps.places.len() / taps.window;
    let changes = |axis: usize| taps[axis] != same(from[axis]);
    let mut patch = TypedModelPatch::default();
    let mut wire = patch.tap_model(model, node.inputs[0])?;
    let mut shape: TVec<usize> = from.into();
    let mut left: Vec<usize> = (0..from.len()).filter(|axis| changes(*axis)).collect();
    while let Some(last) = left.pop() {
        let inner: usize = shape[last + 1..].iter().product();
        let pair = left.pop_if(|axis| *axis + 1 == last);
        let (image, rows, columns) = match pair {
            Some(before) => {
                let columns = wide(&taps[last], inner);
                ([shape[before], shape[last] * inner], taps[before].clone(), columns)
            }
            None if inner == 1 => ([1, shape[last]], same(1), taps[last].clone()),
            None => ([shape[last], inner], taps[last].clone(), same(inner)),
        };
        for axis in pair.into_iter().chain([last]) {
            shape[axis] = count(&taps[axis]);
        }
        let work = Working::new(Resampling { image, rows, columns }, f32::fact(&shape));
        let name =
            if left.is_empty() { node.name.clone() } else { format!("{}.axis.{last}", node.name) };
        wire = patch.wire_node(name, work, &[wire])?[0];
    }
    patch.shunt_outside(model, node.id.into(), wire)?;
    Ok(patch)
}
