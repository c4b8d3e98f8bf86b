//! `TfIdfVectorizer`: how often the n-grams of a pool occur.
//!
//! In: rows of integers or strings. Out: for each row a weight an n-gram.

use std::collections::HashMap as Map;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Tf,
    Idf,
    TfIdf,
}

#[derive(Debug)]
struct TfIdf {
    mode: Mode,
    lengths: std::ops::RangeInclusive<usize>,
    skips: usize,
    /// Where in the output an n-gram counts, and its weight there.
    pool: Map<Vec<String>, (usize, f64)>,
    width: usize,
}

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    let mode = match node.get_attr::<&str>("mode")? {
        "TF" => Mode::Tf,
        "IDF" => Mode::Idf,
        "TFIDF" => Mode::TfIdf,
        other => bail!("mode {other} is unknown"),
    };
    let counts: Vec<usize> = node.get_attr_vec("ngram_counts")?;
    let places: Vec<usize> = node.get_attr_vec("ngram_indexes")?;
    let weights: Option<Vec<f32>> = node.get_attr_opt_vec("weights")?;
    let words: Vec<String> = match node.get_attr_opt_vec("pool_strings")? {
        Some(words) => words,
        None => node.get_attr_vec::<i64>("pool_int64s")?.iter().map(i64::to_string).collect(),
    };
    let mut pool = Map::default();
    let mut next = 0;
    for (length, start) in (1..).zip(&counts) {
        let end = counts.get(length).copied().unwrap_or(words.len());
        let grams = words.get(*start..end).context("ngram_counts do not fit the pool")?;
        for gram in grams.chunks_exact(length) {
            let place = *places.get(next).context("ngram_indexes do not fit the pool")?;
            let weight = weights.as_ref().map_or(Ok(1.0), |w| {
                w.get(next).map(|w| f64::from(*w)).context("weights do not fit the pool")
            })?;
            pool.insert(gram.to_vec(), (place, weight));
            next += 1;
        }
    }
    let width = places.iter().max().map_or(0, |m| m.saturating_add(1));
    ensure!(i32::try_from(width).is_ok(), "ngram_indexes up to {width}");
    let (least, most): (usize, usize) =
        (node.get_attr("min_gram_length")?, node.get_attr("max_gram_length")?);
    ensure!(least >= 1 && least <= most && most <= 64, "n-grams of {least} to {most}");
    let skips: usize = node.get_attr("max_skip_count")?;
    host(node, TfIdf { mode, lengths: least..=most, skips, pool, width })
}

impl TfIdf {
    fn row(&self, row: &[String], out: &mut [f64]) {
        for length in self.lengths.clone() {
            // Single words have nothing to skip.
            let most = if length == 1 { 1 } else { self.skips.saturating_add(1) };
            // No more steps than fit into the row.
            for step in 1..=most.min(row.len()) {
                for start in 0..row.len().saturating_sub((length - 1) * step) {
                    let gram: Vec<String> =
                        row[start..].iter().step_by(step).take(length).cloned().collect();
                    if let Some((place, _)) = self.pool.get(&gram) {
                        out[*place] += 1.0;
                    }
                }
            }
        }
        for (place, weight) in self.pool.values() {
            let count = out[*place];
            match self.mode {
                Mode::Tf => {}
                Mode::Idf if count > 0.0 => out[*place] = *weight,
                Mode::Idf => {}
                Mode::TfIdf => out[*place] = count * weight,
            }
        }
    }
}

impl Host for TfIdf {
    fn name(&self) -> &'static str {
        "TfIdfVectorizer"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let mut shape: TVec<TDim> = need(inputs, 0)?.shape.iter().cloned().collect();
        ensure!(matches!(shape.len(), 1 | 2), "words in one or two axes");
        let last = shape.len() - 1;
        shape[last] = self.width.to_dim();
        Ok(tvec!(f32::fact(shape)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let input = need(inputs, 0)?;
        let words: Vec<String> = if input.datum_type() == String::datum_type() {
            strings(input)?.to_vec()
        } else {
            i64s(input)?.iter().map(i64::to_string).collect()
        };
        let mut shape = input.shape().to_vec();
        let length = shape.last_mut().context("words in one or two axes")?;
        let row = std::mem::replace(length, self.width);
        let mut out = vec![0.0; volume(&shape)?];
        if row > 0 && self.width > 0 {
            let rows = words.chunks_exact(row).zip(out.chunks_exact_mut(self.width));
            rows.for_each(|(row, out)| self.row(row, out));
        }
        Ok(tvec!(from_f64(&shape, &out, f32::datum_type())?))
    }
}
