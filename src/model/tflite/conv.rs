//! Convolutions, poolings, resizings and dense layers.
//!
//! In: an operator on [batch, height, width, channels]. Out: ONNX's, which has the channels first, between
//! transpositions, which the engine's optimiser moves together. Weights that are constants are turned here.

use super::SAME;
use super::graph::{Graph, Refused};
use super::nodes::{Operator, int, ints, text};
use super::ops::activated;

const TO_CHANNELS_FIRST: [i64; 4] = [0, 3, 1, 2];
const TO_CHANNELS_LAST: [i64; 4] = [0, 2, 3, 1];

fn turned(g: &mut Graph, value: &str, order: &[i64; 4]) -> String {
    g.node("Transpose", &[value], vec![ints("perm", order)])
}

/// The options that a convolution and a pooling begin with.
struct Window {
    same: bool,
    strides: [i64; 2],
}

fn window(op: &Operator) -> Refused<Window> {
    let strides = [i64::from(op.int(2)), i64::from(op.int(1))];
    if strides.iter().any(|s| *s < 1) {
        return Err(format!("with the strides {strides:?}"));
    }
    Ok(Window { same: op.byte(0) == SAME, strides })
}

impl Window {
    fn attributes(&self) -> Vec<tract_onnx::pb::AttributeProto> {
        let pad = if self.same { "SAME_UPPER" } else { "VALID" };
        vec![text("auto_pad", pad), ints("strides", &self.strides)]
    }
}

fn finish(g: &mut Graph, op: &Operator, value: &str, activation: i8) -> Refused {
    let value = turned(g, value, &TO_CHANNELS_LAST);
    let value = activated(g, value, activation)?;
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn conv(g: &mut Graph, op: &Operator) -> Refused {
    // [out, height, width, in]
    convolve(g, op, &[0, 3, 1, 2], [5, 4], 3, None)
}

pub(super) fn depthwise(g: &mut Graph, op: &Operator) -> Refused {
    // [1, height, width, in * multiplier]
    let channels = g.tensors[op.input(0)?].shape.last().copied().unwrap_or(0);
    convolve(g, op, &[3, 0, 1, 2], [6, 5], 4, Some(channels))
}

/// `dilations` and `activation` are the numbers of their options.
fn convolve(
    g: &mut Graph,
    op: &Operator,
    order: &[i64; 4],
    dilations: [usize; 2],
    activation: usize,
    groups: Option<usize>,
) -> Refused {
    let window = window(op)?;
    let factor = |number| i64::from(op.options.map_or(1, |o| o.int(number, 1)));
    let mut attributes = window.attributes();
    attributes.push(ints("dilations", &dilations.map(factor)));
    let weights = op.input(1)?;
    let (channels, shape) =
        (g.tensors[op.input(0)?].shape.last().copied(), g.tensors[weights].shape.clone());
    if shape.len() != 4 {
        return Err("with weights that have not four dimensions".to_owned());
    }
    // Without groups of its own, fewer weights than channels mean groups.
    let groups = groups.unwrap_or_else(|| channels.unwrap_or(1) / shape[3].max(1));
    attributes.push(int("group", groups as i64));
    let kernel = [shape[1] as i64, shape[2] as i64];
    attributes.push(ints("kernel_shape", &kernel));
    let value = g.value(op.input(0)?)?;
    let value = turned(g, &value, &TO_CHANNELS_FIRST);
    let weights = g.turned_weights(weights, order)?;
    let bias = op.inputs.get(2).copied().flatten().map(|at| g.value(at)).transpose()?;
    let mut inputs = vec![value.as_str(), &weights];
    inputs.extend(bias.as_deref());
    let value = g.node("Conv", &inputs, attributes);
    finish(g, op, &value, op.byte(activation))
}

/// Options: padding, strides along depth, width and height, activation, dilations in the same order. Weights are
/// `[depth, height, width, in, out]`.
pub(super) fn conv_3d(g: &mut Graph, op: &Operator) -> Refused {
    let along = |at: [usize; 3], default| {
        at.map(|number| i64::from(op.options.map_or(default, |o| o.int(number, default))))
    };
    let (strides, dilations) = (along([1, 3, 2], 0), along([5, 7, 6], 1));
    if strides.iter().chain(&dilations).any(|s| *s < 1) {
        return Err(format!("with the strides {strides:?} and the dilations {dilations:?}"));
    }
    let pad = if op.byte(0) == SAME { "SAME_UPPER" } else { "VALID" };
    let attributes =
        vec![text("auto_pad", pad), ints("strides", &strides), ints("dilations", &dilations)];
    let value = g.value(op.input(0)?)?;
    let value = g.node("Transpose", &[&value], vec![ints("perm", &[0, 4, 1, 2, 3])]);
    let weights = op.input(1)?;
    if g.tensors[weights].shape.len() != 5 {
        return Err("with weights that have not five dimensions".to_owned());
    }
    let weights = g.turned_weights(weights, &[4, 3, 0, 1, 2])?;
    let bias = op.inputs.get(2).copied().flatten().map(|at| g.value(at)).transpose()?;
    let mut inputs = vec![value.as_str(), &weights];
    inputs.extend(bias.as_deref());
    let value = g.node("Conv", &inputs, attributes);
    let value = g.node("Transpose", &[&value], vec![ints("perm", &[0, 2, 3, 4, 1])]);
    let value = activated(g, value, op.byte(4))?;
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn pool(g: &mut Graph, op: &Operator, op_type: &str) -> Refused {
    let window = window(op)?;
    let mut attributes = window.attributes();
    attributes.push(ints("kernel_shape", &[i64::from(op.int(4)), i64::from(op.int(3))]));
    let value = g.value(op.input(0)?)?;
    let value = turned(g, &value, &TO_CHANNELS_FIRST);
    let value = g.node(op_type, &[&value], attributes);
    finish(g, op, &value, op.byte(5))
}

/// The root of the mean of squares.
pub(super) fn l2_pool(g: &mut Graph, op: &Operator) -> Refused {
    let window = window(op)?;
    let mut attributes = window.attributes();
    attributes.push(ints("kernel_shape", &[i64::from(op.int(4)), i64::from(op.int(3))]));
    let value = g.value(op.input(0)?)?;
    let value = g.node("Mul", &[&value, &value], vec![]);
    let value = turned(g, &value, &TO_CHANNELS_FIRST);
    let value = g.node("AveragePool", &[&value], attributes);
    let value = g.node("Sqrt", &[&value], vec![]);
    finish(g, op, &value, op.byte(5))
}

/// Options: radius, bias, alpha, beta. The window of a channel ends before the one that is a radius behind it, as
/// TensorFlow Lite's kernel has it; a mean along the channels times its size is its sum.
pub(super) fn local_response(g: &mut Graph, op: &Operator) -> Refused {
    let radius = i64::from(op.int(0));
    let channels = g.tensors[op.input(0)?].shape.last().copied().unwrap_or(0);
    if radius < 1 {
        return Err(format!("of the radius {radius}"));
    }
    // Beyond all channels there is nothing to add.
    let radius = radius.min(channels.max(1) as i64);
    let value = g.value(op.input(0)?)?;
    let square = g.node("Mul", &[&value, &value], vec![]);
    let (rows, shape) = (g.longs(&[-1, 1, channels as i64]), g.node("Shape", &[&value], vec![]));
    let rows = g.node("Reshape", &[&square, &rows], vec![]);
    let window = vec![
        ints("kernel_shape", &[2 * radius]),
        ints("pads", &[radius, radius - 1]),
        int("count_include_pad", 1),
    ];
    let mean = g.node("AveragePool", &[&rows], window);
    let mean = g.node("Reshape", &[&mean, &shape], vec![]);
    let scale = g.floats(&[op.real(2) * 2.0 * radius as f32], &[]);
    let (bias, beta) = (g.floats(&[op.real(1)], &[]), g.floats(&[op.real(3)], &[]));
    let sum = g.node("Mul", &[&mean, &scale], vec![]);
    let sum = g.node("Add", &[&sum, &bias], vec![]);
    let root = g.node("Pow", &[&sum, &beta], vec![]);
    let value = g.node("Div", &[&value, &root], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

/// Inputs: the output's shape, weights, values, a bias.
pub(super) fn transposed(g: &mut Graph, op: &Operator) -> Refused {
    let window = window(op)?;
    let bias = op.inputs.get(3).copied().flatten();
    deconvolve(g, op, op.input(2)?, op.input(1)?, bias, &window, op.byte(3))
}

/// MediaPipe's own: values, weights, bias; the options are a C structure.
pub(super) fn transposed_with_bias(g: &mut Graph, op: &Operator) -> Refused {
    let (fields, _) = op.custom.as_chunks::<4>();
    let field = |at: usize| fields.get(at).map_or(0, |b| i64::from(i32::from_le_bytes(*b)));
    // In C the first padding is "unknown".
    let window = Window { same: field(0) == 1, strides: [field(2), field(1)] };
    if window.strides.iter().any(|s| *s < 1) {
        return Err("with options that are not understood".to_owned());
    }
    deconvolve(g, op, op.input(0)?, op.input(1)?, Some(op.input(2)?), &window, 0)
}

fn deconvolve(
    g: &mut Graph,
    op: &Operator,
    values: usize,
    weights: usize,
    bias: Option<usize>,
    window: &Window,
    activation: i8,
) -> Refused {
    let sizes = |at: usize| match g.tensors[at].shape[..] {
        [_, height, width, _] => Ok([height as i64, width as i64]),
        _ => Err("of values that have not four dimensions".to_owned()),
    };
    let (from, kernel, to) = (sizes(values)?, sizes(weights)?, sizes(op.outputs[0])?);
    // What the full result has more than the wanted one; less is padding of the result.
    let excess = [0, 1].map(|i| (from[i] - 1) * window.strides[i] + kernel[i] - to[i]);
    let cut = excess.map(|e| e.max(0));
    let begin = if window.same { cut.map(|c| c / 2) } else { [0, 0] };
    let pads = [begin[0], begin[1], cut[0] - begin[0], cut[1] - begin[1]];
    let mut attributes = vec![ints("strides", &window.strides), ints("pads", &pads)];
    attributes.push(ints("kernel_shape", &kernel));
    attributes.push(ints("output_padding", &excess.map(|e| (-e).max(0))));
    let value = g.value(values)?;
    let value = turned(g, &value, &TO_CHANNELS_FIRST);
    // [out, height, width, in]
    let weights = g.turned_weights(weights, &[3, 0, 1, 2])?;
    let bias = bias.map(|at| g.value(at)).transpose()?;
    let mut inputs = vec![value.as_str(), &weights];
    inputs.extend(bias.as_deref());
    let value = g.node("ConvTranspose", &inputs, attributes);
    finish(g, op, &value, activation)
}

pub(super) fn fully_connected(g: &mut Graph, op: &Operator) -> Refused {
    if op.byte(1) != 0 {
        return Err("with shuffled weights".to_owned());
    }
    let weights = op.input(1)?;
    let [_, depth] = g.tensors[weights].shape[..] else {
        return Err("with weights that have not two dimensions".to_owned());
    };
    let mut value = g.value(op.input(0)?)?;
    if !op.flag(2) {
        let shape = g.longs(&[-1, depth as i64]);
        value = g.node("Reshape", &[&value, &shape], vec![]);
    }
    let weights = g.turned_weights(weights, &[1, 0])?;
    let mut value = g.node("MatMul", &[&value, &weights], vec![]);
    if let Some(bias) = op.inputs.get(2).copied().flatten() {
        let bias = g.value(bias)?;
        value = g.node("Add", &[&value, &bias], vec![]);
    }
    let value = activated(g, value, op.byte(0))?;
    g.give(op.outputs[0], value);
    Ok(())
}

pub(super) fn resize(g: &mut Graph, op: &Operator, mode: &str) -> Refused {
    let sizes = super::shape::constant(g, op, 1)?;
    let ([height, width], [batch, _, _, channels]) =
        (&sizes[..], &g.tensors[op.input(0)?].shape[..])
    else {
        return Err("of values that have not four dimensions".to_owned());
    };
    let sizes = [*batch as i64, *channels as i64, *height, *width];
    let nearest = mode == "nearest";
    // The options of the linear one begin with two that are not used any more.
    let [corners, centers] = if nearest { [0, 1] } else { [2, 3] }.map(|n| op.flag(n));
    let places = match (corners, centers) {
        (true, _) => "align_corners",
        (_, true) if nearest => "tf_half_pixel_for_nn",
        (_, true) => "half_pixel",
        _ => "asymmetric",
    };
    let mut attributes = vec![text("mode", mode), text("coordinate_transformation_mode", places)];
    if nearest {
        attributes.push(text("nearest_mode", if corners { "round_prefer_ceil" } else { "floor" }));
    }
    let value = g.value(op.input(0)?)?;
    let value = turned(g, &value, &TO_CHANNELS_FIRST);
    let sizes = g.longs(&sizes);
    let value = g.node("Resize", &[&value, "", "", &sizes], attributes);
    finish(g, op, &value, 0)
}
