//! A graph that answers runs: plans per shape, and by the values of inputs where shapes do not suffice.
//!
//! In: tensors in the graph's order. Out: tensors, and the time that planning took. `Sync`: runs of
//! several threads share its plans.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use super::pieces::{Pieces, is_open};
use super::{Binding, Branches, Plan, PlanCache, PlanKey, Step};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Graph, Source};
use crate::optimize::BadValue;
use crate::tensor::Tensor;

/// A sample rate has two or three values, a position any: after so many, branches are chosen while running.
const MAX_NARROWED: u8 = 8;

/// Each division is a level of the call stack, and behind most of them one number more is told.
const MOST_DIVISIONS: usize = 64;

/// A graph with its plans.
pub(crate) struct Segment {
    pub(super) source: Source,
    plans: PlanCache,
    #[cfg(feature = "gpu")]
    pub(super) gpu: super::on_gpu::GpuPlans,
    /// The level of [`Binding`] that works: raised once more general plans failed.
    binding: AtomicU8,
    /// A plan for shapes alone would choose between branches while it runs.
    branching: AtomicBool,
    /// Plans made for the values of inputs that decide between branches.
    narrowed: AtomicU8,
    /// What a graph without inputs and operators gives, once.
    constants: OnceLock<Vec<Tensor>>,
    /// Where no plan holds the whole graph: set once a run of them succeeded.
    pieces: OnceLock<Pieces>,
    /// How often the graph that it is a part of was divided.
    depth: usize,
}

/// Whether no other plan would do better.
pub(super) fn is_final(error: &Error) -> bool {
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
    /// Of the GPU, where the session has one.
    #[cfg(feature = "gpu")]
    pub(crate) gpu: super::GpuReport,
}

impl Segment {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            plans: PlanCache::default(),
            #[cfg(feature = "gpu")]
            gpu: super::on_gpu::GpuPlans::default(),
            binding: AtomicU8::new(0),
            branching: AtomicBool::new(false),
            narrowed: AtomicU8::new(0),
            constants: OnceLock::new(),
            pieces: OnceLock::new(),
            depth: 0,
        }
    }

    /// A piece of a graph that was divided so often.
    pub(super) fn piece(graph: Graph, depth: usize) -> Self {
        Self { depth, ..Self::new(Source::Graph(graph)) }
    }

    /// Plans for the shapes of `key`, which are those of every run. Where there can be no other plan it takes the
    /// graph over, so that the weights are in memory once; where there can, or a run may go in pieces, what fails here is tried
    /// by the runs.
    pub(crate) fn plan_ahead(&mut self, key: PlanKey, max_bytes: u64) -> Result<()> {
        let open = match &self.source {
            Source::Graph(graph) => is_open(graph, &key),
            Source::Published(published) => {
                key.stored(published).is_none()
                    && published.graph().is_ok_and(|g| is_open(&g, &key))
            }
        };
        let plan = if open || key.steers() {
            self.build(&key, max_bytes, Branches::ChosenBefore).ok().flatten()
        } else {
            let nothing = Source::Graph(Graph::default());
            match std::mem::replace(&mut self.source, nothing) {
                Source::Graph(graph) => Plan::build(graph, &key, max_bytes, Branches::Any)?,
                Source::Published(published) => match key.stored(&published) {
                    Some(plan) => Some(Plan::read(plan, &published, false, max_bytes)?),
                    None => Plan::build(published.into_graph()?, &key, max_bytes, Branches::Any)?,
                },
            }
        };
        if let Some(plan) = plan {
            self.plans.put(key, Arc::new(plan));
        }
        Ok(())
    }

    /// Lets go of the CPU's plans; a later run makes them again.
    #[cfg(feature = "gpu")]
    pub(super) fn forget_cpu(&self) {
        self.plans.clear();
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
        if let Some(pieces) = self.pieces.get() {
            return pieces.run(inputs, max_bytes, times);
        }
        let known = usize::from(self.binding.load(Ordering::Relaxed));
        let mut first = None;
        let mut tried = None;
        let mut given = Some(inputs);
        for (level, binding) in Binding::ALL.into_iter().enumerate().skip(known) {
            let Some(inputs) = &given else { break };
            let count = |binding: Binding| inputs.iter().filter(|i| binding.binds(i)).count();
            let bound = count(binding);
            if tried.replace(bound) == Some(bound) {
                continue;
            }
            // They are nobody else's where no other plan could be tried on them.
            let last = Binding::ALL.into_iter().skip(level + 1).all(|later| count(later) == bound);
            let failed = match self.plan(inputs, binding, max_bytes, times) {
                Ok(plan) => {
                    let inputs = if last && !plan.is_open() { given.take() } else { given.clone() };
                    match answer(&plan, inputs.unwrap_or_default(), times) {
                        Ok(outputs) => {
                            self.binding.fetch_max(level as u8, Ordering::Relaxed);
                            if self.source.is_constant() {
                                let _ = self.constants.set(outputs.clone());
                            }
                            return Ok(outputs);
                        }
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            if is_final(&failed) {
                return Err(failed);
            }
            first.get_or_insert(failed);
        }
        let failed = first.unwrap_or_else(|| Error::new(ErrorKind::Internal, "no plan was tried"));
        match given {
            Some(inputs) => self.divided(inputs, failed, max_bytes, times),
            None => Err(failed),
        }
    }

    /// Runs piece by piece what failed as a whole; where that fails too, the first failure says more.
    fn divided(
        &self,
        inputs: Vec<Tensor>,
        failed: Error,
        max_bytes: u64,
        times: &mut Times,
    ) -> Result<Vec<Tensor>> {
        if self.depth == MOST_DIVISIONS {
            return Err(failed);
        }
        let clock = Clock::start();
        // A plan of fixed shapes has taken the graph over.
        let whole = self.source.graph().ok();
        let Some(graph) = whole.filter(|graph| graph.graph.inputs.len() == inputs.len()) else {
            return Err(failed);
        };
        let pieces = Pieces::of(&graph, &inputs, (max_bytes, self.depth + 1));
        times.plan_ms += clock.elapsed_ms();
        let Ok(Some(pieces)) = pieces else { return Err(failed) };
        match pieces.run(inputs, max_bytes, times) {
            Ok(outputs) => {
                let _ = self.pieces.set(pieces);
                Ok(outputs)
            }
            Err(error) if is_final(&error) => Err(error),
            Err(_) => Err(failed),
        }
    }

    /// A plan that would choose between branches while it runs gives way to one for the values that decide: a branch
    /// that is chosen beforehand is planned with the rest of the graph.
    fn plan(
        &self,
        inputs: &[Tensor],
        binding: Binding,
        max_bytes: u64,
        times: &mut Times,
    ) -> Result<Arc<Plan>> {
        let mut plan = |binding, branches| self.made(inputs, binding, branches, max_bytes, times);
        let decided = inputs.iter().any(|i| Binding::Integers.binds(i));
        let narrow = || self.narrowed.load(Ordering::Relaxed) <= MAX_NARROWED;
        if binding == Binding::Shapes && decided && narrow() {
            if !self.branching.load(Ordering::Relaxed) {
                if let Some((plan, _)) = plan(binding, Branches::ChosenBefore)? {
                    return Ok(plan);
                }
                self.branching.store(true, Ordering::Relaxed);
            }
            if let Ok(Some((plan, new))) = plan(Binding::Integers, Branches::ChosenBefore) {
                self.narrowed.fetch_add(u8::from(new), Ordering::Relaxed);
                return Ok(plan);
            }
            self.narrowed.store(MAX_NARROWED + 1, Ordering::Relaxed);
        }
        let made = plan(binding, Branches::Any)?;
        made.map(|(plan, _)| plan)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a plan refuses what it allows"))
    }

    /// A plan, and whether it was made now.
    fn made(
        &self,
        inputs: &[Tensor],
        binding: Binding,
        branches: Branches,
        max_bytes: u64,
        times: &mut Times,
    ) -> Result<Option<(Arc<Plan>, bool)>> {
        if let Some(plan) = self.plans.find(|key| key.holds(inputs, binding)) {
            return Ok(Some((plan, false)));
        }
        let key = PlanKey::of(inputs, binding);
        let clock = Clock::start();
        let plan = self.build(&key, max_bytes, branches);
        times.plan_ms += clock.elapsed_ms();
        times.planned = true;
        let Some(plan) = plan?.map(Arc::new) else { return Ok(None) };
        self.plans.put(key, Arc::clone(&plan));
        Ok(Some((plan, true)))
    }

    /// A plan that was published, or made now.
    fn build(&self, key: &PlanKey, max_bytes: u64, branches: Branches) -> Result<Option<Plan>> {
        if let Source::Published(published) = &self.source
            && let Some(plan) = key.stored(published)
        {
            return Plan::read(plan, published, true, max_bytes).map(Some);
        }
        Plan::build(self.source.graph()?, key, max_bytes, branches)
    }
}

/// Runs under one plan.
fn answer(plan: &Plan, inputs: Vec<Tensor>, times: &mut Times) -> Result<Vec<Tensor>> {
    let clock = Clock::start();
    let made = plan.run(inputs, times.profile.is_some());
    times.run_ms += clock.elapsed_ms();
    let (outputs, steps) = made?;
    if let Some(profile) = &mut times.profile {
        profile.extend(steps);
    }
    Ok(outputs)
}
