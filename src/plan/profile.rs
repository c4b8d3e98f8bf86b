//! How long each node of a plan takes.
//!
//! In: a runnable and its inputs. Out: its outputs, and a [`Step`] a node in the order in which they ran. The one
//! decision: a step tells what the planned graph computes, not what the file says, since that is where time goes.

use std::sync::Arc;

use serde::Serialize;
use tract_onnx::prelude::*;

use super::runner::checked;
use crate::clock::Clock;

/// One node of a plan, and how long it ran.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The node's name.
    pub node: String,
    /// What it computes, in the engine's words.
    pub operator: String,
    /// How it computes it, in the engine's words: kernels, geometry.
    pub details: Vec<String>,
    /// Shape and type of each input.
    pub inputs: Vec<String>,
    /// Shape and type of each output.
    pub outputs: Vec<String>,
    /// Milliseconds.
    pub ms: f64,
}

pub(super) fn run(
    runnable: &Arc<TypedRunnableModel>,
    feeds: TVec<TValue>,
) -> TractResult<(TVec<TValue>, Vec<Step>)> {
    let mut steps = vec![];
    let mut state = runnable.spawn()?;
    let outputs = state.run_plan_with_eval(feeds, |context, op_state, node, inputs| {
        let shapes = inputs.iter().map(|i| shape(i)).collect();
        let clock = Clock::start();
        let outputs = checked(context, op_state, node, inputs)?;
        let ms = clock.elapsed_ms();
        steps.push(Step {
            node: node.name.clone(),
            operator: node.op.name().into_owned(),
            details: node.op.info()?,
            inputs: shapes,
            outputs: outputs.iter().map(|o| shape(o)).collect(),
            ms,
        });
        TractResult::Ok(outputs)
    })?;
    Ok((outputs, steps))
}

/// `1x16x208x208 F32`
fn shape(tensor: &tract_onnx::prelude::Tensor) -> String {
    let dims: Vec<_> = tensor.shape().iter().map(ToString::to_string).collect();
    format!("{} {:?}", dims.join("x"), tensor.datum_type())
}
