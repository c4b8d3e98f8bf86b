//! Runs of a graph that has a GPU.
//!
//! In: tensors in the graph's order. Out: tensors, and where they were computed. A failure of the GPU is
//! not the caller's: unless it must be strict, the CPU answers, and the times say why.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::hybrid::Hybrid;
use super::{Binding, PlanCache, PlanKey, Segment, Times, plan_error, specialise};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Device, Gpu};
use crate::guard::guarded;
use crate::optimize::Target;
use crate::tensor::Tensor;

/// The plans of a graph for the GPU.
#[derive(Default)]
pub(super) struct GpuPlans {
    cache: PlanCache<Hybrid>,
    binding: AtomicU8,
}

/// What runs a graph, beside the CPU.
#[derive(Clone, Copy)]
pub(crate) struct OnGpu<'a> {
    pub(crate) gpu: &'a Arc<Gpu>,
    /// Nothing may fall back to the CPU.
    pub(crate) strict: bool,
    pub(crate) max_bytes: u64,
}

/// Whether a plan that takes more inputs for constants may do what failed so.
fn helps(failure: &ErrorKind) -> bool {
    use ErrorKind::{CannotPlan, InvalidInput, UnsupportedOperator};
    matches!(failure, CannotPlan | InvalidInput | UnsupportedOperator(_))
}

impl Segment {
    /// [`Segment::run`] on the GPU, and on the CPU what it cannot do.
    pub(crate) async fn run_on_gpu(
        &self,
        on: OnGpu<'_>,
        inputs: Vec<Tensor>,
        times: &mut Times,
    ) -> Result<Vec<Tensor>> {
        let mut answered = self.answer_on_gpu(on, &inputs, times).await;
        if answered.as_ref().is_err_and(|e| *e.kind() == ErrorKind::GpuLost) {
            // Another device takes the run over, from weights that are still here.
            answered = self.answer_on_gpu(on, &inputs, times).await;
        }
        match answered {
            Err(error) if !on.strict => {
                times.gpu_error = Some(error);
                self.run(inputs, on.max_bytes, times)
            }
            answered => answered,
        }
    }

    async fn answer_on_gpu(
        &self,
        on: OnGpu<'_>,
        inputs: &[Tensor],
        times: &mut Times,
    ) -> Result<Vec<Tensor>> {
        let known = self.gpu.binding.load(Ordering::Relaxed);
        let mut first = None;
        let mut tried = None;
        for (level, binding) in (0u8..).zip(Binding::ALL).skip(known.into()) {
            let bound = inputs.iter().filter(|i| binding.binds(i)).count();
            if tried.replace(bound) == Some(bound) {
                continue;
            }
            match self.attempt_on_gpu(on, binding, inputs.to_vec(), times).await {
                Ok(outputs) => {
                    self.gpu.binding.fetch_max(level, Ordering::Relaxed);
                    return Ok(outputs);
                }
                // Other constants in a plan help against a graph's defects, and settle shapes and branches that the
                // GPU cannot choose; they do not help against the GPU's own failures.
                Err(e) if !helps(e.kind()) => return Err(e),
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or_else(|| Error::new(ErrorKind::Internal, "no plan was tried")))
    }

    async fn attempt_on_gpu(
        &self,
        on: OnGpu<'_>,
        binding: Binding,
        inputs: Vec<Tensor>,
        times: &mut Times,
    ) -> Result<Vec<Tensor>> {
        let key = PlanKey::of(&inputs, binding);
        let device = on.gpu.device().await?;
        let plan = match self.gpu.cache.get(&key).filter(|p| Arc::ptr_eq(&p.device, &device)) {
            Some(plan) => plan,
            None => {
                let clock = Clock::start();
                let plan = self.plan_for_gpu(on, &device, &key).await.map(Arc::new);
                times.plan_ms += clock.elapsed_ms();
                times.planned = true;
                let plan = plan?;
                self.gpu.cache.put(key, Arc::clone(&plan));
                plan
            }
        };
        let clock = Clock::start();
        let made = plan.run(inputs).await;
        times.run_ms += clock.elapsed_ms();
        times.placements.push(Arc::clone(&plan.placement));
        made
    }

    async fn plan_for_gpu(
        &self,
        on: OnGpu<'_>,
        device: &Arc<Device>,
        key: &PlanKey,
    ) -> Result<Hybrid> {
        let (typed, outputs) = guarded(ErrorKind::CannotPlan, "planning the model", || {
            specialise(self.graph.clone(), key, Target::Gpu)
                .and_then(|(typed, outputs)| {
                    super::check_size(&typed, on.max_bytes)?;
                    Ok((super::hybrid::prepare(typed)?, outputs))
                })
                .map_err(|e| plan_error(key, e))
        })?;
        Hybrid::build(&typed, outputs, device, on.strict).await
    }
}
