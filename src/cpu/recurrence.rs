//! `LSTM`, `GRU` and `RNN` with their usual functions, in float32.
//!
//! In: as ONNX has it. Out: those outputs that are asked for. One product gives the sums over the input for many steps;
//! then the steps run one after the other. Constant weights are packed once, when code is generated, and are no
//! inputs any more.

use std::sync::Arc;

use nearside_kernels::dense::{self, dense};
use nearside_kernels::recurrence::{Cell, Recurrence as Steps, Rows};
use nearside_kernels::ways::{self, Way};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::floats;
use crate::codec::Field;
use crate::model::ops::{Recurrent, Sizes};

/// Positions of ONNX's inputs.
const X: usize = 0;
const W: usize = 1;
const R: usize = 2;
const BIAS: usize = 3;
const LENGTHS: usize = 4;
const H: usize = 5;
const C: usize = 6;
const PEEPHOLES: usize = 7;

/// Sums over the input that are held at a time, unless a single step has more.
const BLOCK_SUMS: usize = 1 << 16;

/// The weights of one direction.
#[derive(Debug, PartialEq)]
struct Direction {
    /// Packed, for the product of the input.
    input: Vec<f32>,
    bias: Vec<f32>,
    steps: Steps,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recurrence {
    pub(crate) cell: Cell,
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) inputs: usize,
    pub(crate) hidden: usize,
    /// For each direction.
    pub(crate) backwards: Vec<bool>,
    pub(crate) batch_first: bool,
    /// Of what every step gives, and of a state.
    pub(crate) shapes: [TVec<usize>; 2],
    /// By ONNX's position the node's own input.
    slots: Vec<Option<usize>>,
    /// ONNX's outputs that the node has.
    pub(crate) kept: Vec<usize>,
    /// Once the weights are no inputs any more.
    weights: Option<Arc<Vec<Direction>>>,
}

/// The number of a cell, for ever.
const CELLS: [(u8, Cell); 4] = [
    (0, Cell::Lstm),
    (1, Cell::Gru { late_reset: false }),
    (2, Cell::Gru { late_reset: true }),
    (3, Cell::Rnn),
];

/// Before its weights are packed.
impl Field for Recurrence {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut crate::codec::Writer) -> TractResult<()> {
        ensure!(self.weights.is_none(), "packed weights have no bytes");
        let cell = CELLS.iter().find(|(_, cell)| *cell == self.cell);
        cell.context("a cell without a number")?.0.write(to)?;
        [self.steps, self.batch, self.inputs, self.hidden].write(to)?;
        self.backwards.write(to)?;
        self.batch_first.write(to)?;
        self.shapes.iter().try_for_each(|shape| shape.write(to))?;
        self.slots.write(to)?;
        self.kept.write(to)
    }

    fn read(from: &mut crate::codec::Reader<'_>) -> TractResult<Self> {
        let number = u8::read(from)?;
        let cell = CELLS.iter().find(|(of, _)| *of == number).context("an unknown cell")?.1;
        let [steps, batch, inputs, hidden] = <[usize; 4]>::read(from)?;
        Ok(Self {
            cell,
            steps,
            batch,
            inputs,
            hidden,
            backwards: Field::read(from)?,
            batch_first: Field::read(from)?,
            shapes: [Field::read(from)?, Field::read(from)?],
            slots: Field::read(from)?,
            kept: Field::read(from)?,
            weights: None,
        })
    }
}

// Weights with NaN are merely never equal.
impl Eq for Recurrence {}

/// Rows of the batch that have as many steps.
struct Group {
    rows: Rows,
    steps: usize,
}

impl Recurrence {
    /// Whether it names none but the inputs and outputs that there are.
    pub(crate) fn names(&self, inputs: usize) -> bool {
        self.slots.iter().flatten().all(|slot| *slot < inputs) && self.kept.iter().all(|at| *at < 3)
    }

    /// Whether what it gives is as large as it says.
    pub(crate) fn fits(&self) -> bool {
        let product = |sizes: &[usize]| sizes.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        let state = product(&[self.backwards.len(), self.batch, self.hidden]);
        let all = state.and_then(|state| state.checked_mul(self.steps));
        state.is_some()
            && self.hidden > 0
            && [all, state] == [product(&self.shapes[0]), product(&self.shapes[1])]
    }

    /// `slots` and `kept` as the host operator has them.
    pub(crate) fn new(
        cell: Cell,
        code: &Recurrent,
        sizes: &Sizes,
        slots: &[Option<usize>],
        kept: &[usize],
    ) -> Self {
        let (all, last) = code.shapes(sizes);
        let Sizes { steps, batch, inputs, hidden } = *sizes;
        Self {
            cell,
            steps,
            batch,
            inputs,
            hidden,
            backwards: code.backwards.clone(),
            batch_first: code.batch_first,
            shapes: [all, last],
            slots: slots.to_vec(),
            kept: kept.to_vec(),
            weights: None,
        }
    }

    /// The node's own input at ONNX's position.
    pub(crate) fn slot(&self, at: usize) -> Option<usize> {
        self.slots.get(at).copied().flatten()
    }

    /// The weights from tensors by ONNX's position.
    fn pack<'t>(
        &self,
        tensor: impl Fn(usize) -> Option<&'t Tensor>,
    ) -> TractResult<Vec<Direction>> {
        let (n, inputs) = (self.hidden, self.inputs);
        let rows = self.cell.gates() * n;
        let need =
            |at: usize| floats(tensor(at).with_context(|| format!("input {at} is missing"))?);
        let (w, r) = (need(W)?, need(R)?);
        let bias = tensor(BIAS).map(floats).transpose()?;
        let peepholes = tensor(PEEPHOLES).filter(|_| self.cell == Cell::Lstm);
        let peepholes = peepholes.map(floats).transpose()?.unwrap_or_default();
        let directions = self.backwards.len();
        let fits = w.len() == directions * rows * inputs
            && r.len() == directions * rows * n
            && bias.is_none_or(|b| b.len() == directions * 2 * rows)
            && (peepholes.is_empty() || peepholes.len() == directions * 3 * n);
        ensure!(fits, "the weights do not fit");
        let each = (0..directions).map(|d| {
            let w = &w[d * rows * inputs..][..rows * inputs];
            let zeros = vec![0.; 2 * rows];
            let (of_input, of_state) =
                bias.map_or(&zeros[..], |b| &b[d * 2 * rows..][..2 * rows]).split_at(rows);
            let peepholes = peepholes.get(d * 3 * n..(d + 1) * 3 * n).unwrap_or_default();
            let r = &r[d * rows * n..][..rows * n];
            let sum = |(row, (a, b)): (usize, (&f32, &f32))| {
                if Steps::adds_bias(self.cell, row / n) { *a } else { a + b }
            };
            Ok(Direction {
                input: dense::pack(inputs, rows, |i, c| w[c * inputs + i]),
                bias: of_input.iter().zip(of_state).enumerate().map(sum).collect(),
                steps: Steps::new(self.cell, n, r, of_state, peepholes)?,
            })
        });
        each.collect()
    }

    fn groups(&self, lengths: Option<&Tensor>) -> TractResult<Vec<Group>> {
        let Some(lengths) = lengths else {
            let rows = Rows { batch: self.batch, first: 0, count: self.batch };
            return Ok(vec![Group { rows, steps: self.steps }]);
        };
        let lengths = lengths.cast_to::<i64>()?;
        let lengths = lengths.try_as_plain_ram()?;
        let lengths = lengths.as_slice::<i64>()?;
        ensure!(lengths.len() == self.batch, "sequence_lens do not fit the input");
        let mut groups: Vec<Group> = vec![];
        for (first, length) in lengths.iter().enumerate() {
            let steps = usize::try_from(*length).ok().filter(|n| *n <= self.steps);
            let steps = steps.context("sequence_lens do not fit the input")?;
            match groups.last_mut() {
                Some(group) if group.steps == steps => group.rows.count += 1,
                _ => {
                    let rows = Rows { batch: self.batch, first, count: 1 };
                    groups.push(Group { rows, steps });
                }
            }
        }
        Ok(groups)
    }

    /// Where a direction's state of a row of the batch begins.
    fn state(&self, direction: usize, row: usize) -> usize {
        let at = if self.batch_first {
            row * self.backwards.len() + direction
        } else {
            direction * self.batch + row
        };
        at * self.hidden
    }

    /// The state of all directions as `[directions, batch, hidden]`, from ONNX's input or zeros.
    fn initial(&self, tensor: Option<&Tensor>) -> TractResult<Vec<f32>> {
        let count = self.backwards.len() * self.batch * self.hidden;
        let Some(tensor) = tensor else { return Ok(vec![0.; count]) };
        let given = floats(tensor)?;
        ensure!(given.len() == count, "the initial state does not fit");
        let mut state = Vec::with_capacity(count);
        for d in 0..self.backwards.len() {
            for row in 0..self.batch {
                state.extend_from_slice(&given[self.state(d, row)..][..self.hidden]);
            }
        }
        Ok(state)
    }

    /// The state in ONNX's order.
    fn last(&self, state: &[f32]) -> TractResult<Tensor> {
        let mut tensor = Tensor::zero::<f32>(&self.shapes[1])?;
        let mut view = tensor.try_as_plain_ram_mut()?;
        let out = view.as_slice_mut::<f32>()?;
        for (at, row) in state.chunks_exact(self.hidden).enumerate() {
            let to = self.state(at / self.batch, at % self.batch);
            out[to..][..self.hidden].copy_from_slice(row);
        }
        Ok(tensor)
    }

    /// Runs all directions; `h` and `c` are their states.
    fn directions(
        &self,
        weights: &[Direction],
        x: &[f32],
        groups: &[Group],
        (h, c): (&mut [f32], &mut [f32]),
        y: &mut [f32],
    ) -> TractResult<()> {
        let n = self.hidden;
        let gates = self.cell.gates() * n;
        let place = |d: usize, t: usize, row: usize| match self.batch_first {
            true => (row * self.steps + t) * self.backwards.len() + d,
            false => (t * self.backwards.len() + d) * self.batch + row,
        };
        let block = (BLOCK_SUMS / (self.batch * gates).max(1)).clamp(1, self.steps.max(1));
        let mut sums = vec![vec![0.; block * self.batch * gates]; weights.len()];
        let mut made = vec![vec![0.; block * self.batch * n]; weights.len()];
        let blocks = self.steps.div_ceil(block);
        for at in 0..blocks {
            let spans: Vec<_> = self
                .backwards
                .iter()
                .map(|backwards| {
                    let at = if *backwards { blocks - 1 - at } else { at };
                    at * block..((at + 1) * block).min(self.steps)
                })
                .collect();
            for ((span, direction), sums) in spans.iter().zip(weights).zip(&mut sums) {
                let rows = span.len() * self.batch;
                let x = &x[span.start * self.batch * self.inputs..][..rows * self.inputs];
                let (size, bias) = ([rows, self.inputs, gates], Some(&direction.bias[..]));
                dense(size, x, &direction.input, bias, &mut sums[..rows * gates])?;
            }
            for group in groups {
                let count = |d: usize| group.steps.min(spans[d].end).saturating_sub(spans[d].start);
                let state = group.rows.first * n..(group.rows.first + group.rows.count) * n;
                let cell = if c.is_empty() { 0..0 } else { state.clone() };
                let each = self.batch * n;
                let states = h.chunks_exact_mut(each.max(1));
                // Of a cell that is no LSTM's, nothing for each.
                let mut cells = c.chunks_exact_mut(each.max(1));
                let ways = weights.iter().zip(states).zip(&sums).zip(&mut made).enumerate();
                let mut ways: Vec<Way> = ways
                    .map(|(d, (((direction, h), sums), out))| Way {
                        recurrence: &direction.steps,
                        backwards: self.backwards[d],
                        steps: count(d),
                        rows: group.rows,
                        x: sums,
                        h: &mut h[state.clone()],
                        c: &mut cells.next().unwrap_or_default()[cell.clone()],
                        out: &mut out[..count(d) * group.rows.count * n],
                    })
                    .collect();
                ways::run(&mut ways)?;
                for (d, out) in made.iter().enumerate() {
                    let rows = out.chunks_exact(n.max(1)).take(count(d) * group.rows.count);
                    for (at, h) in rows.enumerate() {
                        let (t, row) = (at / group.rows.count, at % group.rows.count);
                        let to = place(d, spans[d].start + t, group.rows.first + row);
                        y[to * n..][..n].copy_from_slice(h);
                    }
                }
            }
        }
        Ok(())
    }
}

/// `[batch, steps, inputs]` as `[steps, batch, inputs]`.
fn steps_first(x: &[f32], [batch, steps, inputs]: [usize; 3]) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.len());
    for t in 0..steps {
        for row in 0..batch {
            out.extend_from_slice(&x[(row * steps + t) * inputs..][..inputs]);
        }
    }
    out
}

impl Op for Recurrence {
    fn name(&self) -> StaticName {
        "Recurrence".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        let weights = if self.weights.is_some() { "packed" } else { "inputs" };
        let directions = self.backwards.len();
        Ok(vec![format!("{:?} {} x {directions}, weights {weights}", self.cell, self.hidden)])
    }

    op_as_typed_op!();
}

impl EvalOp for Recurrence {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let tensor = |at: usize| self.slot(at).and_then(|slot| inputs.get(slot)).map(|t| &**t);
        let weights = match &self.weights {
            Some(weights) => Arc::clone(weights),
            None => Arc::new(self.pack(tensor)?),
        };
        let x = floats(tensor(X).context("input 0 is missing")?)?;
        ensure!(x.len() == self.steps * self.batch * self.inputs, "the input does not fit");
        let ordered = self.batch_first && self.batch > 1 && self.steps > 1;
        let ordered = ordered.then(|| steps_first(x, [self.batch, self.steps, self.inputs]));
        let x = ordered.as_deref().unwrap_or(x);
        let groups = self.groups(tensor(LENGTHS))?;
        let mut h = self.initial(tensor(H))?;
        let lstm = self.cell == Cell::Lstm;
        let mut c = if lstm { self.initial(tensor(C))? } else { vec![] };
        let mut y = Tensor::zero::<f32>(&self.shapes[0])?;
        {
            let mut view = y.try_as_plain_ram_mut()?;
            let out = view.as_slice_mut::<f32>()?;
            self.directions(&weights, x, &groups, (&mut h, &mut c), out)?;
        }
        let directions = 0..self.backwards.len();
        for (d, group) in directions.flat_map(|d| groups.iter().map(move |group| (d, group))) {
            // As in ONNX Runtime, which has no last step to give the state of.
            if group.steps == 0 {
                let first = (d * self.batch + group.rows.first) * self.hidden;
                let rows = first..first + group.rows.count * self.hidden;
                h[rows.clone()].fill(0.);
                c.get_mut(rows).unwrap_or_default().fill(0.);
            }
        }
        let mut y = Some(y);
        let outputs = self.kept.iter().map(|at| match at {
            0 => y.take().context("an output is asked for twice"),
            1 => self.last(&h),
            _ => self.last(&c),
        });
        outputs.map(|t| Ok(t?.into_tvalue())).collect()
    }
}

impl TypedOp for Recurrence {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let fact = |at: &usize| f32::fact(&self.shapes[(*at).min(1)]);
        Ok(self.kept.iter().map(fact).collect())
    }

    fn codegen(
        &self,
        model: &TypedModel,
        node: &TypedNode,
    ) -> TractResult<Option<TypedModelPatch>> {
        rule_if!(self.weights.is_none());
        let weights = [W, R, BIAS, PEEPHOLES];
        let facts = model.node_input_facts(node.id)?;
        let konst = |at: usize| self.slot(at).and_then(|slot| facts[slot].konst.as_deref());
        rule_if!(weights.iter().all(|at| self.slot(*at).is_none() || konst(*at).is_some()));
        let mut op = Self { weights: Some(Arc::new(self.pack(konst)?)), ..self.clone() };
        let mut inputs: TVec<OutletId> = tvec!();
        for (at, slot) in op.slots.iter_mut().enumerate() {
            *slot = slot.filter(|_| !weights.contains(&at)).map(|slot| {
                inputs.push(node.inputs[slot]);
                inputs.len() - 1
            });
        }
        TypedModelPatch::replace_single_op(model, node, &inputs, op).map(Some)
    }

    as_op!();
}
