//! Operators that slide a window over an image become ours.
//!
//! In: the engine's convolutions and pools. Out: [`Convolution`], [`IntegerConvolution`] and [`Pooling`] wherever
//! the weights are constant and the image is one- or two-dimensional, and [`Volume`] for convolutions of three; the others
//! stay. Before the engine's own rewriting,
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
fn geometry(spec: &PoolSpec, image: &TypedFact, groups: usize) -> Option<(Geometry, TVec<usize>)> {
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
    pooling(model, node, &op.pool_spec, |_| Pool::Max)
}

fn mean(
    model: &TypedModel,
    node: &TypedNode,
    op: &SumPool,
) -> TractResult<Option<TypedModelPatch>> {
    // A window that goes beyond the padding, as rounding up the output's size allows, counts up to there.
    let end = match &op.pool_spec.padding {
        PaddingSpec::ExplicitOnnxPool(_, after, true) => Some(after.clone()),
        _ => None,
    };
    pooling(model, node, &op.pool_spec, |g| {
        let factors = |side: usize| {
            let factor = |at: usize| {
                let start = at * g.stride[side];
                let taps = (0..g.kernel[side]).map(|tap| start + tap * g.dilation[side]);
                // One dimension is the second side.
                let axis = (side + op.pool_spec.rank()).saturating_sub(2);
                let count = taps.filter(|tap| {
                    let inside = *tap >= g.pad[side] && *tap < g.pad[side] + g.input[side];
                    let padded = end.as_ref().is_none_or(|after| {
                        *tap < g.pad[side] + g.input[side] + after.get(axis).copied().unwrap_or(0)
                    });
                    if op.count_include_pad { padded } else { inside }
                });
                if op.normalize { 1. / count.count() as f32 } else { 1. }
            };
            (0..g.output[side]).map(factor).collect()
        };
        Pool::Mean([factors(0), factors(1)])
    })
}

fn pooling(
    model: &TypedModel,
    node: &TypedNode,
    spec: &PoolSpec,
    pool: impl FnOnce(&Geometry) -> Pool,
) -> TractResult<Option<TypedModelPatch>> {
    let image = model.outlet_fact(node.inputs[0])?;
    rule_if!(image.datum_type == f32::datum_type());
    rule_if_some!((geometry, shape) = geometry(spec, image, spec.input_channels));
    let pool = pool(&geometry);
    let op = Pooling { geometry, shape, pool };
    TypedModelPatch::replace_single_op(model, node, &node.inputs, op).map(Some)
}
