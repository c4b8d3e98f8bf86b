//! The steps of LSTM, GRU and RNN layers with their usual functions.
//!
//! In: for every step the sums over its input, which one product gives for all steps; weights packed once. Out: the
//! state after every step. A step is one product of the state and one pass over its gates, as ONNX defines them.

use crate::dense::{self, dense};
use crate::v4::F4;
use crate::{Result, fits};

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// Gates in the order input, output, forget, cell.
    Lstm,
    /// Gates in the order update, reset, hidden.
    Gru {
        /// The reset gate comes after the product with the state, not before it.
        late_reset: bool,
    },
    /// tanh of one gate.
    Rnn,
}

impl Cell {
    /// How many gates a step has.
    pub fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru { .. } => 3,
            Self::Rnn => 1,
        }
    }

    /// Gates whose product is of the state itself.
    fn early(self) -> usize {
        match self {
            Self::Gru { late_reset: false } => 2,
            other => other.gates(),
        }
    }
}

/// What one direction multiplies its state with.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrence {
    cell: Cell,
    hidden: usize,
    /// Packed: gates that take the state as it is.
    early: Vec<f32>,
    /// Packed: the hidden gate of a GRU that resets first.
    late: Vec<f32>,
    /// Added to the product of the state: for a late reset, which scales it.
    bias: Vec<f32>,
    /// LSTM: for the input, output and forget gate what the cell counts, `hidden` each, or nothing.
    peepholes: Vec<f32>,
}

/// The rows of a step that one call does: of `batch` rows those from `first` on.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// All rows of a step.
    pub batch: usize,
    /// The first one of this call.
    pub first: usize,
    /// How many there are in this call.
    pub count: usize,
}

impl Recurrence {
    /// `weights`: a row of `hidden` for each gate and unit. `bias`: one for each gate and unit, of which the sums over the
    /// input must hold those that [`Recurrence::adds_bias`] does not name. `peepholes`: `3 * hidden`, or none.
    pub fn new(
        cell: Cell,
        hidden: usize,
        weights: &[f32],
        bias: &[f32],
        peepholes: &[f32],
    ) -> Result<Self> {
        let all = cell.gates() * hidden;
        fits(weights.len() == all * hidden && bias.len() == all)?;
        fits(peepholes.is_empty() || cell == Cell::Lstm && peepholes.len() == 3 * hidden)?;
        let early = cell.early() * hidden;
        let bias = (0..early)
            .map(|row| if Self::adds_bias(cell, row / hidden.max(1)) { bias[row] } else { 0. });
        Ok(Self {
            cell,
            hidden,
            bias: bias.collect(),
            early: dense::pack(hidden, early, |i, c| weights[c * hidden + i]),
            late: dense::pack(hidden, all - early, |i, c| weights[(early + c) * hidden + i]),
            peepholes: peepholes.to_vec(),
        })
    }

    /// Whether a step itself adds the bias of the state to this gate.
    pub fn adds_bias(cell: Cell, gate: usize) -> bool {
        cell == Cell::Gru { late_reset: true } && gate == 2
    }

    /// Does `steps` one after the other: `x` are the sums over the input, `[steps, batch, gates * hidden]`; `h` and, of
    /// an LSTM, `c` the state of these rows, `[count, hidden]`; step `t` of row `b` goes to `out(t, b)`.
    pub fn run(
        &self,
        steps: impl Iterator<Item = usize>,
        rows: Rows,
        x: &[f32],
        h: &mut [f32],
        c: &mut [f32],
        out: impl FnMut(usize, usize, &[f32]),
    ) -> Result<()> {
        let mut room = vec![0.; self.room(rows)];
        self.run_in(&mut room, steps, rows, x, h, c, out)
    }

    /// Floats of room that [`Recurrence::run_in`] wants.
    pub(crate) fn room(&self, rows: Rows) -> usize {
        let (n, gates) = (self.hidden, self.cell.gates() * self.hidden);
        let early = self.cell.early() * n;
        rows.count * (early + if early < gates { 2 * n } else { 0 })
    }

    /// What a step of these rows costs, in products.
    pub(crate) fn cost(&self, rows: Rows) -> usize {
        rows.count * self.hidden * self.hidden * self.cell.gates()
    }

    /// Units of the state.
    pub(crate) fn hidden(&self) -> usize {
        self.hidden
    }

    /// [`Recurrence::run`] in room of the caller's: nothing is allocated.
    #[allow(clippy::too_many_arguments)] // the room, and what `run` takes
    pub(crate) fn run_in(
        &self,
        room: &mut [f32],
        steps: impl Iterator<Item = usize>,
        rows: Rows,
        x: &[f32],
        h: &mut [f32],
        c: &mut [f32],
        mut out: impl FnMut(usize, usize, &[f32]),
    ) -> Result<()> {
        let (n, gates) = (self.hidden, self.cell.gates() * self.hidden);
        fits(rows.first + rows.count <= rows.batch && h.len() == rows.count * n)?;
        fits(c.len() == if self.cell == Cell::Lstm { h.len() } else { 0 })?;
        fits(room.len() == self.room(rows))?;
        let early = self.cell.early() * n;
        let (sums, rest) = room.split_at_mut(rows.count * early);
        let (reset, hidden) = rest.split_at_mut(rest.len() / 2);
        for t in steps {
            let first = (t * rows.batch + rows.first) * gates;
            let x = x.get(first..first + rows.count * gates).ok_or(crate::Misfit)?;
            let size = [rows.count, n, early];
            match self.cell {
                Cell::Lstm => {
                    dense(size, h, &self.early, Some(x), sums)?;
                    for (b, sums) in sums.chunks_exact(gates).enumerate() {
                        let at = b * n..(b + 1) * n;
                        lstm(n, sums, &self.peepholes, &mut h[at.clone()], &mut c[at]);
                    }
                }
                Cell::Gru { late_reset: true } => {
                    dense(size, h, &self.early, Some(&self.bias), sums)?;
                    let pairs = x.chunks_exact(gates).zip(sums.chunks_exact(gates));
                    for ((x, sums), h) in pairs.zip(h.chunks_exact_mut(n)) {
                        gru(n, x, sums, h);
                    }
                }
                Cell::Gru { late_reset: false } => {
                    dense(size, h, &self.early, None, sums)?;
                    let pairs = x.chunks_exact(gates).zip(sums.chunks_exact_mut(early));
                    let states = h.chunks_exact(n).zip(reset.chunks_exact_mut(n));
                    for ((x, sums), (h, reset)) in pairs.zip(states) {
                        update_and_reset(n, x, sums, h, reset);
                    }
                    dense([rows.count, n, n], reset, &self.late, None, hidden)?;
                    let pairs = x.chunks_exact(gates).zip(sums.chunks_exact(early));
                    let states = h.chunks_exact_mut(n).zip(hidden.chunks_exact(n));
                    for ((x, sums), (h, hidden)) in pairs.zip(states) {
                        after_reset(n, &x[2 * n..], sums, hidden, h);
                    }
                }
                Cell::Rnn => {
                    dense(size, h, &self.early, Some(x), sums)?;
                    each(n, |at, count| {
                        for (sums, h) in sums.chunks_exact(n).zip(h.chunks_exact_mut(n)) {
                            put(h, at, count, get(sums, at, count).tanh());
                        }
                    });
                }
            }
            for (b, h) in h.chunks_exact(n.max(1)).enumerate() {
                out(t, rows.first + b, h);
            }
        }
        Ok(())
    }
}

/// `f(at, count)` for the next four of `n`, or the fewer that are left.
#[inline(always)]
fn each(n: usize, mut f: impl FnMut(usize, usize)) {
    for at in (0..n).step_by(4) {
        f(at, n - at);
    }
}

#[inline(always)]
fn get(values: &[f32], at: usize, count: usize) -> F4 {
    let values = &values[at..at + count.min(4)];
    // SAFETY: it has `count` floats, or four.
    unsafe { F4::load_first(values.as_ptr(), count) }
}

#[inline(always)]
fn put(values: &mut [f32], at: usize, count: usize, lanes: F4) {
    let values = &mut values[at..at + count.min(4)];
    // SAFETY: it has `count` floats, or four.
    unsafe { lanes.store_first(values.as_mut_ptr(), count) }
}

fn lstm(n: usize, sums: &[f32], peepholes: &[f32], h: &mut [f32], c: &mut [f32]) {
    let (p, peeps) = (peepholes, !peepholes.is_empty());
    each(n, |at, count| {
        let gate = |g: usize| get(sums, g * n + at, count);
        let old = get(c, at, count);
        let peep = |g: usize, sum: F4, cell: F4| match peeps {
            true => sum.add_product(get(p, g * n + at, count), cell),
            false => sum,
        };
        let input = peep(0, gate(0), old).sigmoid();
        let forget = peep(2, gate(2), old).sigmoid();
        let new = forget.mul(old).add_product(input, gate(3).tanh());
        let output = peep(1, gate(1), new).sigmoid();
        put(c, at, count, new);
        put(h, at, count, output.mul(new.tanh()));
    });
}

fn gru(n: usize, x: &[f32], sums: &[f32], h: &mut [f32]) {
    each(n, |at, count| {
        let both = |g: usize| (get(x, g * n + at, count), get(sums, g * n + at, count));
        let sum = |(x, state): (F4, F4)| x.add(state);
        let (update, reset) = (sum(both(0)).sigmoid(), sum(both(1)).sigmoid());
        let (x, state) = both(2);
        let new = x.add_product(reset, state).tanh();
        put(h, at, count, mixed(update, new, get(h, at, count)));
    });
}

/// The update gate into `sums`, and the state times the reset gate into `reset`.
fn update_and_reset(n: usize, x: &[f32], sums: &mut [f32], h: &[f32], reset: &mut [f32]) {
    each(n, |at, count| {
        let gate = |sums: &[f32], at| get(x, at, count).add(get(sums, at, count)).sigmoid();
        let (update, kept) = (gate(sums, at), gate(sums, n + at));
        put(sums, at, count, update);
        put(reset, at, count, kept.mul(get(h, at, count)));
    });
}

fn after_reset(n: usize, x: &[f32], update: &[f32], hidden: &[f32], h: &mut [f32]) {
    each(n, |at, count| {
        let new = get(x, at, count).add(get(hidden, at, count)).tanh();
        put(h, at, count, mixed(get(update, at, count), new, get(h, at, count)));
    });
}

/// `(1 - z) * new + z * old`
#[inline(always)]
fn mixed(z: F4, new: F4, old: F4) -> F4 {
    F4::splat(1.).sub(z).mul(new).add_product(z, old)
}
