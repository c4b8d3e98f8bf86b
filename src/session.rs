//! A loaded model that answers runs: checks inputs, plans per shape, runs, picks outputs.
//!
//! In: model bytes, then named tensors. Out: named tensors and how long it took. A session is `Sync`:
//! runs of several threads share its plans.

mod feeds;
#[cfg(feature = "gpu")]
mod gpu;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Inspection, Model, ModelFile, Program, Signature};
use crate::plan::{PlanKey, Segment, Step, Times};
use crate::run::{Limits, Run};
use crate::tensor::Tensor;
use crate::value::Value;
use feeds::{order_feeds, pick_outputs};
#[cfg(feature = "gpu")]
pub use gpu::{Golden, GpuRun};

/// Limits of a session.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Largest tensor in bytes that a run may make.
    pub max_tensor_bytes: u64,
    /// Most iterations that the loops of one run may take together.
    pub max_iterations: u64,
    /// The GPU that runs what it can; the CPU runs the rest.
    #[cfg(feature = "gpu")]
    pub gpu: Option<std::sync::Arc<crate::Gpu>>,
    /// A run of which any part would fall back to the CPU fails instead.
    #[cfg(feature = "gpu")]
    pub strict_gpu: bool,
    /// The first run of a model on a GPU that has not run it yet is compared with the CPU's; where they differ beyond
    /// rounding the CPU runs the model from then on.
    #[cfg(feature = "gpu")]
    pub check_gpu: bool,
    /// Whichever of GPU and CPU was faster in the first runs has the later ones.
    #[cfg(feature = "gpu")]
    pub fastest: bool,
}

impl Default for SessionOptions {
    /// Half of what 32-bit wasm can address, 8 GiB elsewhere; a quarter of a million iterations.
    fn default() -> Self {
        let max = if cfg!(target_pointer_width = "32") { 2 << 30 } else { 8 << 30 };
        Self {
            max_tensor_bytes: max,
            max_iterations: 250_000,
            #[cfg(feature = "gpu")]
            gpu: None,
            #[cfg(feature = "gpu")]
            strict_gpu: false,
            #[cfg(feature = "gpu")]
            check_gpu: true,
            #[cfg(feature = "gpu")]
            fastest: false,
        }
    }
}

/// What one run gave.
#[derive(Debug)]
pub struct RunResult<T = Tensor> {
    /// The fetched outputs, in the order asked for.
    pub outputs: Vec<(String, T)>,
    /// Milliseconds spent on planning; 0 when a plan was at hand, as where loading has made it.
    pub plan_ms: f64,
    /// Milliseconds spent on running the plan.
    pub run_ms: f64,
    /// Whether this run had to plan.
    pub planned: bool,
    /// The nodes in the order in which they ran; empty unless asked for.
    pub profile: Vec<Step>,
    /// What the GPU had to do with it, where the session has one.
    #[cfg(feature = "gpu")]
    pub gpu: crate::GpuReport,
}

impl<T> Default for RunResult<T> {
    fn default() -> Self {
        Self::new(vec![], Times::default())
    }
}

impl<T> RunResult<T> {
    /// Whether a part of it ran on a GPU.
    pub fn on_gpu(&self) -> bool {
        #[cfg(feature = "gpu")]
        return self.gpu.placements.iter().any(|p| p.has_gpu());
        #[cfg(not(feature = "gpu"))]
        false
    }

    fn new(outputs: Vec<(String, T)>, times: Times) -> Self {
        Self {
            outputs,
            plan_ms: times.plan_ms,
            run_ms: times.run_ms,
            planned: times.planned,
            profile: times.profile.unwrap_or_default(),
            #[cfg(feature = "gpu")]
            gpu: times.gpu,
        }
    }
}

/// A loaded model.
pub struct Session {
    inspection: Inspection,
    program: Program,
    segments: Vec<Segment>,
    options: SessionOptions,
    /// What golden inputs showed of the GPU.
    #[cfg(feature = "gpu")]
    proven: std::sync::OnceLock<crate::Verdict>,
}

impl Session {
    /// Loads a model from the bytes of a file that holds it all.
    ///
    /// # Errors
    /// As [`Session::from_file`].
    pub fn from_bytes(bytes: Vec<u8>, options: &SessionOptions) -> Result<Self> {
        Self::from_file(ModelFile::decode(bytes)?, options)
    }

    /// Loads a model from a decoded file that was given the files beside it, and plans it where all its inputs
    /// have a fixed shape; else the first run of each shape plans.
    ///
    /// # Errors
    /// `InvalidModel`; `UnsupportedOperator` or `UnsupportedType` with all that the engine lacks; `OutOfMemory` or
    /// `CannotPlan` of a model of fixed shapes.
    pub fn from_file(file: ModelFile, options: &SessionOptions) -> Result<Self> {
        let Model { inspection, program, segments } = Model::from_file(file)?;
        let mut segments: Vec<_> = segments.into_iter().map(Segment::new).collect();
        #[cfg(feature = "gpu")]
        let ahead = options.gpu.is_none();
        #[cfg(not(feature = "gpu"))]
        let ahead = true;
        if ahead
            && program.is_one_segment()
            && let [whole] = &mut segments[..]
            && let Some(key) = PlanKey::fixed(&inspection.signature)
        {
            whole.plan_ahead(key, options.max_tensor_bytes)?;
        }
        Ok(Self {
            inspection,
            program,
            segments,
            options: options.clone(),
            #[cfg(feature = "gpu")]
            proven: std::sync::OnceLock::new(),
        })
    }

    /// What it takes and gives.
    pub fn signature(&self) -> &Signature {
        &self.inspection.signature
    }

    /// What it is made of.
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// Runs the model once on tensors. `feeds` in any order; empty `fetches` means all outputs.
    ///
    /// # Errors
    /// `InvalidInput`, `ShapeMismatch`, `TypeMismatch` for the caller's part; `UnsupportedType` for
    /// an output that is no tensor; `OutOfMemory`, `CannotPlan` when these shapes cannot be planned;
    /// `Timeout` for a loop without end; `Internal` otherwise.
    pub fn run(&self, feeds: Vec<(String, Tensor)>, fetches: &[String]) -> Result<RunResult> {
        self.run_tensors(feeds, fetches, false)
    }

    /// The same, and how long each node took.
    ///
    /// # Errors
    /// Those of [`Session::run`].
    pub fn profile(&self, feeds: Vec<(String, Tensor)>, fetches: &[String]) -> Result<RunResult> {
        self.run_tensors(feeds, fetches, true)
    }

    fn run_tensors(
        &self,
        feeds: Vec<(String, Tensor)>,
        fetches: &[String],
        profile: bool,
    ) -> Result<RunResult> {
        let feeds = feeds.into_iter().map(|(name, tensor)| (name, tensor.into())).collect();
        let result = self.run_values(feeds, fetches, profile)?;
        let outputs = result.outputs.into_iter().map(|(name, value)| match value {
            Value::Tensor(tensor) => Ok((name, tensor)),
            other => Err(Error::unsupported_type(format!(
                "output `{name}` is {}, and only tensors can be given here",
                other.kind()
            ))),
        });
        Ok(RunResult {
            outputs: outputs.collect::<Result<_>>()?,
            plan_ms: result.plan_ms,
            run_ms: result.run_ms,
            planned: result.planned,
            profile: result.profile,
            #[cfg(feature = "gpu")]
            gpu: result.gpu,
        })
    }

    /// The same with sequences and optionals too, and with how long each node took where `profile`
    /// asks for it.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_values(
        &self,
        feeds: Vec<(String, Value)>,
        fetches: &[String],
        profile: bool,
    ) -> Result<RunResult<Value>> {
        #[cfg(all(feature = "gpu", not(target_arch = "wasm32")))]
        if self.options.gpu.is_some() {
            let run = GpuRun { fetches, profile, ..GpuRun::default() };
            return pollster::block_on(self.run_async(feeds, &run));
        }
        let signature = self.signature();
        let picks = pick_outputs(signature, fetches)?;
        let inputs = order_feeds(signature, feeds)?;
        let mut run = Run::new(&self.segments, self.limits(), profile);
        let made = run.program(&self.program, inputs, vec![])?;
        picked(picks, made, run.times)
    }

    fn limits(&self) -> Limits {
        Limits {
            tensor_bytes: self.options.max_tensor_bytes,
            iterations: self.options.max_iterations,
        }
    }
}

fn picked(picks: Vec<(String, usize)>, made: Vec<Value>, times: Times) -> Result<RunResult<Value>> {
    let mut made: Vec<Option<Value>> = made.into_iter().map(Some).collect();
    let outputs = picks
        .into_iter()
        .map(|(name, at)| {
            let value = made.get_mut(at).and_then(Option::take);
            value
                .map(|v| (name, v))
                .ok_or_else(|| Error::new(ErrorKind::Internal, "the engine gave too few outputs"))
        })
        .collect::<Result<_>>()?;
    Ok(RunResult::new(outputs, times))
}
