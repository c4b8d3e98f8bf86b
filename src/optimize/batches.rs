//! Products of two tensors that only a run knows become ours.
//!
//! In: the engine's products of float32, in a canonical graph, which has drawn the transpositions around them into their
//! axes. Out: [`Product`] where one axis is summed over.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::einsum::EinSum;

use crate::cpu::product::{Axis, Product};

pub(super) fn batch(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!(op = node.op_as::<EinSum>());
    rule_if!(op.q_params.is_none() && op.operating_dt == DatumType::F32 && node.inputs.len() == 2);
    let [a, b] = model.node_input_facts(node.id)?[..] else { return Ok(None) };
    let out = model.outlet_fact(node.id.into())?;
    rule_if!([a, b, out].iter().all(|f| f.datum_type == DatumType::F32));
    // Constant weights are packed once by the engine.
    rule_if!(a.konst.is_none() && b.konst.is_none());
    let shapes = [a, b, out].map(|fact| fact.shape.as_concrete());
    let [Some(a), Some(b), Some(shape)] = shapes else { return Ok(None) };
    rule_if!([a, b, shape].iter().all(|s| !s.contains(&0)));
    let strides = [a, b, shape].map(Tensor::natural_strides);
    let one = Axis { extent: 1, strides: [0; 3] };
    let (mut matrix, mut batch) = ([None; 3], vec![]);
    for axis in op.axes.iter_all_axes() {
        let places = [&axis.inputs[0], &axis.inputs[1], &axis.outputs[0]];
        rule_if!(places.iter().all(|p| p.len() <= 1));
        let places = places.map(|p| p.first().copied());
        let extents = [(a, places[0]), (b, places[1]), (shape, places[2])];
        let extents = extents.map(|(shape, place)| place.map_or(1, |at| shape[at]));
        let stride = |side: usize| match places[side] {
            Some(at) if extents[side] > 1 => strides[side][at] as usize,
            _ => 0,
        };
        let extent = extents.into_iter().max().unwrap_or(1);
        let axis = Axis { extent, strides: [stride(0), stride(1), stride(2)] };
        rule_if!(extents.iter().all(|e| *e == extent || *e == 1));
        if extent == 1 {
            continue;
        }
        let role = match extents.map(|e| e > 1) {
            [true, false, true] => 0,
            [true, true, false] => 1,
            [false, true, true] => 2,
            [true, true, true] => {
                batch.push(axis);
                continue;
            }
            _ => return Ok(None),
        };
        // Of several rows or columns the last ones are the matrix's, the others are gone through.
        if let Some(before) = matrix[role].replace(axis) {
            rule_if!(role != 1);
            batch.push(before);
        }
    }
    let matrix = matrix.map(|axis| axis.unwrap_or(one));
    let op = Product { shape: shape.into(), matrix, batch };
    TypedModelPatch::replace_single_op(model, node, &node.inputs, op).map(Some)
}
