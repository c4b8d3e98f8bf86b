//! `Cast` from strings to integers, which the importer takes for dimensions, from floats to small ones, and of flags and floats
//! to strings.
//!
//! In: decimal numbers as text, floats, or flags. Out: integers; or text as ONNX Runtime writes it, `1` and `0` of flags, and
//! of floats about eight digits; of a float the lowest bits of the whole number, as ONNX Runtime keeps them, where the engine's
//! own stops at the ends of the type.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::comp_lt;
use tract_onnx::tract_hir::internal::*;

use super::either::as_theirs;
use super::host::*;
use super::lower::lowered;

#[derive(Debug)]
struct Parse(DatumType);

pub(super) fn cast(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let to: DatumType = node.get_attr("to")?;
    if to == String::datum_type() {
        let plain = super::theirs(ctx, node)?;
        return as_theirs(plain, host(node, Texts)?, |inputs| {
            !inputs[0].datum_type.is::<bool>() && !inputs[0].datum_type.is_float()
        });
    }
    if !to.is_integer() {
        return super::theirs(ctx, node);
    }
    let number =
        as_theirs(super::small::to_integer(ctx, node)?, host(node, Parse(to))?, |inputs| {
            inputs[0].datum_type != String::datum_type()
        })?;
    let wide = match to {
        DatumType::I8 | DatumType::U8 | DatumType::I16 | DatumType::U16 => DatumType::I32,
        DatumType::U32 => DatumType::I64,
        DatumType::U64 => {
            return as_theirs(number, unsigned(node)?, |inputs| !inputs[0].datum_type.is_float());
        }
        _ => return Ok(number),
    };
    let from_float = lowered(node, move |g, inputs| {
        let whole = g.cast(inputs.need(0)?, wide)?;
        Ok(tvec!(g.cast(whole, to)?))
    })?;
    as_theirs(number, from_float, |inputs| !inputs[0].datum_type.is_float())
}

/// What is below zero has the bits of the signed number.
fn unsigned(node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let x = inputs.need(0)?;
        let zero = g.like(x, 0.0)?;
        let below = g.binary(TypedBinOp(comp_lt(), None), x, zero)?;
        let (signed, plain) = (g.cast(x, DatumType::I64)?, g.cast(x, DatumType::U64)?);
        let signed = g.cast(signed, DatumType::U64)?;
        Ok(tvec!(g.select(below, signed, plain)?))
    })
}

impl Host for Parse {
    fn name(&self) -> &'static str {
        "Cast"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(self.0.fact(need(inputs, 0)?.shape.clone())))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let input = need(inputs, 0)?;
        let number = |text: &String| -> TractResult<i64> {
            text.trim().parse().with_context(|| format!("`{text}` is no integer"))
        };
        let values = strings(input)?.iter().map(number).collect::<TractResult<Vec<_>>>()?;
        Ok(tvec!(Tensor::from_shape(input.shape(), &values)?.cast_to_dt(self.0)?.into_owned()))
    }
}

/// Flags and floats as text.
#[derive(Debug)]
struct Texts;

impl Host for Texts {
    fn name(&self) -> &'static str {
        "Cast"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(String::datum_type().fact(need(inputs, 0)?.shape.clone())))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let input = need(inputs, 0)?;
        if input.datum_type().is_float() {
            let exact = input.datum_type() == DatumType::F32;
            let text = f64s(input)?.into_iter().map(|value| general(value, exact));
            return Ok(tvec!(from_strings(input.shape(), text.collect())?));
        }
        let flags = input.try_as_plain_ram()?;
        let text = flags.as_slice::<bool>()?.iter().map(|flag| u8::from(*flag).to_string());
        Ok(tvec!(from_strings(input.shape(), text.collect())?))
    }
}

/// As many digits as ONNX Runtime writes of any float.
const DIGITS: i32 = 8;

/// A number as C's `%.8g` writes it, a float32 with as many digits as tell it from others, as ONNX's own tests have it.
fn general(value: f64, exact: bool) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0. { "INF" } else { "-INF" }.to_owned();
    }
    let short = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let scientific = match exact {
        true => format!("{:e}", value as f32),
        false => format!("{value:.*e}", DIGITS as usize - 1),
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..DIGITS).contains(&exponent) {
        if exact {
            return (value as f32).to_string();
        }
        let places = usize::try_from(DIGITS - 1 - exponent).unwrap_or(0);
        return short(&format!("{value:.places$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", short(mantissa), exponent.abs())
}
