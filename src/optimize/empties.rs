//! A value without elements is a constant.
//!
//! In: a graph with concrete shapes, where an axis may have length 0, as a decoder's cache has before its first token.
//! Out: the same graph, whose operators do no work for it. The GPU can bind no empty buffer, and the engine's optimiser
//! looks at the first element of any constant.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::source::TypedSource;

pub(super) fn empties(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let unread = node.op_is::<TypedSource>() && node.outputs[0].successors.is_empty();
        if node.op_is::<Const>() || unread {
            continue;
        }
        if node.op_is::<TypedBinOp>() {
            let empty = |shape: &ShapeFact| shape.iter().any(|d| *d == 0.to_dim());
            let facts = model.node_input_facts(id)?;
            // The engine takes an extent of 0 for one that fits any other.
            let lost = facts.iter().any(|f| empty(&f.shape)) && !empty(&node.outputs[0].fact.shape);
            ensure!(!lost, "`{}` has operands of which one has no elements", node.name);
        }
        let mut patch = TypedModelPatch::default();
        let mut found = false;
        for (slot, outlet) in node.outputs.iter().enumerate() {
            let Some(shape) = outlet.fact.shape.as_concrete().filter(|s| s.contains(&0)) else {
                continue;
            };
            if outlet.fact.konst.is_some() || outlet.fact.datum_type == TDim::datum_type() {
                continue;
            }
            let nothing = Tensor::zero_dt(outlet.fact.datum_type, shape)?;
            let wire = patch.add_const(format!("{}.nothing.{slot}", node.name), nothing)?;
            patch.shunt_outside(&model, OutletId::new(id, slot), wire)?;
            found = true;
        }
        if found {
            patch.apply(&mut model)?;
        }
    }
    Ok(model)
}
