//! Which parts of a graph run where: segments for the CPU and for the GPU, in order.
//!
//! In: a concrete-shaped graph and, for each node, whether the GPU can run it. Out: the segments, and
//! for each node its place with the reason. CPU nodes before and after the GPU's are free, since tensors
//! cross there in any case; but every part on the GPU costs a round trip, so one that is worth less than
//! that stays on the CPU, unless the whole graph is one part.

use std::collections::HashSet;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::source::TypedSource;

use crate::gpu::builder::Reason;

/// Where a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Inputs and constants: nowhere.
    Nowhere,
    Gpu,
    Cpu(Reason),
}

/// Nodes that run together, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) gpu: bool,
    pub(crate) nodes: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Partition {
    pub(crate) places: Vec<Place>,
    pub(crate) segments: Vec<Segment>,
}

/// Multiply-adds that take the CPU as long as a round trip to the GPU: about a millisecond.
const ROUND_TRIP: u64 = 4_000_000;

/// Divides `model`; with `all`, the GPU takes whatever it can.
pub(crate) fn partition(
    model: &TypedModel,
    all: bool,
    verdict: impl Fn(&TypedNode) -> Result<(), Reason>,
) -> TractResult<Partition> {
    let mut places: Vec<Place> = model
        .nodes()
        .iter()
        .map(|node| {
            if node.op_is::<TypedSource>() || node.op_is::<Const>() {
                Place::Nowhere
            } else {
                verdict(node).map_or_else(Place::Cpu, |()| Place::Gpu)
            }
        })
        .collect();
    let order = model.eval_order()?;
    loop {
        let segments = segments(model, &order, &places);
        let shared = segments.iter().any(|s| !s.gpu);
        let cost = |s: &Segment| s.nodes.iter().map(|n| work(model, *n)).sum::<u64>();
        let least = segments.iter().filter(|s| s.gpu).map(|s| (cost(s), s)).min_by_key(|c| c.0);
        match least {
            Some((cost, segment)) if shared && !all && cost < ROUND_TRIP => {
                for node in &segment.nodes {
                    places[*node] = Place::Cpu(Reason("a round trip would cost more".into()));
                }
            }
            _ => return Ok(Partition { places, segments }),
        }
    }
}

/// Takes all that is ready for one device, then all for the other, until everything is placed.
fn segments(model: &TypedModel, order: &[usize], places: &[Place]) -> Vec<Segment> {
    let mut done: HashSet<usize> = HashSet::new();
    let mut rest: Vec<usize> = vec![];
    for node in order {
        if places[*node] == Place::Nowhere {
            done.insert(*node);
        } else {
            rest.push(*node);
        }
    }
    let mut segments = vec![];
    let mut gpu = false;
    // In an ordered graph one of the two always has something ready.
    let mut idle = 0;
    while !rest.is_empty() && idle < 2 {
        let mut nodes = vec![];
        rest.retain(|id| {
            let fits = (places[*id] == Place::Gpu) == gpu;
            let ready = model.node(*id).inputs.iter().all(|i| done.contains(&i.node));
            if fits && ready {
                done.insert(*id);
                nodes.push(*id);
            }
            !(fits && ready)
        });
        idle = if nodes.is_empty() { idle + 1 } else { 0 };
        if !nodes.is_empty() {
            segments.push(Segment { gpu, nodes });
        }
        gpu = !gpu;
    }
    segments
}

/// Multiply-adds of a node, roughly.
pub(super) fn work(model: &TypedModel, id: usize) -> u64 {
    let node = model.node(id);
    let elements = |outlet: &OutletId| {
        let fact = model.outlet_fact(*outlet).ok();
        let shape = fact.and_then(|f| f.shape.as_concrete().map(<[usize]>::to_vec));
        shape.map_or(1, |s| s.iter().product::<usize>() as u64)
    };
    let facts = model.node_input_facts(id).ok();
    let cost = facts.and_then(|facts| node.op.cost(&facts).ok()).unwrap_or_default();
    let counted: u64 =
        cost.iter().filter_map(|(_, dim)| dim.to_i64().ok()).map(i64::unsigned_abs).sum();
    let made = (0..node.outputs.len()).map(|slot| elements(&OutletId::new(id, slot))).sum::<u64>();
    counted.max(made)
}
