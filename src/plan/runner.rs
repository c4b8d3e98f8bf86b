//! A plan that runs, again and again.
//!
//! In: a planned graph, then feeds. Out: outputs. The engine makes a state for each run, with the constants laid out and
//! the feeds held against the graph's facts, which costs more than a small model computes. So one decision: a state
//! that nothing of a run stays in is kept for the next one, and the feeds, which are of the plan's own types and
//! shapes, are put into it as they are.

use std::sync::{Arc, Mutex, PoisonError};

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

pub(super) struct Runner {
    runnable: Arc<TypedRunnableModel>,
    /// Where no operator keeps anything, at most one state.
    free: Option<Mutex<Option<TypedSimpleState>>>,
}

impl Runner {
    pub(super) fn new(typed: TypedModel) -> TractResult<Self> {
        let runnable = typed.into_runnable()?;
        let mut forgets = true;
        for node in runnable.model().nodes() {
            forgets &= node.op.state(&EvalContext::out_of_plan())?.is_none();
        }
        Ok(Self { runnable, free: forgets.then(Mutex::default) })
    }

    pub(super) fn runnable(&self) -> &Arc<TypedRunnableModel> {
        &self.runnable
    }

    pub(super) fn run(&self, feeds: TVec<TValue>) -> TractResult<TVec<TValue>> {
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
