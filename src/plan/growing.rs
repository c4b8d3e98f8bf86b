//! Plans for the GPU: for shapes alone, and, where shapes grow from run to run, from a [`Template`]: when that is made,
//! and when it counts.
//!
//! In: the shapes of a run that has no plan yet, and of those before. Out: a plan.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::hybrid::{Asked, Hybrid, prepare};
use super::on_gpu::{OnGpu, on_host};
use super::placement::Placing;
use super::template::{Growth, Template};
use super::{PlanKey, Segment, check_size, plan_error, specialise, trial};
use crate::error::{ErrorKind, Result};
use crate::gpu::Device;
use crate::guard::guarded;
use crate::limit;
use crate::optimize::{Target, forget_halves};
use crate::value::Value;

/// Ways of growth that are tried of one graph.
const MOST_TEMPLATES: usize = 3;

/// What is known of shapes that grow.
#[derive(Default)]
pub(super) struct Templates {
    ready: Option<Ready>,
    /// How often one was tried.
    tried: usize,
}

#[derive(Clone)]
struct Ready {
    template: Arc<Template>,
    /// Whether the GPU took all of it.
    whole: bool,
}

impl Segment {
    /// A plan for these shapes alone. Where memory does not suffice, the plans of other shapes go first.
    pub(super) async fn plan_for_gpu(
        &self,
        on: OnGpu<'_>,
        device: &Arc<Device>,
        key: &PlanKey,
    ) -> Result<Hybrid> {
        let plan = self.plan_alone(on, device, key).await;
        let short = plan.as_ref().is_err_and(|e| *e.kind() == ErrorKind::OutOfMemory);
        if !short || !self.gpu.cache.clear() {
            return plan;
        }
        self.plan_alone(on, device, key).await
    }

    async fn plan_alone(
        &self,
        on: OnGpu<'_>,
        device: &Arc<Device>,
        key: &PlanKey,
    ) -> Result<Hybrid> {
        let graph = self.source.graph()?;
        let (typed, outputs) = guarded(ErrorKind::CannotPlan, "planning the model", || {
            specialise(graph, key, on.max_bytes, Target::Gpu)
                .and_then(|(mut typed, outputs)| {
                    if self.gpu.is_wide() {
                        forget_halves(&mut typed);
                    }
                    limit::within(on.max_bytes, || {
                        check_size(&typed)?;
                        Ok((prepare(typed)?, outputs))
                    })
                })
                .map_err(|e| plan_error(key, e))
        })?;
        Hybrid::build(&typed, outputs, device, Placing::of(on.strict)).await
    }

    fn templates(&self) -> MutexGuard<'_, Templates> {
        self.gpu.templates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A plan from the template; nothing where there is none for these shapes, or it does not suffice after all.
    pub(super) async fn by_template(
        &self,
        on: OnGpu<'_>,
        device: &Arc<Device>,
        key: &PlanKey,
    ) -> Option<Hybrid> {
        let Ready { template, whole } = self.templates().ready.clone()?;
        let mut plan = self.made_from(&template, on, device, key, whole).await?;
        plan.passing = true;
        Some(plan)
    }

    async fn made_from(
        &self,
        template: &Template,
        on: OnGpu<'_>,
        device: &Arc<Device>,
        key: &PlanKey,
        whole: bool,
    ) -> Option<Hybrid> {
        let made = guarded(ErrorKind::CannotPlan, "planning the model", || {
            let Some(made) = template.at(key, on.max_bytes) else { return Ok(None) };
            made.map(Some).map_err(|e| plan_error(key, e))
        });
        let (typed, outputs) = made.ok()??;
        if whole
            && let Ok(plan) = Hybrid::build(&typed, outputs.clone(), device, Placing::Whole).await
        {
            return Some(plan);
        }
        Hybrid::build(&typed, outputs, device, Placing::of(on.strict)).await.ok()
    }

    /// How the shapes of `key` grow, if they have done so twice.
    pub(super) fn growth(&self, key: &PlanKey) -> Option<Growth> {
        let mut found: Vec<Growth> = vec![];
        self.gpu.cache.each(|earlier| found.extend(Growth::between(earlier, key)));
        let twice = |growth: &&Growth| found.iter().filter(|other| other == growth).count() > 1;
        let growth = found.iter().find(twice).cloned()?;
        let mut templates = self.templates();
        templates.tried += 1;
        (templates.tried <= MOST_TEMPLATES).then_some(growth)
    }

    /// Makes a template, and keeps it if its plan gives what the plan for these shapes alone gave.
    pub(super) async fn learn(
        &self,
        on: OnGpu<'_>,
        device: &Arc<Device>,
        (key, growth): (&PlanKey, Growth),
        inputs: Vec<Value>,
        outputs: &[Value],
    ) {
        let Ok(source) = self.source.graph() else { return };
        let template = guarded(ErrorKind::CannotPlan, "planning the model", || {
            let bounds = (on.max_bytes, self.gpu.is_wide());
            Template::build(source, key, growth, bounds).map_err(|e| plan_error(key, e))
        });
        let Ok(template) = template else { return };
        let Some(plan) = self.made_from(&template, on, device, key, false).await else { return };
        let Ok((again, _)) = plan.run(inputs, Asked::default()).await else { return };
        let (Ok(wanted), Ok(again)) = (on_host(outputs.to_vec()).await, on_host(again).await)
        else {
            return;
        };
        if trial::agree(&wanted, &again) {
            let whole = plan.placement.is_whole();
            self.templates().ready = Some(Ready { template: Arc::new(template), whole });
        }
    }
}
