//! A graph whose facts are known -> a graph of the operators that the optimiser works on.
//!
//! In: an analysed graph. Out: its typed form. The one decision: tract's own `into_typed` analyses the
//! graph twice more before it translates; the facts are known here, and analysing evaluates constants.

use std::collections::HashMap;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::translator::Translate;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_hir::infer::{InferenceFact, InferenceNode, InferenceOp};
use tract_onnx::tract_hir::internal::Factoid;

#[derive(Debug)]
struct Lowering;

impl Translate<InferenceFact, Box<dyn InferenceOp>, TypedFact, Box<dyn TypedOp>> for Lowering {
    fn translate_node(
        &self,
        source: &InferenceModel,
        node: &InferenceNode,
        target: &mut TypedModel,
        mapping: &HashMap<OutletId, OutletId>,
    ) -> TractResult<TVec<OutletId>> {
        let is_source = source.inputs.iter().any(|i| i.node == node.id);
        let values: Option<TVec<_>> =
            node.outputs.iter().map(|o| o.fact.value.concretize()).collect();
        match values {
            Some(values) if !is_source && node.op.state(&EvalContext::out_of_plan())?.is_none() => {
                let named = values.into_iter().enumerate();
                named.map(|(ix, v)| target.add_const(format!("{}.{ix}", node.name), v)).collect()
            }
            _ => node.op.to_typed(source, node, target, mapping),
        }
    }
}

pub(super) fn typed(graph: InferenceModel) -> TractResult<TypedModel> {
    Lowering.translate_model(&graph.into_compact()?)
}
