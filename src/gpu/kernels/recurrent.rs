//! Recurrent layers: all steps in one dispatch.
//!
//! In: `Recurrence` with constant weights. Out: one product for the gates' sums over the input of all steps, and a
//! dispatch that takes the steps, in which a workgroup has one row of the batch in one direction, or a share of its units.

use nearside_kernels::recurrence::Cell;
use tract_onnx::prelude::*;

use super::matmul::product;
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

/// A constant input at ONNX's position, if the node has that input.
fn constant(cx: &Cx, op: &Recurrence, at: usize) -> Lowered<Option<Arc<Tensor>>> {
    let Some(slot) = op.slot(at) else { return Ok(None) };
    match cx.konst(slot) {
        Some(konst) => Ok(Some(konst)),
        None => because("weights that are no constants"),
    }
}

/// What is made of the bias, which may be absent.
fn of_bias(
    cx: &mut Cx,
    bias: Option<&Arc<Tensor>>,
    way: String,
    count: usize,
    make: impl Fn(&[f32]) -> Vec<f32> + Send + Sync + 'static,
) -> Lowered<View> {
    match bias {
        Some(bias) => cx.builder.packed(Arc::clone(bias), way, (count, false), make),
        None => cx.builder.constant(Arc::new(tensor1(&vec![0f32; count]))),
    }
}

pub(crate) fn lower(cx: &mut Cx, op: &Recurrence) -> Lowered<()> {
    if op.slot(4).is_some() {
        return because("a recurrent layer with lengths");
    }
    if op.slot(7).is_some() {
        return because("a recurrent layer with peepholes");
    }
    let (steps, batch, hidden) = (op.steps, op.batch, op.hidden);
    let (directions, gates) = (op.backwards.len(), op.cell.gates() * hidden);
    if hidden > MOST_HIDDEN || batch > MAX_GROUPS as usize {
        return because("a recurrent layer of this size");
    }
    let late = matches!(op.cell, Cell::Gru { late_reset: true });
    let none = || because("a recurrent layer without weights");
    let Some(state_weights) = constant(cx, op, 2)? else { return none() };
    let bias = constant(cx, op, 3)?;
    let (Some(x), Some(w)) = (op.slot(0), op.slot(1)) else { return none() };
    if state_weights.len() != directions * gates * hidden
        || bias.as_ref().is_some_and(|b| b.len() != directions * 2 * gates)
    {
        return because("weights that do not fit");
    }

    // The sums over the input, of every step at once.
    let x = cx.dense_input(x)?;
    let x = x.reshaped(&[1, steps * batch, op.inputs]).map_or_else(|| because("no view"), Ok)?;
    let w = match cx.konst(w).filter(|konst| konst.len() == directions * gates * op.inputs) {
        Some(konst) => by_input(cx, konst, [directions, op.inputs, gates])?,
        None => cx.input(w)?.permuted(&[0, 2, 1]),
    };
    let sums = cx.temporary(DatumType::F32, &[directions, steps * batch, gates])?;
    let mut kernel = product(cx, x, w, sums.clone(), false)?;
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
    let view = of_bias(cx, bias.as_ref(), format!("sums {form}"), directions * gates, both)?;
    let shape = sums.shape.clone();
    let view = View { shape, strides: vec![gates as isize, 0, 1], ..view };
    let (last, loaded) = (kernel.chain.result, kernel.chain.load(view));
    kernel.chain.push("$0 + $1", vec![last, loaded], Carrier::F32);
    cx.run(kernel);

    // The steps.
    // Four elements of the state to a vector, the last filled up with zeros.
    let quarters = hidden.div_ceil(4);
    let count = directions * quarters * gates * 4;
    let vectors = move |weights: &[f32]| {
        let from = |at: usize| {
            let (lane, row, rest) = (at % 4, at / 4 % gates, at / 4 / gates);
            let (d, from) = (rest / quarters, rest % quarters * 4 + lane);
            if from < hidden { weights[(d * gates + row) * hidden + from] } else { 0.0 }
        };
        (0..count).map(from).collect()
    };
    let way = format!("steps {form}");
    let weights = cx.builder.packed(state_weights, way, (count, true), vectors)?;
    let late_bias = if late {
        let of_state = move |bias: &[f32]| {
            let own = (0..directions).flat_map(|d| &bias[(2 * d + 1) * gates..][..gates]);
            own.copied().collect()
        };
        of_bias(cx, bias.as_ref(), format!("late {form}"), directions * gates, of_state)?
    } else {
        weights.clone()
    };
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
    // An early reset needs all units between the two halves of a step.
    let alone = steps == 1 && op.cell != (Cell::Gru { late_reset: false });
    let share = if alone { hidden.min(SHARE) } else { hidden };
    let lanes = share.next_power_of_two().clamp(16, 256);
    let head = format!(
        "const CELL = {cell}u;\nconst LATE = {late};\nconst HIDDEN = {hidden}u;\n\
         const QUARTERS = {quarters}u;\nconst SHARE = {share}u;\nconst LANES = {lanes}u;\n"
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
    kernel.wide = vec![false, true];
    kernel.more = vec![last];
    cx.run(kernel);
    Ok(())
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
