//! `Equal`, also of booleans, which the engine's comparison does not take.
//!
//! In: two tensors that broadcast. Out: booleans.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::comp_eq;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let (a, b) = (inputs.need(0)?, inputs.need(1)?);
        let types = [g.dtype(a)?, g.dtype(b)?];
        let common = match DatumType::super_type_for(types).context("the types differ")? {
            DatumType::Bool => DatumType::U8,
            other => other,
        };
        let (a, b) = (g.cast(a, common)?, g.cast(b, common)?);
        Ok(tvec!(g.binary(TypedBinOp(comp_eq(), None), a, b)?))
    })
}
