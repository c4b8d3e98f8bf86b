//! `LSTM`, `GRU` and `RNN` of the usual forms become ours.
//!
//! In: the operator as imported. Out: [`Recurrence`] wherever the functions are those that ONNX takes by default and
//! everything is float32; the others stay.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use crate::cpu::recurrence::Recurrence;
use crate::model::ops::{Coded, Recurrent, code_of};

pub(super) fn recurrences(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        if let Some(patch) = recurrence(&model, model.node(id))? {
            patch.apply(&mut model)?;
        }
    }
    Ok(model)
}

fn recurrence(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!(coded = code_of::<Recurrent>(node));
    let Coded { code, slots, kept } = coded;
    rule_if_some!(cell = code.cell());
    let facts = model.node_input_facts(node.id)?;
    let fact = |at: usize| slots.get(at).copied().flatten().map(|slot| facts[slot]);
    // Lengths, at 4, are integers.
    let floats = [0, 1, 2, 3, 5, 6, 7].into_iter().filter_map(fact);
    rule_if!(floats.into_iter().all(|f| f.datum_type == DatumType::F32));
    let shapes = [0, 1, 2].map(|at| fact(at).and_then(|f| f.shape.as_concrete()));
    let [Some(x), Some(w), Some(r)] = shapes else { return Ok(None) };
    let sizes = code.sizes(x, w, r)?;
    rule_if!(sizes.hidden > 0);
    let op = Recurrence::new(cell, code, &sizes, slots, kept);
    TypedModelPatch::replace_single_op(model, node, &node.inputs, op).map(Some)
}
