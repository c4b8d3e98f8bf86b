//! Softmax along the last axis, its logarithm, and dynamic quantisation become ours.
//!
//! In: the engine's operators on float32, in a canonical graph. Out: [`SoftmaxRows`] and [`RangeQuantisation`].

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math::Ln;
use tract_onnx::tract_core::ops::nn::{Softmax, SoftmaxKind};

use crate::cpu::rows::{RangeQuantisation, SoftmaxRows};

pub(super) fn rows(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    // The softmax before it has become ours by now.
    if node.op_as::<ElementWiseOp>().is_some_and(|op| op.0.is::<Ln>() && op.1.is_none()) {
        return logarithm(model, node);
    }
    // The type of the quantisation is private to the importer.
    let quantisation = node.op.name() == "DynamicQuantizeLinearU8";
    let softmax = node.op_as::<Softmax>();
    rule_if!(quantisation || softmax.is_some());
    let fact = model.outlet_fact(node.inputs[0])?;
    rule_if!(fact.datum_type == DatumType::F32 && fact.shape.as_concrete().is_some());
    if quantisation {
        return TypedModelPatch::replace_single_op(model, node, &node.inputs, RangeQuantisation)
            .map(Some);
    }
    rule_if_some!(op = softmax);
    rule_if!(op.quant_output_dt.is_none());
    rule_if!(fact.rank() > 0 && op.axes[..] == [fact.rank() - 1]);
    let op = SoftmaxRows { log: op.kind == SoftmaxKind::LogSoftmax };
    TypedModelPatch::replace_single_op(model, node, &node.inputs, op).map(Some)
}

fn logarithm(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    let softmax = model.node(node.inputs[0].node);
    rule_if!(softmax.op_as::<SoftmaxRows>().is_some_and(|op| !op.log));
    let given = model.outputs.iter().any(|outlet| outlet.node == softmax.id);
    rule_if!(!given && model.single_succ(softmax.id)?.is_some());
    TypedModelPatch::replace_single_op(model, node, &softmax.inputs, SoftmaxRows { log: true })
        .map(Some)
}
