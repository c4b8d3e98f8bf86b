//! `Einsum` of which the importer reads the equation as another one.
//!
//! In: tensors. Out: their product. To a scalar: an empty right side is taken for none, so an axis of length 1 stands there,
//! and is taken away again. With an ellipsis in some terms only, or without a right side: the axes that it stands for are
//! counted by the terms that have none, so letters stand for them. With a letter twice in a factor, whose diagonal the optimiser
//! loses: that is taken first.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_hir::internal::*;

use super::integer_product::IntegerProduct;
use super::lower::{Built, lowered, their_part};

const ELLIPSIS: &str = "...";

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let equation: String = node.get_attr("equation")?;
    let terms = equation.split_once("->").map(|(terms, _)| terms);
    let everywhere = |terms: &str| terms.split(',').all(|term| term.contains(ELLIPSIS));
    let hidden = equation.contains(ELLIPSIS) && !terms.is_some_and(everywhere);
    let product = equation.contains(',');
    if hidden || product && terms.unwrap_or(&equation).split(',').any(|t| diagonal(t).is_some()) {
        return spelled(node, equation);
    }
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

/// The product with letters for what an ellipsis stands for.
fn spelled(node: &NodeProto, equation: String) -> Built {
    lowered(node, move |g, inputs| {
        let mut all =
            (0..inputs.len()).map(|at| inputs.need(at)).collect::<TractResult<TVec<_>>>()?;
        let ranks = all.iter().map(|x| g.rank(*x)).collect::<TractResult<TVec<_>>>()?;
        let equation = letters(&equation, &ranks)?;
        let (terms, result) = equation.split_once("->").context("no right side")?;
        let mut terms: Vec<String> = terms.split(',').map(str::to_owned).collect();
        for (term, x) in terms.iter_mut().zip(&mut all) {
            if let Some(other) = diagonal(term) {
                let axes: AxesMapping = format!("{term}->{other}").parse()?;
                let dtype = g.dtype(*x)?;
                *x = g.op(EinSum::new(axes, dtype), &[*x])?;
                *term = other;
            }
        }
        let axes: AxesMapping = format!("{}->{result}", terms.join(",")).parse()?;
        let types = all.iter().map(|x| g.dtype(*x)).collect::<TractResult<TVec<_>>>()?;
        let dtype = *types.first().context("nothing to multiply")?;
        ensure!(types.iter().all(|t| *t == dtype), "a product of {types:?}");
        let product = EinSum::new(axes, dtype);
        let y = match IntegerProduct::of(&product, &types) {
            Some(whole) => g.op(whole, &all)?,
            None => g.op(product, &all)?,
        };
        Ok(tvec!(y))
    })
}

/// A term with each of its letters once, where it has some twice.
fn diagonal(term: &str) -> Option<String> {
    let mut once = String::new();
    for letter in term.chars() {
        if !letter.is_ascii_alphabetic() || !once.contains(letter) {
            once.push(letter);
        }
    }
    (once.len() < term.len()).then_some(once)
}

/// An equation whose ellipses are letters that it has not, counted from the end.
fn letters(equation: &str, ranks: &[usize]) -> TractResult<String> {
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (terms, result) = match equation.split_once("->") {
        Some((terms, result)) => (terms, Some(result)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = terms.split(',').collect();
    ensure!(terms.len() == ranks.len(), "{} terms for {} inputs", terms.len(), ranks.len());
    let hidden = terms.iter().zip(ranks).map(|(term, rank)| {
        let told = term.chars().filter(char::is_ascii_alphabetic).count();
        let more = rank.checked_sub(told).filter(|more| *more == 0 || term.contains(ELLIPSIS));
        more.with_context(|| format!("the term `{term}` for an input of rank {rank}"))
    });
    let hidden = hidden.collect::<TractResult<Vec<usize>>>()?;
    let most = hidden.iter().copied().max().unwrap_or(0);
    let unused = ('a'..='z').chain('A'..='Z').filter(|letter| !equation.contains(*letter));
    let unused: Vec<char> = unused.take(most).collect();
    ensure!(unused.len() == most, "no letter is left");
    let last = |count: usize| unused.iter().skip(most - count).collect::<String>();
    let terms = terms.iter().zip(&hidden).map(|(term, n)| term.replacen(ELLIPSIS, &last(*n), 1));
    let terms = terms.collect::<Vec<_>>().join(",");
    let result = match result {
        Some(result) => result.replacen(ELLIPSIS, &last(most), 1),
        // Those that stand in one place, in the order of the alphabet.
        None => {
            let once = |letter: &char| terms.matches(*letter).count() == 1;
            let mut own: Vec<char> = equation.chars().filter(char::is_ascii_alphabetic).collect();
            own.retain(once);
            own.sort_unstable();
            last(most) + &own.into_iter().collect::<String>()
        }
    };
    Ok(format!("{terms}->{result}"))
}
