//! Pools: the largest or the mean of each window.
//!
//! In: `MaxPool`, `SumPool` (which is also the average). Out: one dispatch.

use tract_onnx::tract_core::ops::cnn::{MaxPool, PaddingSpec, PoolSpec, SumPool};

use super::sliding::Sliding;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::kernel::{MAX_GROUPS, Param};
use crate::gpu::value::Carrier;

const BODY: &str = wgsl!("pool.wgsl");

pub(crate) fn max(cx: &mut Cx, op: &MaxPool) -> Lowered<()> {
    if op.with_index_outputs.is_some() {
        return because("a pool that also gives indices");
    }
    let (datum, _) = cx.input_fact(0)?;
    let head = match Carrier::of(datum) {
        Some(Carrier::F32) => {
            // WGSL text has no infinity.
            "fn first() -> f32 { return p.least; }\n\
             fn combine(a: f32, b: f32) -> f32 { return max(a, b); }\n\
             fn finish(a: f32, count: u32) -> f32 { return a; }\n"
        }
        Some(Carrier::I32) => {
            "fn first() -> i32 { return i32(-2147483648); }\n\
             fn combine(a: i32, b: i32) -> i32 { return max(a, b); }\n\
             fn finish(a: i32, count: u32) -> i32 { return a; }\n"
        }
        Some(Carrier::U32) => {
            "fn first() -> u32 { return 0u; }\n\
             fn combine(a: u32, b: u32) -> u32 { return max(a, b); }\n\
             fn finish(a: u32, count: u32) -> u32 { return a; }\n"
        }
        None => return because(format!("no kernel for a pool of {datum:?}")),
    };
    pool(cx, &op.pool_spec, head, false)
}

pub(crate) fn sum(cx: &mut Cx, op: &SumPool) -> Lowered<()> {
    if Carrier::of(cx.input_fact(0)?.0) != Some(Carrier::F32) {
        return because("a mean of integers");
    }
    let finish = if op.normalize { "a / f32(count)" } else { "a" };
    let head = format!(
        "fn first() -> f32 {{ return 0.0; }}\n\
         fn combine(a: f32, b: f32) -> f32 {{ return a + b; }}\n\
         fn finish(a: f32, count: u32) -> f32 {{ return {finish}; }}\n"
    );
    pool(cx, &op.pool_spec, &head, op.count_include_pad)
}

fn pool(cx: &mut Cx, spec: &PoolSpec, head: &str, count_pads: bool) -> Lowered<()> {
    let x = cx.input(0)?;
    let (_, shape) = cx.output_fact(0)?;
    let sliding = Sliding::of(spec, &x, &shape)?;
    let spots: usize = sliding.out.iter().product();
    let channels = shape[sliding.c_axis];
    let groups = [spots.div_ceil(64), channels, sliding.batch];
    if groups.iter().any(|g| *g > MAX_GROUPS as usize) {
        return because("a pool beyond the grid");
    }
    let output = cx.output(0)?;
    let text = format!("const COUNT_PADS = {count_pads};\n{head}{BODY}");
    let mut kernel = cx.kernel(text, groups.map(|g| g as u32), output);
    kernel.params = sliding.params();
    // Where a window overhangs the padding (ceil mode), the overhang does not count.
    let after: Vec<usize> = match &spec.padding {
        PaddingSpec::ExplicitOnnxPool(_, after, true) => after.to_vec(),
        _ => vec![1 << 24; spec.rank()],
    };
    for axis in 0..3 {
        let after = (axis + spec.rank()).checked_sub(3).map_or(0, |at| after[at]);
        let padded = sliding.before[axis] + sliding.size[axis] + after;
        kernel.params.push((format!("p{axis}"), Param::U(padded as u32)));
    }
    kernel.params.push(("least".to_owned(), Param::F(f32::NEG_INFINITY)));
    kernel.reads = vec![x];
    cx.run(kernel);
    Ok(())
}
