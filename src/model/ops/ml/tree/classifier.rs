//! `TreeEnsembleClassifier`: sums -> labels and scores.
//!
//! In: a table. Out: a label for each row and [rows, classes]. What two classes mean depends on which
//! of them the leaves vote for and on the signs of the weights; the specification is silent, so it is
//! as in ONNX Runtime.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::super::kernel::{Built, Fact, Kernel, operator};
use super::super::labels::{Labels, Pick};
use super::super::scores::{PostTransform, probit};
use super::aggregate::{Aggregate, Rows, Score};
use super::ensemble::Ensemble;
use super::flat;
use super::regressor::check;

#[derive(Debug)]
struct Classifier {
    ensemble: Ensemble,
    labels: Labels,
    transform: PostTransform,
    base: Vec<f64>,
    /// Two classes, and all leaves vote for the same one.
    one_vote: bool,
    all_positive: bool,
}

pub(in super::super::super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let labels = Labels::of(node, "classlabels_int64s", "classlabels_strings")?;
    let classes = labels.len();
    let ensemble = flat::ensemble(ctx, node, "class", classes)?;
    let base = flat::reals(ctx, node, "base_values")?;
    ensure!(
        base.len() == classes || base.is_empty() || (classes == 2 && base.len() == 1),
        "it has {} base_values for {classes} classes",
        base.len()
    );
    let first = ensemble.weights.first().map(|w| w.0);
    let one_vote = classes == 2 && ensemble.weights.iter().all(|w| Some(w.0) == first);
    let all_positive = ensemble.weights.iter().all(|w| w.1 >= 0.0);
    let transform = PostTransform::of(node)?;
    operator(Classifier { ensemble, labels, transform, base, one_vote, all_positive })
}

impl Classifier {
    /// Of one or two classes: the label, and whether the second score is yet to be made and how.
    fn two(&self, first: Score, second: Option<Score>) -> (Pick, Option<bool>) {
        let score = match second {
            Some(second) if second.seen => second.value,
            _ if first.seen => first.value,
            _ => 0.0,
        };
        if !self.one_vote {
            let yes = score > 0.0;
            // The label is the number 1 or 0 itself, also where the labels are other numbers.
            let strings = self.labels.datum_type() == DatumType::String;
            let class = strings && self.labels.len() == 2;
            return (if class { Pick::Class(usize::from(yes)) } else { Pick::Bit(yes) }, None);
        }
        let yes = score > if self.all_positive { 0.5 } else { 0.0 };
        (Pick::Class(usize::from(yes)), Some(self.all_positive))
    }

    fn finish(&self, scores: &mut [Score], rows: &Rows, out: &mut [f32]) -> Pick {
        let add = |score: &mut Score, base: f64| score.value = rows.round(score.value + base);
        match scores {
            [only] => {
                self.base.iter().for_each(|base| add(only, *base));
                only.seen = true;
                let (pick, _) = self.two(*only, None);
                let score = only.value as f32;
                let probit_only = self.transform == PostTransform::Probit;
                out[0] = if probit_only { probit(score) } else { score };
                pick
            }
            [first, second] => self.finish_two(first, second, rows, out),
            _ => {
                for (score, base) in scores.iter_mut().zip(&self.base) {
                    add(score, *base);
                    score.seen = true;
                }
                let mut best: Option<usize> = None;
                for (at, score) in scores.iter().enumerate().filter(|(_, s)| s.seen) {
                    if best.is_none_or(|b| score.value > scores[b].value) {
                        best = Some(at);
                    }
                }
                self.write(scores, out);
                Pick::Class(best.unwrap_or(0))
            }
        }
    }

    fn finish_two(
        &self,
        first: &mut Score,
        second: &mut Score,
        rows: &Rows,
        out: &mut [f32],
    ) -> Pick {
        let mut single = !second.seen;
        let mut positive = None;
        match self.base[..] {
            [_, base] if second.seen => {
                second.value = rows.round(base + first.value);
                first.value = -second.value;
            }
            [a, b] => {
                first.value = rows.round(first.value + a);
                second.value = rows.round(second.value + b);
                single = false;
            }
            [base] => first.value = rows.round(first.value + base),
            _ => positive = Some(false),
        }
        let (pick, decided) = self.two(*first, (!single).then_some(*second));
        if !single {
            self.write(&[*first, *second], out);
            return pick;
        }
        let score = if first.seen { first.value as f32 } else { 0.0 };
        if self.transform == PostTransform::Probit {
            out[0] = probit(score);
        } else if let Some(positive) = decided.or(positive) {
            out.copy_from_slice(&self.transform.second_class(score, positive));
        } else {
            out[0] = score;
        }
        pick
    }

    fn write(&self, scores: &[Score], out: &mut [f32]) {
        for (out, score) in out.iter_mut().zip(scores) {
            *out = if score.seen { score.value as f32 } else { 0.0 };
        }
        self.transform.apply(out);
    }
}

impl Kernel for Classifier {
    fn name(&self) -> &'static str {
        "TreeEnsembleClassifier"
    }

    fn outputs(&self) -> usize {
        2
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let rows = check(&self.ensemble, &inputs[0])?;
        Ok(tvec!(
            (self.labels.datum_type(), tvec!(rows.clone())),
            (DatumType::F32, tvec!(rows, self.labels.len().to_dim()))
        ))
    }

    fn eval(&self, inputs: &[TValue]) -> TractResult<TVec<Tensor>> {
        let rows = Rows::of(&inputs[0])?;
        let classes = self.labels.len();
        let mut out = vec![0f32; rows.count * classes];
        let mut picks = vec![Pick::Class(0); rows.count];
        Aggregate::Sum.each_row(&self.ensemble, &rows, |row, scores| {
            picks[row] = self.finish(scores, &rows, &mut out[row * classes..][..classes]);
        })?;
        let scores = tensor1(&out).into_shape(&[rows.count, classes])?;
        Ok(tvec!(self.labels.tensor(&picks)?, scores))
    }
}
