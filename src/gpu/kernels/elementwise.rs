//! Element-wise operators: one WGSL expression each; [`super::super::builder`] fuses them into chains.
//!
//! In: unary, binary, select and cast nodes. Out: statements. A new operator is one row of a table here.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};
use tract_onnx::tract_core::ops::logic::{self, Iff};
use tract_onnx::tract_core::ops::{math, nn};

use crate::gpu::builder::{Cx, In, Lowered, because};
use crate::gpu::chain::Chain;
use crate::gpu::kernel::Param;
use crate::gpu::value::Carrier;

type Unary = (fn(&dyn ElementWiseMiniOp) -> bool, &'static str, &'static str);

macro_rules! unary {
    ($op:path, $float:literal) => {
        unary!($op, $float, "")
    };
    ($op:path, $float:literal, $int:literal) => {
        (|op: &dyn ElementWiseMiniOp| op.is::<$op>(), $float, $int)
    };
}

/// (operator, on floats, on integers; empty where there is none)
const UNARY: &[Unary] = &[
    unary!(math::Abs, "abs($0)", "abs($0)"),
    unary!(math::Neg, "-$0", "-$0"),
    unary!(math::Sign, "sign($0)", "sign($0)"),
    unary!(math::Exp, "exp($0)"),
    unary!(math::Ln, "log($0)"),
    unary!(math::Square, "$0 * $0"),
    unary!(math::Sqrt, "sqrt($0)"),
    unary!(math::Rsqrt, "inverseSqrt($0)"),
    unary!(math::Recip, "F(1.0) / $0"),
    unary!(math::Ceil, "ceil($0)"),
    unary!(math::Floor, "floor($0)"),
    // WGSL's round goes to the even one.
    unary!(math::Round, "sign($0) * floor(abs($0) + F(0.5))"),
    unary!(math::RoundHalfToEven, "round($0)"),
    unary!(math::Cos, "cos($0)"),
    unary!(math::Sin, "sin($0)"),
    unary!(math::Tan, "tan($0)"),
    unary!(math::Acos, "acos($0)"),
    unary!(math::Asin, "asin($0)"),
    unary!(math::Atan, "atan($0)"),
    unary!(math::Cosh, "(exp($0) + exp(-$0)) * F(0.5)"),
    unary!(math::Sinh, "sinh_($0)"),
    unary!(math::Tanh, "tanh_($0)"),
    unary!(math::Acosh, "log($0 + sqrt($0 * $0 - F(1.0)))"),
    unary!(math::Asinh, "asinh_($0)"),
    unary!(math::Atanh, "atanh_($0)"),
    unary!(math::Erf, "erf_($0)"),
    unary!(nn::Sigmoid, "F(1.0) / (F(1.0) + exp(-$0))"),
    unary!(nn::Silu, "$0 / (F(1.0) + exp(-$0))"),
    unary!(nn::HardSwish, "$0 * clamp($0 * F(0.16666667) + F(0.5), F(0.0), F(1.0))"),
    unary!(nn::GeluExact, "F(0.5) * $0 * (F(1.0) + erf_($0 * F(0.70710678)))"),
    unary!(logic::Not, "", "U(1u) - $0"),
    unary!(logic::BitNot, "", "~$0"),
];

pub(crate) fn unary(cx: &mut Cx, op: &ElementWiseOp) -> Lowered<()> {
    let (datum, _) = cx.input_fact(0)?;
    if op.1.is_some_and(|d| d != datum) {
        return because("an element-wise operator that changes the type");
    }
    let float = Carrier::of(datum) == Some(Carrier::F32);
    if float && let Some(op) = op.0.downcast_ref::<nn::LeakyRelu>() {
        let alpha = In::Number(Param::F(op.alpha));
        return cx.elementwise("select($0, $0 * $1, $0 < F(0.0))", &[In::Node(0), alpha]);
    }
    if float && let Some(op) = op.0.downcast_ref::<math::PowConst>() {
        let exponent = In::Number(Param::F(op.exponent));
        return cx.elementwise("pow_($0, $1)", &[In::Node(0), exponent]);
    }
    if float && let Some(op) = op.0.downcast_ref::<nn::GeluApproximate>() {
        let cube = if op.fast_impl { "$0 * $0" } else { "$0 * $0 * $0" };
        let text = format!(
            "F(0.5) * $0 * (F(1.0) + tanh_(F(0.7978845608) * ($0 + F(0.044715) * {cube})))"
        );
        return cx.elementwise(&text, &[In::Node(0)]);
    }
    if float && let Some(op) = op.0.downcast_ref::<math::IsInf>() {
        let text = match (op.detect_positive, op.detect_negative) {
            (true, true) => "U(is_inf_(abs($0), 0u))",
            (true, false) => "U(is_inf_($0, 0u))",
            (false, true) => "U(is_inf_($0, 0x80000000u))",
            (false, false) => "U(0u) * bitcast<U>($0)",
        };
        return cx.elementwise(text, &[In::Node(0)]);
    }
    if float && op.0.is::<math::IsNan>() {
        return is_nan(cx);
    }
    let row = UNARY.iter().find(|row| row.0(&*op.0));
    let text = row.map_or("", |row| if float { row.1 } else { row.2 });
    if text.is_empty() || (text == "~$0" && datum == DatumType::Bool) {
        return because(format!("no kernel for {} of {datum:?}", op.0.name()));
    }
    cx.elementwise(text, &[In::Node(0)])
}

/// Compilers take it that a float is no NaN, also where its bits are asked; so the memory is read as integers.
fn is_nan(cx: &mut Cx) -> Lowered<()> {
    let view = cx.bits(0)?;
    let output = cx.output(0)?;
    let mut chain = Chain::copy(view);
    let bits = chain.result;
    chain.push("U(($0 & U(0x7fffffffu)) > U(0x7f800000u))", vec![bits], Carrier::U32);
    cx.run_elements(chain, output);
    Ok(())
}

/// (operator by its engine name, on floats, on integers, on bools)
const BINARY: &[(&str, &str, &str, &str)] = &[
    ("Add", "$0 + $1", "$0 + $1", ""),
    ("Sub", "$0 - $1", "$0 - $1", ""),
    ("SubF", "$1 - $0", "$1 - $0", ""),
    ("Mul", "$0 * $1", "$0 * $1", "$0 & $1"),
    ("Div", "$0 / $1", "$0 / $1", ""),
    ("OrderedRem", "rem_($0, $1)", "$0 % $1", ""),
    ("Min", "min($0, $1)", "min($0, $1)", "$0 & $1"),
    ("Max", "max($0, $1)", "max($0, $1)", "$0 | $1"),
    ("Pow", "pow_($0, $1)", "I(round(pow_(F($0), F($1))))", ""),
    ("ShiftLeft", "", "$0 << U($1)", ""),
    ("ShiftRight", "", "$0 >> U($1)", ""),
    ("And", "", "", "$0 & $1"),
    ("Or", "", "", "$0 | $1"),
    ("Xor", "", "", "$0 ^ $1"),
    ("BitAnd", "", "$0 & $1", "$0 & $1"),
    ("BitOr", "", "$0 | $1", "$0 | $1"),
    ("BitXor", "", "$0 ^ $1", "$0 ^ $1"),
    ("Eq", "U($0 == $1)", "U($0 == $1)", "U($0 == $1)"),
    ("NE", "U($0 != $1)", "U($0 != $1)", "U($0 != $1)"),
    ("LT", "U($0 < $1)", "U($0 < $1)", "U($0 < $1)"),
    ("LTE", "U($0 <= $1)", "U($0 <= $1)", "U($0 <= $1)"),
    ("GT", "U($0 > $1)", "U($0 > $1)", "U($0 > $1)"),
    ("GTE", "U($0 >= $1)", "U($0 >= $1)", "U($0 >= $1)"),
];

pub(crate) fn binary(cx: &mut Cx, op: &TypedBinOp) -> Lowered<()> {
    let ((a, _), (b, _)) = (cx.input_fact(0)?, cx.input_fact(1)?);
    if a != b || op.1.is_some() {
        return because("operands of two element types");
    }
    let name = op.0.name();
    // What differs from itself is no number.
    if name == "NE" && cx.node.inputs[0] == cx.node.inputs[1] && a == DatumType::F32 {
        return is_nan(cx);
    }
    let row = BINARY.iter().find(|row| row.0.eq_ignore_ascii_case(name));
    let text = row.map_or("", |row| match (a, Carrier::of(a)) {
        (DatumType::Bool, _) => row.3,
        (_, Some(Carrier::F32)) => row.1,
        // A float's 24 bits do not hold every integer.
        (_, Some(_)) if name == "Pow" && Carrier::of(a) != Some(Carrier::I32) => "",
        (DatumType::I64 | DatumType::U64, Some(_)) if name.starts_with("Shift") => "",
        (_, Some(_)) => row.2,
        (_, None) => "",
    });
    if text.is_empty() {
        return because(format!("no kernel for {name} of {a:?}"));
    }
    cx.elementwise(text, &[In::Node(0), In::Node(1)])
}

pub(crate) fn select(cx: &mut Cx, _op: &Iff) -> Lowered<()> {
    let text = "select($2, $1, $0 != U(0u))";
    cx.elementwise(text, &[In::Node(0), In::Node(1), In::Node(2)])
}

pub(crate) fn cast(cx: &mut Cx, op: &Cast) -> Lowered<()> {
    let (from, _) = cx.input_fact(0)?;
    let (Some(have), Some(want)) = (Carrier::of(from), Carrier::of(op.to)) else {
        return because(format!("no kernel for a cast from {from:?} to {:?}", op.to));
    };
    // Floats saturate at the bounds of their target, integers wrap (which the chain's end does).
    let text = match (have, op.to) {
        _ if from == op.to => return cx.alias(Ok),
        (Carrier::F32, DatumType::Bool) => "U($0 != F(0.0))",
        (Carrier::I32, DatumType::Bool) => "U($0 != I(0))",
        (Carrier::U32, DatumType::Bool) => "U($0 != U(0u))",
        (Carrier::F32, DatumType::U8) => "U(clamp($0, F(0.0), F(255.0)))",
        (Carrier::F32, DatumType::U16) => "U(clamp($0, F(0.0), F(65535.0)))",
        (Carrier::F32, DatumType::I8) => "I(clamp($0, F(-128.0), F(127.0)))",
        (Carrier::F32, DatumType::I16) => "I(clamp($0, F(-32768.0), F(32767.0)))",
        (_, _) => match want {
            Carrier::F32 => "F($0)",
            Carrier::I32 => "I($0)",
            Carrier::U32 => "U($0)",
        },
    };
    cx.elementwise(text, &[In::Node(0)])
}
