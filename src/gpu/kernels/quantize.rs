//! Between floats and small integers.
//!
//! In: the engine's and our own quantisation nodes. Out: element-wise expressions.

use tract_onnx::tract_core::ops::quant::DequantizeLinearF32;

use crate::gpu::builder::{Cx, In, Lowered, because};
use crate::gpu::kernel::Param;
use crate::gpu::value::Carrier;
use crate::model::ops::{Quotient, RoundTo};

pub(crate) fn dequantize(cx: &mut Cx, op: &DequantizeLinearF32) -> Lowered<()> {
    let (scale, zero) = (In::Number(Param::F(op.scale)), In::Number(Param::I(op.zero_point)));
    cx.elementwise("F(I($0) - $2) * $1", &[In::Node(0), scale, zero])
}

pub(crate) fn quotient(cx: &mut Cx, _op: &Quotient) -> Lowered<()> {
    cx.elementwise("$0 / $1", &[In::Node(0), In::Node(1)])
}

pub(crate) fn round_to(cx: &mut Cx, op: &RoundTo) -> Lowered<()> {
    let Ok((low, high)) = op.range() else { return because("this integer type") };
    let number = |v: i32| In::Number(Param::F(v as f32));
    let kind = match Carrier::of(op.dtype) {
        Some(Carrier::U32) => "U",
        _ => "I",
    };
    let text = format!("{kind}(I(round(clamp($0, $1, $2))) + $3)");
    let (low, high) = (number(low - op.zero), number(high - op.zero));
    cx.elementwise(&text, &[In::Node(0), low, high, In::Number(Param::I(op.zero))])
}
