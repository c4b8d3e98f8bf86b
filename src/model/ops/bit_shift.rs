//! `BitShift` by any amount: at the width or beyond, or below zero, no bit is left but the sign's.
//!
//! In: two integer tensors that broadcast. Out: shifted integers. (The processor, and so the engine,
//! takes the amount modulo the width.)

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::comp_lt;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let left = match node.get_attr::<&str>("direction")? {
        "LEFT" => true,
        "RIGHT" => false,
        other => bail!("direction {other} is unknown"),
    };
    lowered(node, move |g, inputs| {
        let (x, by) = (inputs.need(0)?, inputs.need(1)?);
        let dtype = g.dtype(x)?;
        ensure!(dtype.is_integer(), "shifting {dtype:?}");
        let bits = 8 * dtype.size_of();
        let unsigned = match dtype {
            DatumType::I8 => DatumType::U8,
            DatumType::I16 => DatumType::U16,
            DatumType::I32 => DatumType::U32,
            DatumType::I64 => DatumType::U64,
            same => same,
        };
        // Where nothing is left: zeros, or what the sign fills a right shift with.
        let most = g.like(x, (bits - 1) as f32)?;
        let zero = g.like(x, 0.)?;
        let width = g.constant(tensor0(bits as u64).cast_to_dt(unsigned)?.into_owned())?;
        // A negative amount is a large one.
        let amount = g.cast(by, unsigned)?;
        let inside = g.binary(TypedBinOp(comp_lt(), None), amount, width)?;
        let by = g.select(inside, by, most)?;
        if left {
            let y = g.binary(math::shift_left(), x, by)?;
            let y = g.select(inside, y, zero)?;
            return Ok(tvec!(y));
        }
        let y = g.binary(math::shift_right(), x, by)?;
        if unsigned != dtype {
            return Ok(tvec!(y));
        }
        Ok(tvec!(g.select(inside, y, zero)?))
    })
}
