//! Convolutions become ours.
//!
//! In: the engine's convolutions. Out: [`Convolution`] wherever the numbers are float32, the weights constant and
//! the image one- or two-dimensional; the others stay. Before the engine's own rewriting, which would turn some of
//! them into other things and move channels to the end of the whole graph for others.

use nearside_kernels::conv::Geometry;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat};
use tract_onnx::tract_core::ops::nn::DataFormat;
use tract_onnx::tract_core::optim::Optimizer;

use crate::cpu::convolution::Convolution;

pub(super) fn convolutions(mut model: TypedModel) -> TractResult<TypedModel> {
    if !model.nodes().iter().any(|node| node.op_is::<Conv>()) {
        return Ok(model);
    }
    // Weights and biases may hide behind reshapes.
    Optimizer::prop_consts().optimize(&mut model)?;
    for id in model.eval_order()? {
        let Some(op) = ours(&model, model.node(id))? else { continue };
        let node = model.node(id);
        TypedModelPatch::replace_single_op(&model, node, &node.inputs[..1], op)?
            .apply(&mut model)?;
    }
    Ok(model)
}

fn ours(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Convolution>> {
    rule_if_some!(op = node.op_as::<Conv>());
    let facts = model.node_input_facts(node.id)?;
    let [image, kernel, bias] = facts[..] else { return Ok(None) };
    let spec = &op.pool_spec;
    rule_if!(
        op.q_params.is_none()
            && op.kernel_fmt == KernelFormat::OIHW
            && spec.data_format == DataFormat::NCHW
    );
    rule_if!(facts.iter().all(|f| f.datum_type == f32::datum_type() && f.exotic_fact.is_none()));
    rule_if_some!(weights = kernel.konst.clone());
    rule_if_some!(bias = bias.konst.clone());
    rule_if_some!(shape = image.shape.as_concrete());
    rule_if!(matches!(shape.len(), 3 | 4) && shape.iter().all(|n| *n > 0) && weights.len() > 0);
    let padding = spec.computed_padding(&shape[2..]);
    // One dimension is a height of 1.
    let plane = |of: &dyn Fn(usize) -> usize, height: usize| match shape.len() {
        4 => [of(0), of(1)],
        _ => [height, of(0)],
    };
    let geometry = Geometry {
        batch: shape[0],
        groups: op.group,
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
    Convolution::new(geometry, &out, weights, &bias).map(Some)
}
