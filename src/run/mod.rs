//! A program and the values of one run -> its outputs.
//!
//! In: a [`Program`], its segments with their plans, values. Out: values, and how long it took. The one
//! decision: what a model may cost is counted over the whole run, nested graphs included, so that a
//! loop without end is an error like any other ([`Limits`]).

mod control;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(feature = "images")]
mod image;
mod scan;
mod sequence;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Body, Node, Operator, Program, Step};
use crate::plan::{Segment, Times};
use crate::tensor::{DType, Tensor};
use crate::value::Value;

/// What one run may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Largest tensor or sequence, in bytes.
    pub(crate) tensor_bytes: u64,
    /// Iterations of all loops together.
    pub(crate) iterations: u64,
}

/// Iterations that a plan stands for.
const PLANNED: u64 = 25;
/// Elements of a sequence that are copied in the time of an iteration.
const COPIED: u64 = 1024;

/// One run.
pub(crate) struct Run<'a> {
    segments: &'a [Segment],
    limits: Limits,
    pub(crate) times: Times,
}

impl<'a> Run<'a> {
    pub(crate) fn new(segments: &'a [Segment], limits: Limits, profile: bool) -> Self {
        let times = Times { profile: profile.then(Vec::new), ..Times::default() };
        Self { segments, limits, times }
    }

    /// Runs a graph with its inputs, and the outer values that it captures.
    pub(crate) fn program(
        &mut self,
        program: &Program,
        inputs: Vec<Value>,
        captured: Vec<Value>,
    ) -> Result<Vec<Value>> {
        let mut frame: Vec<Option<Value>> = vec![None; program.slots];
        let places = program.inputs.iter().chain(&program.captures);
        for (slot, value) in places.zip(inputs.into_iter().chain(captured)) {
            frame[*slot] = Some(value);
        }
        for step in &program.steps {
            match step {
                Step::Segment { segment, inputs, outputs } => {
                    // What nobody reads any more may be written to.
                    let last = |slot| program.steps.len() == 1 && !program.outputs.contains(slot);
                    let once = |slot| inputs.iter().filter(|other| *other == slot).count() == 1;
                    let given = inputs.iter().map(|slot| {
                        let held = value(&frame, *slot)?;
                        if last(slot) && once(slot) {
                            frame.get_mut(*slot).and_then(Option::take);
                        }
                        plain(held)
                    });
                    let given = given.collect::<Result<Vec<_>>>()?;
                    let segment = self.segments.get(*segment).ok_or_else(|| lost("a segment"))?;
                    let before = self.times.plan_ms;
                    let made = segment.run(given, self.limits.tensor_bytes, &mut self.times)?;
                    // What a loop makes longer is planned anew in each turn.
                    if self.times.plan_ms > before {
                        self.spend(PLANNED)?;
                    }
                    for (slot, tensor) in outputs.iter().zip(made) {
                        frame[*slot] = Some(tensor.into());
                    }
                }
                Step::Node(node) => {
                    let made = self.node(node, &frame).map_err(|e| at(node, e))?;
                    for (slot, value) in node.outputs.iter().zip(made) {
                        if let Some(slot) = slot {
                            frame[*slot] = Some(value);
                        }
                    }
                }
            }
        }
        program.outputs.iter().map(|slot| value(&frame, *slot)).collect()
    }

    fn node(&mut self, node: &Node, frame: &[Option<Value>]) -> Result<Vec<Value>> {
        let inputs = node.inputs.iter().map(|slot| slot.map(|s| value(frame, s)).transpose());
        let inputs = inputs.collect::<Result<Vec<Option<Value>>>>()?;
        match &node.operator {
            Operator::If { then_branch, else_branch } => {
                let condition = scalar(need(&inputs, 0)?)? != 0;
                self.body(if condition { then_branch } else { else_branch }, vec![], frame)
            }
            Operator::Loop(op) => self.repeat(op, &inputs, frame),
            Operator::Scan(op) => self.scan(op, &inputs, frame),
            Operator::SequenceMap(body) => self.map(body, inputs, frame),
            #[cfg(feature = "images")]
            Operator::Image(pixels) => {
                let file = need(&inputs, 0)?.tensor().ok_or_else(|| refused("no tensor"))?;
                image::decode(file, *pixels, self.limits.tensor_bytes).map(|t| vec![t.into()])
            }
            Operator::Values(op) => {
                let made = sequence::run(*op, &inputs, self.limits.tensor_bytes)?;
                if let Value::Sequence(list) = &made {
                    // It is made anew each time, so that one that a loop lengthens costs its square.
                    self.spend(list.len() as u64 / COPIED)?;
                }
                Ok(vec![made])
            }
        }
    }

    fn body(
        &mut self,
        body: &Body,
        inputs: Vec<Value>,
        frame: &[Option<Value>],
    ) -> Result<Vec<Value>> {
        let captured = body.captured.iter().map(|slot| value(frame, *slot));
        let captured = captured.collect::<Result<Vec<_>>>()?;
        self.program(&body.program, inputs, captured)
    }

    /// Counts iterations.
    fn spend(&mut self, count: u64) -> Result<()> {
        self.limits.iterations = self.limits.iterations.checked_sub(count).ok_or_else(|| {
            Error::new(
                ErrorKind::Timeout,
                "the loops of this run have used up the iterations that a run may take",
            )
        })?;
        Ok(())
    }
}

fn at(node: &Node, error: Error) -> Error {
    let text = format!("in node `{}` ({}): {}", node.name, node.op_type, error.message());
    Error::new(error.kind().clone(), text).with_source(error)
}

fn lost(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("{what} of the program is missing"))
}

fn value(frame: &[Option<Value>], slot: usize) -> Result<Value> {
    frame.get(slot).cloned().flatten().ok_or_else(|| lost("a value"))
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

fn need(inputs: &[Option<Value>], at: usize) -> Result<&Value> {
    inputs.get(at).and_then(Option::as_ref).ok_or_else(|| refused(format!("input {at} is missing")))
}

fn plain(value: Value) -> Result<Tensor> {
    match value {
        Value::Tensor(tensor) => Ok(tensor),
        other => Err(refused(format!("{} is given where a tensor is needed", other.kind()))),
    }
}

/// The one integer or boolean of a tensor.
fn scalar(value: &Value) -> Result<i64> {
    let odd = || refused("a single integer or boolean is needed");
    let tensor = value.tensor().filter(|t| t.len() == 1).ok_or_else(odd)?;
    integers(tensor)?.first().copied().ok_or_else(odd)
}

fn integers(tensor: &Tensor) -> Result<Vec<i64>> {
    let bytes = tensor.bytes();
    let list = |size: usize, f: &dyn Fn(&[u8]) -> i64| bytes.chunks_exact(size).map(f).collect();
    let small = |c: &[u8]| <[u8; 4]>::try_from(c).map_or(0, |c| i64::from(i32::from_le_bytes(c)));
    let large = |c: &[u8]| <[u8; 8]>::try_from(c).map_or(0, i64::from_le_bytes);
    match tensor.dtype() {
        DType::Bool => Ok(list(1, &|c| i64::from(c.first() != Some(&0)))),
        DType::Int32 => Ok(list(4, &small)),
        DType::Int64 => Ok(list(8, &large)),
        other => Err(refused(format!("{} is given where integers are needed", other.name()))),
    }
}

fn from_integer(value: i64, rank: usize) -> Result<Value> {
    Tensor::from_bytes(DType::Int64, &vec![1; rank.min(1)], &value.to_le_bytes()).map(Value::from)
}

fn from_bool(value: bool, rank: usize) -> Result<Value> {
    Tensor::from_bytes(DType::Bool, &vec![1; rank.min(1)], &[u8::from(value)]).map(Value::from)
}
