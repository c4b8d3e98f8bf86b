//! The branches of an `If` that is left are planned.
//!
//! In: a canonical graph. Out: the same with [`cpu::choice::Choice`], whose branches went through all the passes that
//! the graph around them goes through. After the graph is canonical, since until then the condition may become known.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::{Target, declutter, lower, rewrite};
use crate::cpu::{self, choice};
use crate::model::ops::Choice;

/// Whether a run of this graph chooses between branches.
pub(crate) fn has_branches(model: &TypedModel) -> bool {
    model.nodes().iter().any(|n| n.op_is::<Choice>() || n.op_is::<cpu::choice::Choice>())
}

pub(super) fn branches(
    model: &TypedModel,
    node: &TypedNode,
) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!(chosen = node.op_as::<Choice>());
    let op = &chosen.op;
    let branch = |body: &TypedModel, inputs: &[usize]| choice::Branch {
        plan: planned(body.clone()).map_err(|e| format!("{e:#}").into()),
        inputs: inputs.to_vec(),
    };
    let op = choice::Choice {
        then_branch: branch(&op.then_body, &op.then_input_mapping),
        else_branch: branch(&op.else_body, &op.else_input_mapping),
        outputs: node.outputs.iter().map(|o| o.fact.clone()).collect(),
    };
    TypedModelPatch::replace_single_op(model, node, &node.inputs, op).map(Some)
}

fn planned(body: TypedModel) -> TractResult<Arc<TypedRunnableModel>> {
    let types = |model: &TypedModel| -> TractResult<Vec<DatumType>> {
        let outlets = model.input_outlets()?.iter().chain(model.output_outlets()?);
        outlets.map(|o| Ok(model.outlet_fact(*o)?.datum_type)).collect()
    };
    let wanted = types(&body)?;
    let mut model = rewrite(body.clone(), Target::Cpu)?;
    declutter(&mut model)?;
    lower(&mut model)?;
    // What is computed in other types than outside, as float16 is, stays as imported.
    if types(&model)? == wanted { model.into_runnable() } else { body.into_runnable() }
}
