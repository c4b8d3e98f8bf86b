//! Every form of the three operators, step by step in float64.
//!
//! In: a sequence, weights, and perhaps lengths and a state. Out: what each step gave, and the last state.

use tract_onnx::tract_hir::internal::*;

use super::super::host::*;
use super::functions::Activation;
use super::{Kind, Recurrent};

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
                    let cell = cell.clamp(-self.cell_clip, self.cell_clip);
                    let output = gate(1, i, &act[0], of.peep[n + i] * cell);
                    c[i] = cell;
                    output * act[2].of(cell)
                })
                .collect(),
        };
        h.copy_from_slice(&next);
    }

    pub(super) fn exact(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
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
                if *length == 0 {
                    // As in ONNX Runtime, which has no last step to give the state of.
                    h[at.clone()].fill(0.0);
                    c[at.clone()].fill(0.0);
                }
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
