//! Convolutions with weights that only a run knows become ours.
//!
//! In: the engine's convolutions of float32, in a canonical graph. Out: [`Unpacked`] where the image is one- or
//! two-dimensional with its channels first; the others stay. Those with constant weights are ours already.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat};

use super::windows::geometry;
use crate::cpu::unpacked::Unpacked;
use crate::cpu::work::Working;

pub(super) fn unpacked(
    model: &TypedModel,
    node: &TypedNode,
) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!(op = node.op_as::<Conv>());
    let facts = model.node_input_facts(node.id)?;
    let plain = |f: &&TypedFact| f.datum_type == DatumType::F32 && f.exotic_fact.is_none();
    rule_if!(op.q_params.is_none() && facts.len() == 3 && facts.iter().all(plain));
    rule_if!(op.kernel_fmt == KernelFormat::OIHW);
    rule_if_some!(weights = facts[1].shape.as_concrete());
    rule_if_some!(bias = facts[2].shape.as_concrete());
    rule_if_some!((g, shape) = geometry(&op.pool_spec, facts[0], op.group));
    let out = model.outlet_fact(node.id.into())?;
    rule_if!(out.shape.as_concrete() == Some(&*shape) && !shape.contains(&0));
    // What is not so as ONNX has it stays with the engine.
    let [height, width] = g.kernel;
    let size = [g.channels_out, g.channels_in / g.groups.max(1), height, width];
    let fits = size.iter().product::<usize>() == weights.iter().product::<usize>();
    rule_if!(fits && !size.contains(&0));
    rule_if!(matches!(bias.iter().product::<usize>(), n if n == 1 || n == g.channels_out));
    let op = Unpacked::new(g, &shape, &facts)?;
    Working::instead(node, op).patch(model, node, &node.inputs)
}
