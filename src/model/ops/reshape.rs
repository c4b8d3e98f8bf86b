//! `Reshape` to a shape that is known of something whose extents a run makes.
//!
//! In: a tensor, perhaps as long as `NonZero` finds. Out: the same elements in the shape, where there are so many; the
//! engine's own operator in every other form, which wants to see it while the plan is made.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::either::as_chosen;
use super::host::*;

#[derive(Debug)]
struct Reshape;

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    if node.input.len() < 2 {
        return super::theirs(ctx, node);
    }
    as_chosen(super::theirs(ctx, node)?, host(node, Reshape)?, |inputs| !is_open(inputs))
}

/// Whether how much there is shows in a run only, and the shape leaves nothing open.
fn is_open(inputs: &[&TypedFact]) -> bool {
    let [x, shape] = inputs else { return false };
    let settled = |shape: &Arc<Tensor>| i64s(shape).is_ok_and(|s| s.iter().all(|d| *d > 0));
    x.shape.as_concrete().is_none() && shape.konst.as_ref().is_some_and(settled)
}

impl Host for Reshape {
    fn name(&self) -> &'static str {
        "Reshape"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let shape = sizes(&steering(inputs, 1)?)?;
        Ok(tvec!(need(inputs, 0)?.datum_type.fact(&shape)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (x, shape) = (need(inputs, 0)?, sizes(&i64s(need(inputs, 1)?)?)?);
        let fits = volume(&shape)? == x.len();
        ensure!(fits, "a shape of {shape:?} for one of {:?}", x.shape());
        Ok(tvec!(x.clone().into_shape(&shape)?))
    }
}
