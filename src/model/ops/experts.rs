//! com.microsoft `MoE`: a feed-forward layer of which each token goes through a few parts.
//!
//! In: tokens, a score of each expert for each token, the weights of all. Out: the sum of what the best experts make of a
//! token, by the softmax of the scores. The one decision: an expert's tokens are gathered first, so that its weights are
//! read once and those of experts that nobody asks for are not read at all.

use nearside_kernels::product::{Scratch, View, product};
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug, Clone, Copy)]
enum Activation {
    Relu,
    Gelu,
    Silu,
    Identity,
    /// Gates and values in turn.
    Gated {
        alpha: f32,
        beta: f32,
        limit: f32,
    },
}

#[derive(Debug)]
struct Experts {
    /// How many see a token.
    each: usize,
    normalised: bool,
    activation: Activation,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let activation = match node.get_attr_opt("activation_type")?.unwrap_or("relu") {
        "relu" => Activation::Relu,
        "gelu" => Activation::Gelu,
        "silu" => Activation::Silu,
        "identity" => Activation::Identity,
        "swiglu" => {
            let fusion: i64 = node.get_attr_opt("swiglu_fusion")?.unwrap_or(0);
            ensure!(fusion == 1, "gates that are not interleaved are not implemented");
            Activation::Gated {
                alpha: node.get_attr_opt("activation_alpha")?.unwrap_or(1.),
                beta: node.get_attr_opt("activation_beta")?.unwrap_or(0.),
                limit: node.get_attr_opt("swiglu_limit")?.unwrap_or(f32::INFINITY),
            }
        }
        other => bail!("the activation {other} is unknown"),
    };
    let third = node.input.iter().skip(6).any(|name| !name.is_empty());
    ensure!(!third, "a third layer is not implemented");
    let each = node.get_attr_opt("k")?.unwrap_or(1);
    ensure!(each > 0, "no expert for a token");
    let normalised = node.get_attr_opt("normalize_routing_weights")?.unwrap_or(0i64) != 0;
    host(node, Experts { each, normalised, activation })
}

fn f32s(tensor: &Tensor) -> TractResult<Vec<f32>> {
    Ok(tensor.cast_to::<f32>()?.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
}

impl Activation {
    fn apply(self, hidden: &mut Vec<f32>) {
        match self {
            Self::Relu => hidden.iter_mut().for_each(|v| *v = v.max(0.)),
            Self::Gelu => hidden.iter_mut().for_each(|v| {
                let x = *v;
                let inner = (2. / std::f32::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
                *v = 0.5 * x * (1. + inner.tanh());
            }),
            Self::Silu => hidden.iter_mut().for_each(|v| *v /= 1. + (-*v).exp()),
            Self::Identity => {}
            Self::Gated { alpha, beta, limit } => {
                let pairs = hidden.as_chunks::<2>().0.iter();
                let gated = pairs.map(|[gate, value]| {
                    let (gate, value) = (gate.min(limit), value.max(-limit).min(limit));
                    gate / (1. + (-alpha * gate).exp()) * (value + beta)
                });
                *hidden = gated.collect();
            }
        }
    }

    /// How wide the first layer is for so many values that the second one reads.
    fn width(self, inner: usize) -> usize {
        if matches!(self, Self::Gated { .. }) { inner.saturating_mul(2) } else { inner }
    }
}

impl Experts {
    /// For each expert its tokens, and the share of each.
    fn routed(&self, scores: &[f32], experts: usize) -> Vec<Vec<(usize, f32)>> {
        let mut routed = vec![vec![]; experts];
        for (token, scores) in scores.chunks_exact(experts).enumerate() {
            let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let total: f32 = scores.iter().map(|s| (s - most).exp()).sum();
            let mut order: Vec<usize> = (0..experts).collect();
            order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
            order.truncate(self.each);
            let share = |at: &usize| (scores[*at] - most).exp() / total;
            let sum: f32 = if self.normalised { order.iter().map(share).sum() } else { 1. };
            for at in &order {
                routed[*at].push((token, share(at) / sum));
            }
        }
        routed
    }
}

impl Host for Experts {
    fn name(&self) -> &'static str {
        "MoE"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let x = need(inputs, 0)?;
        ensure!((2..4).contains(&x.rank()), "tokens of {} axes", x.rank());
        Ok(tvec!(x.without_value()))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (x, scores) = (need(inputs, 0)?, need(inputs, 1)?);
        let (first, second) = (need(inputs, 2)?, need(inputs, 4)?);
        let (&[experts, wide, size], &[others, made, inner]) = (first.shape(), second.shape())
        else {
            bail!("weights of three axes")
        };
        let last = x.shape().last().copied();
        let fits = experts == others && made == size && last == Some(size);
        ensure!(fits && size > 0, "weights {:?} and {:?}", first.shape(), second.shape());
        ensure!(wide == self.activation.width(inner), "{wide} values for {inner}");
        let tokens = x.len() / size;
        ensure!(scores.shape() == [tokens, experts], "scores of shape {:?}", scores.shape());
        ensure!(self.each <= experts, "{} of {experts} experts", self.each);
        let biases = |at: usize, width: usize| -> TractResult<Option<Vec<f32>>> {
            let Some(bias) = maybe(inputs, at) else { return Ok(None) };
            ensure!(bias.shape() == [experts, width], "a bias of shape {:?}", bias.shape());
            f32s(bias).map(Some)
        };
        let (first_bias, second_bias) = (biases(3, wide)?, biases(5, size)?);
        let values = f32s(x)?;
        let (first, second) = (first.cast_to::<f32>()?, second.cast_to::<f32>()?);
        let (first, second) = (first.try_as_plain_ram()?, second.try_as_plain_ram()?);
        let layer = |x: &[f32], weights: &[f32], bias: Option<&[f32]>, [k, n]: [usize; 2]| {
            let mut y = vec![0f32; x.len() / k.max(1) * n];
            let (a, b) =
                (View { values: x, strides: [k, 1] }, View { values: weights, strides: [1, k] });
            let shape = [y.len() / n.max(1), k, n];
            product(shape, a, b, &mut y, [n, 1], &mut Scratch::default())
                .map_err(|misfit| format_err!("{misfit}"))?;
            if let Some(bias) = bias {
                let sums = y.chunks_exact_mut(n.max(1));
                sums.for_each(|row| row.iter_mut().zip(bias).for_each(|(y, b)| *y += b));
            }
            TractResult::Ok(y)
        };
        let mut out = vec![0f32; values.len()];
        for (at, routed) in self.routed(&f32s(scores)?, experts).iter().enumerate() {
            if routed.is_empty() {
                continue;
            }
            let given: Vec<f32> =
                routed.iter().flat_map(|(t, _)| &values[t * size..][..size]).copied().collect();
            let weights = &first.as_slice::<f32>()?[at * wide * size..][..wide * size];
            let bias = first_bias.as_ref().map(|bias| &bias[at * wide..][..wide]);
            let mut hidden = layer(&given, weights, bias, [size, wide])?;
            self.activation.apply(&mut hidden);
            let weights = &second.as_slice::<f32>()?[at * size * inner..][..size * inner];
            let bias = second_bias.as_ref().map(|bias| &bias[at * size..][..size]);
            let made = layer(&hidden, weights, bias, [inner, size])?;
            for ((token, share), made) in routed.iter().zip(made.chunks_exact(size)) {
                let to = &mut out[token * size..][..size];
                to.iter_mut().zip(made).for_each(|(y, v)| *y += share * v);
            }
        }
        let out = Tensor::from_shape(x.shape(), &out)?;
        Ok(tvec!(out.cast_to_dt(x.datum_type())?.into_owned()))
    }
}
