//! `If` whose condition only a run knows: both branches are planned, one runs.
//!
//! In: the condition and what the branches read. Out: what the chosen one gives. A branch that cannot be planned may be
//! the one that no input ever chooses, so it fails only when it is chosen.

use std::sync::Arc;

use crate::scalar::Scalar as _;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

/// A branch, and for each of its inputs that of the operator which feeds it.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    /// Or why there is none.
    pub(crate) plan: Result<Arc<TypedRunnableModel>, Arc<str>>,
    pub(crate) inputs: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) then_branch: Branch,
    pub(crate) else_branch: Branch,
    pub(crate) outputs: TVec<TypedFact>,
}

impl PartialEq for Choice {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}
impl Eq for Choice {}

impl Op for Choice {
    fn name(&self) -> StaticName {
        "If".into()
    }

    fn mints_runtime_symbols(&self) -> bool {
        self.outputs.iter().any(|fact| !fact.shape.is_concrete())
    }

    op_as_typed_op!();
}

impl EvalOp for Choice {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let condition = inputs[0].number::<bool>()?;
        let branch = if condition { &self.then_branch } else { &self.else_branch };
        let plan = branch.plan.as_ref().map_err(|why| format_err!("{why}"))?;
        plan.run(branch.inputs.iter().map(|ix| inputs[*ix].clone()).collect())
    }
}

impl TypedOp for Choice {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(self.outputs.clone())
    }

    as_op!();
}
