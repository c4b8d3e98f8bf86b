//! What is done to a score, and scores as an output.
//!
//! In: a call, its queries and keys as they lie. Out: the chain of a score, or dispatches that make all of them.

use tract_onnx::prelude::DatumType;

use super::{Call, LENGTHS, MASK, PAST_KEY};
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::chain::{Arg, Chain};
use crate::gpu::kernel::Param;
use crate::gpu::kernels::flash;
use crate::gpu::kernels::flat::elements;
use crate::gpu::kernels::pad::padded;
use crate::gpu::value::{Carrier, View};

/// What hides a key, and is the score of a hidden one.
const LOWEST: &str = "F(-3.4028234663852886e38f)";

/// One score of each query and key of a head.
const SCORES: &str = "fn value(i: u32) -> f32 {
  let c = i % p.keys;
  let r = i / p.keys % p.rows;
  let b = i / p.keys / p.rows;
  let q = q_at(b) + r * p.q_row;
  let k = k_at(b) + c * p.k_row;
  var x = 0.0;
  for (var d = 0u; d < p.size; d++) { x += in0[q + d * p.q_one] * in1[k + d * p.k_one]; }
  return score(b, r, c, x);
}
";

/// Their share in a row's sum.
const SHARES: &str = "fn value(i: u32) -> f32 {
  let row = i - i % p.keys;
  var top = in0[row];
  for (var k = 1u; k < p.keys; k++) { top = max(top, in0[row + k]); }
  var sum = 0.0;
  for (var k = 0u; k < p.keys; k++) { sum += exp(in0[row + k] - top); }
  return select(exp(in0[i] - top) / sum, 0.0, top <= -3.4028234663852886e38f);
}
";

impl Call<'_> {
    /// The scores as an output, which are computed once more for it.
    pub(super) fn show(&self, cx: &mut Cx, slot: usize, [query, keys]: [&View; 2]) -> Lowered<()> {
        let output = cx.output(slot)?;
        let shares = self.op.scores > 2;
        let target = match shares {
            true => cx.temporary(DatumType::F32, &output.shape)?,
            false => output.clone(),
        };
        let sides = [("q", self.side(query, true)?), ("k", self.side(keys, false)?)];
        let i = |name: String, v: isize| (name, Param::U((v as i32).cast_unsigned()));
        let mut params: Vec<(String, Param)> = vec![
            i("keys".to_owned(), self.keys as isize),
            i("rows".to_owned(), self.steps as isize),
            i("size".to_owned(), self.size as isize),
        ];
        let mut text = String::new();
        for (name, side) in &sides {
            let (at, own) = flash::start(name, &side.view);
            text += &at;
            params.extend([i(format!("{name}_row"), side.row), i(format!("{name}_one"), side.one)]);
            // The sizes of the axes are shared.
            let own = own.into_iter().filter(|own| !params.iter().any(|p| p.0 == own.0));
            params.extend(own.collect::<Vec<_>>());
        }
        let mut kernel = elements(cx, &(text + SCORES), target.clone())?;
        kernel.params.extend(params);
        kernel.reads = sides.into_iter().map(|(_, side)| side.view).collect();
        kernel.score = Some(self.score(cx, (!shares).then_some(self.op.scores))?);
        self.run(cx, kernel)?;
        if shares {
            let mut kernel = elements(cx, SHARES, output)?;
            kernel.params.push(("keys".to_owned(), Param::U(self.keys as u32)));
            kernel.reads = vec![target];
            cx.run(kernel);
        }
        Ok(())
    }

    /// Scale, cap and mask of a score, and whether the query sees the key at all: `r` and `c` are the text's own names
    /// for the two. `shown`: as far as ONNX shows it, by its number; what no mask hides is then infinitely low.
    pub(super) fn score(&self, cx: &mut Cx, shown: Option<i64>) -> Lowered<Chain> {
        let op = self.op;
        let shape =
            vec![self.batch, self.kv_heads, self.heads / self.kv_heads, self.steps, self.keys];
        let mut chain = Chain::plain(&shape);
        let scale = op.scale.map_or_else(|| 1.0 / (self.size as f32).sqrt(), |scale| scale as f32);
        let by = chain.number(Param::F(scale));
        let mut last = chain.push("$0 * $1", vec![Arg::Acc, by], Carrier::F32);
        if shown == Some(0) {
            return Ok(chain);
        }
        if op.softcap != 0.0 {
            let cap = chain.number(Param::F(op.softcap as f32));
            last = chain.push("$1 * tanh_($0 / $1)", vec![last, cap], Carrier::F32);
        }
        if shown == Some(1) {
            return Ok(chain);
        }
        let none = match shown {
            Some(_) => chain.number(Param::F(f32::NEG_INFINITY)),
            None => chain.number(Param::F(f32::MIN)),
        };
        let whole = |n: usize| Param::I(i32::try_from(n).unwrap_or(i32::MAX));
        let mut hidden = vec![];
        if let Some(at) = self.slot(MASK) {
            let (mask, known) = self.mask(cx, at, &shape)?;
            let is_float = mask.carrier == Carrier::F32;
            let mask = chain.load(mask);
            last = match is_float {
                true => chain.push(
                    format!("select($0 + $1, $1, $1 <= {LOWEST})"),
                    vec![last, mask],
                    Carrier::F32,
                ),
                false => chain.push(
                    format!("select($0, {LOWEST}, $1 == U(0))"),
                    vec![last, mask],
                    Carrier::F32,
                ),
            };
            if known < self.keys {
                // A mask that is too short hides what is behind it.
                let known = chain.number(whole(known));
                last = chain.push(
                    format!("select($0, {LOWEST}, I(c) >= $1)"),
                    vec![last, known],
                    Carrier::F32,
                );
            }
        }
        // How many keys are before the first query, and, where it is told, how many there are.
        let past = self.slot(PAST_KEY).map_or_else(|| Ok(0), |at| Ok(cx.input_fact(at)?.1[2]))?;
        let mut before = chain.number(whole(past));
        if let Some(at) = self.slot(LENGTHS) {
            let view = cx.dense_input(at)?;
            if view.carrier != Carrier::I32 || view.len() != self.batch {
                return because("lengths that do not fit the batch");
            }
            let mut strides = vec![0; shape.len()];
            strides[0] = 1;
            let length = chain.load(View { shape, strides, ..view });
            let steps = chain.number(whole(self.steps));
            before = chain.push("$0 - $1", vec![length, steps], Carrier::I32);
            last = chain.push("select($0, $2, I(c) >= $1)", vec![last, length, none], Carrier::F32);
        }
        let far = |n: i64| Param::I(i32::try_from(n).unwrap_or(i32::MAX));
        if op.causal {
            hidden.push(("I(c) - I(r) - $2 > $1", Param::I(0)));
        }
        if op.right >= 0 {
            hidden.push(("I(c) - I(r) - $2 > $1", far(op.right)));
        }
        if op.left >= 0 {
            hidden.push(("I(r) + $2 - I(c) > $1", far(op.left)));
        }
        for (text, number) in hidden {
            let number = chain.number(number);
            last = chain.push(
                format!("select($0, $3, {text})"),
                vec![last, number, before, none],
                Carrier::F32,
            );
        }
        if shown.is_none() {
            chain.push(format!("max($0, {LOWEST})"), vec![last], Carrier::F32);
        }
        Ok(chain)
    }

    /// A mask over all scores of `shape`, and for how many keys it is known.
    fn mask(&self, cx: &mut Cx, at: usize, shape: &[usize]) -> Lowered<(View, usize)> {
        let mut mask = cx.input(at)?;
        let kind = mask.datum == DatumType::Bool || mask.carrier == Carrier::F32;
        let rank = mask.shape.len();
        if !kind || !(1..=4).contains(&rank) {
            return because("a mask of another form");
        }
        let known = mask.shape[rank - 1];
        if known > self.keys {
            return because("a mask of more keys than there are");
        }
        if known < self.keys {
            let mut pads = vec![(0, 0); rank];
            pads[rank - 1].1 = self.keys - known;
            mask = padded(cx, mask, &pads)?;
        }
        let Some(mask) = mask.broadcast(&[self.batch, self.heads, self.steps, self.keys]) else {
            return because("a mask that does not fit the scores");
        };
        let [b, h, r, c] = mask.strides[..] else { return because("no view") };
        let strides = vec![b, h * (self.heads / self.kv_heads) as isize, h, r, c];
        Ok((View { shape: shape.to_vec(), strides, ..mask }, known))
    }
}
