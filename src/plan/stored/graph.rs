//! A graph of the optimiser as bytes: its nodes in an order in which each comes after what it reads.
//!
//! In: a decluttered graph, or bytes. Out: the other. Facts are not written: an operator says again what it makes of
//! its inputs, which is also what a hostile graph is held against.

use std::collections::HashSet;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::source::TypedSource;

use super::{operators, sound};
#[cfg(feature = "native")]
use crate::codec::Writer;
use crate::codec::{Field, Reader};

/// A node's number and the number of its output.
type Wire = (usize, usize);

#[cfg(feature = "native")]
pub(super) fn write(model: &TypedModel, to: &mut Writer) -> TractResult<()> {
    let mut order = model.eval_order()?;
    // An input that nobody reads is an input still.
    for input in &model.inputs {
        if !order.contains(&input.node) {
            order.push(input.node);
        }
    }
    let numbers: HashMap<usize, usize> = order.iter().enumerate().map(|(n, id)| (*id, n)).collect();
    let wire = |outlet: &OutletId| -> TractResult<Wire> {
        Ok((*numbers.get(&outlet.node).context("a wire from nowhere")?, outlet.slot))
    };
    let wires = |outlets: &[OutletId]| outlets.iter().map(wire).collect::<TractResult<Vec<Wire>>>();
    order.len().write(to)?;
    for id in &order {
        let node = model.node(*id);
        node.name.write(to)?;
        wires(&node.inputs)?.write(to)?;
        operators::write(node.op.as_ref(), to)
            .with_context(|| format!("node `{}` ({})", node.name, node.op.name()))?;
    }
    wires(&model.inputs)?.write(to)?;
    wires(&model.outputs)?.write(to)
}

pub(super) fn read(from: &mut Reader<'_>) -> TractResult<TypedModel> {
    let mut model = TypedModel::default();
    for _ in 0..usize::read(from)? {
        let name = String::read(from)?;
        let inputs = wires(&model, from)?;
        let op = operators::read(inputs.len(), from)?;
        let made = made(&model, op.as_ref(), &inputs)
            .with_context(|| format!("node `{name}` ({})", op.name()))?;
        let id = model.add_node(name, op, made)?;
        for (slot, wire) in inputs.iter().enumerate() {
            model.add_edge(*wire, InletId::new(id, slot))?;
        }
    }
    let inputs = wires(&model, from)?;
    ensure!(
        inputs.iter().all(|wire| model.node(wire.node).op_is::<TypedSource>()),
        "an input that is none"
    );
    let nodes: HashSet<usize> = inputs.iter().map(|wire| wire.node).collect();
    ensure!(nodes.len() == inputs.len(), "an input twice");
    model.inputs = inputs;
    model.outputs = wires(&model, from)?;
    Ok(model)
}

/// What an operator makes of its inputs, once it was held against them.
fn made(model: &TypedModel, op: &dyn TypedOp, inputs: &[OutletId]) -> TractResult<TVec<TypedFact>> {
    let facts = inputs.iter().map(|wire| model.outlet_fact(*wire));
    let facts = facts.collect::<TractResult<TVec<&TypedFact>>>()?;
    sound::check(op, &facts)?;
    let made = op.output_facts(&facts)?;
    // Extents that are multiplied or added up stay numbers.
    let large = |dim: &TDim| dim.to_i64().is_ok_and(|dim| i32::try_from(dim).is_err());
    let large = made.iter().find(|fact| fact.shape.iter().any(large));
    ensure!(large.is_none(), "an extent that no tensor has: {large:?}");
    Ok(made)
}

/// Wires that are there.
fn wires(model: &TypedModel, from: &mut Reader<'_>) -> TractResult<Vec<OutletId>> {
    let wires = Vec::<Wire>::read(from)?;
    let known = |(node, slot): Wire| {
        let made = model.nodes.get(node).map_or(0, |n| n.outputs.len());
        ensure!(slot < made, "a wire from nowhere");
        Ok(OutletId::new(node, slot))
    };
    wires.into_iter().map(known).collect()
}
