//! Attention whose past is a state of fixed size, and the convolution before it.
//!
//! In: `LinearAttention`, `CausalConvWithState`, as the CPU has them. Out: one dispatch for all steps of the former, in
//! which a workgroup has some columns of one head's state; one each for what the latter gives and keeps.

use tract_onnx::prelude::DatumType;

use super::flat::elements;
use super::shared::Lanes;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::kernel::{MAX_GROUPS, Param};
use crate::gpu::value::View;
use crate::model::ops::{CausalConv, Coded, LinearAttention};

const BODY: &str = wgsl!("linear_attention.wgsl");

/// Floats of state that fit into the workgroup memory that every adapter has, with room for sums.
const MOST_STATE: usize = 3072;
/// Invocations of a workgroup.
const ROOM: usize = 64;

fn u(name: &str, v: usize) -> (String, Param) {
    (name.to_owned(), Param::U(v as u32))
}

/// The node's own position of an ONNX input that must be there.
fn must(slots: &[Option<usize>], at: usize) -> Lowered<usize> {
    slots.get(at).copied().flatten().map_or_else(|| because("an input is missing"), Ok)
}

/// An input of floats in row-major order.
fn floats(cx: &mut Cx, at: usize) -> Lowered<View> {
    let view = cx.dense_input(at)?;
    if view.datum == DatumType::F32 { Ok(view) } else { because("operands that are no float32") }
}

/// Where an output of ONNX's goes, which the node may not have.
fn result(cx: &mut Cx, kept: &[usize], output: usize, shape: &[usize]) -> Lowered<View> {
    let slot = kept.iter().position(|kept| *kept == output);
    let view = cx.value_of(slot, DatumType::F32, shape)?;
    if let Some(slot) = slot {
        cx.is(slot, view.clone(), output == 0);
    }
    Ok(view)
}

pub(crate) fn attention(cx: &mut Cx, coded: &Coded<'_, LinearAttention>) -> Lowered<()> {
    let (op, slots) = (coded.code, coded.slots);
    let mut reads = vec![];
    for at in 0..3 {
        reads.push(floats(cx, must(slots, at)?)?);
    }
    let Ok((size, width)) = op.sizes(&reads[0].shape, &reads[1].shape, &reads[2].shape) else {
        return because("queries, keys and values that do not fit the heads");
    };
    let (batch, steps, heads) = (reads[0].shape[0], reads[0].shape[1], op.kv_heads);
    if size == 0 || size > MOST_STATE || batch.max(heads) > MAX_GROUPS as usize {
        return because("attention over states of this size");
    }
    let group = op.q_heads / heads;
    let columns = (MOST_STATE / size).clamp(1, 16);
    let columns = if columns.is_power_of_two() { columns } else { columns.next_power_of_two() / 2 };
    let slices = ROOM / columns;
    let lanes = Lanes::new(cx, slices, ROOM, true);
    let mut text = format!(
        "const SIZE = {size}u;\nconst COLUMNS = {columns}u;\nconst SLICES = {slices}u;\nconst GROUP = {group}u;\n\
         const GATED = {};\nconst DELTA = {};\n{}{}",
        op.gated,
        op.delta,
        lanes.parts("f32"),
        lanes.join("shared_sum", "f32", "a + b"),
    );
    let shape = [batch, heads, size, width];
    let past = slots.get(3).copied().flatten().map(|at| floats(cx, at)).transpose()?;
    let mut first = "0.0".to_owned();
    if let Some(past) = past {
        if past.shape != shape {
            return because("a past state that does not fit");
        }
        first = format!("in{}[at]", reads.len());
        reads.push(past);
    }
    text += &format!("fn first(at: u32) -> f32 {{ return {first}; }}\n");
    let tokens = batch * steps;
    for (name, at, wanted, none) in [("fade", 4, op.gated, "0.0"), ("rate", 5, op.delta, "1.0")] {
        let mut value = none.to_owned();
        if wanted {
            let view = floats(cx, must(slots, at)?)?;
            let place = match view.len() / tokens.max(1) {
                1 => "token",
                n if n == heads => "row",
                n if n == heads * size && at == 4 => "row * SIZE + i",
                _ => return because("gates that do not fit the heads"),
            };
            value = format!("in{}[{place}]", reads.len());
            reads.push(view);
        }
        let more = if at == 4 { ", i: u32" } else { "" };
        text += &format!("fn {name}(token: u32, row: u32{more}) -> f32 {{ return {value}; }}\n");
    }
    let y = result(cx, coded.kept, 0, &[batch, steps, op.q_heads * width])?;
    let state = result(cx, coded.kept, 1, &shape)?;
    let groups = [width.div_ceil(columns), heads, batch];
    if groups[0] > MAX_GROUPS as usize {
        return because("attention beyond the grid");
    }
    let body = text + &BODY.replace("STATE", state.stored());
    let mut kernel = cx.kernel(body, groups.map(|g| g as u32), y);
    let scale = if op.scale == 0.0 { 1.0 / (size as f32).sqrt() } else { op.scale as f32 };
    kernel.params = vec![
        u("steps", steps),
        u("heads", heads),
        u("width", width),
        ("scale".to_owned(), Param::F(scale)),
    ];
    kernel.reads = reads;
    kernel.more = vec![state];
    cx.run(kernel);
    Ok(())
}

/// `line(row, at)`: the past and the call's own, one behind the other.
const LINE: &str = "fn line(row: u32, at: u32) -> f32 {
  if (at < p.before) { return past(row * p.before + at); }
  return in0[row * p.length + at - p.before];
}
";

pub(crate) fn convolution(cx: &mut Cx, coded: &Coded<'_, CausalConv>) -> Lowered<()> {
    let slots = coded.slots;
    let (x, w) = (floats(cx, must(slots, 0)?)?, floats(cx, must(slots, 1)?)?);
    let ([batch, channels, length], [rows, _, taps]) = (&x.shape[..], &w.shape[..]) else {
        return because("a convolution over other axes");
    };
    let (batch, channels, length, taps) = (*batch, *channels, *length, *taps);
    let given = |at: usize| slots.get(at).copied().flatten();
    let bias = given(2).map(|at| floats(cx, at)).transpose()?;
    let past = given(3).map(|at| floats(cx, at)).transpose()?;
    let before = taps.saturating_sub(1);
    let fits = taps > 0
        && *rows == channels
        && w.len() == channels * taps
        && bias.as_ref().is_none_or(|bias| bias.len() == channels)
        && past.as_ref().is_none_or(|past| past.len() == batch * channels * before);
    if !fits {
        return because("operands that do not fit");
    }
    for (slot, output) in coded.kept.iter().enumerate() {
        let mut reads = vec![x.clone()];
        let mut named = |view: &Option<View>, index: &str| match view {
            Some(view) => {
                reads.push(view.clone());
                format!("in{}[{index}]", reads.len() - 1)
            }
            None => "0.0".to_owned(),
        };
        let mut text =
            format!("fn past(at: u32) -> f32 {{ return {}; }}\n{LINE}", named(&past, "at"));
        text += &if *output == 0 {
            let first = named(&bias, "row % p.channels");
            let weight = named(&Some(w.clone()), "row % p.channels * p.taps + k");
            let made = if coded.code.silu { "sum / (1.0 + exp(-sum))" } else { "sum" };
            format!(
                "fn value(i: u32) -> f32 {{\n  let row = i / p.length;\n  var sum = {first};\n  \
                 for (var k = 0u; k < p.taps; k++) {{ sum += line(row, i % p.length + k) * {weight}; }}\n  \
                 return {made};\n}}\n"
            )
        } else {
            "fn value(i: u32) -> f32 { return line(i / p.before, p.length + i % p.before); }\n"
                .to_owned()
        };
        let output = cx.output(slot)?;
        let mut kernel = elements(cx, &text, output)?;
        kernel.params.extend([
            u("channels", channels),
            u("length", length),
            u("taps", taps),
            u("before", before),
        ]);
        kernel.reads = reads;
        cx.run(kernel);
    }
    Ok(())
}
