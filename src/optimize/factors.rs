//! Products of several tensors become products of two.
//!
//! In: the engine's `EinSum` of float32. Out: where nothing is summed over, multiplications; of three and more, the first
//! two, then what they give and the next one, and so on. The engine would take each element of the output by itself, with
//! a look at every axis for every factor.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math;

pub(super) fn factors(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let Some(op) = node.op_as::<EinSum>() else { continue };
        if let Some(patch) = divided(&model, node, op)? {
            patch.apply(&mut model)?;
        }
    }
    Ok(model)
}

fn divided(
    model: &TypedModel,
    node: &TypedNode,
    op: &EinSum,
) -> TractResult<Option<TypedModelPatch>> {
    let facts = model.node_input_facts(node.id)?;
    let plain = |f: &&TypedFact| f.datum_type == DatumType::F32 && f.exotic_fact.is_none();
    rule_if!(op.q_params.is_none() && op.operating_dt == DatumType::F32 && facts.len() > 1);
    rule_if!(facts.iter().all(plain));
    // Neither a diagonal nor a repeated axis.
    let once = |places: &TVec<TVec<usize>>| places.iter().all(|p| p.len() <= 1);
    rule_if!(op.axes.iter_all_axes().all(|axis| once(&axis.inputs) && once(&axis.outputs)));
    let (inputs, outputs) = op.axes.to_strs();
    let [out] = &outputs[..] else { return Ok(None) };
    let sums = inputs.iter().flat_map(|axes| axes.chars()).any(|axis| !out.contains(axis));
    rule_if!(!sums || facts.len() > 2);
    let mut patch = TypedModelPatch::default();
    let wires = patch.taps(model, &node.inputs)?;
    let mut factors = inputs.iter().zip(&wires);
    let Some((axes, wire)) = factors.next() else { return Ok(None) };
    let (mut axes, mut wire, mut at) = (axes.clone(), *wire, 1);
    while let Some((others, other)) = factors.next() {
        let (kept, name) = if factors.len() == 0 {
            (out.clone(), node.name.clone())
        } else {
            let new = others.chars().filter(|axis| !axes.contains(*axis));
            let needed = |axis: &char| {
                out.contains(*axis) || factors.clone().any(|(later, _)| later.contains(*axis))
            };
            (axes.chars().chain(new).filter(needed).collect(), format!("{}.{at}", node.name))
        };
        wire = product(&mut patch, &name, [&axes, others], [wire, *other], &kept)?;
        (axes, at) = (kept, at + 1);
    }
    patch.shunt_outside(model, node.id.into(), wire)?;
    Ok(Some(patch))
}

/// Of two, by the names of their axes.
fn product(
    patch: &mut TypedModelPatch,
    name: &str,
    axes: [&str; 2],
    mut wires: [OutletId; 2],
    out: &str,
) -> TractResult<OutletId> {
    if axes.iter().any(|axes| axes.chars().any(|axis| !out.contains(axis))) {
        let op = EinSum::new(AxesMapping::from_strs(&axes, &[out])?, DatumType::F32);
        return Ok(patch.wire_node(name, op, &wires)?[0]);
    }
    for (side, (wire, axes)) in wires.iter_mut().zip(axes).enumerate() {
        let moves = AxesMapping::from_strs(&[axes], &[out])?.translate_to_axis_ops()?;
        for (at, op) in moves.into_iter().enumerate() {
            *wire = patch.wire_node(format!("{name}.axes{side}.{at}"), op, &[*wire])?[0];
        }
    }
    Ok(patch.wire_node(name, math::mul(), &wires)?[0])
}
