//! A 2-D convolution whose kernel points are moved by offsets.
//!
//! In: `DeformConv`, as the CPU has it. Out: one dispatch for what each place sees of the image, between its elements, and
//! the product of that with the weights.

use tract_onnx::prelude::DatumType;

use super::flat::elements;
use super::matmul::product;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::kernel::Param;
use crate::gpu::value::{Carrier, View};
use crate::model::ops::{Coded, DeformConv};

const BODY: &str = wgsl!("deform_conv.wgsl");

pub(crate) fn lower(cx: &mut Cx, coded: &Coded<'_, DeformConv>) -> Lowered<()> {
    let op = coded.code;
    let slot = |at: usize| coded.slots.get(at).copied().flatten();
    let mut floats = |at: usize| -> Lowered<Option<View>> {
        let view = slot(at).map(|slot| cx.dense_input(slot)).transpose()?;
        match &view {
            Some(view) if view.datum != DatumType::F32 => because("operands that are no float32"),
            _ => Ok(view),
        }
    };
    let (Some(x), Some(w), Some(offsets)) = (floats(0)?, floats(1)?, floats(2)?) else {
        return because("an input is missing");
    };
    let (bias, mask) = (floats(3)?, floats(4)?);
    let Ok(shape) = op.shape(&x.shape, &w.shape) else {
        return because("a convolution over inputs that do not fit");
    };
    let ([batch, filters, rows, columns], [_, channels, height, width]) =
        (&shape[..], &x.shape[..])
    else {
        return because("a convolution over other axes");
    };
    let (batch, filters, channels) = (*batch, *filters, *channels);
    let (points, places) = (w.shape[2] * w.shape[3], rows * columns);
    let count = batch * op.offset_group * points * places;
    let fits = offsets.len() == 2 * count
        && mask.as_ref().is_none_or(|mask| mask.len() == count)
        && bias.as_ref().is_none_or(|bias| bias.len() == filters);
    if !fits {
        return because("operands that do not fit");
    }
    // What the places see, of each channel and kernel point.
    let seen = cx.temporary(DatumType::F32, &[batch, channels * points, places])?;
    let scale = if mask.is_some() { "in2[at * p.places + place]" } else { "1.0" };
    let body = format!("fn scale(at: u32, place: u32) -> f32 {{ return {scale}; }}\n{BODY}");
    let mut kernel = elements(cx, &body, seen.clone())?;
    let u = |name: &str, v: usize| (name.to_owned(), Param::U(v as u32));
    kernel.params.extend([
        u("places", places),
        u("columns", *columns),
        u("points", points),
        u("kernel_x", w.shape[3]),
        u("channels", channels),
        u("per_offset", channels / op.offset_group),
        u("offset_groups", op.offset_group),
        u("height", *height),
        u("width", *width),
        u("step_y", op.strides[0]),
        u("step_x", op.strides[1]),
        u("dilation_y", op.dilations[0]),
        u("dilation_x", op.dilations[1]),
        ("pad_y".to_owned(), Param::F(op.pads[0] as f32)),
        ("pad_x".to_owned(), Param::F(op.pads[1] as f32)),
    ]);
    kernel.reads = vec![x, offsets];
    kernel.reads.extend(mask);
    cx.run(kernel);

    let none = || because("no view");
    let each = [filters / op.group, channels / op.group * points];
    let weights = w.reshaped(&[1, op.group, each[0], each[1]]).map_or_else(none, Ok)?;
    let seen = seen.reshaped(&[batch, op.group, each[1], places]).map_or_else(none, Ok)?;
    let by_group = [batch, op.group, each[0], places];
    let output = cx.output(0)?.reshaped(&by_group).map_or_else(none, Ok)?;
    let mut kernel = product(cx, weights, seen, output, false)?;
    if let Some(bias) = bias {
        let strides = vec![0, each[0] as isize, 1, 0];
        let bias = View { shape: by_group.to_vec(), strides, ..bias };
        let (last, loaded) = (kernel.chain.result, kernel.chain.load(bias));
        kernel.chain.push("$0 + $1", vec![last, loaded], Carrier::F32);
    }
    cx.run(kernel);
    Ok(())
}
