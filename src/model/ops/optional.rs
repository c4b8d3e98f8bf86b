//! `OptionalHasElement` and `OptionalGetElement` of plain tensors.
//!
//! In: a tensor, or nothing. Out: whether there is one, or the tensor itself.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct HasElement;

pub(super) fn has(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    host(node, HasElement)
}

impl Host for HasElement {
    fn name(&self) -> &'static str {
        "OptionalHasElement"
    }

    fn facts(&self, _inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(bool::datum_type().scalar_fact()))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        Ok(tvec!(tensor0(maybe(inputs, 0).is_some())))
    }
}

#[derive(Debug)]
struct GetElement;

pub(super) fn get(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    host(node, GetElement)
}

impl Host for GetElement {
    fn name(&self) -> &'static str {
        "OptionalGetElement"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let input = need(inputs, 0)?;
        Ok(tvec!(input.datum_type.fact(input.shape.clone())))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        Ok(tvec!(need(inputs, 0)?.clone()))
    }
}
