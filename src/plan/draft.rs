//! The segments of a divided graph, each lowered for its engine, before the GPU has seen any of it.
//!
//! In: a graph and its [`Partition`]. Out: [`Draft`]: steps in order, and the builder with the GPU's dispatches.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::konst::Const;

use super::partition::Partition;
use crate::gpu::builder::{Lowered, Reason};
use crate::gpu::lower::lower;
use crate::gpu::value::{ValueId, View};
use crate::gpu::{Builder, Limits};
use crate::tensor::DType;

/// One segment.
pub(super) enum Stage {
    Cpu {
        runnable: Arc<TypedRunnableModel>,
        takes: Vec<OutletId>,
        gives: Vec<OutletId>,
    },
    Gpu {
        range: Range<usize>,
        takes: Vec<(OutletId, View)>,
        gives: Vec<(OutletId, View)>,
        /// Counts of what is wrong, and what is said of it.
        checks: Vec<(View, String)>,
    },
}

/// What planning found, before the GPU has seen any of it.
pub(super) struct Draft<'m> {
    pub(super) builder: Builder<'m>,
    pub(super) stages: Vec<Stage>,
}

fn told(reason: Reason) -> TractError {
    TractError::msg(reason.0)
}

impl Stage {
    /// The values that the host writes or reads.
    pub(super) fn crossing(&self) -> Vec<ValueId> {
        match self {
            Self::Cpu { .. } => vec![],
            Self::Gpu { takes, gives, checks, .. } => {
                let read = gives.iter().map(|g| g.1.value).chain(checks.iter().map(|c| c.0.value));
                takes.iter().map(|t| t.1.value).chain(read).collect()
            }
        }
    }
}

/// Lowers every segment.
pub(super) fn draft<'m>(
    model: &'m TypedModel,
    parts: &Partition,
    limits: Limits,
    types: &[DType],
) -> TractResult<Draft<'m>> {
    // By segment: which outlets it makes, and who reads them.
    let mut home: HashMap<usize, usize> = HashMap::new();
    for (at, segment) in parts.segments.iter().enumerate() {
        home.extend(segment.nodes.iter().map(|n| (*n, at)));
    }
    let gpu_at = |node: usize| home.get(&node).is_some_and(|at| parts.segments[*at].gpu);
    let outputs: HashSet<OutletId> = model.output_outlets()?.iter().copied().collect();
    let last_gpu = parts.segments.iter().rposition(|s| s.gpu);
    let mut exported: HashSet<OutletId> = HashSet::new();
    for node in model.nodes() {
        for (slot, outlet) in node.outputs.iter().enumerate() {
            let id = OutletId::new(node.id, slot);
            let to_cpu = outlet.successors.iter().any(|s| !gpu_at(s.node));
            if gpu_at(node.id) && (to_cpu || outputs.contains(&id)) {
                exported.insert(id);
            }
        }
    }
    let mut builder = Builder::new(model, limits, exported.clone());
    let mut stages = vec![];
    let mut on_gpu: HashSet<OutletId> = HashSet::new();
    for (at, segment) in parts.segments.iter().enumerate() {
        let inside = |outlet: &OutletId| home.get(&outlet.node) == Some(&at);
        let mut outside: Vec<OutletId> = vec![];
        for input in segment.nodes.iter().flat_map(|n| &model.node(*n).inputs) {
            let constant = model.outlet_fact(*input)?.konst.is_some();
            if !inside(input) && !constant && !outside.contains(input) {
                outside.push(*input);
            }
        }
        let all = segment
            .nodes
            .iter()
            .flat_map(|n| (0..model.node(*n).outputs.len()).map(|slot| OutletId::new(*n, slot)));
        let wanted = |outlet: &OutletId| {
            let readers = &model.node(outlet.node).outputs[outlet.slot].successors;
            outputs.contains(outlet) || readers.iter().any(|s| home.get(&s.node) != Some(&at))
        };
        let made: Vec<OutletId> = all.filter(wanted).collect();
        if !segment.gpu {
            let part = submodel(model, &segment.nodes, &outside, &made)?;
            let runnable = crate::optimize::rest(part)?.into_runnable()?;
            stages.push(Stage::Cpu { runnable, takes: outside, gives: made });
            continue;
        }
        let start = builder.segment();
        let mut takes = vec![];
        for outlet in outside {
            if on_gpu.insert(outlet) {
                takes.push((outlet, builder.upload(outlet).map_err(told)?));
            }
        }
        for id in &segment.nodes {
            let node = model.node(*id);
            lower(&mut builder, node).map_err(|r| told(r).context(node.name.clone()))?;
            on_gpu.extend((0..node.outputs.len()).map(|slot| OutletId::new(*id, slot)));
        }
        let mut gives = vec![];
        for outlet in made {
            let to_cpu = model.node(outlet.node).outputs[outlet.slot]
                .successors
                .iter()
                .any(|s| !gpu_at(s.node));
            // An output that nobody on the CPU waits for comes with the last segment.
            if exported.contains(&outlet) && (to_cpu || last_gpu == Some(at)) {
                gives.push((outlet, export(&mut builder, model, outlet, types)?));
            }
        }
        if last_gpu == Some(at) {
            let given: HashSet<OutletId> = stages.iter().flat_map(Stage::given).collect();
            let late = model.output_outlets()?.iter().filter(|o| gpu_at(o.node));
            for outlet in late {
                if !given.contains(outlet) && !gives.iter().any(|g| g.0 == *outlet) {
                    gives.push((*outlet, export(&mut builder, model, *outlet, types)?));
                }
            }
        }
        let range = start..builder.kernels.len();
        let checks = builder.take_checks();
        stages.push(Stage::Gpu { range, takes, gives, checks });
    }
    Ok(Draft { builder, stages })
}

impl Stage {
    fn given(&self) -> Vec<OutletId> {
        match self {
            Self::Cpu { gives, .. } => gives.clone(),
            Self::Gpu { gives, .. } => gives.iter().map(|g| g.0).collect(),
        }
    }
}

/// The outlet as dense memory, which is what a readback copies. An output lies as its type says, since it may stay on
/// the GPU.
fn export(
    builder: &mut Builder<'_>,
    model: &TypedModel,
    outlet: OutletId,
    types: &[DType],
) -> TractResult<View> {
    let outputs = model.output_outlets()?;
    let declared = outputs.iter().position(|o| *o == outlet).and_then(|at| types.get(at));
    let dense = |builder: &mut Builder<'_>| -> Lowered<View> {
        let view = builder.view(outlet)?;
        let half = match declared {
            Some(DType::Float16) => builder.limits().half && view.datum == DatumType::F32,
            Some(_) => false,
            None => view.half,
        };
        builder.stored(&model.node(outlet.node).name, view, half)
    };
    dense(builder).map_err(told)
}

/// Some nodes of a graph as a graph of their own.
fn submodel(
    model: &TypedModel,
    nodes: &[usize],
    inputs: &[OutletId],
    outputs: &[OutletId],
) -> TractResult<TypedModel> {
    let mut sub = TypedModel { symbols: model.symbols.clone(), ..TypedModel::default() };
    let mut map: HashMap<OutletId, OutletId> = HashMap::new();
    for (at, outlet) in inputs.iter().enumerate() {
        let fact = model.outlet_fact(*outlet)?.without_value();
        map.insert(*outlet, sub.add_source(format!("segment.{at}"), fact)?);
    }
    for id in nodes {
        let node = model.node(*id);
        let mut wires: TVec<OutletId> = tvec!();
        for input in &node.inputs {
            if let Some(wire) = map.get(input) {
                wires.push(*wire);
                continue;
            }
            let source = model.node(input.node);
            let fact = model.outlet_fact(*input)?;
            let wire = match (&fact.konst, source.op_is::<Const>()) {
                (_, true) => sub.wire_node(&source.name, source.op.clone(), &[])?[0],
                (Some(konst), _) => {
                    sub.add_const(format!("{}.{}", source.name, input.slot), Arc::clone(konst))?
                }
                _ => return Err(TractError::msg("a segment misses an input")),
            };
            map.insert(*input, wire);
            wires.push(wire);
        }
        for (slot, wire) in sub.wire_node(&node.name, node.op.clone(), &wires)?.iter().enumerate() {
            map.insert(OutletId::new(*id, slot), *wire);
        }
    }
    let outputs: Vec<OutletId> = outputs.iter().filter_map(|o| map.get(o).copied()).collect();
    sub.select_output_outlets(&outputs)?;
    Ok(sub)
}
