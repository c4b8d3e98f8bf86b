//! Transposed convolutions become ours.
//!
//! In: the engine's `Deconv`. Out: [`Transposed`] wherever weights and bias are constant and the feature map is one- or
//! two-dimensional; the others stay.

use nearside_kernels::conv::Geometry;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::cnn::Deconv;
use tract_onnx::tract_core::ops::nn::DataFormat;

use super::constant;
use crate::cpu::transposed::Transposed;

pub(super) fn transposed(
    model: &TypedModel,
    node: &TypedNode,
) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!(op = node.op_as::<Deconv>());
    rule_if_some!(op = ours(model, node, op)?);
    TypedModelPatch::replace_single_op(model, node, &node.inputs[..1], op).map(Some)
}

fn ours(model: &TypedModel, node: &TypedNode, op: &Deconv) -> TractResult<Option<Transposed>> {
    let facts = model.node_input_facts(node.id)?;
    rule_if!(facts.len() == 3 && facts.iter().all(|f| f.datum_type == DatumType::F32));
    rule_if_some!(weights = constant(model, node.inputs[1])?);
    rule_if_some!(bias = constant(model, node.inputs[2])?);
    rule_if_some!(x = facts[0].shape.as_concrete());
    rule_if_some!(out = model.outlet_fact(node.id.into())?.shape.as_concrete());
    let spec = &op.pool_spec;
    rule_if!(spec.data_format == DataFormat::NCHW && matches!(x.len(), 3 | 4) && op.group > 0);
    rule_if!(!x.contains(&0) && !out.contains(&0));
    let (kernel, strides, apart) = (&spec.kernel_shape, spec.strides(), spec.dilations());
    let padding = spec.padding.compute_for_deconv(
        &x[2..],
        kernel,
        &spec.dilations(),
        &strides,
        &op.adjustments,
    )?;
    // One dimension is a height of 1.
    let plane = |of: &dyn Fn(usize) -> usize, height: usize| match x.len() {
        4 => [of(0), of(1)],
        _ => [height, of(0)],
    };
    let geometry = Geometry {
        batch: x[0],
        groups: op.group,
        channels_in: spec.input_channels,
        channels_out: spec.output_channels,
        input: plane(&|i| x[2 + i], 1),
        output: plane(&|i| out[2 + i], 1),
        kernel: plane(&|i| kernel[i], 1),
        stride: plane(&|i| strides[i], 1),
        dilation: plane(&|i| apart[i], 1),
        pad: plane(&|i| padding[i].pad_before, 0),
    };
    let weights = op.kernel_format.kernel_as_group_o_i_hw(&weights, op.group)?;
    // The axes were moved: this is in the order of the axes.
    let weights = weights.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
    Transposed::new(&geometry, out, &weights, &bias)
}
