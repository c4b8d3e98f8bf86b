//! Reductions, softmax and RMS norm: work on rows.
//!
//! In: `Reduce`, `Softmax`, `RmsNorm`. Out: one dispatch (two for the norm). Long rows are shared by
//! neighbouring invocations, short ones have one each.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer, RmsNorm, Softmax, SoftmaxKind};

use super::rows::{ADDRESS, Rows};
use super::shared::Lanes;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::chain::Chain;
use crate::gpu::kernel::{Kernel, MAX_GROUPS, Param, Pattern};
use crate::gpu::value::{Carrier, View};

const REDUCE: &str = wgsl!("reduce.wgsl");
const ARG: &str = wgsl!("arg.wgsl");
const SOFTMAX: &str = wgsl!("softmax.wgsl");

/// (what is carried at the start, with an element, with another's, at the end), over `T`.
fn steps(reducer: Reducer, carrier: Carrier) -> Option<[&'static str; 4]> {
    let lowest = match carrier {
        Carrier::F32 => "p.edge",
        Carrier::I32 => "i32(-2147483648)",
        Carrier::U32 => "0u",
    };
    let highest = match carrier {
        Carrier::F32 => "p.edge",
        Carrier::I32 => "2147483647i",
        Carrier::U32 => "4294967295u",
    };
    Some(match reducer {
        Reducer::Sum => ["T(0)", "a + b", "a + b", "a"],
        Reducer::Prod => ["T(1)", "a * b", "a * b", "a"],
        Reducer::Max => [lowest, "max(a, b)", "max(a, b)", "a"],
        Reducer::Min => [highest, "min(a, b)", "min(a, b)", "a"],
        Reducer::All => ["T(1)", "min(a, b)", "min(a, b)", "a"],
        Reducer::Any => ["T(0)", "max(a, b)", "max(a, b)", "a"],
        Reducer::MeanOfSquares if carrier == Carrier::F32 => {
            ["T(0)", "a + b * b", "a + b", "a / f32(p.length)"]
        }
        _ => return None,
    })
}

/// A power of two of invocations for a row.
pub(super) fn lanes(length: usize) -> usize {
    if length <= 32 { 1 } else { length.div_ceil(4).next_power_of_two().clamp(8, 64) }
}

/// The workgroups for `count` of them, in two axes.
pub(super) fn spread(count: usize) -> ([u32; 3], u32) {
    let across = count.min(MAX_GROUPS as usize);
    ([across as u32, count.div_ceil(across.max(1)) as u32, 1], across as u32)
}

/// A kernel whose rows are each shared by `lanes` invocations.
fn rows_kernel(cx: &Cx, rows: &Rows, lanes: Lanes, head: String, body: &str, out: View) -> Kernel {
    let (groups, across) = spread(rows.count.div_ceil(64 / lanes.count));
    let text = format!("const LANES = {}u;\n{head}{ADDRESS}{body}", lanes.count);
    let mut kernel = cx.kernel(text, groups, out);
    kernel.params = rows.params();
    kernel.params.push(("across".to_owned(), Param::U(across)));
    kernel.reads = vec![rows.view.clone()];
    kernel
}

pub(crate) fn reduce(cx: &mut Cx, op: &Reduce) -> Lowered<()> {
    let view = cx.input(0)?;
    let output = cx.output(0)?;
    let kernel = reduction(cx, view, &op.axes, op.reducer, output)?;
    cx.run(kernel);
    Ok(())
}

fn reduction(
    cx: &mut Cx,
    view: View,
    axes: &[usize],
    reducer: Reducer,
    output: View,
) -> Lowered<Kernel> {
    let carrier = view.carrier;
    let element = carrier.wgsl();
    let rows = Rows::of(cx, view, axes)?;
    if let Reducer::ArgMax(take_last) | Reducer::ArgMin(take_last) = reducer {
        let sign = match (reducer, take_last) {
            (Reducer::ArgMax(_), false) => ">",
            (Reducer::ArgMax(_), true) => ">=",
            (_, false) => "<",
            (_, true) => "<=",
        };
        let head =
            format!("fn better(a: {element}, b: {element}) -> bool {{ return a {sign} b; }}\n");
        let (groups, across) = spread(rows.count.div_ceil(64));
        let mut kernel = cx.kernel(format!("{head}{ADDRESS}{ARG}"), groups, output);
        kernel.params = rows.params();
        kernel.params.push(("across".to_owned(), Param::U(across)));
        kernel.reads = vec![rows.view];
        kernel.acc = Carrier::I32;
        return Ok(kernel);
    }
    let Some([start, take, join, finish]) = steps(reducer, carrier) else {
        return because(format!("no kernel for a reduction {reducer:?} of {:?}", rows.view.datum));
    };
    let lanes = Lanes::new(cx, lanes(rows.length), 64, true);
    let head = format!(
        "alias T = {element};\nalias R = {element};\n\
         fn start() -> R {{ return {start}; }}\n\
         fn take(a: R, b: T) -> R {{ return {take}; }}\n\
         fn finish(a: R) -> R {{ return {finish}; }}\n{}{}",
        lanes.parts("R"),
        lanes.join("shared_by", "R", join)
    );
    let mut kernel = rows_kernel(cx, &rows, lanes, head, REDUCE, output);
    // WGSL text has no infinity.
    let edge = if reducer == Reducer::Max { f32::NEG_INFINITY } else { f32::INFINITY };
    kernel.params.push(("edge".to_owned(), Param::F(edge)));
    kernel.acc = carrier;
    Ok(kernel)
}

pub(crate) fn softmax(cx: &mut Cx, op: &Softmax) -> Lowered<()> {
    let view = cx.input(0)?;
    if view.datum != DatumType::F32 || op.quant_output_dt.is_some() {
        return because("a softmax of another type than float32");
    }
    let output = cx.output(0)?;
    let last = op.axes[..] == [view.shape.len() - 1];
    let seen = (view.clone(), cx.alone(0));
    let rows = Rows::of(cx, view, &op.axes)?;
    let log = matches!(op.kind, SoftmaxKind::LogSoftmax);
    let lanes = Lanes::new(cx, lanes(rows.length), 64, true);
    let head = format!(
        "const LOG = {log};\n{}{}{}",
        lanes.parts("f32"),
        lanes.join("shared_max", "f32", "max(a, b)"),
        lanes.join("shared_sum", "f32", "a + b")
    );
    let mut kernel = rows_kernel(cx, &rows, lanes, head, SOFTMAX, output);
    if last && !log {
        kernel.pattern = Pattern::Softmax(seen.0, seen.1);
    }
    cx.run(kernel);
    Ok(())
}

pub(crate) fn rms_norm(cx: &mut Cx, op: &RmsNorm) -> Lowered<()> {
    let view = cx.input(0)?;
    if view.datum != DatumType::F32 {
        return because("a norm of another type than float32");
    }
    let Some(Param::F(eps)) = crate::gpu::transfer::scalar(&op.eps) else {
        return because("an epsilon that is no float32");
    };
    let mut shape = view.shape.clone();
    shape[op.axis] = 1;
    let mean = cx.temporary(view.datum, &shape)?;
    let kernel = reduction(cx, view.clone(), &[op.axis], Reducer::MeanOfSquares, mean.clone())?;
    cx.run(kernel);
    let output = cx.output(0)?;
    let mean = mean.broadcast(&view.shape).map_or_else(|| because("no view"), Ok)?;
    let mut chain = Chain::plain(&view.shape);
    let args = vec![chain.load(view), chain.load(mean), chain.number(Param::F(eps))];
    chain.push("$0 * inverseSqrt($1 + $2)", args, Carrier::F32);
    cx.run_elements(chain, output);
    Ok(())
}
