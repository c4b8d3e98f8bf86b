//! What the queries of a call see of its cache.
//!
//! In: queries, keys and values as they lie. Out: the dispatch that attends, with all that is done to a score.

use super::{BIAS, Call, SINKS};
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::chain::{Arg, Chain};
use crate::gpu::kernel::{MAX_STORAGE_BINDINGS, Param};
use crate::gpu::kernels::flash::{self, Aside, Heads, Side};
use crate::gpu::value::{Carrier, View};
use crate::model::ops::GroupQuerySizes;

impl Call<'_> {
    /// What the queries see of the cache.
    pub(super) fn attention(
        &self,
        cx: &mut Cx,
        slot: usize,
        query: &View,
        [keys, values]: [&View; 2],
    ) -> Lowered<()> {
        let GroupQuerySizes { batch, steps, size, .. } = self.sizes;
        let (heads, kv) = (self.op.heads, self.op.kv_heads);
        let lengths = vec![batch, kv, heads / kv];
        let [by_row, by_step, one] = query.strides[..] else { return because("no view") };
        let head = size as isize * one;
        let strides = vec![by_row, head * (heads / kv) as isize, head];
        let view = View { shape: lengths.clone(), strides, ..query.clone() };
        let query = Side { view, row: by_step, one };
        let cached = |cache: &View| {
            let head = self.length * size;
            let strides = vec![(kv * head) as isize, head as isize, 0];
            let view = View { shape: lengths.clone(), strides, ..cache.clone() };
            Side { view, row: size as isize, one: 1 }
        };
        let output = cx.output(slot)?;
        let by_head = output.reshaped(&[batch, steps, heads, size]);
        let Some(by_head) = by_head.map(|view| view.permuted(&[0, 2, 1, 3])) else {
            return because("no view");
        };
        let aside = match self.slot(SINKS) {
            Some(at) => Aside::Sinks(cx.dense_input(at)?),
            None if self.op.smooth => Aside::Zero,
            None => Aside::Nothing,
        };
        if matches!(&aside, Aside::Sinks(view) if view.len() != heads) {
            return because("sinks that do not fit the heads");
        }
        let heads = Heads {
            sides: [query, cached(keys), cached(values)],
            rows: steps,
            keys: self.length,
            size,
            width: size,
            score: self.score(cx)?,
            aside,
        };
        let kernel = flash::kernel(cx, heads, by_head, (size, 1))?;
        if kernel.bindings() > MAX_STORAGE_BINDINGS {
            return because("attention over more operands than the adapter binds");
        }
        cx.run(kernel);
        Ok(())
    }

    /// Scale, cap and bias of a score, and whether the query sees the key at all: `r` and `c` are the text's own names
    /// for the two.
    fn score(&self, cx: &mut Cx) -> Lowered<Chain> {
        let GroupQuerySizes { batch, steps, size, .. } = self.sizes;
        let (op, kv) = (self.op, self.op.kv_heads);
        let shape = [batch, kv, op.heads / kv, steps, self.length];
        let mut chain = Chain::plain(&shape);
        let scale = op.scale.unwrap_or(1.0 / (size as f32).sqrt());
        let by = chain.number(Param::F(scale));
        let mut last = chain.push("$0 * $1", vec![Arg::Acc, by], Carrier::F32);
        if op.softcap > 0.0 {
            let cap = chain.number(Param::F(op.softcap));
            last = chain.push("$1 * tanh_($0 / $1)", vec![last, cap], Carrier::F32);
        }
        if let Some(at) = self.slot(BIAS) {
            let bias = cx.input(at)?;
            let wide = bias.shape.last().is_some_and(|n| *n >= self.length);
            if bias.shape.len() != 4 || !wide || bias.carrier != Carrier::F32 {
                return because("a bias that does not reach over the cache");
            }
            let bias = bias.sliced(3, 0, self.length, 1);
            let Some(bias) = bias.broadcast(&[batch, op.heads, steps, self.length]) else {
                return because("a bias that does not fit the scores");
            };
            let [b, h, r, c] = bias.strides[..] else { return because("no view") };
            let strides = vec![b, h * (op.heads / kv) as isize, h, r, c];
            let loaded = chain.load(View { shape: shape.to_vec(), strides, ..bias });
            last = chain.push("$0 + $1", vec![last, loaded], Carrier::F32);
        }
        let mut strides = vec![0; shape.len()];
        strides[0] = 1;
        let end = chain.load(View { shape: shape.to_vec(), strides, ..self.ends.clone() });
        let count = chain.number(Param::I(i32::try_from(steps).unwrap_or(i32::MAX)));
        // The place of the query itself.
        let own = match self.first {
            true => chain.push("I(r)", vec![], Carrier::I32),
            false => chain.push("$0 + I(1) - $1 + I(r)", vec![end, count], Carrier::I32),
        };
        let seen = match op.causal {
            true => "I(c) <= $1",
            false => "I(c) <= max($1, $2)",
        };
        let window = chain.number(Param::I(i32::try_from(op.window).unwrap_or(i32::MAX)));
        let near = if op.window > 0 { " && I(c) > $1 - $3" } else { "" };
        chain.push(
            format!("select(F(-3.4028234663852886e38f), $0, {seen}{near})"),
            vec![last, own, end, window],
            Carrier::F32,
        );
        Ok(chain)
    }
}
