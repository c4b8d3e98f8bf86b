//! Kernels of which one invocation makes one element, given its row-major index.
//!
//! In: a WGSL function `value(i)`. Out: the kernel around it, and text that turns an index into
//! coordinates.

use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::kernel::{Kernel, MAX_GROUPS, Param};
use crate::gpu::value::View;

const MAIN: &str = "
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * p.across + id.x;
  if (i < p.count) { run(i); }
}
";

/// Calls `run(i)` of `body` for each `i` below `count`.
pub(crate) fn each(cx: &Cx, body: &str, count: usize, output: View) -> Lowered<Kernel> {
    let groups = count.div_ceil(64);
    let across = groups.min(MAX_GROUPS as usize);
    let down = groups.div_ceil(across.max(1));
    if down > MAX_GROUPS as usize {
        return because("more elements than the grid holds");
    }
    let mut kernel = cx.kernel(format!("{body}{MAIN}"), [across as u32, down as u32, 1], output);
    kernel.params = vec![
        ("across".to_owned(), Param::U(across as u32 * 64)),
        ("count".to_owned(), Param::U(count as u32)),
    ];
    Ok(kernel)
}

/// Has each element of `output` computed by `value(i)` of `body`.
pub(crate) fn elements(cx: &Cx, body: &str, output: View) -> Lowered<Kernel> {
    let count = output.len();
    each(cx, &format!("{body}fn run(i: u32) {{ store(i, value(i)); }}\n"), count, output)
}

/// `let c0 = …; let c1 = …;` of index `i` in `shape`, and the parameters that it needs, named by `name`.
pub(crate) fn coordinates(name: &str, shape: &[usize]) -> (String, Vec<(String, Param)>) {
    let mut text = "  var rest = i;\n".to_owned();
    let mut params = vec![];
    for axis in (1..shape.len()).rev() {
        text += &format!("  let c{axis} = rest % p.{name}{axis};\n  rest /= p.{name}{axis};\n");
        params.push((format!("{name}{axis}"), Param::U(shape[axis] as u32)));
    }
    text += "  let c0 = rest;\n";
    (text, params)
}

/// `offset + c0 * stride + …`, and its parameters.
pub(crate) fn address(
    name: &str,
    view: &View,
    coordinate: impl Fn(usize) -> String,
) -> (String, Vec<(String, Param)>) {
    let mut params = vec![(format!("{name}_o"), Param::U(view.offset as u32))];
    let mut text = format!("p.{name}_o");
    for (axis, stride) in view.strides.iter().enumerate() {
        if *stride != 0 && view.shape[axis] > 1 {
            text += &format!(" + {} * p.{name}_{axis}", coordinate(axis));
            params.push((format!("{name}_{axis}"), Param::U((*stride as i32).cast_unsigned())));
        }
    }
    (text, params)
}
