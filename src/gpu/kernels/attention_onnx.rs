//! ONNX's own `Attention` in the forms that are one operator of ours: boolean masks, caches, windows, caps, lengths.
//!
//! In: [`Attention`], as the CPU has it. Out: the attention as one dispatch, and copies into the caches that it gives.
//! Masks, windows and lengths are arithmetic on scores; a query that sees no key is given nothing.

mod scores;

use tract_onnx::prelude::DatumType;

use super::flash::{self, Aside, Heads, Side};
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::chain::Chain;
use crate::gpu::kernel::{Kernel, MAX_STORAGE_BINDINGS};
use crate::gpu::value::View;
use crate::model::ops::{Attention, Coded};

/// ONNX's positions of the inputs.
const MASK: usize = 3;
const PAST_KEY: usize = 4;
const LENGTHS: usize = 6;

/// One call of the operator.
struct Call<'a> {
    op: &'a Attention,
    slots: &'a [Option<usize>],
    batch: usize,
    heads: usize,
    kv_heads: usize,
    steps: usize,
    keys: usize,
    size: usize,
}

pub(crate) fn lower(cx: &mut Cx, coded: &Coded<'_, Attention>) -> Lowered<()> {
    let (op, slots) = (coded.code, coded.slots);
    let heads = op.heads.unzip();
    let query = by_head(cx, slots, 0, heads.0)?;
    let [batch, heads_of_queries, steps, size] = query.shape[..] else {
        return because("queries of other axes");
    };
    let keys = states(cx, coded, 1, heads.1)?;
    let values = states(cx, coded, 2, heads.1)?;
    let [rows, kv_heads, count, key_size] = keys.shape[..] else {
        return because("keys of other axes");
    };
    let fits = rows == batch
        && values.shape[..3] == keys.shape[..3]
        && key_size == size
        && kv_heads > 0
        && heads_of_queries.is_multiple_of(kv_heads);
    if !fits {
        return because("queries, keys and values that do not fit");
    }
    let call =
        Call { op, slots, batch, heads: heads_of_queries, kv_heads, steps, keys: count, size };
    for (slot, output) in coded.kept.iter().enumerate() {
        match output {
            0 => call.attend(cx, slot, [&query, &keys, &values])?,
            3 => call.show(cx, slot, [&query, &keys])?,
            _ => {}
        }
    }
    Ok(())
}

/// An input as `[batch, heads, steps, size]`, wherever its heads lie.
fn by_head(cx: &mut Cx, slots: &[Option<usize>], at: usize, heads: Option<usize>) -> Lowered<View> {
    let Some(slot) = slots.get(at).copied().flatten() else {
        return because("an input is missing");
    };
    let view = cx.input(slot)?;
    if view.datum != DatumType::F32 {
        return because(format!("no kernel for attention over {:?}", view.datum));
    }
    match (&view.shape[..], &view.strides[..], heads) {
        ([_, _, _, _], ..) => Ok(view),
        ([batch, steps, width], [by_batch, by_step, one], Some(heads))
            if heads > 0 && width.is_multiple_of(heads) =>
        {
            let size = width / heads;
            let shape = vec![*batch, heads, *steps, size];
            let strides = vec![*by_batch, size as isize * one, *by_step, *one];
            Ok(View { shape, strides, ..view })
        }
        _ => because("attention over other axes"),
    }
}

/// Keys or values, behind those of the cache where there is one.
fn states(
    cx: &mut Cx,
    coded: &Coded<'_, Attention>,
    at: usize,
    heads: Option<usize>,
) -> Lowered<View> {
    let fresh = by_head(cx, coded.slots, at, heads)?;
    let given = coded.slots.get(PAST_KEY - 1 + at).copied().flatten();
    // A cache before its first token has no memory.
    let given = match given {
        Some(slot) if !cx.input_fact(slot)?.1.contains(&0) => Some(slot),
        _ => None,
    };
    let past = given.map(|slot| cx.input(slot)).transpose()?;
    let slot = coded.kept.iter().position(|kept| *kept == at);
    if past.is_none() && slot.is_none() {
        return Ok(fresh);
    }
    let before = past.as_ref().map_or(0, |past| past.shape.get(2).copied().unwrap_or(0));
    let mut shape = fresh.shape.clone();
    shape[2] = before;
    let fits = |past: &View| past.shape == shape && past.datum == fresh.datum;
    if !past.as_ref().is_none_or(fits) {
        return because("a cache that does not fit");
    }
    shape[2] += fresh.shape[2];
    let whole = cx.value_of(slot, fresh.datum, &shape)?;
    let after = whole.sliced(2, before, fresh.shape[2], 1);
    if let Some(past) = past {
        cx.run_elements(Chain::copy(past), whole.sliced(2, 0, before, 1));
    }
    cx.run_elements(Chain::copy(fresh), after);
    if let Some(slot) = slot {
        cx.is(slot, whole.clone(), false);
    }
    Ok(whole)
}

impl Call<'_> {
    fn slot(&self, at: usize) -> Option<usize> {
        self.slots.get(at).copied().flatten()
    }

    /// Queries over the batch, the heads of keys, and those of queries for each; of keys or values those that they have.
    fn side(&self, view: &View, of_queries: bool) -> Lowered<Side> {
        let [by_batch, by_head, row, one] = view.strides[..] else { return because("no view") };
        let group = self.heads / self.kv_heads;
        let strides = match of_queries {
            true => vec![by_batch, by_head * group as isize, by_head],
            false => vec![by_batch, by_head, 0],
        };
        let shape = vec![self.batch, self.kv_heads, group];
        Ok(Side { view: View { shape, strides, ..view.clone() }, row, one })
    }

    fn attend(&self, cx: &mut Cx, slot: usize, [query, keys, values]: [&View; 3]) -> Lowered<()> {
        let sides = [self.side(query, true)?, self.side(keys, false)?, self.side(values, false)?];
        let width = values.shape[3];
        let output = cx.output(slot)?;
        let by_head = match output.shape.len() {
            4 => Some(output),
            _ => output
                .reshaped(&[self.batch, self.steps, self.heads, width])
                .map(|view| view.permuted(&[0, 2, 1, 3])),
        };
        let Some(by_head) = by_head else { return because("no view") };
        let heads = Heads {
            sides,
            rows: self.steps,
            keys: self.keys,
            size: self.size,
            width,
            score: self.score(cx, None)?,
            aside: Aside::Hidden,
        };
        let kernel = flash::kernel(cx, heads, by_head, (width, 1))?;
        self.run(cx, kernel)
    }

    fn run(&self, cx: &mut Cx, kernel: Kernel) -> Lowered<()> {
        if kernel.bindings() > MAX_STORAGE_BINDINGS {
            return because("attention over more operands than the adapter binds");
        }
        cx.run(kernel);
        Ok(())
    }
}
