//! What is reduced of no elements is a constant.
//!
//! In: a graph with concrete shapes, where an axis may have length 0, as a detector's list has that found nothing. Out: the
//! same graph, with constants in the place of such sums and norms, where the engine would divide by the length.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};

/// What is left of nothing.
fn start(reducer: Reducer) -> Option<f32> {
    match reducer {
        Reducer::Sum => Some(0.),
        Reducer::Prod => Some(1.),
        Reducer::MeanOfSquares => Some(f32::NAN),
        _ => None,
    }
}

pub(super) fn empty_sums(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let Some(start) = node.op_as::<Reduce>().and_then(|op| start(op.reducer)) else { continue };
        let empty =
            model.outlet_fact(node.inputs[0])?.shape.as_concrete().is_some_and(|s| s.contains(&0));
        let fact = model.outlet_fact(id.into())?;
        let Some(shape) = fact.shape.as_concrete().filter(|_| empty) else { continue };
        let start = tensor0(start).cast_to_dt(fact.datum_type)?.into_owned();
        let value = start.broadcast_to_shape(shape)?;
        let mut patch = TypedModelPatch::default();
        let wire = patch.add_const(format!("{}.nothing", node.name), value)?;
        patch.shunt_outside(&model, id.into(), wire)?;
        patch.apply(&mut model)?;
    }
    Ok(model)
}
