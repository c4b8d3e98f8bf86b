//! `SVMClassifier`: one vote for each pair of classes, or one linear score for each class.
//!
//! In: a table. Out: labels, and scores of the pairs or probabilities of the classes. The shape of the
//! scores, and which of votes and scores decides, follow ONNX Runtime.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Fact, Kernel, numeric, operator, table};
use super::labels::{Labels, Pick};
use super::scores::{PostTransform, logistic};
use super::svm_kernel::{SvmKernel, float_rows};

#[derive(Debug)]
struct SvmClassifier {
    kernel: SvmKernel,
    labels: Labels,
    transform: PostTransform,
    /// How many support vectors each class has, in order; empty for a linear model.
    per_class: Vec<usize>,
    /// Support vectors; of a linear model the coefficients of each class.
    vectors: Vec<f32>,
    /// For each class but one, one for each support vector.
    coefficients: Vec<f32>,
    features: usize,
    rho: Vec<f32>,
    /// Of each pair, to turn its score into a probability.
    probability: Vec<(f32, f32)>,
    all_positive: bool,
}

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let floats = |name: &str| -> TractResult<Vec<f32>> {
        Ok(node.get_attr_opt_vec(name)?.unwrap_or_default())
    };
    let labels = Labels::of(node, "classlabels_ints", "classlabels_strings")?;
    let classes = labels.len();
    ensure!((1..65536).contains(&classes), "it has {classes} classes");
    let pairs = classes * (classes - 1) / 2;
    let (coefficients, rho) = (floats("coefficients")?, floats("rho")?);
    let (a, b) = (floats("prob_a")?, floats("prob_b")?);
    ensure!(a.len() == b.len(), "prob_a and prob_b have different lengths");
    let probability: Vec<(f32, f32)> = a.into_iter().zip(b).collect();
    let per_class: Vec<usize> = node.get_attr_opt_vec("vectors_per_class")?.unwrap_or_default();
    let vectors = floats("support_vectors")?;
    let count = per_class.iter().try_fold(0usize, |sum, n| sum.checked_add(*n));
    let count = count.context("its vectors_per_class are too large")?;
    let all_positive = coefficients.iter().all(|c| *c >= 0.0);
    let transform = PostTransform::of(node)?;
    ensure!(!coefficients.is_empty() && !rho.is_empty(), "it lacks coefficients or rho");
    if count == 0 {
        let features = coefficients.len() / classes;
        ensure!(coefficients.len() == features * classes, "its coefficients fit no table");
        return operator(SvmClassifier {
            kernel: SvmKernel::LINEAR,
            labels,
            transform,
            per_class: vec![],
            vectors: coefficients,
            coefficients: vec![],
            features,
            rho,
            probability,
            all_positive,
        });
    }
    let features = vectors.len() / count;
    ensure!(
        features > 0
            && vectors.len() == features * count
            && per_class.len() == classes
            && (classes - 1).checked_mul(count).is_some_and(|n| coefficients.len() >= n)
            && rho.len() >= pairs
            && (probability.is_empty() || probability.len() >= pairs),
        "its vectors, coefficients, rho and probabilities do not fit {classes} classes"
    );
    let kernel = SvmKernel::of(node)?;
    operator(SvmClassifier {
        kernel,
        labels,
        transform,
        per_class,
        vectors,
        coefficients,
        features,
        rho,
        probability,
        all_positive,
    })
}

impl SvmClassifier {
    fn linear(&self) -> bool {
        self.per_class.is_empty()
    }

    /// How many scores a row has.
    fn width(&self) -> usize {
        let classes = self.labels.len();
        match classes {
            _ if self.linear() || !self.probability.is_empty() => classes,
            0..=2 => 2,
            n => n * (n - 1) / 2,
        }
    }

    /// The score of each pair of classes, and how many pairs each class wins.
    fn pairs(&self, row: &[f32]) -> (Vec<f32>, Vec<usize>) {
        let alike: Vec<f32> =
            self.vectors.chunks_exact(self.features).map(|v| self.kernel.apply(row, v)).collect();
        let starts: Vec<usize> = self
            .per_class
            .iter()
            .scan(0, |sum, n| Some(std::mem::replace(sum, *sum + n)))
            .collect();
        let classes = self.per_class.len();
        let (mut scores, mut votes) = (vec![], vec![0; classes]);
        for i in 0..classes {
            for j in i + 1..classes {
                // The vectors of class i weigh against j in row j - 1 of the coefficients.
                let share = |class: usize, row: usize| -> f64 {
                    let range = starts[class]..starts[class] + self.per_class[class];
                    let weights = &self.coefficients[row * alike.len()..][range.clone()];
                    weights.iter().zip(&alike[range]).map(|(w, a)| f64::from(w * a)).sum()
                };
                let sum = share(i, j - 1) + share(j, i) + f64::from(self.rho[scores.len()]);
                scores.push(sum as f32);
                votes[if sum > 0.0 { i } else { j }] += 1;
            }
        }
        (scores, votes)
    }

    fn probabilities(&self, pairs: &[f32]) -> Vec<f32> {
        let classes = self.labels.len();
        let mut table = vec![0f32; classes * classes];
        let mut at = 0;
        for i in 0..classes {
            for j in i + 1..classes {
                let (a, b) = self.probability[at];
                let p = (1.0 - logistic(pairs[at] * a + b)).clamp(1e-7, 1.0 - 1e-7);
                (table[i * classes + j], table[j * classes + i]) = (p, 1.0 - p);
                at += 1;
            }
        }
        couple(classes, &table)
    }

    fn row(&self, row: &[f32], out: &mut [f32]) -> Pick {
        let two = self.labels.len() == 2;
        if self.linear() {
            for (score, c) in out.iter_mut().zip(self.vectors.chunks_exact(self.features)) {
                *score = self.kernel.apply(row, c) + self.rho[0];
            }
            let best = first_largest(out);
            let positive = if self.all_positive { out[best] >= 0.5 } else { out[best] > 0.0 };
            if out.len() > 1 || self.transform == PostTransform::Probit {
                self.transform.apply(out);
            }
            let sure = two && self.probability.is_empty() && positive;
            return Pick::Class(if sure { 1 } else { best });
        }
        let (pairs, votes) = self.pairs(row);
        if !self.probability.is_empty() {
            out.copy_from_slice(&self.probabilities(&pairs));
            self.transform.apply(out);
        } else if let [score] = pairs[..] {
            let positive = self.transform != PostTransform::None;
            out.copy_from_slice(&self.transform.second_class(score, positive));
        } else {
            out[..pairs.len()].copy_from_slice(&pairs);
            self.transform.apply(out);
        }
        Pick::Class(first_largest(&votes))
    }
}

fn first_largest<T: PartialOrd>(values: &[T]) -> usize {
    let mut best = 0;
    for (at, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = at;
        }
    }
    best
}

/// Probabilities of classes from those of pairs: Wu, Lin and Weng, "Probability estimates for
/// multi-class classification by pairwise coupling", second method, as in libsvm.
fn couple(k: usize, r: &[f32]) -> Vec<f32> {
    let mut q = vec![0f32; k * k];
    for i in 0..k {
        for j in (0..k).filter(|j| *j != i) {
            q[i * k + i] += r[j * k + i] * r[j * k + i];
            q[i * k + j] = -r[j * k + i] * r[i * k + j];
        }
    }
    let mut p = vec![1.0 / k as f32; k];
    for _ in 0..100 {
        let mut qp: Vec<f32> =
            (0..k).map(|i| q[i * k..][..k].iter().zip(&p).map(|(q, p)| q * p).sum()).collect();
        let mut pqp: f32 = p.iter().zip(&qp).map(|(p, qp)| p * qp).sum();
        let error = qp.iter().map(|qp| (qp - pqp).abs()).fold(0.0, f32::max);
        if error < 0.005 / k as f32 {
            break;
        }
        for i in 0..k {
            let diff = (pqp - qp[i]) / q[i * k + i];
            p[i] += diff;
            pqp = (pqp + diff * (diff * q[i * k + i] + 2.0 * qp[i])) / (1.0 + diff) / (1.0 + diff);
            for j in 0..k {
                qp[j] = (qp[j] + diff * q[i * k + j]) / (1.0 + diff);
                p[j] /= 1.0 + diff;
            }
        }
    }
    p
}

impl Kernel for SvmClassifier {
    fn name(&self) -> &'static str {
        "SVMClassifier"
    }

    fn outputs(&self) -> usize {
        2
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        numeric(&inputs[0])?;
        let (rows, columns) = table(&inputs[0].1)?;
        ensure!(
            columns == self.features.to_dim(),
            "it was trained on {} columns, its input has {columns}",
            self.features
        );
        Ok(tvec!(
            (self.labels.datum_type(), tvec!(rows.clone())),
            (DatumType::F32, tvec!(rows, self.width().to_dim()))
        ))
    }

    fn eval(&self, inputs: &[TValue]) -> TractResult<TVec<Tensor>> {
        let (rows, columns, table) = float_rows(&inputs[0])?;
        let view = table.try_as_plain_ram()?;
        let width = self.width();
        let mut scores = vec![0f32; rows * width];
        let picks: Vec<Pick> = view
            .as_slice::<f32>()?
            .chunks_exact(columns)
            .zip(scores.chunks_exact_mut(width))
            .map(|(row, out)| self.row(row, out))
            .collect();
        Ok(tvec!(self.labels.tensor(&picks)?, tensor1(&scores).into_shape(&[rows, width])?))
    }
}
