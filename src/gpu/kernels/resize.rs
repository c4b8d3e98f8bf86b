//! Resampling of images.
//!
//! In: `Resize` by constant scales or sizes, `NearestUpsample`. Out: one dispatch for each axis that
//! changes, over a table of taps that the engine's own planner makes; a view and a copy for the latter.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::nn::Resize;
use tract_onnx::tract_core::ops::nn::resize::NearestUpsample;

use super::flat::elements;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::chain::Chain;
use crate::gpu::kernel::Param;
use crate::gpu::value::View;

const BODY: &str = "
fn value(i: u32) -> f32 {
  let r = i % p.inner;
  let rest = i / p.inner;
  let x = rest % p.length;
  let base = rest / p.length * p.n * p.inner + r;
  var sum = 0.0;
  for (var k = x * p.window; k < (x + 1u) * p.window; k++) {
    let weight = in2[k];
    if (weight != 0.0) { sum += weight * in0[base + u32(in1[k]) * p.inner]; }
  }
  return sum;
}
";

pub(crate) fn resize(cx: &mut Cx, op: &Resize) -> Lowered<()> {
    let view = cx.dense_input(0)?;
    if view.datum != DatumType::F32 {
        return because("a resize of another type than float32");
    }
    let (_, shape) = cx.output_fact(0)?;
    let given = match op.optional_scales_input {
        Some(ix) => match cx.konst(ix) {
            Some(scales) if scales.len() == shape.len() => floats(&scales),
            Some(_) => None,
            None => return because("scales that depend on the data"),
        },
        None => None,
    };
    let by_size = || shape.iter().zip(&view.shape).map(|(o, i)| *o as f32 / *i as f32).collect();
    let scales: Vec<f32> = given.unwrap_or_else(by_size);
    let axes: Vec<usize> =
        (0..shape.len()).filter(|a| shape[*a] != view.shape[*a] || scales[*a] != 1.0).collect();
    if axes.is_empty() {
        return cx.alias(Ok);
    }
    let mut current = view;
    for (at, axis) in axes.iter().enumerate() {
        let mut next = current.shape.clone();
        next[*axis] = shape[*axis];
        let plan = op.plan_axis(scales[*axis], current.shape[*axis], shape[*axis]);
        let indices: Vec<i32> = plan.indices.iter().map(|i| *i as i32).collect();
        let indices = cx.builder.constant(Arc::new(tensor1(&indices)))?;
        let weights = cx.builder.constant(Arc::new(tensor1(&plan.weights)))?;
        let last = at + 1 == axes.len();
        let output = if last { cx.output(0)? } else { cx.temporary(DatumType::F32, &next)? };
        let mut kernel = elements(cx, BODY, output.clone())?;
        let inner: usize = next[axis + 1..].iter().product();
        for (name, v) in [
            ("inner", inner),
            ("length", shape[*axis]),
            ("n", current.shape[*axis]),
            ("window", plan.window),
        ] {
            kernel.params.push((name.to_owned(), Param::U(v as u32)));
        }
        kernel.reads = vec![current, indices, weights];
        cx.run(kernel);
        current = output;
    }
    Ok(())
}

fn floats(tensor: &Tensor) -> Option<Vec<f32>> {
    let cast = tensor.cast_to::<f32>().ok()?;
    Some(cast.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.to_vec())
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
