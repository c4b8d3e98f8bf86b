//! Softmax and the place of the greatest value along an axis become ours where the engine takes values one by one.
//!
//! In: the engine's `Softmax` and `Reduce` by `ArgMax`. Out: [`AlongAxis`] for neighbouring axes, unless a softmax runs
//! along the last one and that is long, where the engine's own is as good.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer, Softmax, SoftmaxKind};

use crate::cpu::along::{Along, AlongAxis};
use crate::cpu::work::Working;

/// So many values side by side are better taken as a row.
const ROW: usize = 8;

pub(super) fn axes(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!(op = along(model, node)?);
    Working::instead(node, op).patch(model, node, &node.inputs)
}

fn along(model: &TypedModel, node: &TypedNode) -> TractResult<Option<AlongAxis>> {
    let (along, axes) = if let Some(op) = node.op_as::<Softmax>() {
        rule_if!(op.kind == SoftmaxKind::Softmax && op.quant_output_dt.is_none());
        (Along::Softmax, &op.axes)
    } else if let Some(Reduce { axes, reducer: Reducer::ArgMax(last) }) = node.op_as::<Reduce>() {
        (Along::ArgMax { last: *last }, axes)
    } else {
        return Ok(None);
    };
    let (input, output) = (model.outlet_fact(node.inputs[0])?, model.outlet_fact(node.id.into())?);
    rule_if_some!(shape = input.shape.as_concrete());
    rule_if!(output.shape.as_concrete().is_some());
    let mut axes = axes.to_vec();
    axes.sort_unstable();
    let (Some(first), Some(last)) = (axes.first(), axes.last()) else { return Ok(None) };
    rule_if!(last - first + 1 == axes.len() && !shape.contains(&0));
    let size = |of: &[usize]| of.iter().product();
    let sizes: [usize; 3] =
        [size(&shape[..*first]), size(&shape[*first..=*last]), size(&shape[last + 1..])];
    match along {
        Along::Softmax => {
            rule_if!(input.datum_type == DatumType::F32 && (sizes[2] > 1 || sizes[1] < ROW));
        }
        Along::ArgMax { .. } => {
            rule_if!(matches!(input.datum_type, DatumType::F32 | DatumType::U8 | DatumType::I8));
            rule_if!(axes.len() == 1 && output.datum_type == DatumType::I64);
        }
    }
    Ok(Some(AlongAxis { along, sizes }))
}
