//! Strings: `StringConcat`, `StringSplit` and `StringNormalizer`.
//!
//! In: tensors of strings. Out: the same joined, split at a delimiter, or without stop words and in one case.

use std::collections::HashSet;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct StringConcat;

pub(super) fn concat(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    host(node, StringConcat)
}

impl Host for StringConcat {
    fn name(&self) -> &'static str {
        "StringConcat"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let (a, b) = (dims(need(inputs, 0)?)?, dims(need(inputs, 1)?)?);
        Ok(tvec!(String::fact(broadcast(&a, &b)?)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
        let shape = broadcast(a.shape(), b.shape())?;
        let (left, right) = (strings(a)?, strings(b)?);
        let pick = |at: &[usize], of: &Tensor| {
            let at = &at[at.len() - of.rank()..];
            let at: Vec<_> = at.iter().zip(of.shape()).map(|(a, d)| (*a).min(d - 1)).collect();
            flat(&at, of.shape())
        };
        let join = |at: Vec<usize>| format!("{}{}", left[pick(&at, a)], right[pick(&at, b)]);
        Ok(tvec!(from_strings(&shape, coordinates(&shape).map(join).collect())?))
    }
}

fn broadcast(a: &[usize], b: &[usize]) -> TractResult<Vec<usize>> {
    let rank = a.len().max(b.len());
    let size =
        |of: &[usize], at: usize| if at + of.len() < rank { 1 } else { of[at + of.len() - rank] };
    (0..rank)
        .map(|at| match (size(a, at), size(b, at)) {
            (a, b) if a == b => Ok(a),
            (1, d) | (d, 1) => Ok(d),
            (a, b) => bail!("{a} and {b} do not broadcast"),
        })
        .collect()
}

#[derive(Debug)]
struct StringSplit {
    delimiter: String,
    most: Option<usize>,
    count: Symbol,
}

pub(super) fn split(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let delimiter = node.get_attr_opt::<&str>("delimiter")?.unwrap_or_default().to_owned();
    let most = node.get_attr_opt("maxsplit")?;
    host(node, StringSplit { delimiter, most, count: ctx.template.symbols.new_with_prefix("x") })
}

impl StringSplit {
    fn split(&self, text: &str) -> Vec<String> {
        let most = self.most.map_or(usize::MAX, |m| m.saturating_add(1));
        if text.is_empty() {
            return vec![];
        }
        if !self.delimiter.is_empty() {
            return text.splitn(most, &self.delimiter).map(str::to_owned).collect();
        }
        // At runs of white space, and none of it at the ends.
        let mut parts = vec![];
        let mut rest = text.trim();
        while !rest.is_empty() {
            match rest.split_once(char::is_whitespace).filter(|_| parts.len() + 1 < most) {
                Some((part, more)) => {
                    parts.push(part.to_owned());
                    rest = more.trim_start();
                }
                None => {
                    parts.push(rest.to_owned());
                    break;
                }
            }
        }
        parts
    }
}

impl Host for StringSplit {
    fn name(&self) -> &'static str {
        "StringSplit"
    }

    fn mints(&self) -> bool {
        true
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let input = need(inputs, 0)?;
        let counts = i64::fact(input.shape.clone());
        let mut shape: TVec<TDim> = input.shape.iter().cloned().collect();
        shape.push(TDim::Sym(self.count.clone()));
        Ok(tvec!(String::fact(shape), counts))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let input = need(inputs, 0)?;
        let parts: Vec<Vec<String>> = strings(input)?.iter().map(|s| self.split(s)).collect();
        let counts: Vec<i64> = parts.iter().map(|p| p.len() as i64).collect();
        let most = parts.iter().map(Vec::len).max().unwrap_or(0);
        let mut shape = input.shape().to_vec();
        shape.push(most);
        let filled = parts.into_iter().flat_map(|mut parts| {
            parts.resize(most, String::new());
            parts
        });
        let counts = Tensor::from_shape(input.shape(), &counts)?;
        Ok(tvec!(from_strings(&shape, filled.collect())?, counts))
    }
}

#[derive(Debug)]
struct StringNormalizer {
    change: Case,
    sensitive: bool,
    stopwords: HashSet<String>,
    count: Symbol,
}

#[derive(Debug, Clone, Copy)]
enum Case {
    Keep,
    Lower,
    Upper,
}

impl Case {
    fn apply(self, text: &str) -> String {
        match self {
            Self::Keep => text.to_owned(),
            Self::Lower => text.to_lowercase(),
            Self::Upper => text.to_uppercase(),
        }
    }
}

pub(super) fn normalize(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let change = match node.get_attr_opt("case_change_action")?.unwrap_or("NONE") {
        "NONE" => Case::Keep,
        "LOWER" => Case::Lower,
        "UPPER" => Case::Upper,
        other => bail!("case_change_action {other} is unknown"),
    };
    let sensitive = node.get_attr_opt("is_case_sensitive")?.unwrap_or(false);
    let words: Vec<String> = node.get_attr_opt_vec("stopwords")?.unwrap_or_default();
    let compared = if sensitive { Case::Keep } else { Case::Lower };
    let stopwords = words.iter().map(|w| compared.apply(w)).collect();
    let count = ctx.template.symbols.new_with_prefix("x");
    host(node, StringNormalizer { change, sensitive, stopwords, count })
}

impl Host for StringNormalizer {
    fn name(&self) -> &'static str {
        "StringNormalizer"
    }

    fn mints(&self) -> bool {
        true
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let input = need(inputs, 0)?;
        let mut shape: TVec<TDim> = input.shape.iter().cloned().collect();
        *shape.last_mut().context("strings in one or two axes")? = TDim::Sym(self.count.clone());
        Ok(tvec!(String::fact(shape)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let input = need(inputs, 0)?;
        let rank = input.rank();
        ensure!(rank == 1 || rank == 2 && input.shape()[0] == 1, "strings [C] or [1, C]");
        let compared = if self.sensitive { Case::Keep } else { Case::Lower };
        let mut kept: Vec<String> = strings(input)?
            .iter()
            .filter(|s| !self.stopwords.contains(&compared.apply(s)))
            .map(|s| self.change.apply(s))
            .collect();
        // ONNX has it so: nothing left is one empty string.
        if kept.is_empty() {
            kept.push(String::new());
        }
        let shape = [1, kept.len()];
        Ok(tvec!(from_strings(&shape[2 - rank..], kept)?))
    }
}
