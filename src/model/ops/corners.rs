//! Forms of `MaxPool`, `NonZero` and `Tile` that the engine gets wrong or lacks.
//!
//! In: a tensor. Out: where the largest elements of bytes lie, if it is the first; the one place of a scalar; texts, repeated. The
//! engine begins a window with the least number, of which it then finds none, has no place for what has no axis, and
//! repeats numbers.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::either::{as_chosen, as_theirs};
use super::host::i64s;
use super::lower::{Built, lowered, their_whole};
use crate::limit;

pub(super) fn max_pool(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let theirs = super::theirs(ctx, node)?;
    if node.output.get(1).is_none_or(String::is_empty) {
        return Ok(theirs);
    }
    let whole = their_whole(ctx, node)?;
    let ours = lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let dtype = g.dtype(x)?;
        // Which has a number below all bytes.
        let x = g.f32(x)?;
        let mut made = g.parts(&whole, &[x])?;
        if let Some(first) = made.first_mut() {
            *first = g.cast(*first, dtype)?;
        }
        Ok(made)
    })?;
    as_theirs(theirs, ours, |inputs| {
        let bytes = |x: &&TypedFact| matches!(x.datum_type, DatumType::I8 | DatumType::U8);
        !inputs.first().is_some_and(bytes)
    })
}

pub(super) fn non_zero(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let whole = their_whole(ctx, node)?;
    let ours = lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        if let Some(known) = g.fact(x)?.konst.clone() {
            let some = known.cast_to::<bool>()?.cast_to_scalar::<i64>()? != 0;
            let places = vec![0i64; usize::from(some)];
            return Ok(tvec!(g.constant(Tensor::from_shape(&[1, places.len()], &places)?)?));
        }
        let x = g.add_axis(x, 0)?;
        g.parts(&whole, &[x])
    })?;
    as_chosen(super::theirs(ctx, node)?, ours, |inputs| inputs.first().is_none_or(|x| x.rank() > 0))
}

pub(super) fn tile(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let ours = lowered(node, |g, inputs| {
        let mut x = inputs.need(0)?;
        let repeats = i64s(g.known(inputs.need(1)?, "the repeats")?.as_ref())?;
        let lengths = g.lengths(x)?;
        ensure!(repeats.len() == lengths.len(), "one number of repeats for each axis");
        for (axis, (length, repeats)) in lengths.into_iter().zip(repeats).enumerate() {
            let repeats = usize::try_from(repeats).context("negative repeats")?;
            let count = length.checked_mul(repeats).context("too many repeats")?;
            limit::check(|| "Tile".to_owned(), DatumType::I64, &[count])?;
            if repeats != 1 {
                let places: Vec<i64> = (0..count).map(|at| (at % length) as i64).collect();
                let places = g.constant(tensor1(&places))?;
                x = g.gather(axis, x, places)?;
            }
        }
        Ok(tvec!(x))
    })?;
    as_theirs(super::theirs(ctx, node)?, ours, |inputs| {
        inputs.first().is_none_or(|x| x.datum_type != DatumType::String)
    })
}
