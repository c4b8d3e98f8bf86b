//! `LSTM`, `GRU` and `RNN` in every form that ONNX allows.
//!
//! In: a sequence, weights, and perhaps lengths and a state. Out: what each step gave, and the last state. The graph
//! holds the operator as it is: a pass makes a faster one of the usual forms, [`exact`] computes all the others.

mod exact;
mod functions;

use nearside_kernels::recurrence::Cell;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;
use functions::Activation;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lstm,
    Gru,
    Rnn,
}

impl Kind {
    fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
            Self::Rnn => 1,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Recurrent {
    kind: Kind,
    hidden: Option<usize>,
    /// For each direction whether it runs backwards.
    pub(crate) backwards: Vec<bool>,
    /// For each direction its functions.
    activations: Vec<Vec<Activation>>,
    /// Whether those are the ones that ONNX takes where a node names none.
    usual: bool,
    clip: f64,
    /// LSTM: the largest cell; ONNX has no word for it, TensorFlow Lite has.
    cell_clip: f64,
    /// The batch is the first axis of the sequence, and of the state.
    pub(crate) batch_first: bool,
    /// LSTM: the forget gate is what the input gate leaves.
    coupled: bool,
    /// GRU: the reset gate comes after the product.
    late_reset: bool,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let (kind, default) = match node.op_type.as_str() {
        "LSTM" => (Kind::Lstm, &["Sigmoid", "Tanh", "Tanh"][..]),
        "GRU" => (Kind::Gru, &["Sigmoid", "Tanh"][..]),
        _ => (Kind::Rnn, &["Tanh"][..]),
    };
    let backwards = match node.get_attr_opt("direction")?.unwrap_or("forward") {
        "forward" => vec![false],
        "reverse" => vec![true],
        "bidirectional" => vec![false, true],
        other => bail!("direction {other} is unknown"),
    };
    let clip: Option<f32> = node.get_attr_opt("clip")?;
    let cell_clip: Option<f32> = node.get_attr_opt(super::CELL_CLIP)?;
    ensure!([clip, cell_clip].iter().flatten().all(|c| *c >= 0.), "a clip below 0");
    let usual: Vec<String> =
        default.repeat(backwards.len()).into_iter().map(str::to_owned).collect();
    let mut names = match node.get_attr_opt_vec("activations")? {
        Some(names) => names,
        None => usual.clone(),
    };
    // ONNX's own default for an RNN names one for each of two directions, and optimisers write it out.
    if kind == Kind::Rnn {
        names.truncate(usual.len());
    }
    ensure!(names.len() == usual.len(), "wrong number of activations");
    let mut alphas =
        node.get_attr_opt_vec::<f32>("activation_alpha")?.unwrap_or_default().into_iter();
    let mut betas =
        node.get_attr_opt_vec::<f32>("activation_beta")?.unwrap_or_default().into_iter();
    let activations = names
        .iter()
        .map(|name| Activation::new(name, &mut alphas, &mut betas))
        .collect::<TractResult<Vec<_>>>()?;
    let op = Recurrent {
        kind,
        hidden: node.get_attr_opt("hidden_size")?,
        activations: activations.chunks(default.len()).map(<[_]>::to_vec).collect(),
        usual: names.iter().zip(&usual).all(|(name, usual)| name.eq_ignore_ascii_case(usual)),
        backwards,
        clip: clip.map_or(f64::INFINITY, f64::from),
        cell_clip: cell_clip.map_or(f64::INFINITY, f64::from),
        batch_first: node.get_attr_opt("layout")?.unwrap_or(0i64) == 1,
        coupled: node.get_attr_opt("input_forget")?.unwrap_or(0i64) != 0,
        late_reset: node.get_attr_opt("linear_before_reset")?.unwrap_or(0i64) != 0,
    };
    host(node, op)
}

/// Steps, batch and hidden size.
pub(crate) struct Sizes<D = usize> {
    pub(crate) steps: D,
    pub(crate) batch: D,
    pub(crate) inputs: D,
    pub(crate) hidden: D,
}

impl Recurrent {
    /// The kernel that does the same in float32.
    pub(crate) fn cell(&self) -> Option<Cell> {
        let bounded = self.clip < f64::INFINITY || self.cell_clip < f64::INFINITY;
        let plain = self.usual && !bounded && !self.coupled;
        plain.then_some(match self.kind {
            Kind::Lstm => Cell::Lstm,
            Kind::Gru => Cell::Gru { late_reset: self.late_reset },
            Kind::Rnn => Cell::Rnn,
        })
    }

    pub(crate) fn sizes<D: DimLike>(&self, x: &[D], w: &[D], r: &[D]) -> TractResult<Sizes<D>> {
        ensure!(x.len() == 3 && w.len() == 3 && r.len() == 3, "inputs of rank 3 are needed");
        let (inputs, hidden) = (x[2].clone(), r[2].clone());
        let (steps, batch) = if self.batch_first { (1, 0) } else { (0, 1) };
        let rows = hidden.clone() * self.kind.gates();
        let directions = D::from(self.backwards.len());
        ensure!(
            w == [directions.clone(), rows.clone(), inputs.clone()]
                && r == [directions, rows, hidden.clone()],
            "the weights do not fit the input"
        );
        let fits = self.hidden.is_none_or(|h| D::from(h) == hidden);
        ensure!(fits, "hidden_size does not fit the weights");
        Ok(Sizes { steps: x[steps].clone(), batch: x[batch].clone(), inputs, hidden })
    }

    /// Of what every step gives, and of a state.
    pub(crate) fn shapes<D: DimLike>(&self, s: &Sizes<D>) -> (TVec<D>, TVec<D>) {
        let d = D::from(self.backwards.len());
        let (steps, batch, hidden) = (s.steps.clone(), s.batch.clone(), s.hidden.clone());
        if self.batch_first {
            let last = tvec!(batch.clone(), d.clone(), hidden.clone());
            (tvec!(batch, steps, d, hidden), last)
        } else {
            let last = tvec!(d.clone(), batch.clone(), hidden.clone());
            (tvec!(steps, d, batch, hidden), last)
        }
    }
}

impl Host for Recurrent {
    fn name(&self) -> &'static str {
        "Recurrent"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let x = need(inputs, 0)?;
        let dims = |fact: &TypedFact| fact.shape.to_tvec();
        let sizes = self.sizes(&dims(x), &dims(need(inputs, 1)?), &dims(need(inputs, 2)?))?;
        let (all, last) = self.shapes(&sizes);
        let (all, last) = (x.datum_type.fact(all), x.datum_type.fact(last));
        Ok(tvec!(all, last.clone(), last))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        self.exact(inputs)
    }
}
