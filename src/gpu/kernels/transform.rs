//! Fourier transforms, as sums over the whole axis.
//!
//! In: `Fft`, over pairs of real and imaginary parts. Out: one dispatch, of which each invocation makes one number. The
//! one decision: no stages: spectra in models have hundreds of numbers, of which the rows keep an adapter busy.

use std::f64::consts::TAU;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::fft::Fft;

use super::flat::elements;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::kernel::Param;

/// Numbers of an axis beyond which stages would be the way.
const MOST: usize = 1 << 12;

const BODY: &str = "fn value(i: u32) -> f32 {
let real = i % 2u == 0u;
let inner = i / 2u % p.inner;
let rest = i / 2u / p.inner;
let first = (rest / p.n * p.n * p.inner + inner) * 2u;
var sum = 0.0;
var turn = 0u;
for (var j = 0u; j < p.n; j++) {
let at = first + j * p.inner * 2u;
let c = in1[turn * 2u];
let s = in1[turn * 2u + 1u];
sum += select(in0[at] * s + in0[at + 1u] * c, in0[at] * c - in0[at + 1u] * s, real);
turn += rest % p.n;
turn -= select(0u, p.n, turn >= p.n);
}
return sum;
}
";

pub(crate) fn lower(cx: &mut Cx, op: &Fft) -> Lowered<()> {
    let x = cx.dense_input(0)?;
    if x.datum != DatumType::F32 {
        return because("a transform of other numbers than float32");
    }
    let n = x.shape.get(op.axis).copied().filter(|n| *n <= MOST);
    let (Some(n), Some(2)) = (n, x.shape.last()) else {
        return because("a transform of this size");
    };
    let inner: usize = x.shape[op.axis + 1..x.shape.len() - 1].iter().product();
    let way = if op.inverse { 1.0 } else { -1.0 };
    let turn = |at: usize| way * TAU * at as f64 / n as f64;
    let turns = (0..n).flat_map(|at| [turn(at).cos() as f32, turn(at).sin() as f32]);
    let turns = cx.builder.constant(Arc::new(tensor1(&turns.collect::<Vec<_>>())))?;
    let output = cx.output(0)?;
    let mut kernel = elements(cx, BODY, output)?;
    kernel
        .params
        .extend([("n", n), ("inner", inner)].map(|(k, v)| (k.to_owned(), Param::U(v as u32))));
    kernel.reads = vec![x, turns];
    cx.run(kernel);
    Ok(())
}
