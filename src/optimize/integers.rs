//! Products of integers, for which the engine has no kernels.
//!
//! In: a graph with `EinSum` of int64, uint32, uint64 or 16-bit integers. Out: the same with [`IntegerProduct`] in its place.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::einsum::EinSum;

use crate::model::ops::IntegerProduct;

pub(super) fn integer_products(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let Some(op) = node.op_as::<EinSum>() else { continue };
        let types = node.inputs.iter().map(|i| model.outlet_fact(*i).map(|f| f.datum_type));
        let types = types.collect::<TractResult<Vec<_>>>()?;
        if let Some(op) = IntegerProduct::of(op, &types) {
            let patch = TypedModelPatch::replace_single_op(&model, node, &node.inputs, op)?;
            patch.apply(&mut model)?;
        }
    }
    Ok(model)
}
