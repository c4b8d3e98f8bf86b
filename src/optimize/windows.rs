//! Operators that slide a window over an image become ours.
//!
//! In: the engine's convolutions and pools. Out: [`Convolution`], [`IntegerConvolution`] and [`Pooling`] wherever
//! the weights are constant and the image is one- or two-dimensional, [`Volume`] for convolutions of three, and two
//! [`Pooling`] for pools of three; the others stay. Before the engine's own rewriting,
//! which would turn some of them into other things, and move channels to the end of the whole graph for others.

use std::sync::Arc;

use nearside_kernels::conv::Geometry;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::cnn::{
    Conv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool,
};
use tract_onnx::tract_core::ops::nn::DataFormat;

use super::constant;
use crate::cpu::convolution::Convolution;
use crate::cpu::integer::IntegerConvolution;
use crate::cpu::pooling::{Pool, Pooling};
use crate::cpu::volume::{Depth, Volume};

pub(super) fn windows(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let patch = if let Some(op) = node.op_as::<Conv>() {
            convolution(&model, node, op)?
        } else if let Some(op) = node.op_as::<MaxPool>() {
            max(&model, node, op)?
        } else if let Some(op) = node.op_as::<SumPool>() {
            mean(&model, node, op)?
        } else {
            None
        };
        if let Some(patch) = patch {
            patch.apply(&mut model)?;
        }
    }
    Ok(model)
}

/// The geometry of a window over an image, and the shape of its output.
pub(super) fn geometry(
    spec: &PoolSpec,
    image: &TypedFact,
    groups: usize,
) -> Option<(Geometry, TVec<usize>)> {
    let shape = image.shape.as_concrete()?;
    if spec.data_format != DataFormat::NCHW || !matches!(shape.len(), 3 | 4) || shape.contains(&0) {
        return None;
    }
    let padding = spec.computed_padding(&shape[2..]);
    // One dimension is a height of 1.
    let plane = |of: &dyn Fn(usize) -> usize, height: usize| match shape.len() {
        4 => [of(0), of(1)],
        _ => [height, of(0)],
    };
    let geometry = Geometry {
        batch: shape[0],
        groups,
        channels_in: spec.input_channels,
        channels_out: spec.output_channels,
        input: plane(&|i| shape[2 + i], 1),
        output: plane(&|i| padding[i].convoluted, 1),
        kernel: plane(&|i| spec.kernel_shape[i], 1),
        stride: plane(&|i| spec.stride(i), 1),
        dilation: plane(&|i| spec.dilation(i), 1),
        pad: plane(&|i| padding[i].pad_before, 0),
    };
    let mut out: TVec<usize> = tvec!(shape[0], spec.output_channels);
    out.extend(padding.iter().map(|p| p.convoluted));
    Some((geometry, out))
}

fn convolution(
    model: &TypedModel,
    node: &TypedNode,
    op: &Conv,
) -> TractResult<Option<TypedModelPatch>> {
    let facts = model.node_input_facts(node.id)?;
    rule_if!(op.kernel_fmt == KernelFormat::OIHW && facts.iter().all(|f| f.exotic_fact.is_none()));
    rule_if_some!(weights = constant(model, node.inputs[1])?);
    rule_if_some!(bias = constant(model, node.inputs[2])?);
    rule_if!(weights.len() > 0);
    if facts[0].rank() == 5 && op.q_params.is_none() {
        rule_if!(facts.iter().all(|f| f.datum_type == f32::datum_type()));
        return volume(model, node, op, weights, &bias);
    }
    rule_if_some!((geometry, shape) = geometry(&op.pool_spec, facts[0], op.group));
    if op.q_params.is_none() {
        rule_if!(facts.iter().all(|f| f.datum_type == f32::datum_type()));
        let op = Convolution::new(geometry, &shape, weights, &bias)?;
        return TypedModelPatch::replace_single_op(model, node, &node.inputs[..1], op).map(Some);
    }
    rule_if!(op.q_params == Some(DatumType::I32) && facts.len() == 9);
    rule_if!(facts[..2].iter().all(|f| matches!(f.datum_type, DatumType::U8 | DatumType::I8)));
    rule_if!(facts[3].shape.volume().is_one() && facts[2].datum_type == DatumType::I32);
    rule_if_some!(zero = constant(model, node.inputs[5])?);
    let op = IntegerConvolution::new(geometry, &shape, weights, zero, &bias)?;
    let inputs = [node.inputs[0], node.inputs[3]];
    TypedModelPatch::replace_single_op(model, node, &inputs, op).map(Some)
}

/// A convolution of volumes.
fn volume(
    model: &TypedModel,
    node: &TypedNode,
    op: &Conv,
    weights: Arc<Tensor>,
    bias: &Tensor,
) -> TractResult<Option<TypedModelPatch>> {
    let spec = &op.pool_spec;
    rule_if_some!(x = model.outlet_fact(node.inputs[0])?.shape.as_concrete());
    rule_if!(spec.data_format == DataFormat::NCHW && !x.contains(&0));
    let padding = spec.computed_padding(&x[2..]);
    let mut shape: TVec<usize> = tvec!(x[0], spec.output_channels);
    shape.extend(padding.iter().map(|p| p.convoluted));
    rule_if!(!shape.contains(&0));
    let inputs = &node.inputs[..1];
    let image = |of: &dyn Fn(usize) -> usize| [of(1), of(2)];
    let mut geometry = Geometry {
        batch: x[0],
        groups: op.group,
        channels_in: spec.input_channels,
        channels_out: spec.output_channels,
        input: image(&|i| x[2 + i]),
        output: image(&|i| padding[i].convoluted),
        kernel: image(&|i| spec.kernel_shape[i]),
        stride: image(&|i| spec.stride(i)),
        dilation: image(&|i| spec.dilation(i)),
        pad: image(&|i| padding[i].pad_before),
    };
    if spec.kernel_shape[..] == [1, 1, 1] && shape[2..] == x[2..] {
        // Pixel by pixel, wherever they lie.
        let all = x[2..].iter().product();
        (geometry.input, geometry.output, geometry.pad) = ([1, all], [1, all], [0, 0]);
        (geometry.stride, geometry.dilation) = ([1, 1], [1, 1]);
        let op = Convolution::new(geometry, &shape, weights, bias)?;
        return TypedModelPatch::replace_single_op(model, node, inputs, op).map(Some);
    }
    let depth = Depth {
        input: x[2],
        output: padding[0].convoluted,
        kernel: spec.kernel_shape[0],
        stride: spec.stride(0),
        dilation: spec.dilation(0),
        pad: padding[0].pad_before,
    };
    geometry.batch *= depth.output;
    geometry.channels_in *= depth.kernel;
    let op = Volume::new(Convolution::new(geometry, &shape, weights, bias)?, depth);
    TypedModelPatch::replace_single_op(model, node, inputs, op).map(Some)
}

fn max(model: &TypedModel, node: &TypedNode, op: &MaxPool) -> TractResult<Option<TypedModelPatch>> {
    rule_if!(op.with_index_outputs.is_none());
    pooling(model, node, &op.pool_spec, |_, _, _| None)
}

fn mean(
    model: &TypedModel,
    node: &TypedNode,
    op: &SumPool,
) -> TractResult<Option<TypedModelPatch>> {
    pooling(model, node, &op.pool_spec, |axis, sizes, before| {
        Some(factors(op, axis, sizes, before))
    })
}

/// What sums are multiplied by along an axis of these sizes in and out, padded so far before, for each place of the
/// window.
fn factors(op: &SumPool, axis: usize, [input, output]: [usize; 2], before: usize) -> Vec<f32> {
    let spec = &op.pool_spec;
    // A window that goes beyond the padding, as rounding up the output's size allows, counts up to there.
    let after = match &spec.padding {
        PaddingSpec::ExplicitOnnxPool(_, after, true) => {
            Some(after.get(axis).copied().unwrap_or(0))
        }
        _ => None,
    };
    let end = before + input;
    let factor = |at: usize| {
        let start = at * spec.stride(axis);
        let taps = (0..spec.kernel_shape[axis]).map(|tap| start + tap * spec.dilation(axis));
        let counts = taps.filter(|tap| match op.count_include_pad {
            true => after.is_none_or(|after| *tap < end + after),
            false => *tap >= before && *tap < end,
        });
        if op.normalize { 1. / counts.count() as f32 } else { 1. }
    };
    (0..output).map(factor).collect()
}

/// A pool whose sums have the factors that `side` gives for an axis, its sizes in and out and its padding before; or the
/// greatest.
fn pooling(
    model: &TypedModel,
    node: &TypedNode,
    spec: &PoolSpec,
    side: impl Fn(usize, [usize; 2], usize) -> Option<Vec<f32>>,
) -> TractResult<Option<TypedModelPatch>> {
    let image = model.outlet_fact(node.inputs[0])?;
    rule_if!(image.datum_type == f32::datum_type());
    rule_if_some!(x = image.shape.as_concrete());
    rule_if!(spec.data_format == DataFormat::NCHW && matches!(x.len(), 3..=5) && !x.contains(&0));
    let padding = spec.computed_padding(&x[2..]);
    let side = |axis: usize| {
        let padding = &padding[axis];
        side(axis, [x[2 + axis], padding.convoluted], padding.pad_before)
    };
    if x.len() == 5 {
        return volumes(model, node, spec, &side);
    }
    rule_if_some!((geometry, shape) = geometry(spec, image, spec.input_channels));
    // One dimension is a height of 1.
    let pool = match x.len() {
        4 => pool([side(0), side(1)]),
        _ => pool([Some(vec![1.]), side(0)]),
    };
    let op = Pooling { geometry, shape, pool };
    TypedModelPatch::replace_single_op(model, node, &node.inputs, op).map(Some)
}

fn pool(sides: [Option<Vec<f32>>; 2]) -> Pool {
    match sides {
        [Some(down), Some(across)] => Pool::Mean([down, across]),
        _ => Pool::Max,
    }
}

/// A pool of volumes: of the slices of each, then, with the pixels of a slice in a line, along the first axis.
fn volumes(
    model: &TypedModel,
    node: &TypedNode,
    spec: &PoolSpec,
    side: &dyn Fn(usize) -> Option<Vec<f32>>,
) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!(x = model.outlet_fact(node.inputs[0])?.shape.as_concrete());
    let [batch, channels, depth, height, width] = *x else { return Ok(None) };
    let padding = spec.computed_padding(&x[2..]);
    let [deep, high, wide] = [0, 1, 2].map(|axis| padding[axis].convoluted);
    rule_if!(deep > 0 && high > 0 && wide > 0 && spec.input_channels == channels);
    let (slices, line) = (channels * depth, high * wide);
    let of_slices = Geometry {
        batch,
        groups: slices,
        channels_in: slices,
        channels_out: slices,
        input: [height, width],
        output: [high, wide],
        kernel: [spec.kernel_shape[1], spec.kernel_shape[2]],
        stride: [spec.stride(1), spec.stride(2)],
        dilation: [spec.dilation(1), spec.dilation(2)],
        pad: [padding[1].pad_before, padding[2].pad_before],
    };
    let along = Geometry {
        batch,
        groups: channels,
        channels_in: channels,
        channels_out: channels,
        input: [depth, line],
        output: [deep, line],
        kernel: [spec.kernel_shape[0], 1],
        stride: [spec.stride(0), 1],
        dilation: [spec.dilation(0), 1],
        pad: [padding[0].pad_before, 0],
    };
    let sides = [side(1), side(2)];
    let ones = sides[0].as_ref().map(|_| vec![1.; line]);
    let reshape = |at: usize, from: &[usize], to: &[usize]| {
        let dims = |sizes: &[usize]| sizes.iter().map(|size| size.to_dim()).collect();
        AxisOp::Reshape(at, dims(from), dims(to))
    };
    let steps: Vec<Box<dyn TypedOp>> = vec![
        Box::new(reshape(1, &[channels, depth], &[slices])),
        Box::new(Pooling {
            geometry: of_slices,
            shape: tvec!(batch, slices, high, wide),
            pool: pool(sides),
        }),
        Box::new(reshape(1, &[slices], &[channels, depth])),
        Box::new(reshape(3, &[high, wide], &[line])),
        Box::new(Pooling {
            geometry: along,
            shape: tvec!(batch, channels, deep, line),
            pool: pool([side(0), ones]),
        }),
        Box::new(reshape(3, &[line], &[high, wide])),
    ];
    let mut patch = TypedModelPatch::default();
    let mut wire = patch.tap_model(model, node.inputs[0])?;
    let last = steps.len() - 1;
    for (at, step) in steps.into_iter().enumerate() {
        let name = if at == last { node.name.clone() } else { format!("{}.{at}", node.name) };
        wire = patch.wire_node(name, step, &[wire])?[0];
    }
    patch.shunt_outside(model, node.id.into(), wire)?;
    Ok(Some(patch))
}
