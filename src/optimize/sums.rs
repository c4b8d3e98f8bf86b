//! The sum of no elements is zero.
//!
//! In: a graph with concrete shapes, where an axis may have length 0, as a detector's list has that found nothing. Out: the
//! same graph, with constants in the place of such sums, where the engine would divide by the length.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};

pub(super) fn empty_sums(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let Some(Reduce { reducer: Reducer::Sum, .. }) = node.op_as() else { continue };
        let empty =
            model.outlet_fact(node.inputs[0])?.shape.as_concrete().is_some_and(|s| s.contains(&0));
        let fact = model.outlet_fact(id.into())?;
        let Some(shape) = fact.shape.as_concrete().filter(|_| empty) else { continue };
        let zeros = Tensor::zero_dt(fact.datum_type, shape)?;
        let mut patch = TypedModelPatch::default();
        let wire = patch.add_const(format!("{}.nothing", node.name), zeros)?;
        patch.shunt_outside(&model, id.into(), wire)?;
        patch.apply(&mut model)?;
    }
    Ok(model)
}
