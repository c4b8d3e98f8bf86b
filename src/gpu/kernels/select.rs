//! Sorting, counting and building: top-k, cumulative sums, one-hot, triangles.
//!
//! In: `Topk`, `CumSum`, `OneHot`, `Trilu`. Out: one dispatch each.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{CumSum, OneHot, Topk, Trilu};

use super::flat::{each, elements};
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::kernel::Param;
use crate::scalar::Scalar as _;

/// Every element is compared with its whole line, so lines must be short.
const LONGEST: usize = 8192;

fn u(name: &str, v: usize) -> (String, Param) {
    (name.to_owned(), Param::U(v as u32))
}

fn line(shape: &[usize], axis: usize) -> [(String, Param); 2] {
    [u("n", shape[axis]), u("inner", shape[axis + 1..].iter().product())]
}

pub(crate) fn topk(cx: &mut Cx, op: &Topk) -> Lowered<()> {
    let view = cx.dense_input(0)?;
    let (values, (_, at_shape)) = (cx.output(0)?, cx.output_fact(1)?);
    let at = cx.output(1)?;
    if view.shape[op.axis] > LONGEST {
        return because("a top-k over more than 8192 elements");
    }
    let before = if op.largest { ">" } else { "<" };
    // An element's place is how many come before it; equal ones keep their order.
    let body = format!(
        "fn run(i: u32) {{\n  let base = i / (p.n * p.inner) * p.n * p.inner + i % p.inner;\n  \
         let own = i / p.inner % p.n;\n  let v = in0[i];\n  var place = 0u;\n  \
         for (var k = 0u; k < p.n; k++) {{\n    let other = in0[base + k * p.inner];\n    \
         if (other {before} v || (other == v && k < own)) {{ place += 1u; }}\n  }}\n  \
         if (place < p.kept) {{\n    \
         let to = (i / (p.n * p.inner) * p.kept + place) * p.inner + i % p.inner;\n    \
         out0[to] = {}(v);\n    out1[to] = i32(own);\n  }}\n}}\n",
        values.stored()
    );
    let mut kernel = each(cx, &body, view.len(), values)?;
    kernel.params.extend(line(&view.shape, op.axis));
    kernel.params.push(u("kept", at_shape[op.axis]));
    kernel.reads = vec![view];
    kernel.more = vec![at];
    cx.run(kernel);
    Ok(())
}

pub(crate) fn cumsum(cx: &mut Cx, op: &CumSum) -> Lowered<()> {
    let view = cx.dense_input(0)?;
    let output = cx.output(0)?;
    let t = view.carrier.wgsl();
    let k = if op.reverse { "p.n - 1u - step" } else { "step" };
    let put = if op.exclusive {
        "store(at, sum); sum += in0[at];"
    } else {
        "sum += in0[at]; store(at, sum);"
    };
    let body = format!(
        "fn run(i: u32) {{\n  let base = i / p.inner * p.n * p.inner + i % p.inner;\n  \
         var sum = {t}();\n  for (var step = 0u; step < p.n; step++) {{\n    \
         let at = base + ({k}) * p.inner;\n    {put}\n  }}\n}}\n"
    );
    let lines = view.len() / view.shape[op.axis];
    let mut kernel = each(cx, &body, lines, output)?;
    kernel.params.extend(line(&view.shape, op.axis));
    kernel.reads = vec![view];
    cx.run(kernel);
    Ok(())
}

pub(crate) fn one_hot(cx: &mut Cx, op: &OneHot) -> Lowered<()> {
    let at = cx.dense_input(0)?;
    let output = cx.output(0)?;
    let scalar = |t: &Tensor| crate::gpu::transfer::scalar(t);
    let (Some(on), Some(off)) = (scalar(&op.on), scalar(&op.off)) else {
        return because("values that the GPU has no type for");
    };
    if at.carrier != crate::gpu::value::Carrier::I32 {
        return because("indices that are no integers");
    }
    let body = format!(
        "fn value(i: u32) -> {} {{\n  let at = in0[i / (p.n * p.inner) * p.inner + i % p.inner];\n  \
         let own = i32(i / p.inner % p.n);\n  \
         return select(p.off, p.on, own == select(at, at + i32(p.n), at < 0));\n}}\n",
        output.carrier.wgsl()
    );
    let mut kernel = elements(cx, &body, output.clone())?;
    kernel.params.extend(line(&output.shape, op.axis));
    kernel.params.extend([("on".to_owned(), on), ("off".to_owned(), off)]);
    kernel.reads = vec![at];
    cx.run(kernel);
    Ok(())
}

pub(crate) fn trilu(cx: &mut Cx, op: &Trilu) -> Lowered<()> {
    let view = cx.dense_input(0)?;
    let Some(k) = cx.konst(1).and_then(|k| k.number::<i64>().ok()) else {
        return because("a diagonal that depends on the data");
    };
    let Ok(k) = i32::try_from(k) else { return because("a diagonal beyond 32 bits") };
    let output = cx.output(0)?;
    let rank = view.shape.len();
    let t = view.carrier.wgsl();
    let keep = if op.upper { ">=" } else { "<=" };
    let body = format!(
        "fn value(i: u32) -> {t} {{\n  let row = i32(i / p.columns % p.rows);\n  \
         let column = i32(i % p.columns);\n  \
         return select({t}(), in0[i], column {keep} row + p.k);\n}}\n"
    );
    let mut kernel = elements(cx, &body, output)?;
    kernel.params.extend([u("rows", view.shape[rank - 2]), u("columns", view.shape[rank - 1])]);
    kernel.params.push(("k".to_owned(), Param::I(k)));
    kernel.reads = vec![view];
    cx.run(kernel);
    Ok(())
}
