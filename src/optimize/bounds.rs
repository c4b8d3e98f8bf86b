//! Indices that a run computes or is given are checked before they are used.
//!
//! In: a graph with gathers and scatters. Out: the same graph, where indices that are no constants
//! pass [`CheckIndices`] first. The engine trusts them: one that is out of range reads its
//! neighbour's values, or panics, where the caller should be told which value is wrong.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{
    Gather, GatherElements, GatherNd, ScatterElements, ScatterNd,
};

/// Passes indices on if each is in `-n..n`; with several lengths, the innermost axis counts them off.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CheckIndices {
    user: String,
    lengths: Vec<usize>,
}

impl Op for CheckIndices {
    fn name(&self) -> StaticName {
        "CheckIndices".into()
    }

    op_as_typed_op!();
}

impl EvalOp for CheckIndices {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let indices = inputs[0].cast_to::<i64>()?;
        let view = indices.try_as_plain_ram()?;
        for (value, length) in view.as_slice::<i64>()?.iter().zip(self.lengths.iter().cycle()) {
            let length = *length as i64;
            ensure!(
                (-length..length).contains(value),
                "`{}` is given the index {value}, which is not in -{length}..{length}",
                self.user
            );
        }
        Ok(inputs)
    }
}

impl TypedOp for CheckIndices {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }

    as_op!();
}

/// The lengths that bound a node's indices (its second input), where there is anything to check.
fn lengths(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Vec<usize>>> {
    let axis = if let Some(op) = node.op_as::<Gather>() {
        Some(op.axis)
    } else if let Some(op) = node.op_as::<GatherElements>() {
        Some(op.axis)
    } else {
        node.op_as::<ScatterElements>().map(|op| op.axis)
    };
    let batch = match node.op_as::<GatherNd>() {
        Some(op) => Some(op.batch_dims),
        None => node.op_as::<ScatterNd>().map(|_| 0),
    };
    if axis.is_none() && batch.is_none() {
        return Ok(None);
    }
    let data = model.outlet_fact(node.inputs[0])?;
    let indices = model.outlet_fact(node.inputs[1])?;
    let known = indices.konst.is_some() || !indices.datum_type.is_integer();
    let (Some(shape), Some(of_indices)) = (data.shape.as_concrete(), indices.shape.as_concrete())
    else {
        return Ok(None);
    };
    if known {
        return Ok(None);
    }
    Ok(match (axis, batch) {
        (Some(axis), _) => shape.get(axis).map(|length| vec![*length]),
        (_, Some(batch)) => {
            let depth = of_indices.last().copied().unwrap_or(0);
            shape.get(batch..batch + depth).filter(|l| !l.is_empty()).map(<[usize]>::to_vec)
        }
        _ => None,
    })
}

pub(super) fn check_indices(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let Some(lengths) = lengths(&model, model.node(id))? else { continue };
        let node = model.node(id);
        let check = CheckIndices { user: node.name.clone(), lengths };
        let mut patch = TypedModelPatch::default();
        let mut inputs = patch.taps(&model, &node.inputs)?;
        inputs[1] = patch.wire_node(format!("{}.indices", node.name), check, &[inputs[1]])?[0];
        let outputs = patch.wire_node(&node.name, node.op.clone(), &inputs)?;
        patch.shunt_outside(&model, OutletId::new(id, 0), outputs[0])?;
        patch.apply(&mut model)?;
    }
    Ok(model)
}
