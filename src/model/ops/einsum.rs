//! `Einsum` to a scalar, whose empty right side the importer takes for none.
//!
//! In: tensors. Out: one number. An axis of length 1 stands on the right side, and is taken away again.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered, their_part};

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let equation: String = node.get_attr("equation")?;
    let Some(terms) = equation.trim_end().strip_suffix("->") else {
        return super::theirs(ctx, node);
    };
    let unused =
        ('A'..='Z').find(|letter| !terms.contains(*letter)).context("no letter is left")?;
    let (first, others) = terms.split_at(terms.find(',').unwrap_or(terms.len()));
    let mut node = node.clone();
    for attribute in node.attribute.iter_mut().filter(|a| a.name == "equation") {
        attribute.s = format!("{first}{unused}{others}->{unused}").into_bytes();
    }
    let sum = their_part(ctx, &node, "Einsum", node.input.len())?;
    lowered(&node, move |g, inputs| {
        let mut all =
            (0..inputs.len()).map(|at| inputs.need(at)).collect::<TractResult<TVec<_>>>()?;
        let first = all.first_mut().context("nothing to multiply")?;
        let rank = g.rank(*first)?;
        *first = g.add_axis(*first, rank)?;
        let y = g.part(&sum, &all)?;
        Ok(tvec!(g.remove_axis(y, 0)?))
    })
}
