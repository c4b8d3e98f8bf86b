//! `Cast` from strings to integers, which the importer takes for dimensions, from floats to small ones, and of flags to strings.
//!
//! In: decimal numbers as text, floats, or flags. Out: integers, or `1` and `0`, as ONNX Runtime writes flags; of a float the lowest bits of the whole number, as ONNX Runtime
//! keeps them, where the engine's own stops at the ends of the type.

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
        return as_theirs(plain, host(node, Flags)?, |inputs| !inputs[0].datum_type.is::<bool>());
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

/// Flags as text.
#[derive(Debug)]
struct Flags;

impl Host for Flags {
    fn name(&self) -> &'static str {
        "Cast"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(String::datum_type().fact(need(inputs, 0)?.shape.clone())))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let input = need(inputs, 0)?;
        let flags = input.try_as_plain_ram()?;
        let text = flags.as_slice::<bool>()?.iter().map(|flag| u8::from(*flag).to_string());
        Ok(tvec!(from_strings(input.shape(), text.collect())?))
    }
}
