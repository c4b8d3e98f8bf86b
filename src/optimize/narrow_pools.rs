//! The greatest bytes under windows are found among floats.
//!
//! In: the engine's pools of maxima of int8 and uint8, as models that are quantised throughout have them. Out: the same of
//! float32, which hold each byte exactly and for which there are kernels, between two casts.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_core::ops::cnn::MaxPool;
use tract_onnx::tract_core::ops::nn::DataFormat;

pub(super) fn narrow_pools(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        if let Some(patch) = widened(&model, model.node(id))? {
            patch.apply(&mut model)?;
        }
    }
    Ok(model)
}

fn widened(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!(op = node.op_as::<MaxPool>());
    let input = model.outlet_fact(node.inputs[0])?;
    let kind = input.datum_type;
    rule_if!(matches!(kind, DatumType::I8 | DatumType::U8) && op.with_index_outputs.is_none());
    rule_if!(op.pool_spec.data_format == DataFormat::NCHW && input.konst.is_none());
    rule_if_some!(shape = input.shape.as_concrete());
    rule_if!(matches!(shape.len(), 3..=5) && !shape.contains(&0));
    let mut patch = TypedModelPatch::default();
    let name = &node.name;
    let wire = patch.tap_model(model, node.inputs[0])?;
    let wire = patch.wire_node(format!("{name}.floats"), cast(DatumType::F32), &[wire])?;
    let wire = patch.wire_node(format!("{name}.greatest"), op.clone(), &wire)?;
    let wire = patch.wire_node(name, cast(kind), &wire)?;
    patch.shunt_outside(model, node.id.into(), wire[0])?;
    Ok(Some(patch))
}
