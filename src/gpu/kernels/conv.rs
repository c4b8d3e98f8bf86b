//! Convolutions.
//!
//! In: `Conv` in any layout of its image and its weights. Out: a matrix product where the window is one
//! element, products of tiles where the window is 3 x 3 and the channels are many, else a direct convolution: with packed weights, or for depthwise and odd groups as they lie.
//! The bias is the first link of the fused chain.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat};

use super::conv_weights::Packed;
use super::matmul::product;
use super::sliding::Sliding;
use super::winograd;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::kernel::{Kernel, MAX_GROUPS, Param};
use crate::gpu::value::{Carrier, View};

const PACKED: &str = wgsl!("conv.wgsl");
const GROUPED: &str = wgsl!("grouped.wgsl");

/// Strides of the weights by role.
struct Weights {
    view: View,
    group: isize,
    out: isize,
    input: isize,
    space: [isize; 3],
}

pub(crate) fn lower(cx: &mut Cx, op: &Conv) -> Lowered<()> {
    let (datum, _) = cx.input_fact(0)?;
    if op.q_params.is_some() || datum != DatumType::F32 {
        return because("a quantised convolution");
    }
    let x = cx.input(0)?;
    let weights = weights(cx, op)?;
    let (_, shape) = cx.output_fact(0)?;
    let sliding = Sliding::of(&op.pool_spec, &x, &shape)?;
    let (ig, og) = (op.input_channels() / op.group, op.output_channels() / op.group);
    let output = cx.output(0)?;
    let konst = cx.konst(1).filter(|_| sliding.kernel[0] == 1 && sliding.size[0] == 1 && og >= 4);
    let mut kernel = if sliding.is_pointwise() && op.group == 1 {
        pointwise(cx, &sliding, x, &weights, output, (ig, og))?
    } else {
        let by_tiles = match &konst {
            Some(konst) if op.group == 1 => {
                let strides = [weights.out, weights.input, weights.space[1], weights.space[2]];
                winograd::lower(cx, &sliding, &x, (konst, strides), (ig, og), &output)?
            }
            _ => None,
        };
        match by_tiles {
            Some(kernel) => kernel,
            None => direct(cx, op, &sliding, x, &weights, output, konst)?,
        }
    };
    // A scalar bias of 0 says that there is none.
    let (_, bias) = cx.input_fact(2)?;
    let zero = cx.konst(2).is_some_and(|b| b.len() == 1 && b.as_bytes().iter().all(|b| *b == 0));
    if !zero {
        let bias_view = cx.input(2)?;
        let mut view = View {
            shape: kernel.chain.shape.clone(),
            strides: vec![0; kernel.chain.shape.len()],
            ..bias_view.clone()
        };
        if bias.iter().product::<usize>() > 1 {
            let stride = bias_view.strides.iter().zip(&bias).find(|(_, n)| **n > 1);
            view.strides[sliding.c_axis] = stride.map_or(1, |(s, _)| *s);
        }
        let last = kernel.chain.result;
        let loaded = kernel.chain.load(view);
        kernel.chain.push("$0 + $1", vec![last, loaded], Carrier::F32);
    }
    cx.run(kernel);
    Ok(())
}

fn weights(cx: &mut Cx, op: &Conv) -> Lowered<Weights> {
    let view = cx.input(1)?;
    let rank = op.pool_spec.rank();
    let (o, i, first) = match op.kernel_fmt {
        KernelFormat::OIHW => (0, 1, 2),
        KernelFormat::HWIO => (rank + 1, rank, 0),
        KernelFormat::OHWI => (0, rank + 1, 1),
    };
    if op.group > 1 && op.kernel_fmt != KernelFormat::OIHW {
        return because("a grouped convolution with this layout of weights");
    }
    let mut space = [0; 3];
    for axis in 0..rank.min(3) {
        space[3 - rank.min(3) + axis] = view.strides[first + axis];
    }
    let (out, input) = (view.strides[o], view.strides[i]);
    let group = out * (op.output_channels() / op.group) as isize;
    Ok(Weights { view, group, out, input, space })
}

/// `[O, I] x [N, I, pixels]`.
fn pointwise(
    cx: &mut Cx,
    sliding: &Sliding,
    x: View,
    weights: &Weights,
    output: View,
    (ig, og): (usize, usize),
) -> Lowered<Kernel> {
    let pixels: usize = sliding.out.iter().product();
    // The pixels must run as one axis; they do unless the image is an odd view.
    let space = sliding.x.space;
    let steps_together = space[0] == space[1] * sliding.size[1] as isize || sliding.size[0] == 1;
    let rows_together = space[1] == space[2] * sliding.size[2] as isize || sliding.size[1] == 1;
    let one = |n: usize, s: isize, other: isize| if n == 1 { other } else { s };
    let along = one(sliding.size[2], space[2], one(sliding.size[1], space[1], space[0]));
    let x = if steps_together && rows_together {
        x
    } else {
        return because("a convolution over a strided view");
    };
    let (batch, c) = (sliding.batch, sliding.x.c);
    let shape = output.shape.clone();
    let image = View { shape: vec![batch, ig, pixels], strides: vec![sliding.x.n, c, along], ..x };
    let matrix = View {
        shape: vec![1, og, ig],
        strides: vec![0, weights.out, weights.input],
        ..weights.view.clone()
    };
    let last = sliding.y.c == 1 && og > 1;
    let flat = if last { [batch, pixels, og] } else { [batch, og, pixels] };
    let flat = output.reshaped(&flat).map_or_else(|| because("no view"), Ok)?;
    let mut kernel = if last {
        product(cx, image.permuted(&[0, 2, 1]), matrix.permuted(&[0, 2, 1]), flat, false)?
    } else {
        product(cx, matrix, image, flat, false)?
    };
    kernel.chain.shape.clone_from(&shape);
    kernel.output = output;
    Ok(kernel)
}

fn direct(
    cx: &mut Cx,
    op: &Conv,
    sliding: &Sliding,
    x: View,
    weights: &Weights,
    output: View,
    konst: Option<Arc<Tensor>>,
) -> Lowered<Kernel> {
    let (ig, og) = (op.input_channels() / op.group, op.output_channels() / op.group);
    let columns = sliding.out[2].div_ceil(4);
    let spots = sliding.out[0] * sliding.out[1] * columns;
    let wide = spots.next_power_of_two().clamp(4, 64);
    let mut params = sliding.params();
    let mut put = |name: &str, v: isize| {
        params.push((name.to_owned(), Param::U((v as i32).cast_unsigned())));
    };
    put("ig", ig as isize);
    put("og", og as isize);
    put("groups", op.group as isize);
    put("columns", columns as isize);
    let packed = konst.is_some();
    let (body, rows, weights) = match konst {
        Some(konst) => {
            let oc = if og >= 8 { 8 } else { 4 };
            let blocks = og.div_ceil(oc);
            put("blocks", blocks as isize);
            let form = Packed {
                groups: op.group,
                sizes: [og, ig, sliding.kernel[1], sliding.kernel[2]],
                strides: [weights.out, weights.input, weights.space[1], weights.space[2]],
                oc,
            };
            let text = format!("const OC = {oc}u;\n{}{PACKED}", rows_of(sliding, oc));
            (text, blocks * op.group, form.of(cx, konst)?)
        }
        None => {
            put("w_o", weights.view.offset as isize);
            put("w_g", weights.group);
            put("w_c", weights.out);
            put("w_i", weights.input);
            for axis in 0..3 {
                put(&format!("w_{axis}"), weights.space[axis]);
            }
            (along(sliding) + GROUPED, og * op.group, weights.view.clone())
        }
    };
    let groups = [spots.div_ceil(wide), rows.div_ceil(64 / wide), sliding.batch];
    if groups.iter().any(|g| *g > MAX_GROUPS as usize) {
        return because("a convolution beyond the grid");
    }
    let head = format!("const WX = {wide}u;\nconst WY = {}u;\n", 64 / wide);
    let mut kernel = cx.kernel(head + &body, groups.map(|g| g as u32), output);
    kernel.params = params;
    kernel.reads = vec![x, weights];
    kernel.wide = vec![false, packed];
    Ok(kernel)
}

/// Longest window that is unrolled.
const UNROLLED: usize = 7;

/// What a row of the window adds to four pixels of one channel: unrolled where the window is short and dense, with each
/// pixel loaded once for all taps that see it.
fn along(sliding: &Sliding) -> String {
    let (taps, step) = (sliding.kernel[2], sliding.stride[2]);
    let mut text = "fn pixel(row: u32, ix: u32) -> f32 { return select(0.0, in0[row + ix * p.x_2], ix < p.i2); }\n\
                    fn along(row: u32, ix: u32, weights: u32) -> vec4<f32> {\n  var sum = vec4<f32>();\n"
        .to_owned();
    if taps <= UNROLLED && step <= 2 && sliding.dilation[2] == 1 {
        for at in 0..taps + 3 * step {
            text += &format!("  let r{at} = pixel(row, ix + {at}u);\n");
        }
        for tap in 0..taps {
            let [b, c, d] = [1, 2, 3].map(|n| tap + n * step);
            text += &format!(
                "  sum += in1[weights + {tap}u * p.w_2] * vec4<f32>(r{tap}, r{b}, r{c}, r{d});\n"
            );
        }
    } else {
        text += "  for (var t = 0u; t < p.k2; t++) {\n    let at = ix + t * p.d2;\n    \
                 sum += in1[weights + t * p.w_2] * vec4<f32>(pixel(row, at), pixel(row, at + p.s2), \
                 pixel(row, at + 2u * p.s2), pixel(row, at + 3u * p.s2));\n  }\n";
    }
    text + "  return sum;\n}\n"
}

/// The accumulators of `oc` channels, and the text that adds one row of the window to them. Where the window
/// steps by one pixel, a row's pixels are loaded once for all taps that see them.
fn rows_of(sliding: &Sliding, oc: usize) -> String {
    let fields: String = (0..oc).map(|c| format!("  c{c}: vec4<f32>,\n")).collect();
    let tap = |at: &str| -> String {
        let sets = (0..oc / 4).map(|set| {
            let lanes = ["x", "y", "z", "w"].iter().enumerate();
            let adds: String = lanes
                .map(|(l, lane)| format!("  (*s).c{} += w.{lane} * x;\n", set * 4 + l))
                .collect();
            format!("  w = in1[weight + {at} * {}u + {set}u];\n{adds}", oc / 4)
        });
        sets.collect()
    };
    let kx = sliding.kernel[2];
    let mut body = "  var w: vec4<f32>;\n  var x: vec4<f32>;\n".to_owned();
    if kx <= UNROLLED && sliding.stride[2] == 1 && sliding.dilation[2] == 1 {
        for at in 0..kx + 3 {
            body += &format!("  let r{at} = pixel(row, ix + {at}u);\n");
        }
        for t in 0..kx {
            let (b, c, d) = (t + 1, t + 2, t + 3);
            body += &format!("  x = vec4<f32>(r{t}, r{b}, r{c}, r{d});\n{}", tap(&format!("{t}u")));
        }
    } else {
        body += "  for (var t = 0u; t < p.k2; t++) {\n  let at = ix + t * p.d2;\n  \
                 x = vec4<f32>(pixel(row, at), pixel(row, at + p.s2), pixel(row, at + 2u * p.s2), \
                 pixel(row, at + 3u * p.s2));\n";
        body += &tap("t");
        body += "  }\n";
    }
    let all: Vec<String> = (0..oc).map(|c| format!("(*s).c{c}")).collect();
    let all = all.join(", ");
    format!(
        "struct Sums {{\n{fields}}}\n\
         fn add_row(s: ptr<function, Sums>, row: u32, ix: u32, weight: u32) {{\n{body}}}\n\
         fn together(s: ptr<function, Sums>) -> array<vec4<f32>, OC> {{\n  \
         return array<vec4<f32>, OC>({all});\n}}\n"
    )
}
