//! A plan on two engines: segments of one graph, alternately on the CPU and on the GPU.
//!
//! In: a decluttered, concrete-shaped graph and an open GPU. Out: [`Hybrid`], run asynchronously, and a
//! [`Placement`] that says where each node is and why. Values cross between the engines only at the
//! borders of segments; what the caller wants is read back with the last GPU segment, or stays on the GPU.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::lock::Mutex;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::einsum::prefix_matmul::rewrite_einsum_to_prefix_matmul;
use tract_onnx::tract_core::ops::nn::RmsNorm;

use super::draft::{Draft, Stage, draft};
use super::partition::{Partition, partition, work};
use super::placement::{Placement, Placing, placement, refuse_cpu};
use super::trial::{MOST_WEIGHTS, MOST_WORK};
use super::{Step, profile};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::lower::verdict;
use crate::gpu::value::{ValueId, View};
use crate::gpu::{Device, Exchange, GpuTensor, Lent, Limits, Program, transfer};
use crate::guard::guarded;
use crate::tensor::DType;
use crate::value::Value;

/// The engine's operators that draw lots.
const CHANCE: [&str; 2] = ["Random", "Multinomial"];

/// A graph that is ready to run.
pub(crate) struct Hybrid {
    stages: Vec<Stage>,
    program: Program,
    /// Where the program lies.
    pub(crate) device: Arc<Device>,
    /// The graph's inputs, and the types in which it takes them.
    inputs: Vec<(OutletId, DatumType)>,
    outputs: Vec<(Want, DType)>,
    pub(crate) placement: Arc<Placement>,
    /// Multiply-adds of one run, roughly.
    work: u64,
    /// Whether no run is like another.
    by_chance: bool,
    /// Whether another is made in no time.
    pub(super) passing: bool,
    /// Runs share the program's buffers.
    turn: Mutex<()>,
}

/// Where an output comes from.
enum Want {
    Constant(Arc<tract_onnx::prelude::Tensor>),
    Outlet(OutletId),
}

/// What a run is asked for beside its results.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked<'a> {
    /// By output: whether it stays on the GPU.
    pub(crate) keep: &'a [bool],
    /// Whether each dispatch is timed.
    pub(crate) profile: bool,
}

/// The values of one run, each where it is.
#[derive(Default)]
struct Frame {
    host: HashMap<OutletId, TValue>,
    resident: HashMap<OutletId, GpuTensor>,
    /// What of the program's values lies in these tensors.
    lent: Lent,
}

impl Frame {
    /// A value for the CPU, fetched where only the GPU has it.
    async fn on_host(&mut self, outlet: OutletId) -> Result<TValue> {
        if let Some(value) = self.host.get(&outlet) {
            return Ok(value.clone());
        }
        let lacking = || Error::new(ErrorKind::Internal, "a segment ran before its inputs");
        let tensor = self.resident.get(&outlet).ok_or_else(lacking)?;
        let value = tensor.fetch().await?.into_tvalue();
        self.host.insert(outlet, value.clone());
        Ok(value)
    }
}

/// The graph in the form that the table of kernels knows.
pub(crate) fn prepare(mut model: TypedModel) -> TractResult<TypedModel> {
    let halves = crate::optimize::Halves::of(&model);
    let has = |model: &TypedModel, one: fn(&TypedNode) -> bool| model.nodes().iter().any(one);
    if has(&model, |node| node.op_is::<RmsNorm>()) {
        crate::optimize::norms(&mut model)?;
    }
    if has(&model, |node| node.op_is::<EinSum>()) {
        rewrite_einsum_to_prefix_matmul(&mut model, false)?;
    }
    crate::optimize::release_broadcasts(&mut model)?;
    halves.settle(&mut model)?;
    Ok(model)
}

impl Hybrid {
    /// Plans `model`.
    pub(crate) async fn build(
        model: &TypedModel,
        types: Vec<DType>,
        gpu: &Arc<Device>,
        placing: Placing,
    ) -> Result<Self> {
        let (parts, draft, kept) = drafted(model, &types, gpu.limits(), placing)?;
        let program = Program::new(Arc::clone(gpu), &draft.builder, &kept).await?;
        let placement = placement(model, &parts, gpu, &program, &draft.builder.halves());
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
            work: (0..model.nodes().len()).map(|id| work(model, id)).sum(),
            by_chance: model.nodes().iter().any(|n| CHANCE.contains(&&*n.op.name())),
            stages: draft.stages,
            program,
            device: Arc::clone(gpu),
            placement: Arc::new(placement),
            passing: false,
            turn: Mutex::new(()),
        })
    }

    /// Whether the CPU can be asked for the same within reason.
    pub(super) fn can_be_compared(&self) -> bool {
        let small = self.work <= MOST_WORK && self.program.constant_bytes() <= MOST_WEIGHTS;
        small && !self.by_chance
    }

    /// Runs with the graph's inputs in order; gives its outputs in order, and, where asked for, each dispatch and
    /// each node of the CPU with its time.
    pub(crate) async fn run(
        &self,
        inputs: Vec<Value>,
        asked: Asked<'_>,
    ) -> Result<(Vec<Value>, Vec<Step>)> {
        let _turn = self.turn.lock().await;
        let mut frame = Frame::default();
        for ((outlet, datum), value) in self.inputs.iter().zip(inputs) {
            self.take(&mut frame, *outlet, *datum, value).await?;
        }
        let kept = |outlet: &OutletId| {
            let is = |(at, (want, _)): (usize, &(Want, DType))| {
                asked.keep.get(at) == Some(&true)
                    && matches!(want, Want::Outlet(own) if own == outlet)
            };
            self.outputs.iter().enumerate().any(is)
        };
        let mut steps = vec![];
        for stage in &self.stages {
            match stage {
                Stage::Cpu { runnable, takes, gives } => {
                    let mut feeds: TVec<TValue> = tvec!();
                    for outlet in takes {
                        feeds.push(frame.on_host(*outlet).await?);
                    }
                    let (made, timed) = on_cpu(runnable, feeds, asked.profile)?;
                    steps.extend(timed);
                    frame.host.extend(gives.iter().copied().zip(made));
                }
                Stage::Gpu { range, takes, gives, checks } => {
                    let mut exchange = Exchange { profile: asked.profile, ..Exchange::default() };
                    for (outlet, view) in takes {
                        match frame.resident.get(outlet).filter(|t| t.is_half() == view.half) {
                            Some(tensor) => exchange.takes.push((tensor.clone(), view.value)),
                            None => {
                                let tensor = frame.on_host(*outlet).await?;
                                self.program.write(view, &tensor)?;
                            }
                        }
                    }
                    exchange.reads.extend(checks.iter().map(|(view, _)| view.clone()));
                    let (stays, fetched): (Vec<_>, Vec<_>) =
                        gives.iter().partition(|(outlet, _)| kept(outlet));
                    exchange.reads.extend(fetched.iter().map(|(_, view)| view.clone()));
                    let room = |(outlet, view): &(OutletId, View)| {
                        Ok((*outlet, view.value, GpuTensor::room(&self.device, view)?))
                    };
                    let rooms = || stays.into_iter().map(room).collect::<Result<Vec<_>>>();
                    let (rooms, suffices) = self.device.sufficing(rooms);
                    for (outlet, value, tensor) in rooms? {
                        exchange.keeps.push((value, tensor.clone()));
                        frame.resident.insert(outlet, tensor);
                    }
                    let ran = self.program.run(range.clone(), &exchange, &mut frame.lent);
                    let (mut words, timed) = ran.await?;
                    suffices.await?;
                    steps.extend(timed.into_iter().map(|t| self.placement.timed(t)));
                    for ((_, told), count) in checks.iter().zip(words.drain(..checks.len())) {
                        if count.iter().any(|b| *b != 0) {
                            return Err(Error::new(ErrorKind::InvalidInput, told.clone()));
                        }
                    }
                    for ((outlet, view), words) in fetched.into_iter().zip(words) {
                        let lies = (view.datum, view.half);
                        let tensor = transfer::tensor(lies, &view.shape, &words)?;
                        frame.host.insert(*outlet, tensor.into_tvalue());
                    }
                }
            }
        }
        let mut outputs = vec![];
        for (at, (want, dtype)) in self.outputs.iter().enumerate() {
            let keep = asked.keep.get(at) == Some(&true);
            let value = match want {
                Want::Constant(konst) => TValue::from_const(Arc::clone(konst)),
                Want::Outlet(outlet) => match frame.resident.get(outlet).filter(|_| keep) {
                    Some(tensor) => {
                        outputs.push(Value::Gpu(tensor.declared(*dtype)));
                        continue;
                    }
                    None => frame.on_host(*outlet).await?,
                },
            };
            let tensor = crate::Tensor::from_tract(value, *dtype)?;
            outputs.push(if keep { resident(&self.device, tensor)? } else { tensor.into() });
        }
        Ok((outputs, steps))
    }

    /// Puts an input where its readers find it.
    async fn take(
        &self,
        frame: &mut Frame,
        outlet: OutletId,
        datum: DatumType,
        value: Value,
    ) -> Result<()> {
        match value {
            Value::Gpu(tensor) if tensor.is_on(&self.device) && tensor.datum() == datum => {
                frame.resident.insert(outlet, tensor);
            }
            other => {
                let tensor = other.into_tensor().await?;
                frame.host.insert(outlet, tensor.cast_for_engine(datum)?);
            }
        }
        Ok(())
    }
}

/// The parts of a graph, the dispatches of those on the GPU, and the values that cross between the two. A value over the
/// adapter's limit is no hindrance where in the end no dispatch reads or writes it, as attention's scores.
fn drafted<'m>(
    model: &'m TypedModel,
    types: &[DType],
    limits: Limits,
    placing: Placing,
) -> Result<(Partition, Draft<'m>, Vec<ValueId>)> {
    let attempt = |limits: Limits| {
        let parts = guarded(ErrorKind::CannotPlan, "dividing the model", || {
            let taken = |node: &TypedNode| match placing {
                Placing::Whole => Ok(()),
                _ => verdict(model, node, limits),
            };
            partition(model, placing == Placing::Strict, taken).map_err(failed)
        })?;
        if placing == Placing::Strict {
            refuse_cpu(model, &parts)?;
        }
        let mut draft = guarded(ErrorKind::CannotPlan, "lowering the model", || {
            draft(model, &parts, limits, types).map_err(failed)
        })?;
        let kept: Vec<ValueId> = draft.stages.iter().flat_map(Stage::crossing).collect();
        draft.builder.prune(&kept);
        Ok((parts, draft, kept))
    };
    let most = limits.max_value_bytes;
    let over = |outlet: &Outlet<TypedFact>| {
        let shape = outlet.fact.shape.as_concrete().unwrap_or_default();
        let bytes = shape.iter().fold(4u64, |bytes, n| bytes.saturating_mul(*n as u64));
        outlet.fact.konst.is_none() && bytes > most
    };
    if model.nodes().iter().flat_map(|node| &node.outputs).any(over)
        && let Ok(made) = attempt(Limits { max_made_bytes: u64::MAX, ..limits })
        && made.1.builder.largest(&made.2) <= most
    {
        return Ok(made);
    }
    attempt(limits)
}

fn failed(error: TractError) -> Error {
    Error::new(ErrorKind::CannotPlan, "the GPU engine cannot plan this model").with_source(error)
}

/// A tensor of the CPU on the GPU, where that can hold its type.
fn resident(device: &Arc<Device>, tensor: crate::Tensor) -> Result<Value> {
    Ok(match GpuTensor::upload(device, &tensor)? {
        Some(there) => Value::Gpu(there),
        None => tensor.into(),
    })
}

fn on_cpu(
    runnable: &Arc<TypedRunnableModel>,
    feeds: TVec<TValue>,
    profiled: bool,
) -> Result<(TVec<TValue>, Vec<Step>)> {
    guarded(ErrorKind::Internal, "running the model", || {
        let made = match profiled {
            true => profile::run(runnable, feeds),
            false => runnable.run(feeds).map(|made| (made, vec![])),
        };
        made.map_err(|e| {
            Error::new(ErrorKind::InvalidInput, "the model fails on these inputs").with_source(e)
        })
    })
}
