//! Transposed convolutions: each output element gathers the inputs that reach it.
//!
//! In: `Deconv`. Out: one dispatch; the bias is the first link of the fused chain.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::cnn::{Deconv, KernelFormat};

use super::flat::elements;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::kernel::Param;
use crate::gpu::value::{Carrier, View};

const BODY: &str = "
fn value(i: u32) -> f32 {
  let n = i / (p.channels * p.o0 * p.o1);
  let c = i / p.y_c % p.channels;
  let oy = i / p.y_0 % p.o0;
  let ox = i / p.y_1 % p.o1;
  let g = c / p.og;
  let x_base = p.x_o + n * p.x_n + g * p.ig * p.x_c;
  let w_base = p.w_o + g * p.w_g + (c - g * p.og) * p.w_c;
  var sum = 0.0;
  for (var ky = 0u; ky < p.k0; ky++) {
    let fy = oy + p.b0 - ky * p.d0;
    let iy = fy / p.s0;
    if (fy % p.s0 != 0u || fy >= 0x80000000u || iy >= p.i0) { continue; }
    for (var kx = 0u; kx < p.k1; kx++) {
      let fx = ox + p.b1 - kx * p.d1;
      let ix = fx / p.s1;
      if (fx % p.s1 != 0u || fx >= 0x80000000u || ix >= p.i1) { continue; }
      let x = x_base + iy * p.x_0 + ix * p.x_1;
      let w = w_base + ky * p.w_0 + kx * p.w_1;
      for (var ic = 0u; ic < p.ig; ic++) { sum += in0[x + ic * p.x_c] * in1[w + ic * p.w_i]; }
    }
  }
  return sum;
}
";

pub(crate) fn lower(cx: &mut Cx, op: &Deconv) -> Lowered<()> {
    let (x, w) = (cx.input(0)?, cx.input(1)?);
    let spec = &op.pool_spec;
    let rank = spec.rank();
    if x.datum != DatumType::F32 || rank > 2 || op.kernel_format != KernelFormat::OIHW {
        return because("a transposed convolution of this form");
    }
    let lead = usize::from(spec.data_format.has_n());
    let c_axis = if spec.data_format.c_is_last() { lead + rank } else { lead };
    let first = if spec.data_format.c_is_last() { lead } else { lead + 1 };
    let size = &x.shape[first..first + rank];
    let details = spec.padding.compute_for_deconv(
        size,
        &spec.kernel_shape,
        &spec.dilations(),
        &spec.strides(),
        &op.adjustments,
    );
    let Ok(details) = details else { return because("paddings that do not fit") };
    let output = cx.output(0)?;
    let channels = output.shape[c_axis];
    let (ig, og) = (x.shape[c_axis] / op.group, channels / op.group);
    let dense = crate::gpu::value::dense_strides(&output.shape);
    let mut params: Vec<(String, Param)> = vec![];
    let mut put =
        |name: String, v: isize| params.push((name, Param::U((v as i32).cast_unsigned())));
    // One spatial axis is the second of two.
    for axis in 0..2 {
        let real = (axis + rank).checked_sub(2);
        let pick = |f: &dyn Fn(usize) -> isize, none: isize| real.map_or(none, f);
        put(format!("i{axis}"), pick(&|a| size[a] as isize, 1));
        put(format!("o{axis}"), pick(&|a| output.shape[first + a] as isize, 1));
        put(format!("k{axis}"), pick(&|a| spec.kernel_shape[a] as isize, 1));
        put(format!("s{axis}"), pick(&|a| spec.stride(a) as isize, 1));
        put(format!("d{axis}"), pick(&|a| spec.dilation(a) as isize, 1));
        put(format!("b{axis}"), pick(&|a| details[a].pad_before as isize, 0));
        put(format!("x_{axis}"), pick(&|a| x.strides[first + a], 0));
        put(format!("w_{axis}"), pick(&|a| w.strides[2 + a], 0));
        put(format!("y_{axis}"), pick(&|a| dense[first + a], 1));
    }
    put("channels".to_owned(), channels as isize);
    put("ig".to_owned(), ig as isize);
    put("og".to_owned(), og as isize);
    put("x_o".to_owned(), x.offset as isize);
    put("x_n".to_owned(), if lead == 1 { x.strides[0] } else { 0 });
    put("x_c".to_owned(), x.strides[c_axis]);
    put("y_c".to_owned(), dense[c_axis]);
    put("w_o".to_owned(), w.offset as isize);
    put("w_g".to_owned(), w.strides[0] * og as isize);
    put("w_c".to_owned(), w.strides[0]);
    put("w_i".to_owned(), w.strides[1]);
    let mut kernel = elements(cx, BODY, output)?;
    kernel.params.extend(params);
    kernel.reads = vec![x, w];
    let bias = cx.input(2)?;
    let mut strides = vec![0; kernel.chain.shape.len()];
    if bias.len() > 1 {
        let stride = bias.strides.iter().zip(&bias.shape).find(|(_, n)| **n > 1);
        strides[c_axis] = stride.map_or(1, |(s, _)| *s);
    }
    let view = View { shape: kernel.chain.shape.clone(), strides, ..bias };
    let last = kernel.chain.result;
    let loaded = kernel.chain.load(view);
    kernel.chain.push("$0 + $1", vec![last, loaded], Carrier::F32);
    cx.run(kernel);
    Ok(())
}
