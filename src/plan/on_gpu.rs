//! Runs of a graph that has a GPU.
//!
//! In: tensors in the graph's order, of the host or of the GPU. Out: tensors, and where they were computed. A failure
//! of the GPU is not the caller's: unless it must be strict, the CPU answers, and the times say why.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tract_onnx::tract_hir::internal::InferenceModel;

use super::growing::Templates;
use super::hybrid::{Asked, Hybrid};
use super::segment::is_final;
use super::{Binding, PlanCache, PlanKey, Segment, Times, trial};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Gpu, Verdict};
use crate::tensor::Tensor;
use crate::value::Value;

/// The plans of a graph for the GPU.
#[derive(Default)]
pub(super) struct GpuPlans {
    pub(super) cache: PlanCache<Hybrid>,
    binding: AtomicU8,
    identity: OnceLock<u64>,
    /// What is float16 in the model does not suffice here: in between it is float32 on the GPU.
    wide: AtomicBool,
    pub(super) templates: Mutex<Templates>,
}

impl GpuPlans {
    fn identity(&self, graph: &InferenceModel) -> u64 {
        *self.identity.get_or_init(|| trial::identity(graph))
    }

    pub(super) fn is_wide(&self) -> bool {
        self.wide.load(Ordering::Relaxed)
    }

    /// From now on what is float16 in the model is float32; false where it is already.
    fn widen(&self) -> bool {
        if self.wide.swap(true, Ordering::Relaxed) {
            return false;
        }
        self.cache.clear();
        *self.templates.lock().unwrap_or_else(PoisonError::into_inner) = Templates::default();
        true
    }
}

/// What runs a graph, beside the CPU.
#[derive(Clone, Copy)]
pub(crate) struct OnGpu<'a> {
    pub(crate) gpu: &'a Arc<Gpu>,
    /// Nothing may fall back to the CPU.
    pub(crate) strict: bool,
    /// The first run is compared with the CPU's.
    pub(crate) check: bool,
    /// Where the CPU was measured to be faster, it runs.
    pub(crate) fastest: bool,
    pub(crate) max_bytes: u64,
}

/// Losses of a device in one run after which the CPU takes over.
const MOST_LOSSES: usize = 3;

/// Whether a plan that takes more inputs for constants may do what failed so.
fn helps(failure: &ErrorKind) -> bool {
    use ErrorKind::{CannotPlan, InvalidInput, UnsupportedOperator};
    matches!(failure, CannotPlan | InvalidInput | UnsupportedOperator(_))
}

impl Segment {
    /// What its verdicts are kept by.
    pub(crate) fn identity(&self) -> u64 {
        // A model that cannot be imported has no run to judge.
        self.source.graph().map_or(0, |graph| self.gpu.identity(&graph.graph))
    }

    /// Has what is float16 in the model be float32 on the GPU; false where it is already.
    pub(crate) fn widen(&self) -> bool {
        self.gpu.widen()
    }

    /// [`Segment::run`] on the GPU, and on the CPU what it cannot do.
    pub(crate) async fn run_on_gpu(
        &self,
        on: OnGpu<'_>,
        inputs: Vec<Value>,
        asked: Asked<'_>,
        times: &mut Times,
    ) -> Result<Vec<Value>> {
        for value in &inputs {
            if let Value::Gpu(tensor) = value {
                tensor.alive()?;
            }
        }
        loop {
            match self.tried_on_gpu(on, inputs.clone(), asked, times).await? {
                Some(outputs) => return Ok(outputs),
                // Once more in float32.
                None => times.gpu.placements.clear(),
            }
        }
    }

    /// Nothing where float16 was not good enough, and float32 may be.
    async fn tried_on_gpu(
        &self,
        on: OnGpu<'_>,
        inputs: Vec<Value>,
        asked: Asked<'_>,
        times: &mut Times,
    ) -> Result<Option<Vec<Value>>> {
        let wide = if self.gpu.is_wide() { ", float32" } else { "" };
        let key = trial::key(self.identity(), &inputs, &(on.gpu.name() + wide));
        let known = on.gpu.verdicts().get(&key).filter(|_| on.check || on.fastest);
        let resident =
            inputs.iter().any(|i| matches!(i, Value::Gpu(_))) || asked.keep.contains(&true);
        if let Some(verdict) = &known {
            times.gpu.verdicts.push(verdict.clone());
            if let Some(error) = trial::wrong(verdict) {
                if verdict.half && self.gpu.widen() {
                    return Ok(None);
                }
                return self.instead(on, error, inputs, times).await.map(Some);
            }
            if let Some(why) = trial::slower(verdict)
                && on.fastest
                && !on.strict
                && !resident
            {
                times.gpu.cpu_chosen = Some(why);
                return self.on_cpu(on, inputs, times).await.map(Some);
            }
        }
        let before = times.run_ms;
        let mut answered = self.answer_on_gpu(on, &inputs, asked, times).await;
        for _ in 1..MOST_LOSSES {
            if !answered.as_ref().is_err_and(|e| *e.kind() == ErrorKind::GpuLost) {
                break;
            }
            // Another device takes the run over, from weights that are still here.
            answered = self.answer_on_gpu(on, &inputs, asked, times).await;
        }
        let (outputs, plan) = match answered {
            Ok(answered) => answered,
            Err(error) => return self.instead(on, error, inputs, times).await.map(Some),
        };
        if !plan.placement.has_gpu() {
            return Ok(Some(outputs));
        }
        match known {
            None if (on.check || on.fastest) && plan.can_be_compared() => {
                let half = plan.placement.is_half();
                let rounded = trial::Rounded { half, codes: plan.placement.has_codes() };
                let verdict = self.judged(on, &inputs, (&outputs, rounded), times).await?;
                on.gpu.verdicts().put(&key, verdict.clone());
                times.gpu.verdicts.push(verdict.clone());
                if let Some(error) = trial::wrong(&verdict) {
                    if half && self.gpu.widen() {
                        return Ok(None);
                    }
                    return self.instead(on, error, inputs, times).await.map(Some);
                }
            }
            Some(verdict) if on.fastest && !times.planned && !asked.profile => {
                if let Some(verdict) = trial::measured(&verdict, times.run_ms - before) {
                    if trial::settled(&verdict) && trial::slower(&verdict).is_none() {
                        self.forget_cpu();
                    }
                    on.gpu.verdicts().put(&key, verdict);
                }
            }
            _ => {}
        }
        Ok(Some(outputs))
    }

    /// What the CPU makes of a run that the GPU failed, unless that must not be.
    async fn instead(
        &self,
        on: OnGpu<'_>,
        error: Error,
        inputs: Vec<Value>,
        times: &mut Times,
    ) -> Result<Vec<Value>> {
        if on.strict {
            return Err(error);
        }
        times.gpu.placements.clear();
        times.gpu.error = Some(error);
        self.on_cpu(on, inputs, times).await
    }

    async fn on_cpu(
        &self,
        on: OnGpu<'_>,
        inputs: Vec<Value>,
        times: &mut Times,
    ) -> Result<Vec<Value>> {
        let inputs = on_host(inputs).await?;
        Ok(self.run(inputs, on.max_bytes, times)?.into_iter().map(Value::from).collect())
    }

    async fn judged(
        &self,
        on: OnGpu<'_>,
        inputs: &[Value],
        (outputs, rounded): (&[Value], trial::Rounded),
        times: &mut Times,
    ) -> Result<Verdict> {
        let inputs = on_host(inputs.to_vec()).await?;
        let outputs = on_host(outputs.to_vec()).await?;
        let verdict = self.judge(&inputs, (&outputs, rounded), on.max_bytes, times);
        if !on.fastest {
            // Nobody asks the CPU again: its weights need not stay.
            self.forget_cpu();
        }
        Ok(verdict)
    }

    async fn answer_on_gpu(
        &self,
        on: OnGpu<'_>,
        inputs: &[Value],
        asked: Asked<'_>,
        times: &mut Times,
    ) -> Result<(Vec<Value>, Arc<Hybrid>)> {
        let known = self.gpu.binding.load(Ordering::Relaxed);
        let mut first = None;
        let mut tried = None;
        for (level, binding) in (0u8..).zip(Binding::ALL).skip(known.into()) {
            let bound = inputs.iter().filter(|i| i.tensor().is_some_and(|t| binding.binds(t)));
            let bound = bound.count();
            if tried.replace(bound) == Some(bound) {
                continue;
            }
            match self.attempt_on_gpu(on, binding, inputs.to_vec(), asked, times).await {
                Ok(outputs) => {
                    self.gpu.binding.fetch_max(level, Ordering::Relaxed);
                    return Ok(outputs);
                }
                // Other constants in a plan help against a graph's defects, and settle shapes and branches that the
                // GPU cannot choose; they do not help against the GPU's own failures.
                Err(e) if !helps(e.kind()) || is_final(&e) => return Err(e),
                Err(error) => {
                    // What the GPU refuses says more than that there is no plan.
                    let refused = matches!(error.kind(), ErrorKind::UnsupportedOperator(_));
                    if refused || first.is_none() {
                        first = Some(error);
                    }
                }
            }
        }
        Err(first.unwrap_or_else(|| Error::new(ErrorKind::Internal, "no plan was tried")))
    }

    async fn attempt_on_gpu(
        &self,
        on: OnGpu<'_>,
        binding: Binding,
        inputs: Vec<Value>,
        asked: Asked<'_>,
        times: &mut Times,
    ) -> Result<(Vec<Value>, Arc<Hybrid>)> {
        let key = PlanKey::of_values(&inputs, binding)?;
        let device = on.gpu.device().await?;
        let mut grows = None;
        let plan = match self.gpu.cache.get(&key).filter(|p| Arc::ptr_eq(&p.device, &device)) {
            Some(plan) => plan,
            None => {
                let clock = Clock::start();
                let plan = match self.by_template(on, &device, &key).await {
                    Some(plan) => Ok(plan),
                    None => {
                        grows = self.growth(&key);
                        self.plan_for_gpu(on, &device, &key).await
                    }
                };
                times.plan_ms += clock.elapsed_ms();
                times.planned = true;
                let plan = plan.map(Arc::new)?;
                self.gpu.cache.put(key.clone(), Arc::clone(&plan));
                self.gpu.cache.pass(|plan| plan.passing);
                plan
            }
        };
        let grows = grows.filter(|_| plan.placement.has_gpu());
        let again = grows.as_ref().map(|_| inputs.clone());
        let clock = Clock::start();
        let mut made = plan.run(inputs.clone(), asked).await;
        let short = made.as_ref().is_err_and(|e| *e.kind() == ErrorKind::OutOfMemory);
        // What a run needs beside the caller's memory comes with it: then the plans of other shapes go first.
        if short && self.gpu.cache.clear() {
            self.gpu.cache.put(key.clone(), Arc::clone(&plan));
            made = plan.run(inputs, asked).await;
        }
        times.run_ms += clock.elapsed_ms();
        if let Err(error) = &made
            && *error.kind() == ErrorKind::GpuLost
        {
            device.give_up(error.message());
        }
        let (outputs, steps) = made?;
        if let (Some(growth), Some(inputs)) = (grows, again) {
            let clock = Clock::start();
            self.learn(on, &device, (&key, growth), inputs, &outputs).await;
            times.plan_ms += clock.elapsed_ms();
        }
        times.gpu.placements.push(Arc::clone(&plan.placement));
        if let Some(profile) = &mut times.profile {
            profile.extend(steps);
        }
        Ok((outputs, plan))
    }
}

/// All of them on the host.
pub(super) async fn on_host(values: Vec<Value>) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::with_capacity(values.len());
    for value in values {
        tensors.push(value.into_tensor().await?);
    }
    Ok(tensors)
}
