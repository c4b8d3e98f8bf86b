//! A graph that no plan holds as a whole -> pieces of it, planned one after another.
//!
//! In: a graph, and inputs for which it cannot be planned; mostly the values that some node makes are extents of others. Out:
//! [`Pieces`]: the nodes whose shapes are known beforehand; each of those behind them whose shape only a run tells, alone, so that
//! it is planned for the values that steer it; and the rest, which is such a graph again, of known shapes by then. The one
//! decision: this is tried when every [`Binding`] has failed, since one plan of all is made once and optimised as a whole.

use std::collections::{HashMap, HashSet};

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_hir::infer::{InferenceFact, InferenceNode};
use tract_onnx::tract_hir::internal::{Factoid, InferenceModel, InletId, TractErrorContext as _};

use super::{Binding, PlanKey, Segment, Times, plan_error};
use crate::error::{Error, ErrorKind, Result};
use crate::guard::guarded;
use crate::limit;
use crate::model::Graph;
use crate::tensor::Tensor;

/// A graph in pieces, in the order in which they run.
pub(super) struct Pieces {
    inputs: Vec<OutletId>,
    steps: Vec<Piece>,
    outputs: Vec<OutletId>,
}

/// One of them; outlets are those of the whole graph.
struct Piece {
    segment: Segment,
    takes: Vec<OutletId>,
    gives: Vec<OutletId>,
}

/// Operators whose results may have shapes that values tell, by the names that they have here: all values behind the first, or
/// their only one.
const STEERED: &[&str] = &[
    "Compress",
    "ConstantOfShape",
    "If",
    "MultiBroadcastTo",
    "NonMaxSuppression",
    "NonZero",
    "OneHot",
    "Pad",
    "Range",
    "Reshape",
    "Resize",
    "Slice",
    "Split",
    "StringNormalizer",
    "StringSplit",
    "Tile",
    "TopK",
    "Topk",
    "Unique",
];

/// Whether a run may have to tell shapes, so that the graph may have to go in pieces.
pub(super) fn is_open(source: &Graph, key: &PlanKey) -> bool {
    let graph = &source.graph;
    let steered = |node: &InferenceNode| {
        let told = |o: &OutletId| graph.node(o.node).op_is::<Const>();
        let skipped = usize::from(node.inputs.len() > 1);
        STEERED.contains(&&*node.op.name()) && !node.inputs.iter().skip(skipped).all(told)
    };
    if graph.inputs.len() != key.inputs.len() || !graph.nodes.iter().any(steered) {
        return false;
    }
    let known = guarded(ErrorKind::CannotPlan, "looking for shapes", || {
        known(graph, key).map_err(|e| plan_error(key, e))
    });
    let all = |known: HashSet<usize>| {
        let live = graph.eval_order().unwrap_or_default();
        live.into_iter().all(|id| known.contains(&id))
    };
    !known.is_ok_and(all)
}

impl Pieces {
    /// The pieces of a graph for inputs like these, which was divided so often then; nothing where it has only one.
    pub(super) fn of(
        source: &Graph,
        inputs: &[Tensor],
        (max_bytes, depth): (u64, usize),
    ) -> Result<Option<Self>> {
        let key = PlanKey::of(inputs, Binding::Small);
        guarded(ErrorKind::CannotPlan, "dividing the model", || {
            limit::within(max_bytes, || divided(source, &key, depth))
                .map_err(|e| plan_error(&key, e))
        })
    }

    pub(super) fn run(
        &self,
        inputs: Vec<Tensor>,
        max_bytes: u64,
        times: &mut Times,
    ) -> Result<Vec<Tensor>> {
        let mut values: HashMap<OutletId, Tensor> =
            self.inputs.iter().copied().zip(inputs).collect();
        for (at, piece) in self.steps.iter().enumerate() {
            let later = self.steps.get(at + 1..).unwrap_or_default();
            let wanted = |o: &OutletId| {
                self.outputs.contains(o) || later.iter().any(|p| p.takes.contains(o))
            };
            // What nobody reads any more may be written to.
            let taken = piece.takes.iter().map(|outlet| {
                let held = if wanted(outlet) {
                    values.get(outlet).cloned()
                } else {
                    values.remove(outlet)
                };
                held.ok_or_else(lost)
            });
            let taken = taken.collect::<Result<Vec<_>>>()?;
            let made = piece.segment.run(taken, max_bytes, times)?;
            values.extend(piece.gives.iter().copied().zip(made));
        }
        self.outputs.iter().map(|o| values.get(o).cloned().ok_or_else(lost)).collect()
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::Internal, "a value of a divided graph is missing")
}

fn divided(source: &Graph, key: &PlanKey, depth: usize) -> TractResult<Option<Pieces>> {
    let graph = &source.graph;
    let known = known(graph, key)?;
    let inputs: HashSet<usize> = graph.inputs.iter().map(|o| o.node).collect();
    let (mut first, mut alone, mut rest) = (vec![], vec![], vec![]);
    let mut told = inputs.clone();
    for id in graph.eval_order()? {
        let node = graph.node(id);
        if inputs.contains(&id) || node.op_is::<Const>() {
            continue;
        }
        let ready = |o: &OutletId| told.contains(&o.node) || graph.node(o.node).op_is::<Const>();
        if !node.inputs.iter().all(ready) {
            rest.push(id);
        } else if known.contains(&id) {
            told.insert(id);
            first.push(id);
        } else {
            alone.push(id);
        }
    }
    if alone.is_empty() || first.len() + alone.len() + rest.len() < 2 {
        return Ok(None);
    }
    let mut groups = vec![first];
    groups.extend(alone.into_iter().map(|id| vec![id]));
    groups.push(rest);
    let outputs = graph.outputs.clone();
    let mut steps = vec![];
    for (at, nodes) in groups.iter().enumerate() {
        let inside: HashSet<usize> = nodes.iter().copied().collect();
        let mut gives: Vec<OutletId> = vec![];
        let read = graph.nodes.iter().filter(|n| !inside.contains(&n.id)).flat_map(|n| &n.inputs);
        for outlet in read.chain(&outputs) {
            // Constants that are outputs come with the first piece.
            let ours = inside.contains(&outlet.node)
                || at == 0 && outputs.contains(outlet) && graph.node(outlet.node).op_is::<Const>();
            if ours && !gives.contains(outlet) {
                gives.push(*outlet);
            }
        }
        if !gives.is_empty() {
            let (part, takes) = part(source, nodes, &gives)?;
            steps.push(Piece { segment: Segment::piece(part, depth), takes, gives });
        }
    }
    Ok(Some(Pieces { inputs: graph.inputs.clone(), steps, outputs }))
}

/// The nodes whose results have known shapes.
fn known(graph: &InferenceModel, key: &PlanKey) -> TractResult<HashSet<usize>> {
    let mut graph = graph.clone();
    for (ix, input) in key.inputs.iter().enumerate() {
        let shape: TVec<TDim> = input.shape.iter().map(|n| n.to_dim()).collect();
        let mut fact = InferenceFact::dt_shape(input.dtype.to_datum(), shape);
        if let Some(value) = &input.value {
            fact.value = std::sync::Arc::clone(value.as_tract()).into();
        }
        graph.set_input_fact(ix, fact)?;
    }
    // What a file says of its results is no fact.
    for outlet in graph.outputs.clone() {
        if !graph.node(outlet.node).inputs.is_empty() {
            graph.set_outlet_fact(outlet, InferenceFact::default())?;
        }
    }
    // What cannot be analysed is not known; if that is a defect, the piece that holds it says so.
    let _ = graph.analyse(false);
    let told = |fact: &InferenceFact| {
        fact.datum_type.is_concrete() && matches!(fact.shape.as_concrete_finite(), Ok(Some(_)))
    };
    let nodes = graph.nodes.iter().filter(|n| n.outputs.iter().all(|o| told(&o.fact)));
    Ok(nodes.map(|n| n.id).collect())
}

/// Some nodes as a graph of their own, and what it reads of the whole.
fn part(
    source: &Graph,
    nodes: &[usize],
    gives: &[OutletId],
) -> TractResult<(Graph, Vec<OutletId>)> {
    let from = &source.graph;
    let mut to = InferenceModel {
        symbols: from.symbols.clone(),
        properties: from.properties.clone(),
        ..InferenceModel::default()
    };
    let inside: HashSet<usize> = nodes.iter().copied().collect();
    let mut wires: HashMap<OutletId, OutletId> = HashMap::new();
    let mut takes = vec![];
    let read = nodes.iter().flat_map(|id| &from.node(*id).inputs).chain(gives);
    for outlet in read {
        if inside.contains(&outlet.node) || wires.contains_key(outlet) {
            continue;
        }
        let node = from.node(outlet.node);
        let wire = if node.op_is::<Const>() {
            let facts = node.outputs.iter().map(|o| o.fact.clone()).collect();
            OutletId::new(to.add_node(node.name.clone(), node.op.clone(), facts)?, outlet.slot)
        } else {
            takes.push(*outlet);
            to.add_source(format!("piece.{}", takes.len()), InferenceFact::default())?
        };
        wires.insert(*outlet, wire);
    }
    for id in nodes {
        let node = from.node(*id);
        let facts = node.outputs.iter().map(|o| o.fact.clone()).collect();
        let new = to.add_node(node.name.clone(), node.op.clone(), facts)?;
        for (at, input) in node.inputs.iter().enumerate() {
            let wire = wires.get(input).copied().context("a node before what it reads")?;
            to.add_edge(wire, InletId::new(new, at))?;
        }
        let slots = 0..node.outputs.len();
        wires.extend(slots.map(|s| (OutletId::new(*id, s), OutletId::new(new, s))));
    }
    let wired = gives.iter().map(|o| wires.get(o).copied().context("a result of no node"));
    to.outputs = wired.collect::<TractResult<_>>()?;
    let declared = gives.iter().map(|outlet| {
        let at = from.outputs.iter().position(|o| o == outlet)?;
        source.outputs.get(at).copied().flatten()
    });
    Ok((Graph { graph: to, outputs: declared.collect(), constant: false }, takes))
}
