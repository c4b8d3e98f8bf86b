//! `RandomUniformLike`, `RandomNormalLike`, `Bernoulli` and `Dropout`: chance in the shape of another tensor.
//!
//! In: a tensor, for Bernoulli of probabilities. Out: as many draws, or those elements that a draw leaves; with a seed the
//! same ones in every run. (The importer takes the shape from an input only where the node's *name* ends in `Like`, and
//! draws float16 normals evenly.)

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{NodeProto, attribute_proto::AttributeType, tensor_proto::DataType};
use tract_onnx::tract_core::ops::array::MultiBroadcastTo;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::{comp_gte, comp_lt};
use tract_onnx::tract_hir::internal::*;

use super::either::as_theirs;
use super::lower::{Built, Part, by_chance, part};
use crate::scalar::Scalar as _;

/// The first operator set of `Dropout` whose mask is of flags.
const MASK_OF_FLAGS: i64 = 10;
/// The first whose runs may train.
const MAY_TRAIN: i64 = 12;

/// The importer's draws in float32.
fn draws(ctx: &ParsingContext, node: &NodeProto, op_type: &str) -> TractResult<Part> {
    let mut node = NodeProto { name: "Like".to_owned(), ..node.clone() };
    for attribute in node.attribute.iter_mut().filter(|a| a.name == "dtype") {
        attribute.i = i64::from(DataType::Float as i32);
    }
    // Dropout's is a whole number.
    for attribute in node.attribute.iter_mut().filter(|a| a.name == "seed" && a.f == 0.) {
        attribute.f = attribute.i as f32;
        attribute.r#type = AttributeType::Float as i32;
    }
    // The types with `Like` are ours.
    let uniform = matches!(op_type, "Bernoulli" | "Dropout");
    let theirs = if uniform { "RandomUniform" } else { op_type };
    part(ctx, &node, theirs.trim_end_matches("Like"), 1)
}

fn wanted(node: &NodeProto) -> TractResult<Option<DatumType>> {
    node.get_attr_opt("dtype")
}

pub(super) fn like(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let (draws, wanted) = (draws(ctx, node, &node.op_type)?, wanted(node)?);
    by_chance(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let dtype = wanted.unwrap_or(g.dtype(x)?);
        let x = g.f32(x)?;
        let y = g.part(&draws, &[x])?;
        Ok(tvec!(g.cast(y, dtype)?))
    })
}

pub(super) fn bernoulli(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let (draws, wanted) = (draws(ctx, node, "Bernoulli")?, wanted(node)?);
    by_chance(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let dtype = wanted.unwrap_or(g.dtype(x)?);
        let x = g.f32(x)?;
        let draw = g.part(&draws, &[x])?;
        let y = g.binary(TypedBinOp(comp_lt(), None), draw, x)?;
        Ok(tvec!(g.cast(y, dtype)?))
    })
}

/// A run that trains drops by chance and scales what is left, so that the sum is kept on average.
pub(super) fn dropout(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let draws = draws(ctx, node, "Dropout")?;
    let opset = ctx.onnx_operator_set_version;
    let given = |at: usize| node.input.get(at).is_some_and(|name| !name.is_empty());
    let trains = given(2).then(|| 1 + usize::from(given(1)));
    let masked = opset < MAY_TRAIN && node.output.get(1).is_some_and(|name| !name.is_empty());
    let ours = by_chance(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let trains = inputs.known(g, 2)?.map_or(Ok(false), |t| t.number::<bool>())?;
        let ratio = inputs.known(g, 1)?.map_or(Ok(0.5), |t| t.number::<f32>())?;
        if !trains || ratio == 0. {
            let kind = if opset < MASK_OF_FLAGS { g.dtype(x)? } else { bool::datum_type() };
            // ONNX Runtime's mask is empty before a mask is of what is kept.
            let one = tensor0(opset >= MAY_TRAIN).cast_to_dt(kind)?.into_owned();
            let one = g.constant(one)?;
            let shape = ShapeFact::from_dims(g.shape(x)?);
            return Ok(tvec!(x, g.op(MultiBroadcastTo::new(shape), &[one])?));
        }
        ensure!((0. ..1.).contains(&ratio), "a ratio of {ratio}");
        let wide = g.f32(x)?;
        let draw = g.part(&draws, &[wide])?;
        let least = g.scalar(ratio)?;
        let kept = g.binary(TypedBinOp(comp_gte(), None), draw, least)?;
        let share = g.scaled(x, 1. / (1. - ratio))?;
        let nothing = g.like(x, 0.)?;
        Ok(tvec!(g.select(kept, share, nothing)?, kept))
    })?;
    as_theirs(super::theirs(ctx, node)?, ours, move |inputs| {
        let fact = trains.and_then(|at| inputs.get(at));
        let known = |t: &Arc<Tensor>| t.number().unwrap_or(true);
        let trains = fact.is_some_and(|f| f.konst.as_ref().is_none_or(known));
        !trains && !masked
    })
}
