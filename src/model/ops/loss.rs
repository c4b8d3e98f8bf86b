//! `NegativeLogLikelihoodLoss` and `SoftmaxCrossEntropyLoss`.
//!
//! In: scores `[N, C, …]`, labels `[N, …]`, and a weight for each class. Out: the loss, and for the
//! latter the logarithms of the softmax.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::{Gather, GatherElements, MultiBroadcastTo};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::comp_ne;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::{Reducer, Softmax, SoftmaxKind};
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};
use super::wires::Wires;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reduction {
    None,
    Mean,
    Sum,
}

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    let reduction = match node.get_attr_opt("reduction")?.unwrap_or("mean") {
        "none" => Reduction::None,
        "mean" => Reduction::Mean,
        "sum" => Reduction::Sum,
        other => bail!("reduction {other} is unknown"),
    };
    let softmax = node.op_type == "SoftmaxCrossEntropyLoss";
    let ignore: Option<i64> = node.get_attr_opt("ignore_index")?;
    lowered(node, move |g, inputs| {
        let (scores, labels) = (inputs.need(0)?, inputs.need(1)?);
        let dtype = g.dtype(scores)?;
        ensure!(dtype.is_float(), "scores of {dtype:?}");
        ensure!(g.dtype(labels)?.is_integer(), "labels of {:?}", g.dtype(labels)?);
        let (all, wanted) = (g.shape(scores)?, g.shape(labels)?);
        ensure!(all.len() >= 2, "scores need a batch and a class axis");
        let fits = wanted.len() + 1 == all.len() && all[0] == wanted[0] && all[2..] == wanted[1..];
        ensure!(fits, "labels do not fit the scores");
        let wide = if dtype == DatumType::F64 { dtype } else { DatumType::F32 };
        let mut log = g.cast(scores, wide)?;
        if softmax {
            log = g.op(Softmax::new(tvec!(1), None, SoftmaxKind::LogSoftmax), &[log])?;
        }
        let labels = g.cast(labels, DatumType::I64)?;
        let counted = Counted::of(g, labels, ignore)?;
        counted.check(g, &all[1])?;
        // A label of each score: what does not count has one that every tensor of classes holds.
        let places = g.add_axis(counted.labels, 1)?;
        let loss = g.op(GatherElements::new(1), &[log, places])?;
        let loss = g.remove_axis(loss, 1)?;
        let mut loss = g.op(math::neg(), &[loss])?;
        let weights = match inputs.get(2) {
            Some(weights) => {
                let weights = g.cast(weights, wide)?;
                ensure!(g.shape(weights)?[..] == all[1..2], "one weight for each class");
                let weights = g.op(Gather::new(0), &[weights, counted.labels])?;
                loss = g.mul(loss, weights)?;
                weights
            }
            None => {
                let one = g.like(loss, 1.)?;
                g.op(MultiBroadcastTo::new(ShapeFact::from_dims(wanted.clone())), &[one])?
            }
        };
        loss = counted.only(g, loss)?;
        if reduction != Reduction::None {
            loss = whole(g, loss)?;
        }
        if reduction == Reduction::Mean {
            let weights = counted.only(g, weights)?;
            let total = whole(g, weights)?;
            loss = g.binary(math::div(), loss, total)?;
        }
        Ok(tvec!(g.cast(loss, dtype)?, g.cast(log, dtype)?))
    })
}

/// The sum of all elements.
fn whole(g: &mut Wires<'_>, x: OutletId) -> TractResult<OutletId> {
    let x = g.flat(x)?;
    let sum = g.reduce(x, Reducer::Sum, &[0])?;
    g.remove_axis(sum, 0)
}

/// The labels that count.
struct Counted {
    /// With a class for each that does not.
    labels: OutletId,
    /// Whether each counts, where some may not.
    which: Option<OutletId>,
}

impl Counted {
    fn of(g: &mut Wires<'_>, labels: OutletId, ignore: Option<i64>) -> TractResult<Self> {
        let Some(ignore) = ignore else { return Ok(Self { labels, which: None }) };
        let ignore = g.constant(tensor0(ignore))?;
        let which = g.binary(TypedBinOp(comp_ne(), None), labels, ignore)?;
        let first = g.constant(tensor0(0i64))?;
        Ok(Self { labels: g.select(which, labels, first)?, which: Some(which) })
    }

    /// Labels that are known are of one of the classes: the engine computes with constants before it looks at them.
    fn check(&self, g: &Wires<'_>, classes: &TDim) -> TractResult<()> {
        let (Some(labels), Ok(classes)) = (&g.fact(self.labels)?.konst, classes.to_i64()) else {
            return Ok(());
        };
        let labels = labels.cast_to::<i64>()?;
        match labels
            .try_as_plain_ram()?
            .as_slice::<i64>()?
            .iter()
            .find(|l| !(0..classes).contains(l))
        {
            Some(label) => bail!("the label {label} of {classes} classes"),
            None => Ok(()),
        }
    }

    /// Nothing for what does not count.
    fn only(&self, g: &mut Wires<'_>, x: OutletId) -> TractResult<OutletId> {
        let Some(which) = self.which else { return Ok(x) };
        let nothing = g.like(x, 0.)?;
        g.select(which, x, nothing)
    }
}
