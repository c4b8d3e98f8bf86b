//! Resampling of images.
//!
//! In: `Resize` by constant scales or sizes, in the engine's form or in ONNX's, `NearestUpsample`. Out: one dispatch for each axis that
//! changes, over a table of taps that the engine's own planner makes; a view and a copy for the latter.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::nn::Resize;
use tract_onnx::tract_core::ops::nn::resize::{AxisPlan, NearestUpsample};
use tract_onnx_opl::resize::{AspectRatio, CoordTransform, Resize as OnnxResize};

use super::flat::elements;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::chain::Chain;
use crate::gpu::kernel::Param;
use crate::gpu::transfer::floats;
use crate::gpu::value::View;
use crate::optimize::onnx_plan;

const BODY: &str = "
fn value(i: u32) -> f32 {
  let r = i % p.inner;
  let rest = i / p.inner;
  let x = rest % p.length;
  let base = rest / p.length * p.n * p.inner + r;
  var sum = in3[x];
  for (var k = x * p.window; k < (x + 1u) * p.window; k++) {
    let weight = in2[k];
    if (weight != 0.0) { sum += weight * in0[base + u32(in1[k]) * p.inner]; }
  }
  return sum;
}
";

/// The operator as the engine simplifies it.
pub(crate) fn resize(cx: &mut Cx, op: &Resize) -> Lowered<()> {
    let (from, to) = (cx.input_fact(0)?.1, cx.output_fact(0)?.1);
    let given = parameter(cx, op.optional_scales_input)?.filter(|s| s.len() == to.len());
    let scales = given.unwrap_or_else(|| ratios(&from, &to));
    let axes = (0..to.len()).filter(|a| to[*a] != from[*a] || scales[*a] != 1.0);
    let plans = axes.map(|a| (a, op.plan_axis(scales[a], from[a], to[a]))).collect();
    run(cx, plans, 0.0)
}

/// The operator with all that ONNX allows: its own rounding, antialiasing, a region, a kept aspect ratio.
pub(crate) fn resize_onnx(cx: &mut Cx, op: &OnnxResize) -> Lowered<()> {
    let (from, to) = (cx.input_fact(0)?.1, cx.output_fact(0)?.1);
    let Ok(listed) = op.resized_axes(from.len()) else { return because("axes that do not exist") };
    let given = parameter(cx, op.optional_scales_input)?.filter(|s| s.len() == listed.len());
    let mut scales = vec![1f32; from.len()];
    if let Some(given) = given {
        listed.iter().zip(given).for_each(|(axis, scale)| scales[*axis] = scale);
    } else if op.keep_aspect_ratio_policy == AspectRatio::Stretch {
        scales = ratios(&from, &to);
    } else {
        return because("a resize that keeps the aspect ratio");
    }
    let crops = op.coord_transformer == CoordTransform::TfCropAndResize;
    let mut regions = vec![(0f32, 1f32); from.len()];
    if crops {
        let roi = parameter(cx, op.optional_roi_input)?.filter(|r| r.len() == 2 * listed.len());
        let Some(roi) = roi else { return because("a resize without its region") };
        for (at, axis) in listed.iter().enumerate() {
            regions[*axis] = (roi[at], roi[at + listed.len()]);
        }
    }
    let axes = (0..to.len()).filter(|a| crops || to[*a] != from[*a] || scales[*a] != 1.0);
    let plans = axes.map(|a| (a, onnx_plan(op, scales[a], from[a], to[a], regions[a]))).collect();
    run(cx, plans, op.extrapolation_value())
}

/// An input that steers the resampling, which must be known; none where it is left out or empty.
fn parameter(cx: &Cx, ix: Option<usize>) -> Lowered<Option<Vec<f32>>> {
    let Some(ix) = ix else { return Ok(None) };
    let (_, shape) = cx.input_fact(ix)?;
    if shape.contains(&0) {
        return Ok(None);
    }
    match cx.konst(ix).and_then(|konst| floats(&konst)) {
        Some(values) => Ok(Some(values)),
        None => because("a resize that depends on the data"),
    }
}

fn ratios(from: &[usize], to: &[usize]) -> Vec<f32> {
    to.iter().zip(from).map(|(o, i)| *o as f32 / *i as f32).collect()
}

/// One dispatch an axis; what lies outside becomes `fill`.
fn run(cx: &mut Cx, plans: Vec<(usize, AxisPlan)>, fill: f32) -> Lowered<()> {
    let view = cx.dense_input(0)?;
    if view.datum != DatumType::F32 {
        return because("a resize of another type than float32");
    }
    if plans.is_empty() {
        return cx.alias(Ok);
    }
    let count = plans.len();
    let mut current = view;
    for (at, (axis, plan)) in plans.into_iter().enumerate() {
        let length = plan.extrapolated.len();
        let mut next = current.shape.clone();
        next[axis] = length;
        let indices: Vec<i32> = plan.indices.iter().map(|i| *i as i32).collect();
        let fills: Vec<f32> =
            plan.extrapolated.iter().map(|out| if *out { fill } else { 0.0 }).collect();
        let indices = cx.builder.constant(Arc::new(tensor1(&indices)))?;
        let weights = cx.builder.constant(Arc::new(tensor1(&plan.weights)))?;
        let fills = cx.builder.constant(Arc::new(tensor1(&fills)))?;
        let last = at + 1 == count;
        let output = if last { cx.output(0)? } else { cx.temporary(DatumType::F32, &next)? };
        let mut kernel = elements(cx, BODY, output.clone())?;
        let inner: usize = next[axis + 1..].iter().product();
        for (name, v) in [
            ("inner", inner),
            ("length", length),
            ("n", current.shape[axis]),
            ("window", plan.window),
        ] {
            kernel.params.push((name.to_owned(), Param::U(v as u32)));
        }
        kernel.reads = vec![current, indices, weights, fills];
        cx.run(kernel);
        current = output;
    }
    Ok(())
}

pub(crate) fn nearest(cx: &mut Cx, op: &NearestUpsample) -> Lowered<()> {
    let view = cx.input(0)?;
    let output = cx.output(0)?;
    let (mut shape, mut strides) = (vec![], vec![]);
    for ((n, stride), times) in view.shape.iter().zip(&view.strides).zip(&op.scales) {
        shape.extend([*n, *times]);
        strides.extend([*stride, 0]);
    }
    let source = View { shape: shape.clone(), strides, ..view };
    let target = output.reshaped(&shape).map_or_else(|| because("no view"), Ok)?;
    cx.run_elements(Chain::copy(source), target);
    Ok(())
}
