//! A graph that answers runs: plans per shape, and by the values of inputs where shapes do not suffice.
//!
//! In: tensors in the graph's order. Out: tensors, and the time that planning took. `Sync`: runs of
//! several threads share its plans.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use super::{Binding, Plan, PlanCache, PlanKey, Step};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Graph;
use crate::optimize::BadValue;
use crate::tensor::Tensor;

/// A sample rate has two or three values, a position any: after so many, branches are chosen while running.
const MAX_NARROWED: u8 = 8;

/// A graph with its plans.
pub(crate) struct Segment {
    pub(super) graph: Graph,
    plans: PlanCache,
    #[cfg(feature = "gpu")]
    pub(super) gpu: super::on_gpu::GpuPlans,
    /// The level of [`Binding`] that works: raised once more general plans failed.
    binding: AtomicU8,
    /// Plans made for the values of inputs that decide between branches.
    narrowed: AtomicU8,
    /// What a graph without inputs and operators gives, once.
    constants: OnceLock<Vec<Tensor>>,
}

/// Whether no other plan would do better.
fn is_final(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<BadValue>() {
            return true;
        }
        cause = error.source();
    }
    *error.kind() == ErrorKind::OutOfMemory
}

/// How long the parts of a run took, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Times {
    pub(crate) plan_ms: f64,
    pub(crate) run_ms: f64,
    pub(crate) planned: bool,
    /// Set where it is asked for.
    pub(crate) profile: Option<Vec<Step>>,
    /// Where nodes ran, for each graph that had the GPU.
    #[cfg(feature = "gpu")]
    pub(crate) placements: Vec<Arc<super::Placement>>,
    /// Why the CPU ran what the GPU should have.
    #[cfg(feature = "gpu")]
    pub(crate) gpu_error: Option<Error>,
}

impl Segment {
    pub(crate) fn new(graph: Graph) -> Self {
        Self {
            graph,
            plans: PlanCache::default(),
            #[cfg(feature = "gpu")]
            gpu: super::on_gpu::GpuPlans::default(),
            binding: AtomicU8::new(0),
            narrowed: AtomicU8::new(0),
            constants: OnceLock::new(),
        }
    }

    /// Plans for the shapes of `key`, which are those of every run. Where there can be no other plan it takes the
    /// graph over, so that the weights are in memory once; where there can, what fails here is tried by the runs.
    pub(crate) fn plan_ahead(&mut self, key: PlanKey, max_bytes: u64) -> Result<()> {
        let plan = if key.steers() {
            Plan::build(self.graph.clone(), &key, max_bytes).ok()
        } else {
            let (outputs, constant) = (self.graph.outputs.clone(), self.graph.constant);
            let graph = std::mem::take(&mut self.graph.graph);
            Some(Plan::build(Graph { graph, outputs, constant }, &key, max_bytes)?)
        };
        if let Some(plan) = plan {
            self.plans.put(key, Arc::new(plan));
        }
        Ok(())
    }

    /// Runs under the most general plan that works. The first error names the real cause when no
    /// other binding helps.
    pub(crate) fn run(
        &self,
        inputs: Vec<Tensor>,
        max_bytes: u64,
        times: &mut Times,
    ) -> Result<Vec<Tensor>> {
        if let Some(constants) = self.constants.get() {
            return Ok(constants.clone());
        }
        let known = usize::from(self.binding.load(Ordering::Relaxed));
        let mut first = None;
        let mut tried = None;
        for (level, binding) in Binding::ALL.into_iter().enumerate().skip(known) {
            let bound = inputs.iter().filter(|i| binding.binds(i)).count();
            if tried.replace(bound) == Some(bound) {
                continue;
            }
            match self.attempt(binding, inputs.clone(), max_bytes, times) {
                Ok(outputs) => {
                    self.binding.fetch_max(level as u8, Ordering::Relaxed);
                    if self.graph.constant {
                        let _ = self.constants.set(outputs.clone());
                    }
                    return Ok(outputs);
                }
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or_else(|| Error::new(ErrorKind::Internal, "no plan was tried")))
    }

    /// Runs under one plan. A plan that would choose between branches while it runs gives way to one for the values
    /// that decide: a branch that is chosen beforehand is planned like the rest of the graph.
    fn attempt(
        &self,
        binding: Binding,
        inputs: Vec<Tensor>,
        max_bytes: u64,
        times: &mut Times,
    ) -> Result<Vec<Tensor>> {
        let (mut plan, _) = self.plan(&inputs, binding, max_bytes, times)?;
        let narrowed = self.narrowed.load(Ordering::Relaxed);
        if plan.branches() && binding == Binding::Shapes && narrowed <= MAX_NARROWED {
            match self.plan(&inputs, Binding::Integers, max_bytes, times) {
                Ok((narrow, made)) if !narrow.branches() => {
                    self.narrowed.fetch_add(u8::from(made), Ordering::Relaxed);
                    plan = narrow;
                }
                _ => self.narrowed.store(MAX_NARROWED + 1, Ordering::Relaxed),
            }
        }
        let clock = Clock::start();
        let made = plan.run(inputs, times.profile.is_some());
        times.run_ms += clock.elapsed_ms();
        let (outputs, steps) = made?;
        if let Some(profile) = &mut times.profile {
            profile.extend(steps);
        }
        Ok(outputs)
    }

    /// A plan, and whether it was made now.
    fn plan(
        &self,
        inputs: &[Tensor],
        binding: Binding,
        max_bytes: u64,
        times: &mut Times,
    ) -> Result<(Arc<Plan>, bool)> {
        let key = PlanKey::of(inputs, binding);
        if let Some(plan) = self.plans.get(&key) {
            return Ok((plan, false));
        }
        let clock = Clock::start();
        let plan = Plan::build(self.graph.clone(), &key, max_bytes).map(Arc::new);
        times.plan_ms += clock.elapsed_ms();
        times.planned = true;
        let plan = plan?;
        self.plans.put(key, Arc::clone(&plan));
        Ok((plan, true))
    }
}
