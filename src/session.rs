//! A loaded model that answers runs: checks inputs, plans per shape, runs, picks outputs.
//!
//! In: model bytes, then named tensors. Out: named tensors and how long it took. A session is `Sync`:
//! runs of several threads share its plans.

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Dim, Inspection, Kind, Model, ModelFile, Program, Signature, ValueInfo};
use crate::plan::{PlanKey, Segment, Step, Times};
use crate::run::{Limits, Run};
use crate::tensor::Tensor;
use crate::value::Value;

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
    /// Where the nodes of each graph of the model ran; nothing when all ran on the CPU.
    #[cfg(feature = "gpu")]
    pub placements: Vec<std::sync::Arc<crate::Placement>>,
    /// Why the CPU ran what the GPU should have.
    #[cfg(feature = "gpu")]
    pub gpu_error: Option<Error>,
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
        return self.placements.iter().flat_map(|p| &p.segments).any(|s| s.device == "gpu");
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
            placements: times.placements,
            #[cfg(feature = "gpu")]
            gpu_error: times.gpu_error,
        }
    }
}

/// A loaded model.
pub struct Session {
    inspection: Inspection,
    program: Program,
    segments: Vec<Segment>,
    options: SessionOptions,
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
        Ok(Self { inspection, program, segments, options: options.clone() })
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
            placements: result.placements,
            #[cfg(feature = "gpu")]
            gpu_error: result.gpu_error,
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
        if self.options.gpu.is_some() && !profile {
            return pollster::block_on(self.run_async(feeds, fetches));
        }
        let signature = self.signature();
        let picks = pick_outputs(signature, fetches)?;
        let inputs = order_feeds(signature, feeds)?;
        let mut run = Run::new(&self.segments, self.limits(), profile);
        let made = run.program(&self.program, inputs, vec![])?;
        picked(picks, made, run.times)
    }

    /// [`Session::run_values`] without blocking, on the GPU where the session has one.
    ///
    /// # Errors
    /// As [`Session::run`]; of a strict session also what the GPU refuses.
    #[cfg(feature = "gpu")]
    pub async fn run_async(
        &self,
        feeds: Vec<(String, Value)>,
        fetches: &[String],
    ) -> Result<RunResult<Value>> {
        let picks = pick_outputs(self.signature(), fetches)?;
        let inputs = order_feeds(self.signature(), feeds)?;
        let mut run = Run::new(&self.segments, self.limits(), false);
        let made = match &self.options.gpu {
            None => run.program(&self.program, inputs, vec![])?,
            Some(gpu) => {
                let max_bytes = self.options.max_tensor_bytes;
                let on = crate::plan::OnGpu { gpu, strict: self.options.strict_gpu, max_bytes };
                run.program_on_gpu(&self.program, inputs, on).await?
            }
        };
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

fn names(values: &[ValueInfo]) -> String {
    values.iter().map(|v| v.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn pick_outputs(signature: &Signature, fetches: &[String]) -> Result<Vec<(String, usize)>> {
    if fetches.is_empty() {
        return Ok(signature
            .outputs
            .iter()
            .enumerate()
            .map(|(i, o)| (o.name.clone(), i))
            .collect());
    }
    let mut picks: Vec<(String, usize)> = Vec::with_capacity(fetches.len());
    for name in fetches {
        let at = signature.outputs.iter().position(|o| o.name == *name).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("unknown output `{name}`; the outputs are: {}", names(&signature.outputs)),
            )
        })?;
        if picks.iter().any(|(_, p)| *p == at) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("output `{name}` is asked for twice"),
            ));
        }
        picks.push((name.clone(), at));
    }
    Ok(picks)
}

/// The feeds in the signature's order, checked against it.
fn order_feeds(signature: &Signature, feeds: Vec<(String, Value)>) -> Result<Vec<Value>> {
    let mut slots: Vec<Option<Value>> = vec![None; signature.inputs.len()];
    for (name, value) in feeds {
        let at = signature.inputs.iter().position(|i| i.name == name).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("unknown input `{name}`; the inputs are: {}", names(&signature.inputs)),
            )
        })?;
        if slots[at].replace(value).is_some() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("input `{name}` is given twice"),
            ));
        }
    }
    let mut symbols: Vec<(&str, usize, &str)> = vec![];
    signature
        .inputs
        .iter()
        .zip(slots)
        .map(|(info, slot)| {
            let value = slot.ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidInput,
                    format!(
                        "input `{}` is missing; the inputs are: {}",
                        info.name,
                        names(&signature.inputs)
                    ),
                )
            })?;
            check_value(info, &value, &mut symbols)?;
            Ok(value)
        })
        .collect()
}

/// What the model takes under this name, and each of its tensors.
fn check_value<'a>(
    info: &'a ValueInfo,
    value: &Value,
    symbols: &mut Vec<(&'a str, usize, &'a str)>,
) -> Result<()> {
    match (value, info.kind) {
        (Value::Tensor(tensor), Kind::Tensor | Kind::Optional) => {
            check_input(info, tensor, symbols)
        }
        // Symbols of elements are those of each one.
        (Value::Sequence(list), Kind::Sequence | Kind::Optional) => {
            list.iter().try_for_each(|tensor| check_input(info, tensor, &mut vec![]))
        }
        (Value::Absent, Kind::Optional) => Ok(()),
        (_, wanted) => Err(Error::new(
            ErrorKind::TypeMismatch,
            format!(
                "input `{}` is {}, the model wants {}",
                info.name,
                value.kind(),
                match wanted {
                    Kind::Tensor => "a tensor",
                    Kind::Sequence => "a sequence",
                    Kind::Optional => "an optional",
                }
            ),
        )),
    }
}

fn check_input<'a>(
    info: &'a ValueInfo,
    tensor: &Tensor,
    symbols: &mut Vec<(&'a str, usize, &'a str)>,
) -> Result<()> {
    if tensor.dtype() != info.dtype {
        return Err(Error::new(
            ErrorKind::TypeMismatch,
            format!(
                "input `{}` is {}, the model wants {}",
                info.name,
                tensor.dtype().name(),
                info.dtype.name()
            ),
        ));
    }
    if !info.ranked {
        return Ok(());
    }
    let mismatch = |detail: String| {
        let wanted = info.shape.iter().map(|d| match d {
            Dim::Known(n) => n.to_string(),
            Dim::Symbol(s) => s.clone(),
            Dim::Unknown => "?".to_owned(),
        });
        Error::new(
            ErrorKind::ShapeMismatch,
            format!(
                "input `{}` has shape {:?}, the model wants [{}]{detail}",
                info.name,
                tensor.shape(),
                wanted.collect::<Vec<_>>().join(", ")
            ),
        )
    };
    if tensor.shape().len() != info.shape.len() {
        return Err(mismatch(String::new()));
    }
    for (dim, size) in info.shape.iter().zip(tensor.shape()) {
        match dim {
            Dim::Known(n) if n != size => return Err(mismatch(String::new())),
            Dim::Symbol(symbol) => match symbols.iter().find(|(s, _, _)| s == symbol) {
                Some((_, bound, by)) if bound != size => {
                    return Err(mismatch(format!("; `{symbol}` is already {bound} by `{by}`")));
                }
                Some(_) => {}
                None => symbols.push((symbol, *size, &info.name)),
            },
            _ => {}
        }
    }
    Ok(())
}
