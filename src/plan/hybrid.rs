//! A plan on two engines: segments of one graph, alternately on the CPU and on the GPU.
//!
//! In: a decluttered, concrete-shaped graph and an open GPU. Out: [`Hybrid`], run asynchronously, and a
//! [`Placement`] that says where each node is and why. Tensors cross between the engines only at the
//! borders of segments; what the caller wants is read back with the last GPU segment.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use futures_util::lock::Mutex;
use serde::Serialize;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::einsum::prefix_matmul::rewrite_einsum_to_prefix_matmul;
use tract_onnx::tract_core::ops::konst::Const;

use super::partition::{Partition, Place, partition};
use crate::error::{Error, ErrorKind, Problem, ProblemKind, Result};
use crate::gpu::builder::{Lowered, Reason};
use crate::gpu::lower::{lower, verdict};
use crate::gpu::value::{ValueId, View};
use crate::gpu::{Builder, Device, Program, transfer};
use crate::guard::guarded;
use crate::tensor::DType;

/// Where the nodes of a plan run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Placement {
    /// Adapter and driver.
    pub adapter: String,
    /// Dispatches on the GPU.
    pub dispatches: usize,
    /// In the order in which they run.
    pub segments: Vec<PlacedSegment>,
}

/// Nodes that run together.
#[derive(Clone, Debug, Serialize)]
pub struct PlacedSegment {
    /// `gpu` or `cpu`.
    pub device: &'static str,
    /// The nodes, in order.
    pub nodes: Vec<PlacedNode>,
}

/// One node of the optimised graph.
#[derive(Clone, Debug, Serialize)]
pub struct PlacedNode {
    /// Its name.
    pub name: String,
    /// Its operator, by the engine's name.
    pub operator: String,
    /// Why it is not on the GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

enum Step {
    Cpu {
        runnable: Arc<TypedRunnableModel>,
        takes: Vec<OutletId>,
        gives: Vec<OutletId>,
    },
    Gpu {
        range: Range<usize>,
        takes: Vec<(OutletId, ValueId)>,
        gives: Vec<(OutletId, View)>,
        /// Counts of indices that are out of range, and who is given them.
        checks: Vec<(View, String)>,
    },
}

/// What planning found, before the GPU has seen any of it.
struct Draft<'m> {
    builder: Builder<'m>,
    steps: Vec<Step>,
}

/// A graph that is ready to run.
pub(crate) struct Hybrid {
    steps: Vec<Step>,
    program: Program,
    /// Where the program lies.
    pub(crate) device: Arc<Device>,
    /// The graph's inputs, and the types in which it takes them.
    inputs: Vec<(OutletId, DatumType)>,
    outputs: Vec<(Want, DType)>,
    pub(crate) placement: Arc<Placement>,
    /// Runs share the program's buffers.
    turn: Mutex<()>,
}

/// Where an output comes from.
enum Want {
    Constant(Arc<tract_onnx::prelude::Tensor>),
    Outlet(OutletId),
}

fn told(reason: Reason) -> TractError {
    TractError::msg(reason.0)
}

/// The graph in the form that the table of kernels knows.
pub(crate) fn prepare(mut model: TypedModel) -> TractResult<TypedModel> {
    crate::optimize::norms(&mut model)?;
    rewrite_einsum_to_prefix_matmul(&mut model, false)?;
    Ok(model)
}

impl Hybrid {
    /// Plans `model`. With `strict`, a node on the CPU is an error.
    pub(crate) async fn build(
        model: &TypedModel,
        types: Vec<DType>,
        gpu: &Arc<Device>,
        strict: bool,
    ) -> Result<Self> {
        let failed = |e: TractError| {
            Error::new(ErrorKind::CannotPlan, "the GPU engine cannot plan this model")
                .with_source(e)
        };
        let limits = gpu.limits();
        let parts = guarded(ErrorKind::CannotPlan, "dividing the model", || {
            partition(model, strict, |node| verdict(model, node, limits)).map_err(failed)
        })?;
        if strict {
            refuse_cpu(model, &parts)?;
        }
        let draft = guarded(ErrorKind::CannotPlan, "lowering the model", || {
            draft(model, &parts, limits).map_err(failed)
        })?;
        let kept: Vec<ValueId> = draft.steps.iter().flat_map(Step::crossing).collect();
        let program = Program::new(Arc::clone(gpu), &draft.builder, &kept).await?;
        let placement = placement(model, &parts, gpu, &program);
        let outputs = model.output_outlets().map_err(failed)?;
        let want = |outlet: &OutletId| -> TractResult<Want> {
            Ok(match &model.outlet_fact(*outlet)?.konst {
                Some(konst) => Want::Constant(Arc::clone(konst)),
                None => Want::Outlet(*outlet),
            })
        };
        let outputs = outputs.iter().zip(types).map(|(o, t)| Ok((want(o)?, t)));
        let inputs = model.input_outlets().map_err(failed)?.iter();
        let inputs = inputs.map(|o| Ok((*o, model.outlet_fact(*o)?.datum_type)));
        Ok(Self {
            outputs: outputs.collect::<TractResult<_>>().map_err(failed)?,
            inputs: inputs.collect::<TractResult<_>>().map_err(failed)?,
            steps: draft.steps,
            program,
            device: Arc::clone(gpu),
            placement: Arc::new(placement),
            turn: Mutex::new(()),
        })
    }

    /// Runs with the graph's inputs in order.
    pub(crate) async fn run(&self, inputs: Vec<crate::Tensor>) -> Result<Vec<crate::Tensor>> {
        let _turn = self.turn.lock().await;
        let mut host: HashMap<OutletId, TValue> = HashMap::new();
        for ((outlet, datum), tensor) in self.inputs.iter().zip(inputs) {
            host.insert(*outlet, tensor.cast_for_engine(*datum)?);
        }
        let missing = || Error::new(ErrorKind::Internal, "a segment ran before its inputs");
        for step in &self.steps {
            match step {
                Step::Cpu { runnable, takes, gives } => {
                    let feeds = takes.iter().map(|o| host.get(o).cloned().ok_or_else(missing));
                    let feeds = feeds.collect::<Result<TVec<TValue>>>()?;
                    let made = guarded(ErrorKind::Internal, "running the model", || {
                        runnable.run(feeds).map_err(|e| {
                            let text = "the model fails on these inputs";
                            Error::new(ErrorKind::InvalidInput, text).with_source(e)
                        })
                    })?;
                    host.extend(gives.iter().copied().zip(made));
                }
                Step::Gpu { range, takes, gives, checks } => {
                    for (outlet, value) in takes {
                        let tensor = host.get(outlet).ok_or_else(missing)?;
                        self.program.write(*value, tensor)?;
                    }
                    let checked = checks.iter().map(|(v, _)| v.clone());
                    let views = checked.chain(gives.iter().map(|(_, v)| v.clone()));
                    let mut words =
                        self.program.run(range.clone(), &views.collect::<Vec<_>>()).await?;
                    for ((_, user), count) in checks.iter().zip(words.drain(..checks.len())) {
                        if count.iter().any(|b| *b != 0) {
                            let text = format!("`{user}` is given an index that is out of range");
                            return Err(Error::new(ErrorKind::InvalidInput, text));
                        }
                    }
                    for ((outlet, view), words) in gives.iter().zip(words) {
                        let tensor = transfer::tensor(view.datum, &view.shape, &words)?;
                        host.insert(*outlet, tensor.into_tvalue());
                    }
                }
            }
        }
        let wanted = self.outputs.iter().map(|(want, dtype)| {
            let value = match want {
                Want::Constant(konst) => TValue::from_const(Arc::clone(konst)),
                Want::Outlet(outlet) => host.get(outlet).cloned().ok_or_else(missing)?,
            };
            crate::Tensor::from_tract(value, *dtype)
        });
        wanted.collect()
    }
}

impl Step {
    /// The values that the host writes or reads.
    fn crossing(&self) -> Vec<ValueId> {
        match self {
            Self::Cpu { .. } => vec![],
            Self::Gpu { takes, gives, checks, .. } => {
                let read = gives.iter().map(|g| g.1.value).chain(checks.iter().map(|c| c.0.value));
                takes.iter().map(|t| t.1).chain(read).collect()
            }
        }
    }
}

fn refuse_cpu(model: &TypedModel, parts: &Partition) -> Result<()> {
    let refused = model.nodes().iter().zip(&parts.places).filter_map(|(node, place)| match place {
        Place::Cpu(reason) => Some(Problem {
            kind: ProblemKind::Operator,
            operator: format!("gpu.{}", node.op.name()),
            names: vec![node.name.clone()],
            reason: reason.0.clone().into_owned(),
            advice: "let the CPU run what the GPU cannot".to_owned(),
        }),
        _ => None,
    });
    let refused: Vec<_> = refused.collect();
    if refused.is_empty() { Ok(()) } else { Err(Error::unsupported(refused)) }
}

fn placement(model: &TypedModel, parts: &Partition, gpu: &Device, program: &Program) -> Placement {
    let node = |id: &usize| {
        let reason = match &parts.places[*id] {
            Place::Cpu(reason) => Some(reason.0.clone().into_owned()),
            _ => None,
        };
        let node = model.node(*id);
        PlacedNode { name: node.name.clone(), operator: node.op.name().into_owned(), reason }
    };
    let segments = parts.segments.iter().map(|s| PlacedSegment {
        device: if s.gpu { "gpu" } else { "cpu" },
        nodes: s.nodes.iter().map(node).collect(),
    });
    Placement {
        adapter: gpu.name().to_owned(),
        dispatches: program.len(),
        segments: segments.collect(),
    }
}

fn draft<'m>(
    model: &'m TypedModel,
    parts: &Partition,
    limits: crate::gpu::Limits,
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
    let mut steps = vec![];
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
            steps.push(Step::Cpu { runnable, takes: outside, gives: made });
            continue;
        }
        let start = builder.segment();
        let mut takes = vec![];
        for outlet in outside {
            if on_gpu.insert(outlet) {
                takes.push((outlet, builder.upload(outlet).map_err(told)?.value));
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
                gives.push((outlet, export(&mut builder, model, outlet)?));
            }
        }
        if last_gpu == Some(at) {
            let given: HashSet<OutletId> = steps.iter().flat_map(Step::given).collect();
            let late = model.output_outlets()?.iter().filter(|o| gpu_at(o.node));
            for outlet in late {
                if !given.contains(outlet) && !gives.iter().any(|g| g.0 == *outlet) {
                    gives.push((*outlet, export(&mut builder, model, *outlet)?));
                }
            }
        }
        let range = start..builder.kernels.len();
        let checks = builder.take_checks();
        steps.push(Step::Gpu { range, takes, gives, checks });
    }
    Ok(Draft { builder, steps })
}

impl Step {
    fn given(&self) -> Vec<OutletId> {
        match self {
            Self::Cpu { gives, .. } => gives.clone(),
            Self::Gpu { gives, .. } => gives.iter().map(|g| g.0).collect(),
        }
    }
}

/// The outlet as dense memory, which is what a readback copies.
fn export(builder: &mut Builder<'_>, model: &TypedModel, outlet: OutletId) -> TractResult<View> {
    let dense = |builder: &mut Builder<'_>| -> Lowered<View> {
        let view = builder.view(outlet)?;
        builder.dense(&model.node(outlet.node).name, view)
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
