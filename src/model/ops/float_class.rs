//! `IsNaN` and `IsInf` of every float type; the importer's lack float64.
//!
//! In: floats. Out: booleans.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::{comp_eq, comp_ne, or};
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};

/// NaN alone differs from itself.
pub(super) fn is_nan(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let x = inputs.need(0)?;
        Ok(tvec!(g.binary(TypedBinOp(comp_ne(), None), x, x)?))
    })
}

pub(super) fn is_inf(_: &ParsingContext, node: &NodeProto) -> Built {
    let detects = |name| -> TractResult<bool> { Ok(node.get_attr_opt(name)?.unwrap_or(1i64) != 0) };
    let ends = [
        (detects("detect_positive")?, f32::INFINITY),
        (detects("detect_negative")?, -f32::INFINITY),
    ];
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let mut found = None;
        for (_, end) in ends.into_iter().filter(|(detects, _)| *detects) {
            let end = g.like(x, end)?;
            let hit = g.binary(TypedBinOp(comp_eq(), None), x, end)?;
            found = Some(match found {
                Some(found) => g.binary(or(), found, hit)?,
                None => hit,
            });
        }
        // Asked for neither, nothing is.
        let never = || -> TractResult<OutletId> {
            let nan = g.like(x, f32::NAN)?;
            g.binary(TypedBinOp(comp_eq(), None), x, nan)
        };
        Ok(tvec!(found.map_or_else(never, Ok)?))
    })
}
