//! A plan that runs, again and again.
//!
//! In: a planned graph, then feeds. Out: outputs. The engine makes a state for each run, with the constants laid out and
//! the feeds held against the graph's facts, which costs more than a small model computes. So one decision: a state
//! that nothing of a run stays in is kept for the next one, and the feeds, which are of the plan's own types and
//! shapes, are put into it as they are. What only a run knows the size of is held against the session's limit before it
//! is made.

use std::sync::{Arc, Mutex, PoisonError};

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::Range;
use tract_onnx::tract_core::plan;

use crate::limit;
use crate::optimize;
use crate::scalar::Scalar as _;

pub(super) struct Runner {
    runnable: Arc<TypedRunnableModel>,
    /// Where no operator keeps anything, at most one state.
    free: Option<Mutex<Option<TypedSimpleState>>>,
    /// Some size is known in a run only.
    open: bool,
}

impl Runner {
    pub(super) fn new(typed: TypedModel) -> TractResult<Self> {
        optimize::check_all(&typed)?;
        let runnable = typed.into_runnable()?;
        let (mut forgets, mut open) = (true, false);
        for node in runnable.model().nodes() {
            forgets &= node.op.state(&EvalContext::out_of_plan())?.is_none();
            open |= node.outputs.iter().any(|o| o.fact.shape.as_concrete().is_none());
        }
        Ok(Self { runnable, free: forgets.then(Mutex::default), open })
    }

    pub(super) fn runnable(&self) -> &Arc<TypedRunnableModel> {
        &self.runnable
    }

    pub(super) fn run(&self, feeds: TVec<TValue>) -> TractResult<TVec<TValue>> {
        if self.open {
            return self.runnable.spawn()?.run_plan_with_eval(feeds, checked);
        }
        let Some(free) = &self.free else { return self.runnable.run(feeds) };
        let kept = free.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (state, outputs) = match kept {
            Some(mut state) => {
                let outputs = again(&mut state, feeds)?;
                (state, outputs)
            }
            None => {
                let mut state = self.runnable.spawn()?;
                let outputs = state.run(feeds)?;
                (state, outputs)
            }
        };
        // Of a run that failed nothing is kept.
        *free.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
        Ok(outputs)
    }
}

/// Evaluates a node whose outputs fit the limit.
pub(super) fn checked(
    context: &EvalContext,
    state: Option<&mut (dyn OpState + 'static)>,
    node: &TypedNode,
    inputs: TVec<TValue>,
) -> TractResult<TVec<TValue>> {
    let maker = || format!("node `{}` ({})", node.name, node.op.name());
    if node.op_is::<Range>()
        && let [start, end, step] = &inputs[..]
    {
        let number = |tensor: &TValue| -> TractResult<f64> {
            if !tensor.datum_type().is_tdim() {
                return tensor.number::<f64>();
            }
            ensure!(tensor.len() > 0, "an end of a range without elements");
            let dim = tensor.try_as_plain_ram()?.to_scalar::<TDim>()?.eval(context.symbols);
            Ok(dim.to_i64()? as f64)
        };
        let count = ((number(end)? - number(start)?) / number(step)?).ceil().max(0.);
        limit::check(maker, node.outputs[0].fact.datum_type, &[count as usize])?;
    }
    for output in &node.outputs {
        if output.fact.shape.as_concrete().is_none()
            && let Ok(shape) = output.fact.shape.eval_to_usize(context.symbols)
        {
            limit::check(maker, output.fact.datum_type, &shape)?;
        }
    }
    plan::eval(context, state, node, inputs)
}

fn again(state: &mut TypedSimpleState, feeds: TVec<TValue>) -> TractResult<TVec<TValue>> {
    for (ix, feed) in feeds.into_iter().enumerate() {
        let outlet = *state.model().input_outlets()?.get(ix).context("too many inputs")?;
        state.set_value(outlet.node, feed)?;
    }
    state.exec()?;
    let outputs = state.outputs()?;
    state.reset_turn()?;
    Ok(outputs)
}
