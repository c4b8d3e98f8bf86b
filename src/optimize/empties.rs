//! A value without elements is a constant.
//!
//! In: a graph with concrete shapes, where an axis may have length 0, as a decoder's cache has before its first token.
//! Out: the same graph, whose operators do no work for it. The GPU can bind no empty buffer, and the engine's optimiser
//! looks at the first element of any constant.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::source::TypedSource;

pub(super) fn empties(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let unread = node.op_is::<TypedSource>() && node.outputs[0].successors.is_empty();
        if node.op_is::<Const>() || unread {
            continue;
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
