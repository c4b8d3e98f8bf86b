//! `Pow` of other types than floats alone, and by an exponent of another type.
//!
//! In: a base and an exponent. Out: the power, of the base's type. Integers are raised as float64, as ONNX Runtime does, but
//! by constants that keep them whole.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_hir::internal::*;

use super::either::as_theirs;
use super::host::i64s;
use super::lower::{Built, lowered};

/// Up to here float32 has every integer.
const EXACT: i64 = 1 << 24;

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let ours = lowered(node, |g, inputs| {
        let (base, exponent) = (inputs.need(0)?, inputs.need(1)?);
        let dt = g.dtype(base)?;
        let konst = g.fact(exponent)?.konst.as_ref().filter(|_| !is_float(g.dtype(exponent)));
        let known = konst.and_then(|k| i64s(k).ok());
        let least = if dt.is_float() { -EXACT } else { 0 };
        let small = known.is_some_and(|e| e.iter().all(|e| (least..=EXACT).contains(e)));
        let within =
            if small || dt == g.dtype(exponent)? && dt.is_float() { dt } else { DatumType::F64 };
        let (base, exponent) = (g.cast(base, within)?, g.cast(exponent, within)?);
        let power = g.binary(math::pow(), base, exponent)?;
        Ok(tvec!(g.cast(power, dt)?))
    })?;
    as_theirs(super::theirs(ctx, node)?, ours, |inputs| {
        let types: Vec<_> = inputs.iter().map(|f| f.datum_type).collect();
        types.iter().all(|t| t.is_float() && types.first() == Some(t))
    })
}

fn is_float(dt: TractResult<DatumType>) -> bool {
    dt.is_ok_and(|dt| dt.is_float())
}
