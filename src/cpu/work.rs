//! One operator for all kernels that want nothing of the engine but to be called.
//!
//! In: whatever the work takes. Out: what it makes, of the facts that the rewrite gave it. The one decision: the engine
//! asks an operator two dozen questions, to which these give the same answers, so they are one operator and the code for
//! those answers is there once.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use crate::reuse;

/// What is done with the inputs.
pub(crate) trait Work: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// How it does it, for who looks at a profile.
    fn info(&self) -> String {
        String::new()
    }

    /// What it gives; `facts` are of that.
    fn run(&self, inputs: TVec<TValue>, facts: &[TypedFact]) -> TractResult<TVec<TValue>>;
}

/// Some work, and the facts of what it makes.
#[derive(Clone)]
pub(crate) struct Working {
    work: Arc<dyn Work>,
    facts: TVec<TypedFact>,
}

impl Debug for Working {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.work.name())
    }
}

// Works are the same where they are one; that others do the same is merely not seen.
impl PartialEq for Working {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.work, &other.work)
    }
}

impl Eq for Working {}

impl Working {
    /// Does what `node` does.
    pub(crate) fn instead(node: &TypedNode, work: impl Work) -> Self {
        let facts = node.outputs.iter().map(|output| output.fact.without_value()).collect();
        Self { work: Arc::new(work), facts }
    }

    pub(crate) fn new(work: impl Work, fact: TypedFact) -> Self {
        Self { work: Arc::new(work), facts: tvec!(fact) }
    }

    /// Puts it in the place of `node`, over some of its inputs.
    pub(crate) fn patch(
        self,
        model: &TypedModel,
        node: &TypedNode,
        inputs: &[OutletId],
    ) -> TractResult<Option<TypedModelPatch>> {
        TypedModelPatch::replace_single_op(model, node, inputs, self).map(Some)
    }
}

impl Op for Working {
    fn name(&self) -> StaticName {
        self.work.name().into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![self.work.info()])
    }

    fn mints_runtime_symbols(&self) -> bool {
        self.facts.iter().any(|fact| fact.shape.as_concrete().is_none())
    }

    op_as_typed_op!();
}

impl EvalOp for Working {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        self.work.run(inputs, &self.facts)
    }
}

impl TypedOp for Working {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(self.facts.clone())
    }

    as_op!();
}

/// A tensor to be filled, of any values.
pub(crate) fn blank(facts: &[TypedFact], slot: usize) -> TractResult<Tensor> {
    let fact = facts.get(slot).context("there is no such output")?;
    let shape = fact.shape.as_concrete().context("an output of unknown size")?;
    reuse::tensor(fact.datum_type, shape)
}
