//! Padding: each element of the result is a fill value, or looks up where it comes from.
//!
//! In: `Pad`, and views that other families want filled up with zeros. Out: one dispatch.

use tract_onnx::tract_core::ops::array::{Pad, PadMode};

use super::flat::{address, coordinates, elements};
use crate::gpu::builder::{Cx, Lowered, Origin, because};
use crate::gpu::kernel::Param;
use crate::gpu::value::{Carrier, View};

/// Where what lies outside comes from.
#[derive(Clone, Copy, Debug)]
enum Outside {
    Fill(Param),
    Edge,
    Reflect,
}

pub(crate) fn pad(cx: &mut Cx, op: &Pad) -> Lowered<()> {
    let view = cx.input(0)?;
    let output = cx.output(0)?;
    let outside = match &op.mode {
        PadMode::Constant(fill) => {
            let fill = fill.cast_to_dt(output.datum).ok().filter(|f| f.len() == 1);
            match fill.and_then(|f| crate::gpu::transfer::scalar(&f)) {
                Some(value) => Outside::Fill(value),
                None => return because("a fill value that the GPU has no type for"),
            }
        }
        PadMode::Edge => Outside::Edge,
        PadMode::Reflect => Outside::Reflect,
    };
    run(cx, &view, &op.pads, outside, output)
}

/// `view` with zeros around it, by axis (before, after), in row-major order.
pub(crate) fn padded(cx: &mut Cx, view: View, pads: &[(usize, usize)]) -> Lowered<View> {
    if pads.iter().all(|p| *p == (0, 0)) {
        return cx.dense(view);
    }
    let shape: Vec<usize> = view.shape.iter().zip(pads).map(|(n, (a, b))| a + n + b).collect();
    let output = cx.builder.value_as((view.datum, view.half), &shape, Origin::Made)?;
    let zero = match view.carrier {
        Carrier::F32 => Param::F(0.0),
        Carrier::I32 => Param::I(0),
        Carrier::U32 => Param::U(0),
    };
    run(cx, &view, pads, Outside::Fill(zero), output.clone())?;
    Ok(output)
}

fn run(
    cx: &mut Cx,
    view: &View,
    pads: &[(usize, usize)],
    outside: Outside,
    output: View,
) -> Lowered<()> {
    let (mut text, mut params) = coordinates("d", &output.shape);
    let t = view.carrier.wgsl();
    let mut inside = "true".to_owned();
    for (axis, (before, after)) in pads.iter().enumerate() {
        if (before, after) == (&0, &0) {
            text += &format!("  let s{axis} = c{axis};\n");
            continue;
        }
        params.push((format!("b{axis}"), Param::I(*before as i32)));
        params.push((format!("n{axis}"), Param::I(view.shape[axis] as i32)));
        let at = format!("i32(c{axis}) - p.b{axis}");
        text += &match outside {
            // Beyond the start it wraps around to beyond the end.
            Outside::Fill(_) => {
                inside += &format!(" && s{axis} < u32(p.n{axis})");
                format!("  let s{axis} = u32({at});\n")
            }
            Outside::Edge => format!("  let s{axis} = u32(clamp({at}, 0, p.n{axis} - 1));\n"),
            Outside::Reflect => {
                format!("  let s{axis} = u32(reflected({at}, p.n{axis} - 1));\n")
            }
        };
    }
    let (from, more) = address("x", view, |axis| format!("s{axis}"));
    params.extend(more);
    let value = match outside {
        Outside::Fill(value) => {
            params.push(("fill".to_owned(), value));
            format!("  if ({inside}) {{ return in0[{from}]; }}\n  return p.fill;\n")
        }
        _ => format!("  return in0[{from}];\n"),
    };
    let body = format!(
        "fn reflected(at: i32, last: i32) -> i32 {{\n  let period = max(2 * last, 1);\n  \
         let r = ((at % period) + period) % period;\n  return min(r, period - r) * min(last, 1);\n}}\n\
         fn value(i: u32) -> {t} {{\n{text}{value}}}\n"
    );
    let mut kernel = elements(cx, &body, output)?;
    kernel.params.extend(params);
    kernel.reads = vec![view.clone()];
    cx.run(kernel);
    Ok(())
}
