//! `Shape`, as integers wherever the shape is known.
//!
//! In: a tensor. Out: its extents. The engine's own `Shape` gives symbolic dimensions even of known
//! shapes, and many of its operators do no arithmetic on those: they fail, or do it wrongly.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    start: i64,
    end: Option<i64>,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> super::lower::Built {
    let (start, end) = (node.get_attr_opt("start")?.unwrap_or(0), node.get_attr_opt("end")?);
    Ok((Box::new(Shape { start, end }), vec![]))
}

impl Shape {
    /// The axes asked for; bounds beyond the ends are at the ends.
    fn range(&self, rank: usize) -> std::ops::Range<usize> {
        let rank = rank as i64;
        let at = |axis: i64| (if axis < 0 { axis + rank } else { axis }).clamp(0, rank) as usize;
        let start = at(self.start);
        start..self.end.map_or(rank as usize, at).max(start)
    }

    fn of(&self, shape: &[TDim]) -> Tensor {
        let dims = &shape[self.range(shape.len())];
        match dims.iter().map(TDim::to_i64).collect::<Result<Vec<_>, _>>() {
            Ok(integers) => tensor1(&integers),
            Err(_) => tensor1(dims),
        }
    }
}

impl Op for Shape {
    fn name(&self) -> StaticName {
        "Shape".into()
    }

    not_a_typed_op!();
}

impl EvalOp for Shape {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let shape: TVec<TDim> = inputs[0].shape().iter().map(ToDim::to_dim).collect();
        Ok(tvec!(self.of(&shape).into_tvalue()))
    }
}

impl InferenceOp for Shape {
    fn infer_facts(
        &mut self,
        inputs: TVec<&InferenceFact>,
        outputs: TVec<&InferenceFact>,
        observed: TVec<&InferenceFact>,
    ) -> TractResult<(TVec<InferenceFact>, TVec<InferenceFact>, TVec<InferenceFact>)> {
        let mut output = outputs[0].clone();
        // Until all is known there is no telling which of the two types it will be.
        if let Some(shape) = inputs[0].shape.concretize() {
            output.unify_with(&InferenceFact::from(self.of(&shape)))?;
        } else if let Some(rank) = inputs[0].shape.rank().concretize() {
            let length = self.range(usize::try_from(rank)?).len();
            output.shape.unify_with(&ShapeFactoid::from(&[length.to_dim()]))?;
        }
        let (inputs, observed) = (inputs.into_iter().cloned(), observed.into_iter().cloned());
        Ok((inputs.collect(), tvec!(output), observed.collect()))
    }

    fn to_typed(
        &self,
        _source: &InferenceModel,
        node: &InferenceNode,
        target: &mut TypedModel,
        mapping: &HashMap<OutletId, OutletId>,
    ) -> TractResult<TVec<OutletId>> {
        let shape = target.outlet_fact(mapping[&node.inputs[0]])?.shape.to_tvec();
        Ok(tvec!(target.add_const(&node.name, self.of(&shape))?))
    }

    as_op!();
}
