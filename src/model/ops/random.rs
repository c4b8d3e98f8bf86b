//! `RandomUniformLike`, `RandomNormalLike` and `Bernoulli`: chance in the shape of another tensor.
//!
//! In: a tensor, for Bernoulli of probabilities. Out: as many draws; with a seed the same ones in every
//! run. (The importer takes the shape from an input only where the node's *name* ends in `Like`, and
//! draws float16 normals evenly.)

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{NodeProto, tensor_proto::DataType};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::comp_lt;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, Part, by_chance, part};

/// The importer's draws in float32.
fn draws(ctx: &ParsingContext, node: &NodeProto, op_type: &str) -> TractResult<Part> {
    let mut node = NodeProto { name: "Like".to_owned(), ..node.clone() };
    for attribute in node.attribute.iter_mut().filter(|a| a.name == "dtype") {
        attribute.i = i64::from(DataType::Float as i32);
    }
    // The types with `Like` are ours.
    let theirs = if op_type == "Bernoulli" { "RandomUniform" } else { op_type };
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
