//! Recurrent layers: all steps in one dispatch.
//!
//! In: `Recurrence`. Out: one product for the gates' sums over the input of all steps, and a
//! dispatch that takes the steps, in which a workgroup has one row of the batch in one direction, or a share of its units.

use nearside_kernels::recurrence::Cell;
use tract_onnx::prelude::*;

use super::gather::counted;
use super::matmul::product;
use super::pad::padded;
use crate::cpu::recurrence::Recurrence;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::chain::Chain;
use crate::gpu::kernel::{MAX_GROUPS, Param};
use crate::gpu::value::{Carrier, View};

const BODY: &str = wgsl!("recurrent.wgsl");

/// Three states must fit into the workgroup memory that every adapter has.
const MOST_HIDDEN: usize = 1024;
/// Units of a workgroup where a step is the only one.
const SHARE: usize = 32;

/// What the bias adds to the sums over the input, `[direction, gate]`, and what a late reset has of it.
fn biases(cx: &mut Cx, op: &Recurrence, late: bool) -> Lowered<(View, Option<View>)> {
    let (directions, hidden) = (op.backwards.len(), op.hidden);
    let gates = op.cell.gates() * hidden;
    let Some(slot) = op.slot(3) else {
        let zeros = cx.builder.constant(Arc::new(tensor1(&vec![0f32; directions * gates])))?;
        return Ok((zeros.clone(), late.then_some(zeros)));
    };
    if cx.input_fact(slot)?.1.iter().product::<usize>() != directions * 2 * gates {
        return because("weights that do not fit");
    }
    let Some(bias) = cx.konst(slot) else { return computed_biases(cx, op, slot, late) };
    let both = move |bias: &[f32]| {
        let both = |at: usize| {
            let (d, row) = (at / gates, at % gates);
            let own = d * 2 * gates + row;
            // A late reset comes before the bias of the state.
            let alone = late && row >= 2 * hidden;
            bias[own] + if alone { 0.0 } else { bias[own + gates] }
        };
        (0..directions * gates).map(both).collect()
    };
    let form = format!("{directions} {gates} {late}");
    let count = (directions * gates, false);
    let sums = cx.builder.packed(Arc::clone(&bias), format!("sums {form}"), count, both)?;
    let of_state = move |bias: &[f32]| {
        let own = (0..directions).flat_map(|d| &bias[(2 * d + 1) * gates..][..gates]);
        own.copied().collect()
    };
    let way = format!("late {form}");
    let of_state = late.then(|| cx.builder.packed(bias, way, count, of_state)).transpose()?;
    Ok((sums, of_state))
}

/// The same of a bias that is no constant.
fn computed_biases(
    cx: &mut Cx,
    op: &Recurrence,
    slot: usize,
    late: bool,
) -> Lowered<(View, Option<View>)> {
    let (directions, hidden) = (op.backwards.len(), op.hidden);
    let gates = op.cell.gates() * hidden;
    let bias = cx.dense_input(slot)?.reshaped(&[directions, 2, gates]);
    let bias = bias.map_or_else(|| because("no view"), Ok)?;
    let [of_input, of_state] = [0, 1].map(|at| bias.sliced(1, at, 1, 1));
    let sums = cx.temporary(DatumType::F32, &[directions, 1, gates])?;
    let both = if late { 2 * hidden } else { gates };
    let mut chain = Chain::plain(&[directions, 1, both]);
    let args = [&of_input, &of_state].map(|view| chain.load(view.sliced(2, 0, both, 1)));
    chain.push("$0 + $1", args.to_vec(), Carrier::F32);
    cx.run_elements(chain, sums.sliced(2, 0, both, 1));
    if late {
        let rest = |view: &View| view.sliced(2, both, gates - both, 1);
        cx.run_elements(Chain::copy(rest(&of_input)), rest(&sums));
    }
    let of_state = late.then(|| cx.dense(of_state)).transpose()?;
    Ok((sums, of_state))
}

/// The weights of the state: four of its elements to a vector, the last filled up with zeros.
fn by_state(cx: &mut Cx, op: &Recurrence, slot: usize) -> Lowered<View> {
    let (directions, hidden) = (op.backwards.len(), op.hidden);
    let gates = op.cell.gates() * hidden;
    let (_, shape) = cx.input_fact(slot)?;
    if shape.iter().product::<usize>() != directions * gates * hidden {
        return because("weights that do not fit");
    }
    let quarters = hidden.div_ceil(4);
    let Some(konst) = cx.konst(slot) else {
        let filled = [(0, 0), (0, 0), (0, quarters * 4 - hidden)];
        let view = cx.input(slot)?;
        let view = padded(cx, view, &filled)?.reshaped(&[directions, gates, quarters, 4]);
        let view = view.map_or_else(|| because("no view"), Ok)?;
        return cx.dense(view.permuted(&[0, 2, 1, 3]));
    };
    let count = directions * quarters * gates * 4;
    let vectors = move |weights: &[f32]| {
        let from = |at: usize| {
            let (lane, row, rest) = (at % 4, at / 4 % gates, at / 4 / gates);
            let (d, from) = (rest / quarters, rest % quarters * 4 + lane);
            if from < hidden { weights[(d * gates + row) * hidden + from] } else { 0.0 }
        };
        (0..count).map(from).collect()
    };
    cx.builder.packed(konst, format!("steps {directions} {gates}"), (count, true), vectors)
}

pub(crate) fn lower(cx: &mut Cx, op: &Recurrence) -> Lowered<()> {
    let (steps, batch, hidden) = (op.steps, op.batch, op.hidden);
    let (directions, gates) = (op.backwards.len(), op.cell.gates() * hidden);
    if hidden > MOST_HIDDEN || batch > MAX_GROUPS as usize {
        return because("a recurrent layer of this size");
    }
    let late = matches!(op.cell, Cell::Gru { late_reset: true });
    let (Some(x), Some(w), Some(r)) = (op.slot(0), op.slot(1), op.slot(2)) else {
        return because("a recurrent layer without weights");
    };

    // The sums over the input, of every step at once.
    let x = cx.dense_input(x)?;
    let x = x.reshaped(&[1, steps * batch, op.inputs]).map_or_else(|| because("no view"), Ok)?;
    let w = match cx.konst(w).filter(|konst| konst.len() == directions * gates * op.inputs) {
        Some(konst) => by_input(cx, konst, [directions, op.inputs, gates])?,
        None => cx.input(w)?.permuted(&[0, 2, 1]),
    };
    let sums = cx.temporary(DatumType::F32, &[directions, steps * batch, gates])?;
    let mut kernel = product(cx, x, w, sums.clone(), false)?;
    let (view, of_state) = biases(cx, op, late)?;
    let shape = sums.shape.clone();
    let view = View { shape, strides: vec![gates as isize, 0, 1], ..view };
    let (last, loaded) = (kernel.chain.result, kernel.chain.load(view));
    kernel.chain.push("$0 + $1", vec![last, loaded], Carrier::F32);
    cx.run(kernel);

    // The steps.
    let quarters = hidden.div_ceil(4);
    let weights = by_state(cx, op, r)?;
    let late_bias = of_state.unwrap_or_else(|| weights.clone());
    let first = first_state(cx, op)?;
    let states = if op.cell == Cell::Lstm { 2 } else { 1 };
    let last = cx.temporary(DatumType::F32, &[states, directions, batch, hidden])?;
    let mut all = None;
    for (slot, output) in op.kept.iter().enumerate() {
        match output {
            0 => all = Some(cx.output(slot)?),
            state => {
                let mut view = last.sliced(0, state - 1, 1, 1);
                view.shape.remove(0);
                view.strides.remove(0);
                if op.batch_first {
                    view = view.permuted(&[1, 0, 2]);
                }
                cx.is(slot, view, false);
            }
        }
    }
    let all = match all {
        Some(all) => all,
        None => cx.temporary(DatumType::F32, &op.shapes[0])?,
    };
    let cell = match op.cell {
        Cell::Lstm => 0,
        Cell::Gru { .. } => 1,
        Cell::Rnn => 2,
    };
    let (extra, more) = extras(cx, op)?;
    // An early reset needs all units between the two halves of a step.
    let alone = steps == 1 && op.cell != (Cell::Gru { late_reset: false });
    let share = if alone { hidden.min(SHARE) } else { hidden };
    let lanes = share.next_power_of_two().clamp(16, 256);
    let head = format!(
        "const CELL = {cell}u;\nconst LATE = {late};\nconst HIDDEN = {hidden}u;\n\
         const QUARTERS = {quarters}u;\nconst SHARE = {share}u;\nconst LANES = {lanes}u;\n{extra}"
    );
    let groups = [batch, directions, hidden.div_ceil(share)].map(|g| g as u32);
    let mut kernel = cx.kernel(head + BODY, groups, all);
    let backwards = op.backwards.iter().rev().fold(0, |bits, b| bits << 1 | usize::from(*b));
    let [row_t, row_b, y_t, y_d, y_b] = if op.batch_first {
        [1, steps, directions * hidden, hidden, steps * directions * hidden]
    } else {
        [batch, 1, directions * batch * hidden, batch * hidden, hidden]
    };
    let params = [
        ("steps", steps),
        ("batch", batch),
        ("directions", directions),
        ("gates", gates),
        ("rows", steps * batch),
        ("backwards", backwards),
        ("row_t", row_t),
        ("row_b", row_b),
        ("y_t", y_t),
        ("y_d", y_d),
        ("y_b", y_b),
    ];
    kernel.params = params.iter().map(|(n, v)| ((*n).to_owned(), Param::U(*v as u32))).collect();
    kernel.reads = vec![sums, weights, first, late_bias];
    kernel.reads.extend(more);
    kernel.wide = vec![false, true];
    kernel.more = vec![last];
    cx.run(kernel);
    Ok(())
}

/// How many steps a row of the batch has, and what a gate sees of the cell, as text and what that reads.
fn extras(cx: &mut Cx, op: &Recurrence) -> Lowered<(String, Vec<View>)> {
    let mut reads = vec![];
    let mut count = "p.steps".to_owned();
    if let Some(slot) = op.slot(4) {
        let lengths = cx.dense_input(slot)?;
        if lengths.carrier != Carrier::I32 || lengths.len() != op.batch {
            return because("lengths that do not fit the batch");
        }
        let bad = "  return select(0u, 1u, in0[k] < 0 || in0[k] > p.most);\n";
        let told = format!("the sequence_lens of `{}` do not fit its input", cx.node.name);
        let most = Param::I(i32::try_from(op.steps).unwrap_or(i32::MAX));
        let params = vec![("most".to_owned(), most)];
        counted(cx, bad, op.batch, (params, vec![lengths.clone()]), told)?;
        count = "min(u32(in4[b]), p.steps)".to_owned();
        reads.push(lengths);
    }
    let mut seen = "0.0".to_owned();
    if let Some(slot) = op.slot(7).filter(|_| op.cell == Cell::Lstm) {
        let peepholes = cx.dense_input(slot)?;
        if peepholes.len() != op.backwards.len() * 3 * op.hidden {
            return because("weights that do not fit");
        }
        seen = format!("in{}[(d * 3u + gate) * HIDDEN + j] * c", 4 + reads.len());
        reads.push(peepholes);
    }
    let text = format!(
        "fn count(b: u32) -> u32 {{ return {count}; }}\n\
         fn seen(d: u32, gate: u32, j: u32, c: f32) -> f32 {{ return {seen}; }}\n"
    );
    Ok((text, reads))
}

/// The weights of the input with the gates innermost, as products of one row read them best.
fn by_input(cx: &mut Cx, konst: Arc<Tensor>, shape: [usize; 3]) -> Lowered<View> {
    let [directions, inputs, gates] = shape;
    let count = directions * inputs * gates;
    let made = move |weights: &[f32]| {
        let from = |at: usize| {
            let (d, input, row) = (at / (inputs * gates), at / gates % inputs, at % gates);
            weights[(d * gates + row) * inputs + input]
        };
        (0..count).map(from).collect()
    };
    let view = cx.builder.packed(konst, format!("inputs {shape:?}"), (count, true), made)?;
    view.reshaped(&shape).map_or_else(|| because("no view"), Ok)
}

/// `[hidden or cell, direction, batch, unit]` before the first step.
fn first_state(cx: &mut Cx, op: &Recurrence) -> Lowered<View> {
    let states = if op.cell == Cell::Lstm { 2 } else { 1 };
    let shape = [states, op.backwards.len(), op.batch, op.hidden];
    if op.slot(5).is_none() && op.slot(6).is_none() {
        let zeros = vec![0f32; shape.iter().product()];
        return cx.builder.constant(Arc::new(tensor1(&zeros)));
    }
    let whole = cx.temporary(DatumType::F32, &shape)?;
    for state in 0..states {
        let view = match op.slot(5 + state) {
            Some(slot) if op.batch_first => cx.input(slot)?.permuted(&[1, 0, 2]),
            Some(slot) => cx.input(slot)?,
            None => {
                let zero = cx.builder.constant(Arc::new(tensor1(&[0f32])))?;
                View { shape: shape[1..].to_vec(), strides: vec![0; 3], ..zero }
            }
        };
        let mut part = whole.sliced(0, state, 1, 1);
        part.shape.remove(0);
        part.strides.remove(0);
        cx.run_elements(Chain::copy(view), part);
    }
    Ok(whole)
}
