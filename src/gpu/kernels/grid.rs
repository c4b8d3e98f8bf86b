//! Images looked up at computed points.
//!
//! In: `GridSample` over two spatial axes. Out: one dispatch.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::nn::grid_sample::{GridSample, InterpolationMode, PaddingMode};

use super::flat::elements;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::kernel::Param;

const BODY: &str = wgsl!("grid.wgsl");

pub(crate) fn sample(cx: &mut Cx, op: &GridSample) -> Lowered<()> {
    let (image, grid) = (cx.input(0)?, cx.dense_input(1)?);
    if image.datum != DatumType::F32 || grid.datum != DatumType::F32 {
        return because("a grid sample of another type than float32");
    }
    if image.shape.len() != 4 {
        return because("a grid sample over other than two axes");
    }
    let mode = match op.mode {
        InterpolationMode::Nearest => 0,
        InterpolationMode::Bilinear => 1,
        InterpolationMode::Bicubic => 2,
    };
    let outside = match op.padding_mode {
        PaddingMode::Zeros => 0,
        PaddingMode::Border => 1,
        PaddingMode::Reflection => 2,
    };
    let output = cx.output(0)?;
    let head = format!(
        "const MODE = {mode}u;\nconst OUTSIDE = {outside}u;\nconst CORNERS = {};\n",
        op.align_corners
    );
    let mut kernel = elements(cx, &(head + BODY), output.clone())?;
    let mut put = |name: &str, v: isize| {
        kernel.params.push((name.to_owned(), Param::U((v as i32).cast_unsigned())));
    };
    put("channels", image.shape[1] as isize);
    put("h", image.shape[2] as isize);
    put("w", image.shape[3] as isize);
    put("spots", (output.shape[2] * output.shape[3]) as isize);
    put("x_o", image.offset as isize);
    for (axis, name) in ["x_n", "x_c", "x_h", "x_w"].into_iter().enumerate() {
        put(name, image.strides[axis]);
    }
    kernel.reads = vec![image, grid];
    cx.run(kernel);
    Ok(())
}
