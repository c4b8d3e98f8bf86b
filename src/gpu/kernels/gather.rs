//! Gathers and scatters: elements chosen by indices.
//!
//! In: `Gather`, `GatherElements`, `GatherNd`, `ScatterElements`, `ScatterNd`, and `CheckIndices`, which
//! comes before them where indices are computed, as `CheckDivisors` does before divisions. Out: one dispatch, two for a
//! scatter. Negative indices count from the end.

use tract_onnx::tract_core::ops::array::{
    Gather, GatherElements, GatherNd, ScatterElements, ScatterNd, ScatterReduction,
};

use super::flat::{address, coordinates, each, elements};
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::chain::Chain;
use crate::gpu::kernel::{Kernel, Param};
use crate::gpu::value::{Carrier, View, dense_strides};
use crate::optimize::{CheckDivisors, CheckIndices};

const INDEX: &str =
    "fn index(at: i32, n: u32) -> u32 { return select(u32(at), u32(at + i32(n)), at < 0); }\n";

fn indices(cx: &mut Cx, ix: usize) -> Lowered<View> {
    let view = cx.input(ix)?;
    if view.carrier == Carrier::I32 { Ok(view) } else { because("indices that are no integers") }
}

fn u(name: &str, v: usize) -> (String, Param) {
    (name.to_owned(), Param::U(v as u32))
}

/// Counts the indices that are out of range; the host reads the count with the results.
pub(crate) fn check(cx: &mut Cx, op: &CheckIndices) -> Lowered<()> {
    let view = cx.dense_input(0)?;
    checked(cx, &view, &op.lengths, &op.user)?;
    cx.is(0, view, false);
    Ok(())
}

/// Has the run fail where an index is not in `-n..n`; `lengths` are the `n` of indices in turn.
pub(super) fn checked(cx: &mut Cx, view: &View, lengths: &[usize], user: &str) -> Lowered<()> {
    if view.carrier != Carrier::I32 {
        return because("indices that are no integers");
    }
    if lengths.len() > 4 {
        return because("indices into more than four axes");
    }
    let pick: String = (0..lengths.len())
        .map(|at| format!("  if (k % {}u == {at}u) {{ n = p.n{at}; }}\n", lengths.len()))
        .collect();
    let bad = format!(
        "  var n = 0i;\n{pick}  let at = in0[k];\n  return select(0u, 1u, at < -n || at >= n);\n"
    );
    let bounds = lengths.iter().enumerate();
    let params = bounds.map(|(at, n)| (format!("n{at}"), Param::I(*n as i32))).collect();
    let told = format!("`{user}` is given an index that is out of range");
    counted(cx, &bad, view.len(), (params, vec![view.clone()]), told)
}

/// Counts the divisors that are zero.
pub(crate) fn divisors(cx: &mut Cx, op: &CheckDivisors) -> Lowered<()> {
    let view = cx.dense_input(0)?;
    if view.carrier == Carrier::F32 {
        return because("divisors that are no integers");
    }
    let told = format!("`{}` divides an integer by zero", op.user);
    let bad = format!("  return select(0u, 1u, in0[k] == {}(0));\n", view.carrier.wgsl());
    counted(cx, &bad, view.len(), (vec![], vec![view.clone()]), told)?;
    cx.is(0, view, false);
    Ok(())
}

/// Has the run fail with `told` unless `bad`, a text that gives 1 for what is wrong at `k`, gives 0 for all `k` below
/// `length`.
pub(super) fn counted(
    cx: &mut Cx,
    bad: &str,
    length: usize,
    (params, reads): (Vec<(String, Param)>, Vec<View>),
    told: String,
) -> Lowered<()> {
    let count = cx.temporary(tract_onnx::prelude::DatumType::U32, &[1])?;
    // One workgroup: what is checked is little.
    let body = format!(
        "var<workgroup> parts: array<u32, 64>;\n\
         fn bad(k: u32) -> u32 {{\n{bad}}}\n\
         @compute @workgroup_size(64)\n\
         fn main(@builtin(local_invocation_index) lane: u32) {{\n  var sum = 0u;\n  \
         for (var k = lane; k < p.length; k += 64u) {{ sum += bad(k); }}\n  \
         parts[lane] = sum;\n  workgroupBarrier();\n  \
         if (lane == 0u) {{\n    var all = 0u;\n    \
         for (var k = 0u; k < 64u; k++) {{ all += parts[k]; }}\n    store(0u, all);\n  }}\n}}\n"
    );
    let mut kernel = cx.kernel(body, [1; 3], count.clone());
    kernel.params = params;
    kernel.params.push(u("length", length));
    kernel.reads = reads;
    cx.run(kernel);
    cx.must_be_zero(count, told);
    Ok(())
}

fn with(kernel: &mut Kernel, params: Vec<(String, Param)>, reads: Vec<View>) {
    kernel.params.extend(params);
    kernel.reads = reads;
}

pub(crate) fn gather(cx: &mut Cx, op: &Gather) -> Lowered<()> {
    let (data, at) = (cx.dense_input(0)?, indices(cx, 1)?);
    let at = cx.dense(at)?;
    let output = cx.output(0)?;
    if data.datum != output.datum {
        return because("a gather that changes the type");
    }
    let inner: usize = data.shape[op.axis + 1..].iter().product();
    let body = format!(
        "{INDEX}fn value(i: u32) -> {t} {{\n  let r = i % p.inner;\n  let rest = i / p.inner;\n  \
         let j = rest % p.many;\n  \
         return in0[(rest / p.many * p.n + index(in1[j], p.n)) * p.inner + r];\n}}\n",
        t = data.carrier.wgsl()
    );
    let mut kernel = elements(cx, &body, output)?;
    let params = vec![u("inner", inner), u("many", at.len()), u("n", data.shape[op.axis])];
    with(&mut kernel, params, vec![data, at]);
    cx.run(kernel);
    Ok(())
}

pub(crate) fn gather_elements(cx: &mut Cx, op: &GatherElements) -> Lowered<()> {
    let (data, at) = (cx.input(0)?, indices(cx, 1)?);
    let at = cx.dense(at)?;
    let output = cx.output(0)?;
    let (decode, mut params) = coordinates("d", &output.shape);
    let (place, more) = address("x", &data, |axis| {
        if axis == op.axis { "index(in1[i], p.n)".to_owned() } else { format!("c{axis}") }
    });
    params.extend(more);
    params.push(u("n", data.shape[op.axis]));
    let t = data.carrier.wgsl();
    let body = format!("{INDEX}fn value(i: u32) -> {t} {{\n{decode}  return in0[{place}];\n}}\n");
    let mut kernel = elements(cx, &body, output)?;
    with(&mut kernel, params, vec![data, at]);
    cx.run(kernel);
    Ok(())
}

/// Text that adds up where a tuple of indices points: `at += …` for each of `depth`.
fn tuple(depth: usize, shape: &[usize], from: &str) -> (String, Vec<(String, Param)>) {
    let strides = dense_strides(shape);
    let mut text = String::new();
    let mut params = vec![];
    for k in 0..depth {
        text += &format!("  at += index({from}[tuple + {k}u], p.n{k}) * p.t{k};\n");
        params.extend([u(&format!("n{k}"), shape[k]), u(&format!("t{k}"), strides[k] as usize)]);
    }
    (text, params)
}

pub(crate) fn gather_nd(cx: &mut Cx, op: &GatherNd) -> Lowered<()> {
    let (data, at) = (cx.dense_input(0)?, indices(cx, 1)?);
    let at = cx.dense(at)?;
    let output = cx.output(0)?;
    let depth = at.shape.last().copied().unwrap_or(0);
    let batch = op.batch_dims;
    let slice: usize = data.shape[batch + depth..].iter().product();
    let per_batch: usize = at.shape[batch..at.shape.len() - 1].iter().product();
    let (sum, mut params) = tuple(depth, &data.shape[batch..], "in1");
    let body = format!(
        "{INDEX}fn value(i: u32) -> {t} {{\n  let r = i % p.slice;\n  let k = i / p.slice;\n  \
         let tuple = k * {depth}u;\n  var at = k / p.per_batch * p.batch + r;\n{sum}  return in0[at];\n}}\n",
        t = data.carrier.wgsl()
    );
    params.push(u("slice", slice));
    params.push(u("per_batch", per_batch.max(1)));
    params.push(u("batch", data.shape[batch..].iter().product()));
    let mut kernel = elements(cx, &body, output)?;
    with(&mut kernel, params, vec![data, at]);
    cx.run(kernel);
    Ok(())
}

/// The text that joins an update to what is at `out0[at]`.
fn joined(reduction: ScatterReduction, output: &View) -> String {
    let joined = match reduction {
        ScatterReduction::None => "update",
        ScatterReduction::Add => "there + update",
        ScatterReduction::Mul => "there * update",
        ScatterReduction::Min => "min(there, update)",
        ScatterReduction::Max => "max(there, update)",
    };
    let joined = joined.replace("there", &format!("{}(out0[at])", output.carrier.wgsl()));
    format!("{}({joined})", output.stored())
}

/// The output, filled with the data.
fn copied(cx: &mut Cx) -> Lowered<View> {
    let data = cx.input(0)?;
    let output = cx.output(0)?;
    cx.run_elements(Chain::copy(data), output.clone());
    Ok(output)
}

pub(crate) fn scatter_elements(cx: &mut Cx, op: &ScatterElements) -> Lowered<()> {
    let output = copied(cx)?;
    let (at, updates) = (indices(cx, 1)?, cx.input(2)?);
    // Each line along the axis is one invocation's: updates of one place come in order.
    let mut lines = at.shape.clone();
    lines[op.axis] = 1;
    let (decode, mut params) = coordinates("d", &lines);
    let along = |axis: usize| if axis == op.axis { "k".to_owned() } else { format!("c{axis}") };
    let (index_at, more) = address("j", &at, along);
    params.extend(more);
    let (update_at, more) = address("u", &updates, along);
    params.extend(more);
    let (place, more) =
        address(
            "y",
            &output,
            |axis| {
                if axis == op.axis { "to".to_owned() } else { format!("c{axis}") }
            },
        );
    params.extend(more);
    params.extend([u("n", output.shape[op.axis]), u("many", at.shape[op.axis])]);
    let body = format!(
        "{INDEX}fn run(i: u32) {{\n{decode}  for (var k = 0u; k < p.many; k++) {{\n    \
         let to = index(in0[{index_at}], p.n);\n    let at = {place};\n    \
         let update = in1[{update_at}];\n    out0[at] = {};\n  }}\n}}\n",
        joined(op.reduction, &output)
    );
    let mut kernel = each(cx, &body, lines.iter().product(), output)?;
    with(&mut kernel, params, vec![at, updates]);
    cx.run(kernel);
    Ok(())
}

pub(crate) fn scatter_nd(cx: &mut Cx, op: &ScatterNd) -> Lowered<()> {
    let output = copied(cx)?;
    let (at, updates) = (indices(cx, 1)?, cx.dense_input(2)?);
    let at = cx.dense(at)?;
    let depth = at.shape.last().copied().unwrap_or(0);
    let slice: usize = output.shape[depth..].iter().product();
    let many = at.len() / depth.max(1);
    let (sum, mut params) = tuple(depth, &output.shape, "in0");
    // Element `i` of every slice is one invocation's: updates of one place come in order.
    let body = format!(
        "{INDEX}fn run(i: u32) {{\n  for (var k = 0u; k < p.many; k++) {{\n  \
         let tuple = k * {depth}u;\n  var at = i;\n{sum}  let update = in1[k * p.slice + i];\n  \
         out0[at] = {};\n  }}\n}}\n",
        joined(op.reduction, &output)
    );
    params.extend([u("many", many), u("slice", slice)]);
    let mut kernel = each(cx, &body, slice, output)?;
    with(&mut kernel, params, vec![at, updates]);
    cx.run(kernel);
    Ok(())
}
