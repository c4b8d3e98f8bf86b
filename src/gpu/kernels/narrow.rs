//! Rounding to element types that the engine lacks, in their carriers.
//!
//! In: `Narrow`. Out: an element-wise expression. Floats are rounded as bits, since compilers take it that none is a
//! NaN; the memory is read as integers for that.

use crate::gpu::builder::{Cx, In, Lowered, because};
use crate::gpu::chain::Chain;
use crate::gpu::value::Carrier;
use crate::model::ops::ToNarrow;
use crate::model::{Form, Powers, Top};

const NAN: u32 = 0x7fc0_0000;
const INFINITY: u32 = 0x7f80_0000;
/// Bits of a float32's mantissa.
const DIGITS: u32 = 23;

pub(crate) fn round(cx: &mut Cx, op: &ToNarrow) -> Lowered<()> {
    let Ok(narrow) = op.narrow() else { return because("this narrow type") };
    let text = match narrow.form() {
        Form::Integer { signed } => {
            let text = if signed {
                let above = 32 - narrow.bits();
                format!("($0 << U({above}u)) >> U({above}u)")
            } else {
                format!("U($0 & I({}))", (1 << narrow.bits()) - 1)
            };
            return cx.elementwise(&text, &[In::Node(0)]);
        }
        Form::Power => {
            let over = if op.saturate() { 254 << DIGITS } else { NAN };
            let up = match op.powers() {
                Powers::Up => "U(1u)",
                Powers::Down => "U(0x800000u)",
                Powers::Nearest => "U(0x400000u)",
            };
            format!("power_($0, {up}, U({over}u))")
        }
        Form::Float { mantissa, bias, max, top } => {
            let cut = DIGITS - mantissa;
            // With float32's own range the steps below the least exponent are float32's too.
            let least: i32 = 128 - bias;
            let least = if least > 1 { least.unsigned_abs() } else { 0 };
            let saturated = narrow.saturates(op.saturate());
            let over = match top {
                _ if saturated => max.to_bits(),
                Top::Infinite => INFINITY,
                _ => NAN,
            };
            let nan = if top == Top::Finite { 0 } else { NAN };
            let signed = if top == Top::NoZero { 1 } else { 0 };
            format!(
                "narrow_($0, U({cut}u), U({least}u), U({}u), U({over}u), U({nan}u), U({signed}u))",
                max.to_bits()
            )
        }
    };
    let view = cx.bits(0)?;
    let output = cx.output(0)?;
    let mut chain = Chain::copy(view);
    let bits = chain.result;
    chain.push(text, vec![bits], Carrier::F32);
    cx.run_elements(chain, output);
    Ok(())
}
