//! A loaded model that answers runs: checks inputs, plans per shape, runs, picks outputs.
//!
//! In: model bytes, then named tensors. Out: named tensors and how long it took. A session is `Sync`:
//! runs of several threads share its plans.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Dim, Inspection, Model, Signature, ValueInfo};
use crate::plan::{Binding, Plan, PlanCache, PlanKey, Step};
use crate::tensor::Tensor;

/// Limits of a session.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Largest tensor in bytes that a run may make.
    pub max_tensor_bytes: u64,
}

impl Default for SessionOptions {
    /// Half of what 32-bit wasm can address; 8 GiB elsewhere.
    fn default() -> Self {
        let max = if cfg!(target_pointer_width = "32") { 2 << 30 } else { 8 << 30 };
        Self { max_tensor_bytes: max }
    }
}

/// What one run gave.
#[derive(Debug)]
pub struct RunResult {
    /// The fetched outputs, in the order asked for.
    pub outputs: Vec<(String, Tensor)>,
    /// Milliseconds spent on planning; 0 when a plan was at hand.
    pub plan_ms: f64,
    /// Milliseconds spent on running the plan.
    pub run_ms: f64,
    /// Whether this run had to plan.
    pub planned: bool,
    /// The nodes in the order in which they ran; empty unless asked for.
    pub profile: Vec<Step>,
}

/// A loaded model.
pub struct Session {
    model: Model,
    options: SessionOptions,
    plans: PlanCache,
    /// The level of [`Binding`] that works: raised once more general plans failed.
    binding: AtomicU8,
}

impl Session {
    /// Loads a model from the bytes of an ONNX file.
    ///
    /// # Errors
    /// `InvalidModel`, `UnsupportedOperator` (with all of them) or `UnsupportedType`.
    pub fn from_bytes(bytes: Vec<u8>, options: &SessionOptions) -> Result<Self> {
        Ok(Self {
            model: Model::from_bytes(bytes)?,
            options: options.clone(),
            plans: PlanCache::default(),
            binding: AtomicU8::new(0),
        })
    }

    /// What it takes and gives.
    pub fn signature(&self) -> &Signature {
        &self.model.inspection.signature
    }

    /// What it is made of.
    pub fn inspection(&self) -> &Inspection {
        &self.model.inspection
    }

    /// Runs the model once. `feeds` in any order; empty `fetches` means all outputs.
    ///
    /// # Errors
    /// `InvalidInput`, `ShapeMismatch`, `TypeMismatch` for the caller's part; `OutOfMemory`,
    /// `UnsupportedOperator` when these shapes cannot be planned; `Internal` otherwise.
    pub fn run(&self, feeds: Vec<(String, Tensor)>, fetches: &[String]) -> Result<RunResult> {
        self.run_with(feeds, fetches, false)
    }

    /// The same, and how long each node took.
    ///
    /// # Errors
    /// Those of [`Session::run`].
    pub fn profile(&self, feeds: Vec<(String, Tensor)>, fetches: &[String]) -> Result<RunResult> {
        self.run_with(feeds, fetches, true)
    }

    fn run_with(
        &self,
        feeds: Vec<(String, Tensor)>,
        fetches: &[String],
        profile: bool,
    ) -> Result<RunResult> {
        let signature = self.signature();
        let picks = pick_outputs(signature, fetches)?;
        let inputs = order_feeds(signature, feeds)?;
        let (mut outputs, times) = self.answer(inputs, profile)?;
        let outputs = picks
            .into_iter()
            .map(|(name, at)| {
                let tensor = outputs.get_mut(at).and_then(Option::take);
                tensor.map(|t| (name, t)).ok_or_else(|| {
                    Error::new(ErrorKind::Internal, "the engine gave too few outputs")
                })
            })
            .collect::<Result<_>>()?;
        Ok(RunResult { outputs, ..times })
    }

    /// Runs under the most general plan that works. The first error names the real cause when no
    /// other binding helps.
    fn answer(
        &self,
        inputs: Vec<Tensor>,
        profile: bool,
    ) -> Result<(Vec<Option<Tensor>>, RunResult)> {
        let known = usize::from(self.binding.load(Ordering::Relaxed));
        let mut first = None;
        let mut tried = None;
        for (level, binding) in Binding::ALL.into_iter().enumerate().skip(known) {
            let bound = inputs.iter().filter(|i| binding.binds(i)).count();
            if tried.replace(bound) == Some(bound) {
                continue;
            }
            match self.attempt(binding, inputs.clone(), profile) {
                Ok(answer) => {
                    self.binding.fetch_max(level as u8, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) if *error.kind() == ErrorKind::OutOfMemory => return Err(error),
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or_else(|| Error::new(ErrorKind::Internal, "no plan was tried")))
    }

    fn attempt(
        &self,
        binding: Binding,
        inputs: Vec<Tensor>,
        profile: bool,
    ) -> Result<(Vec<Option<Tensor>>, RunResult)> {
        let clock = Clock::start();
        let (plan, planned) = self.plan(&inputs, binding)?;
        let plan_ms = if planned { clock.elapsed_ms() } else { 0.0 };
        let clock = Clock::start();
        let (outputs, profile) = plan.run(inputs, profile)?;
        let run_ms = clock.elapsed_ms();
        let outputs = outputs.into_iter().map(Some).collect();
        Ok((outputs, RunResult { outputs: vec![], plan_ms, run_ms, planned, profile }))
    }

    fn plan(&self, inputs: &[Tensor], binding: Binding) -> Result<(Arc<Plan>, bool)> {
        let key = PlanKey::of(inputs, binding);
        if let Some(plan) = self.plans.get(&key) {
            return Ok((plan, false));
        }
        let plan = Arc::new(Plan::build(&self.model, &key, self.options.max_tensor_bytes)?);
        self.plans.put(key, Arc::clone(&plan));
        Ok((plan, true))
    }
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
fn order_feeds(signature: &Signature, feeds: Vec<(String, Tensor)>) -> Result<Vec<Tensor>> {
    let mut slots: Vec<Option<Tensor>> = vec![None; signature.inputs.len()];
    for (name, tensor) in feeds {
        let at = signature.inputs.iter().position(|i| i.name == name).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("unknown input `{name}`; the inputs are: {}", names(&signature.inputs)),
            )
        })?;
        if slots[at].replace(tensor).is_some() {
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
            let tensor = slot.ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidInput,
                    format!(
                        "input `{}` is missing; the inputs are: {}",
                        info.name,
                        names(&signature.inputs)
                    ),
                )
            })?;
            check_input(info, &tensor, &mut symbols)?;
            Ok(tensor)
        })
        .collect()
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
