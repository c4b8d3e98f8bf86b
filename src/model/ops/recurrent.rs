//! `LSTM`, `GRU` and `RNN` in every form that ONNX allows.
//!
//! In: a sequence, weights, and perhaps lengths and a state. Out: what each step gave, and the last state.
//! The engine's own lowering is faster and stays for the forms that it gets right; it reads one direction
//! as forward, knows no lengths, and gives wrong values for a GRU of two directions.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;
use super::lstm_state;

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
struct Recurrent {
    kind: Kind,
    hidden: Option<usize>,
    /// For each direction whether it runs backwards.
    backwards: Vec<bool>,
    /// For each direction its functions.
    activations: Vec<Vec<Activation>>,
    clip: f64,
    batch_first: bool,
    /// LSTM: the forget gate is what the input gate leaves.
    coupled: bool,
    /// GRU: the reset gate comes after the product.
    late_reset: bool,
}

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
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
    let lengths = node.input.get(4).is_some_and(|n| !n.is_empty());
    let coupled = node.get_attr_opt("input_forget")?.unwrap_or(0i64) != 0;
    let plain = !lengths
        && clip.is_none()
        && !coupled
        && (backwards == [false] || backwards.len() == 2 && kind == Kind::Lstm);
    let usual: Vec<String> =
        default.repeat(backwards.len()).into_iter().map(str::to_owned).collect();
    let names = match node.get_attr_opt_vec("activations")? {
        Some(names) => names,
        None => usual.clone(),
    };
    let plain = plain && names == usual;
    if plain && kind == Kind::Lstm {
        return lstm_state::build(ctx, node);
    }
    ensure!(names.len() == default.len() * backwards.len(), "wrong number of activations");
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
        backwards,
        clip: clip.map_or(f64::INFINITY, f64::from),
        batch_first: node.get_attr_opt("layout")?.unwrap_or(0i64) == 1,
        coupled,
        late_reset: node.get_attr_opt("linear_before_reset")?.unwrap_or(0i64) != 0,
    };
    let ours = host(node, op)?;
    if !plain {
        return Ok(ours);
    }
    // The engine's GRU cannot read its own product with inputs of one element.
    let wide = move |inputs: &[&TypedFact]| {
        kind != Kind::Gru || inputs[0].shape.last().is_none_or(|width| !width.is_one())
    };
    as_theirs(super::theirs(ctx, node)?, ours, wide)
}

#[derive(Debug, Clone, Copy)]
struct Activation {
    function: fn(f64, f64, f64) -> f64,
    alpha: f64,
    beta: f64,
}

/// (name, default alpha, default beta, function of x, alpha and beta)
type Function = (&'static str, f64, f64, fn(f64, f64, f64) -> f64);

const FUNCTIONS: &[Function] = &[
    ("affine", 1.0, 0.0, |x, a, b| a * x + b),
    ("elu", 1.0, 0.0, |x, a, _| if x >= 0.0 { x } else { a * x.exp_m1() }),
    ("hardsigmoid", 0.2, 0.5, |x, a, b| (a * x + b).clamp(0.0, 1.0)),
    ("leakyrelu", 0.01, 0.0, |x, a, _| if x >= 0.0 { x } else { a * x }),
    ("relu", 0.0, 0.0, |x, _, _| x.max(0.0)),
    ("scaledtanh", 1.0, 1.0, |x, a, b| a * (b * x).tanh()),
    ("sigmoid", 0.0, 0.0, |x, _, _| 1.0 / (1.0 + (-x).exp())),
    ("softplus", 0.0, 0.0, |x, _, _| x.exp().ln_1p()),
    ("softsign", 0.0, 0.0, |x, _, _| x / (1.0 + x.abs())),
    ("tanh", 0.0, 0.0, |x, _, _| x.tanh()),
    ("thresholdedrelu", 1.0, 0.0, |x, a, _| if x > a { x } else { 0.0 }),
];

impl Activation {
    /// The parameters lie in lists of their own, in the order of the functions that take them.
    fn new(
        name: &str,
        alphas: &mut impl Iterator<Item = f32>,
        betas: &mut impl Iterator<Item = f32>,
    ) -> TractResult<Self> {
        let lower = name.to_lowercase();
        let (name, mut alpha, mut beta, function) = *FUNCTIONS
            .iter()
            .find(|f| f.0 == lower)
            .with_context(|| format!("the activation {name} is unknown"))?;
        if !matches!(name, "relu" | "sigmoid" | "softplus" | "softsign" | "tanh") {
            alpha = alphas.next().map_or(alpha, f64::from);
        }
        if matches!(name, "affine" | "hardsigmoid" | "scaledtanh") {
            beta = betas.next().map_or(beta, f64::from);
        }
        Ok(Self { function, alpha, beta })
    }

    fn of(&self, x: f64) -> f64 {
        (self.function)(x, self.alpha, self.beta)
    }
}

/// Steps, batch and hidden size.
struct Sizes {
    steps: usize,
    batch: usize,
    inputs: usize,
    hidden: usize,
}

/// What one direction has of its own.
struct Direction<'a> {
    activations: &'a [Activation],
    /// Over the state.
    weights: &'a [f64],
    bias: &'a [f64],
    peep: &'a [f64],
}

impl Direction<'_> {
    fn over(&self, row: usize, h: &[f64]) -> f64 {
        dot(&self.weights[row * h.len()..][..h.len()], h)
    }
}

impl Recurrent {
    fn sizes(&self, x: &[usize], w: &[usize], r: &[usize]) -> TractResult<Sizes> {
        ensure!(x.len() == 3 && w.len() == 3 && r.len() == 3, "inputs of rank 3 are needed");
        let hidden = r[2];
        let (steps, batch) = if self.batch_first { (x[1], x[0]) } else { (x[0], x[1]) };
        let rows = self.kind.gates() * hidden;
        let directions = self.backwards.len();
        ensure!(
            w == [directions, rows, x[2]] && r == [directions, rows, hidden],
            "the weights do not fit the input"
        );
        ensure!(self.hidden.is_none_or(|h| h == hidden), "hidden_size does not fit the weights");
        Ok(Sizes { steps, batch, inputs: x[2], hidden })
    }

    fn shapes(&self, s: &Sizes) -> (TVec<usize>, TVec<usize>) {
        let d = self.backwards.len();
        if self.batch_first {
            (tvec!(s.batch, s.steps, d, s.hidden), tvec!(s.batch, d, s.hidden))
        } else {
            (tvec!(s.steps, d, s.batch, s.hidden), tvec!(d, s.batch, s.hidden))
        }
    }

    /// One step of one batch entry: `h` and `c` become the next state. `x` are the gates' sums over the
    /// input.
    fn step(&self, of: &Direction, x: &[f64], h: &mut [f64], c: &mut [f64]) {
        let n = h.len();
        let act = of.activations;
        let gate = |g: usize, i: usize, f: &Activation, more: f64| {
            let row = g * n + i;
            f.of((x[row] + of.over(row, h) + more).clamp(-self.clip, self.clip))
        };
        let next: Vec<f64> = match self.kind {
            Kind::Rnn => (0..n).map(|i| gate(0, i, &act[0], 0.0)).collect(),
            Kind::Gru => {
                let z: Vec<f64> = (0..n).map(|i| gate(0, i, &act[0], 0.0)).collect();
                let reset: Vec<f64> = (0..n).map(|i| gate(1, i, &act[0], 0.0)).collect();
                let scaled: Vec<f64> = reset.iter().zip(&*h).map(|(r, h)| r * h).collect();
                (0..n)
                    .map(|i| {
                        let row = 2 * n + i;
                        // The bias of the recurrence is in `x`, but for a late reset.
                        let sum = if self.late_reset {
                            x[row] + reset[i] * (of.over(row, h) + of.bias[row])
                        } else {
                            x[row] + of.over(row, &scaled)
                        };
                        let new = act[1].of(sum.clamp(-self.clip, self.clip));
                        (1.0 - z[i]) * new + z[i] * h[i]
                    })
                    .collect()
            }
            Kind::Lstm => (0..n)
                .map(|i| {
                    let input = gate(0, i, &act[0], of.peep[i] * c[i]);
                    let forget = match self.coupled {
                        true => 1.0 - input,
                        false => gate(2, i, &act[0], of.peep[2 * n + i] * c[i]),
                    };
                    let cell = forget * c[i] + input * gate(3, i, &act[1], 0.0);
                    let output = gate(1, i, &act[0], of.peep[n + i] * cell);
                    c[i] = cell;
                    output * act[2].of(cell)
                })
                .collect(),
        };
        h.copy_from_slice(&next);
    }
}

impl Host for Recurrent {
    fn name(&self) -> &'static str {
        "Recurrent"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let x = need(inputs, 0)?;
        let sizes = self.sizes(&dims(x)?, &dims(need(inputs, 1)?)?, &dims(need(inputs, 2)?)?)?;
        let (all, last) = self.shapes(&sizes);
        let (all, last) = (x.datum_type.fact(all), x.datum_type.fact(last));
        Ok(tvec!(all, last.clone(), last))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (x, w, r) = (need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?);
        let s = self.sizes(x.shape(), w.shape(), r.shape())?;
        let (rows, directions, hidden) =
            (self.kind.gates() * s.hidden, self.backwards.len(), s.hidden);
        let read = |at: usize, count: usize| -> TractResult<Vec<f64>> {
            let values = maybe(inputs, at).map_or_else(|| Ok(vec![0.0; count]), f64s)?;
            ensure!(values.len() == count, "input {at} does not fit");
            Ok(values)
        };
        let (x_, w_, r_) = (f64s(x)?, f64s(w)?, f64s(r)?);
        let bias = read(3, directions * 2 * rows)?;
        let state = directions * s.batch * hidden;
        let (mut h, mut c) = (
            read(5, state)?,
            if self.kind == Kind::Lstm { read(6, state)? } else { vec![0.0; state] },
        );
        let peepholes =
            if self.kind == Kind::Lstm { read(7, directions * 3 * hidden)? } else { vec![] };
        let lengths = match maybe(inputs, 4) {
            Some(lengths) => sizes(&i64s(lengths)?)?,
            None => vec![s.steps; s.batch],
        };
        ensure!(
            lengths.len() == s.batch && lengths.iter().all(|l| *l <= s.steps),
            "sequence_lens do not fit the input"
        );
        let (all, last) = self.shapes(&s);
        let mut out = vec![0.0; volume(&all)?];
        let mut gates = vec![0.0; rows];
        for (d, backwards) in self.backwards.iter().enumerate() {
            let (w, r) = (&w_[d * rows * s.inputs..], &r_[d * rows * hidden..]);
            let (input_bias, state_bias) = bias[d * 2 * rows..][..2 * rows].split_at(rows);
            let direction = Direction {
                activations: &self.activations[d],
                weights: r,
                bias: state_bias,
                peep: peepholes.get(d * 3 * hidden..).unwrap_or_default(),
            };
            for (b, length) in lengths.iter().enumerate() {
                let place = if self.batch_first { b * directions + d } else { d * s.batch + b };
                let at = place * hidden..(place + 1) * hidden;
                for step in 0..*length {
                    let t = if *backwards { length - 1 - step } else { step };
                    let from = if self.batch_first { b * s.steps + t } else { t * s.batch + b };
                    let x = &x_[from * s.inputs..][..s.inputs];
                    for (row, gate) in gates.iter_mut().enumerate() {
                        let late = self.kind == Kind::Gru && self.late_reset && row >= 2 * hidden;
                        let state_bias = if late { 0.0 } else { state_bias[row] };
                        *gate =
                            dot(&w[row * s.inputs..][..s.inputs], x) + input_bias[row] + state_bias;
                    }
                    self.step(&direction, &gates, &mut h[at.clone()], &mut c[at.clone()]);
                    let to = if self.batch_first {
                        (b * s.steps + t) * directions + d
                    } else {
                        (t * directions + d) * s.batch + b
                    };
                    out[to * hidden..][..hidden].copy_from_slice(&h[at.clone()]);
                }
            }
        }
        let dt = x.datum_type();
        Ok(tvec!(from_f64(&all, &out, dt)?, from_f64(&last, &h, dt)?, from_f64(&last, &c, dt)?))
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
