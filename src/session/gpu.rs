//! Runs of a session that has a GPU, and the proof that the GPU is right.
//!
//! In: named values, of the host or of the GPU. Out: the same. Unless the session is strict, the CPU answers what the
//! GPU cannot, gets wrong, or is slower at.

use super::feeds::{order_feeds, pick_outputs};
use super::{RunResult, Session, picked};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Gpu, Verdict};
use crate::plan::{Asked, OnGpu, Segment, apart};
use crate::run::Run;
use crate::tensor::Tensor;
use crate::value::Value;

/// What a run is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct GpuRun<'a> {
    /// The wanted outputs; none: all.
    pub fetches: &'a [String],
    /// Outputs that stay on the GPU, as [`Value::Gpu`], where their type can.
    pub keep: &'a [String],
    /// Whether each dispatch is timed by the GPU's own clock.
    pub profile: bool,
}

/// Inputs with the outputs that are known to be right.
#[derive(Clone, Debug)]
pub struct Golden {
    /// By name.
    pub inputs: Vec<(String, Tensor)>,
    /// By name; those that are not named are not compared.
    pub outputs: Vec<(String, Tensor)>,
    /// How far the GPU's may be away, as a part of an output's range.
    pub tolerance: f64,
}

impl Golden {
    /// For float32.
    pub const TOLERANCE: f64 = 5e-3;
}

impl Session {
    /// [`Session::run_values`] without blocking, on the GPU where the session has one.
    ///
    /// # Errors
    /// As [`Session::run`]; `GpuLost` for a tensor whose device is gone; of a strict session also what the GPU
    /// refuses or gets wrong.
    pub async fn run_async(
        &self,
        feeds: Vec<(String, Value)>,
        asked: &GpuRun<'_>,
    ) -> Result<RunResult<Value>> {
        if self.options.gpu.is_none() {
            let (names, values): (Vec<_>, Vec<_>) = feeds.into_iter().unzip();
            let feeds = names.into_iter().zip(fetched(values, &[]).await?).collect();
            return self.run_values(feeds, asked.fetches, asked.profile);
        }
        let wrong = self.proven.get().is_some_and(|verdict| !verdict.agrees);
        if wrong && self.options.strict_gpu {
            return Err(disproved());
        }
        let on = OnGpu { check: self.checks(), fastest: self.options.fastest, ..self.on_gpu()? };
        let mut result = self.answer(feeds, asked, on, wrong).await?;
        if wrong {
            result.gpu.error = Some(disproved());
        }
        result.gpu.verdicts.extend(self.proven.get().cloned());
        Ok(result)
    }

    /// Runs golden inputs on the GPU, unless it is known what they show on this adapter, and keeps that: a GPU that
    /// is wrong runs none of this session's later runs.
    ///
    /// # Errors
    /// As [`Session::run`] for the inputs; `ShapeMismatch` or `TypeMismatch` for outputs that are no such outputs.
    pub async fn prove(&self, golden: &Golden) -> Result<Verdict> {
        let mut verdict = self.proved(golden, "").await?;
        // Where float16 is too little, float32 may suffice.
        let widened = |segment: &Segment| segment.widen();
        if !verdict.agrees
            && verdict.half
            && self.segments.iter().map(widened).fold(false, |any, one| any | one)
        {
            verdict = self.proved(golden, ", float32").await?;
        }
        if verdict.apart.is_none() {
            return Ok(verdict);
        }
        Ok(self.proven.get_or_init(|| verdict).clone())
    }

    /// What golden inputs show, or have shown.
    async fn proved(&self, golden: &Golden, way: &str) -> Result<Verdict> {
        let gpu = self.gpu()?;
        let key = self.golden_key(golden, gpu) + way;
        if let Some(verdict) = gpu.verdicts().get(&key) {
            return Ok(verdict);
        }
        let verdict = self.proof(golden).await?;
        if verdict.apart.is_some() {
            gpu.verdicts().put(&key, verdict.clone());
        }
        Ok(verdict)
    }

    async fn proof(&self, golden: &Golden) -> Result<Verdict> {
        let names: Vec<String> = golden.outputs.iter().map(|(name, _)| name.clone()).collect();
        let feeds =
            golden.inputs.iter().map(|(name, tensor)| (name.clone(), tensor.clone().into()));
        let asked = GpuRun { fetches: &names, ..GpuRun::default() };
        let result = self.answer(feeds.collect(), &asked, self.on_gpu()?, false).await?;
        let unproven = Verdict {
            agrees: true,
            apart: None,
            cpu_ms: None,
            gpu_ms: None,
            gpu_runs: 0,
            half: false,
        };
        if !result.on_gpu() {
            // What the CPU answers says nothing of the GPU.
            return Ok(unproven);
        }
        let off = golden.outputs.iter().zip(&result.outputs).map(|((_, wanted), (_, got))| {
            got.tensor().map_or(f64::INFINITY, |got| apart(wanted, got))
        });
        let off = off.fold(0.0, f64::max);
        let half = result.gpu.placements.iter().any(|p| p.is_half());
        let apart = Some(off.min(f64::MAX));
        Ok(Verdict { agrees: off <= golden.tolerance, apart, half, ..unproven })
    }

    /// What was proven by golden inputs needs no other comparison.
    fn checks(&self) -> bool {
        self.options.check_gpu && self.proven.get().is_none()
    }

    fn gpu(&self) -> Result<&std::sync::Arc<Gpu>> {
        self.options
            .gpu
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::GpuUnavailable, "the session has no GPU"))
    }

    fn on_gpu(&self) -> Result<OnGpu<'_>> {
        Ok(OnGpu {
            gpu: self.gpu()?,
            strict: self.options.strict_gpu,
            check: false,
            fastest: false,
            max_bytes: self.options.max_tensor_bytes,
        })
    }

    async fn answer(
        &self,
        feeds: Vec<(String, Value)>,
        asked: &GpuRun<'_>,
        on: OnGpu<'_>,
        on_cpu: bool,
    ) -> Result<RunResult<Value>> {
        let picks = pick_outputs(self.signature(), asked.fetches)?;
        let inputs = order_feeds(self.signature(), feeds)?;
        let outputs = &self.signature().outputs;
        if let Some(name) = asked.keep.iter().find(|n| !outputs.iter().any(|o| o.name == **n)) {
            let text = format!("unknown output `{name}` is to stay on the GPU");
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        let wanted = |at: usize, name: &String| {
            asked.keep.contains(name) && picks.iter().any(|(_, pick)| *pick == at)
        };
        let keep: Vec<bool> =
            outputs.iter().enumerate().map(|(at, o)| wanted(at, &o.name)).collect();
        let mut run = Run::new(&self.segments, self.limits(), asked.profile);
        if on_cpu {
            let inputs = fetched(inputs, &[]).await?;
            let made = run.program(&self.program, inputs, vec![])?;
            return picked(picks, made, run.times);
        }
        let asked = Asked { keep: &keep, profile: asked.profile };
        let made = run.program_on_gpu(&self.program, inputs, on, asked).await?;
        // An input may be an output.
        picked(picks, fetched(made, &keep).await?, run.times)
    }

    fn golden_key(&self, golden: &Golden, gpu: &Gpu) -> String {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        for segment in &self.segments {
            segment.identity().hash(&mut hasher);
        }
        for (name, tensor) in golden.inputs.iter().chain(&golden.outputs) {
            (name, tensor.shape(), tensor.bytes()).hash(&mut hasher);
        }
        golden.tolerance.to_bits().hash(&mut hasher);
        // The second way of computing float16.
        format!("{} 2 {} golden {:016x}", env!("CARGO_PKG_VERSION"), gpu.name(), hasher.finish())
    }
}

/// The values on the host, but for those to keep.
async fn fetched(values: Vec<Value>, keep: &[bool]) -> Result<Vec<Value>> {
    let mut there = Vec::with_capacity(values.len());
    for (at, value) in values.into_iter().enumerate() {
        there.push(match value {
            Value::Gpu(tensor) if keep.get(at) != Some(&true) => tensor.get().await?.into(),
            other => other,
        });
    }
    Ok(there)
}

fn disproved() -> Error {
    let text = "this GPU computes this model wrongly: its golden inputs give something else";
    Error::new(ErrorKind::GpuUnavailable, text)
}
