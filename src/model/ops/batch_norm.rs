//! `BatchNormalization` in training mode; other forms are handed on.
//!
//! In: a batch, scale, bias, and the running mean and variance. Out: the batch normalised by its own mean
//! and variance, and the running ones moved towards them.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct Training {
    epsilon: f64,
    momentum: f64,
}

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    if node.get_attr_opt("training_mode")?.unwrap_or(0i64) == 0 {
        // The engine's own takes constants only.
        let constant = |inputs: &[&TypedFact]| inputs[1..].iter().all(|f| f.konst.is_some());
        return as_theirs(super::theirs(ctx, node)?, super::small::batch_norm(node)?, constant);
    }
    let epsilon = f64::from(node.get_attr_opt("epsilon")?.unwrap_or(1e-5f32));
    let momentum = f64::from(node.get_attr_opt("momentum")?.unwrap_or(0.9f32));
    host(node, Training { epsilon, momentum })
}

impl Host for Training {
    fn name(&self) -> &'static str {
        "BatchNormalization"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let fact = |at| {
            let input: &TypedFact = need(inputs, at)?;
            Ok(input.datum_type.fact(input.shape.clone()))
        };
        [0, 3, 4].into_iter().map(fact).collect()
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let x = need(inputs, 0)?;
        ensure!(x.rank() >= 2, "a batch and a channel axis are needed");
        let (batch, channels, inner) = around(x.shape(), 1);
        let parameters = (1..5).map(|i| f64s(need(inputs, i)?)).collect::<TractResult<Vec<_>>>()?;
        ensure!(parameters.iter().all(|p| p.len() == channels), "one parameter for each channel");
        let (mut values, mut mean, mut variance) =
            (f64s(x)?, parameters[2].clone(), parameters[3].clone());
        let count = (batch * inner) as f64;
        for c in 0..channels {
            let places =
                || (0..batch * inner).map(|i| (i / inner * channels + c) * inner + i % inner);
            let own = places().map(|i| values[i]).sum::<f64>() / count;
            let spread = places().map(|i| (values[i] - own).powi(2)).sum::<f64>() / count;
            let factor = parameters[0][c] / (spread + self.epsilon).sqrt();
            places().for_each(|i| values[i] = (values[i] - own) * factor + parameters[1][c]);
            let towards =
                |running: f64, own: f64| running * self.momentum + own * (1.0 - self.momentum);
            mean[c] = towards(mean[c], own);
            variance[c] = towards(variance[c], spread);
        }
        let kind = |at| Ok::<_, TractError>(need(inputs, at)?.datum_type());
        Ok(tvec!(
            from_f64(x.shape(), &values, x.datum_type())?,
            from_f64(&[channels], &mean, kind(3)?)?,
            from_f64(&[channels], &variance, kind(4)?)?
        ))
    }
}
