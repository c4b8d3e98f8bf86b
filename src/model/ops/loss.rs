//! `NegativeLogLikelihoodLoss` and `SoftmaxCrossEntropyLoss`.
//!
//! In: scores `[N, C, …]`, labels `[N, …]`, and a weight for each class. Out: the loss, and for the
//! latter the logarithms of the softmax.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reduction {
    None,
    Mean,
    Sum,
}

#[derive(Debug)]
struct Loss {
    softmax: bool,
    reduction: Reduction,
    ignore: Option<i64>,
}

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    let reduction = match node.get_attr_opt("reduction")?.unwrap_or("mean") {
        "none" => Reduction::None,
        "mean" => Reduction::Mean,
        "sum" => Reduction::Sum,
        other => bail!("reduction {other} is unknown"),
    };
    let softmax = node.op_type == "SoftmaxCrossEntropyLoss";
    host(node, Loss { softmax, reduction, ignore: node.get_attr_opt("ignore_index")? })
}

impl Host for Loss {
    fn name(&self) -> &'static str {
        "Loss"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let (scores, labels) = (need(inputs, 0)?, need(inputs, 1)?);
        let dt = scores.datum_type;
        let loss = match self.reduction {
            Reduction::None => dt.fact(labels.shape.clone()),
            _ => dt.scalar_fact(),
        };
        Ok(tvec!(loss, dt.fact(scores.shape.clone())))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (scores, labels) = (need(inputs, 0)?, need(inputs, 1)?);
        ensure!(scores.rank() >= 2, "scores need a batch and a class axis");
        let (batch, classes, inner) = around(scores.shape(), 1);
        let mut log = f64s(scores)?;
        let targets = i64s(labels)?;
        ensure!(targets.len() == batch * inner, "labels do not fit the scores");
        let weights = maybe(inputs, 2).map(f64s).transpose()?;
        ensure!(weights.as_ref().is_none_or(|w| w.len() == classes), "one weight for each class");
        let at = |n: usize, c: usize, d: usize| (n * classes + c) * inner + d;
        if self.softmax {
            for n in 0..batch {
                for d in 0..inner {
                    let most =
                        (0..classes).map(|c| log[at(n, c, d)]).fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = (0..classes).map(|c| (log[at(n, c, d)] - most).exp()).sum();
                    (0..classes).for_each(|c| log[at(n, c, d)] -= most + sum.ln());
                }
            }
        }
        let mut total = 0.0;
        let losses: Vec<f64> = targets
            .iter()
            .enumerate()
            .map(|(i, target)| {
                if Some(*target) == self.ignore {
                    return Ok(0.0);
                }
                let class = axis_of(*target, classes).context("a label is no class")?;
                let weight = weights.as_ref().map_or(1.0, |w| w[class]);
                total += weight;
                Ok(-log[at(i / inner, class, i % inner)] * weight)
            })
            .collect::<TractResult<_>>()?;
        let dt = scores.datum_type();
        let sum: f64 = losses.iter().sum();
        let loss = match self.reduction {
            Reduction::None => from_f64(labels.shape(), &losses, dt)?,
            Reduction::Sum => from_f64(&[], &[sum], dt)?,
            Reduction::Mean => from_f64(&[], &[sum / total], dt)?,
        };
        Ok(tvec!(loss, from_f64(scores.shape(), &log, dt)?))
    }
}
