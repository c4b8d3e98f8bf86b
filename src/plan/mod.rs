//! A model and concrete input shapes -> a runnable plan.
//!
//! In: the graph before shapes and the inputs of one run. Out: a [`Plan`] for exactly these shapes.
//! Shapes are made concrete before the engine's optimiser sees the graph: what exported models do
//! with symbolic shapes is where import engines fail most, and a concrete graph optimises best.

mod cache;
#[cfg(feature = "gpu")]
mod draft;
#[cfg(feature = "gpu")]
mod growing;
#[cfg(feature = "gpu")]
mod hybrid;
mod key;
#[cfg(feature = "gpu")]
mod on_gpu;
#[cfg(feature = "gpu")]
mod partition;
mod pieces;
#[cfg(feature = "gpu")]
mod placement;
mod profile;
mod runner;
mod segment;
mod stored;
#[cfg(feature = "gpu")]
mod template;
#[cfg(feature = "gpu")]
mod trial;
mod typed;

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_hir::infer::InferenceFact;

use crate::error::{Error, ErrorKind, Result};
use crate::guard::guarded;
use crate::limit::{self, TooMuchMemory};
use crate::model::Graph;
use crate::optimize;
use crate::tensor::{DType, Tensor};

use cache::PlanCache;
#[cfg(feature = "gpu")]
pub(crate) use hybrid::Asked;
use key::Binding;
#[cfg(feature = "native")]
pub(crate) use key::BoundInput;
pub(crate) use key::PlanKey;
#[cfg(feature = "gpu")]
pub(crate) use on_gpu::OnGpu;
#[cfg(feature = "gpu")]
pub use placement::{GpuReport, PlacedNode, PlacedSegment, Placement};
pub use profile::Step;
use runner::Runner;
pub(crate) use segment::{Segment, Times};
pub(crate) use stored::EDITION;
#[cfg(feature = "native")]
pub(crate) use stored::publish;
#[cfg(feature = "gpu")]
pub(crate) use trial::apart;
use typed::typed;

/// When a plan chooses between the branches of an `If`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Branches {
    /// While it is made.
    ChosenBefore,
    /// Then or in a run.
    Any,
}

/// A graph that is ready to run for one set of input shapes.
pub(crate) struct Plan {
    runner: Runner,
    /// Element types of the outputs as the file means them; a plan may compute in others.
    outputs: Vec<DType>,
    /// Bytes that one tensor of a run may take.
    most: u64,
    /// Some shapes are known in a run only.
    open: bool,
}

impl Plan {
    /// Plans `graph` for `key`. `max_bytes` bounds what one run may hold in intermediate tensors. A constant that
    /// nobody else holds goes when its packed form is there. Nothing where a run would choose between branches and
    /// `branches` does not allow for that.
    pub(crate) fn build(
        graph: Graph,
        key: &PlanKey,
        max_bytes: u64,
        branches: Branches,
    ) -> Result<Option<Self>> {
        guarded(ErrorKind::CannotPlan, "planning the model", || {
            specialise(graph, key, max_bytes, optimize::Target::Cpu)
                .and_then(|(typed, outputs)| {
                    if branches == Branches::ChosenBefore && optimize::has_branches(&typed) {
                        return Ok(None);
                    }
                    Self::lowered(typed, outputs, max_bytes).map(Some)
                })
                .map_err(|e| plan_error(key, e))
        })
    }

    /// The plan of a decluttered graph.
    fn lowered(mut typed: TypedModel, outputs: Vec<DType>, max_bytes: u64) -> TractResult<Self> {
        limit::within(max_bytes, || {
            check_size(&typed)?;
            optimize::lower(&mut typed)?;
            let open = typed.nodes.iter().any(|n| n.op.mints_runtime_symbols());
            Ok(Self { runner: Runner::new(typed)?, outputs, most: max_bytes, open })
        })
    }

    /// Whether some shapes are known in a run only, so that it may fail on what others of the same shapes do.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Runs with the inputs in the graph's order; gives all outputs in the graph's order, and how long each
    /// node took where `profile` asks for it.
    pub(crate) fn run(
        &self,
        inputs: Vec<Tensor>,
        profile: bool,
    ) -> Result<(Vec<Tensor>, Vec<Step>)> {
        let run = || limit::within(self.most, || self.made(inputs, profile));
        guarded(ErrorKind::Internal, "running the model", run)
    }

    fn made(&self, inputs: Vec<Tensor>, profile: bool) -> Result<(Vec<Tensor>, Vec<Step>)> {
        let failed = |e: TractError| {
            if let Some(too_much) = too_much(&e) {
                return too_much;
            }
            Error::new(ErrorKind::InvalidInput, "the model fails on these inputs").with_source(e)
        };
        let plan = self.runner.runnable().model();
        let mut feeds: TVec<TValue> = tvec!();
        for (ix, input) in inputs.into_iter().enumerate() {
            let wanted = plan.input_fact(ix).map_err(failed)?.datum_type;
            feeds.push(input.cast_for_engine(wanted)?);
        }
        let (outputs, steps) = if profile {
            profile::run(self.runner.runnable(), feeds).map_err(failed)?
        } else {
            (self.runner.run(feeds).map_err(failed)?, vec![])
        };
        let typed = outputs.into_iter().zip(&self.outputs);
        let outputs = typed.map(|(o, t)| Tensor::from_tract(o, *t)).collect::<Result<_>>()?;
        Ok((outputs, steps))
    }
}

fn specialise(
    model: Graph,
    key: &PlanKey,
    max_bytes: u64,
    target: optimize::Target,
) -> TractResult<(TypedModel, Vec<DType>)> {
    let dims = |ix: usize| {
        let extents = key.inputs.get(ix).into_iter().flat_map(|input| &input.shape);
        extents.map(|n| n.to_dim()).collect()
    };
    specialise_as(model, key, dims, max_bytes, target)
}

/// The same with other shapes than the key's own.
fn specialise_as(
    model: Graph,
    key: &PlanKey,
    dims: impl Fn(usize) -> TVec<TDim>,
    max_bytes: u64,
    target: optimize::Target,
) -> TractResult<(TypedModel, Vec<DType>)> {
    limit::within(max_bytes, || specialised(model, key, dims, target))
}

fn specialised(
    model: Graph,
    key: &PlanKey,
    dims: impl Fn(usize) -> TVec<TDim>,
    target: optimize::Target,
) -> TractResult<(TypedModel, Vec<DType>)> {
    let Graph { mut graph, outputs: declared, .. } = model;
    for (ix, input) in key.inputs.iter().enumerate() {
        let mut fact = InferenceFact::dt_shape(input.dtype.to_datum(), dims(ix));
        if let Some(value) = &input.value {
            fact.value = Arc::clone(value.as_tract()).into();
        }
        graph.set_input_fact(ix, fact)?;
    }
    graph.analyse(false)?;
    bind_values(&mut graph, key)?;
    let mut typed = match target {
        optimize::Target::Cpu => typed(graph)?,
        #[cfg(feature = "gpu")]
        optimize::Target::Gpu => crate::model::ops::for_gpu(|| typed(graph))?,
    };
    // The optimiser computes what is constant.
    check_size(&typed)?;
    let outputs = element_types(&declared, &typed)?;
    resolve_outputs(&mut typed)?;
    #[cfg(feature = "gpu")]
    let halves = match target {
        optimize::Target::Gpu => Some(optimize::Halves::mark(&mut typed)?),
        optimize::Target::Cpu => None,
    };
    let mut typed = optimize::rewrite(typed, target)?;
    optimize::declutter(&mut typed)?;
    #[cfg(feature = "gpu")]
    if let Some(halves) = halves {
        halves.settle(&mut typed)?;
    }
    Ok((typed, outputs))
}

/// As declared, else as inferred before any rewrite.
fn element_types(declared: &[Option<DType>], typed: &TypedModel) -> TractResult<Vec<DType>> {
    let outlets = typed.output_outlets()?.iter();
    let types = outlets.enumerate().map(|(ix, outlet)| {
        let datum = typed.outlet_fact(*outlet)?.datum_type;
        let inferred = if datum == TDim::datum_type() { i64::datum_type() } else { datum };
        let declared = declared.get(ix).copied().flatten();
        let strings = inferred == String::datum_type();
        if let Some(declared) = declared.filter(|d| (*d == DType::String) != strings) {
            let text = format!("an output is declared as {}, and is {inferred:?}", declared.name());
            return Err(TractError::msg(text));
        }
        declared
            .or_else(|| DType::from_datum(inferred.unquantized()))
            .ok_or_else(|| TractError::msg(format!("an output is of the type {datum:?}")))
    });
    types.collect()
}

/// An output that is an extent known only while running is a dimension inside of the engine: it becomes a number behind
/// the operator that settles it.
fn resolve_outputs(typed: &mut TypedModel) -> TractResult<()> {
    for ix in 0..typed.output_outlets()?.len() {
        let outlet = typed.output_outlets()?[ix];
        if typed.outlet_fact(outlet)?.datum_type == TDim::datum_type() {
            let name = format!("{}.resolved.{ix}", typed.node(outlet.node).name);
            typed.outputs[ix] = typed.wire_node(name, cast(i64::datum_type()), &[outlet])?[0];
        }
    }
    Ok(())
}

/// Inputs bound by value are constants for the planner; the graph keeps its input list, so a run
/// still takes every input of the signature.
fn bind_values(graph: &mut InferenceModel, key: &PlanKey) -> TractResult<()> {
    for (ix, input) in key.inputs.iter().enumerate() {
        let Some(value) = &input.value else { continue };
        let outlet = graph.input_outlets()?[ix];
        let konst = graph.add_const(
            format!("{}.bound", graph.node(outlet.node).name),
            Arc::clone(value.as_tract()),
        )?;
        let readers = graph.node(outlet.node).outputs[outlet.slot].successors.clone();
        for reader in readers {
            graph.add_edge(konst, reader)?;
        }
        for output in &mut graph.outputs {
            if *output == outlet {
                *output = konst;
            }
        }
    }
    Ok(())
}

/// Refuses graphs whose largest tensor could not be held: an allocation that fails would take the
/// whole process down.
fn check_size(model: &TypedModel) -> TractResult<()> {
    for node in model.nodes() {
        for output in &node.outputs {
            limit::check_fact(
                || format!("node `{}` ({})", node.name, node.op.name()),
                &output.fact,
            )?;
        }
    }
    Ok(())
}

fn too_much(error: &TractError) -> Option<Error> {
    let too_much = error.downcast_ref::<TooMuchMemory>()?;
    Some(Error::new(ErrorKind::OutOfMemory, too_much.to_string()))
}

fn plan_error(key: &PlanKey, error: TractError) -> Error {
    if let Some(too_much) = too_much(&error) {
        return too_much;
    }
    let shapes: Vec<_> = key.inputs.iter().map(|i| format!("{:?}", i.shape)).collect();
    Error::new(
        ErrorKind::CannotPlan,
        format!("the engine cannot plan this model for inputs of shape {}", shapes.join(", ")),
    )
    .with_source(error)
}
