//! com.microsoft `GroupQueryAttention` in every form of ONNX Runtime's CPU kernel: packed or separate
//! projections, rotary positions, a cache that grows or is filled in place, windows, soft caps, sinks.
//!
//! In: projected states, the cache, how much of it each row fills. Out: what is attended to, and the
//! new cache. The CPU's first prompt goes through the engine's own products where it knows the form; from
//! then on a token costs one pass over the cache, which plain loops do as well. The GPU has kernels for this code.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::either::{Infers, unless_on_gpu};
use super::host::*;

/// More steps than any model remembers.
const LONGEST: usize = 1 << 24;

#[derive(Debug)]
pub(crate) struct GroupQuery {
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) scale: Option<f32>,
    pub(crate) causal: bool,
    pub(crate) rotary: bool,
    pub(crate) interleaved: bool,
    /// How many keys up to its own a query sees; 0 for all.
    pub(crate) window: usize,
    pub(crate) softcap: f32,
    /// Whether a sink of score 0 takes its part.
    pub(crate) smooth: bool,
}

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let int = |name, default: i64| -> TractResult<i64> {
        Ok(node.get_attr_opt(name)?.unwrap_or(default))
    };
    let op = GroupQuery {
        heads: node.get_attr("num_heads")?,
        kv_heads: node.get_attr("kv_num_heads")?,
        scale: node.get_attr_opt("scale")?.filter(|s| *s != 0.0),
        causal: int("causal", 1)? != 0,
        rotary: int("do_rotary", 0)? != 0,
        interleaved: int("rotary_interleaved", 0)? != 0,
        window: usize::try_from(int("local_window_size", -1)?).unwrap_or(0),
        softcap: node.get_attr_opt("softcap")?.unwrap_or(0.0),
        smooth: int("smooth_softmax", 0)? > 0,
    };
    let fits = op.heads > 0 && op.kv_heads > 0 && op.heads.is_multiple_of(op.kv_heads);
    ensure!(fits, "{} heads of queries over {} of keys", op.heads, op.kv_heads);
    ensure!(int("qk_output", 0)? == 0, "qk_output is not implemented");
    for name in ["k_quant_type", "v_quant_type"] {
        let kind = node.get_attr_opt(name)?.unwrap_or("NONE");
        ensure!(kind == "NONE", "{name} {kind} is not implemented");
    }
    let extra = node.input.iter().skip(12).any(|n| !n.is_empty());
    ensure!(!extra, "quantised caches and normalised queries are not implemented");
    let heads = op.heads;
    let ours = host(node, op)?;
    // The engine's own refuses most forms, by attributes and inputs.
    match super::theirs(ctx, node) {
        Ok(theirs) => {
            let fits = move |inputs: &[&TypedFact]| first_prompt(inputs, heads);
            unless_on_gpu(theirs, ours, Infers::Ours, fits)
        }
        Err(_) => Ok(ours),
    }
}

/// No past, or an empty one, and heads that turn whole. Absent inputs leave no gap: the past is the
/// fourth, tables are the floats of rank 2.
fn first_prompt(inputs: &[&TypedFact], heads: usize) -> bool {
    let past = inputs.get(3).filter(|fact| fact.rank() == 4);
    let mut tables = inputs.iter().skip(3).filter(|f| f.rank() == 2 && f.datum_type.is_float());
    let whole = |table: &TypedFact| {
        let width = inputs[0].shape.last();
        width.is_some_and(|width| *width == table.shape[1].clone() * (2 * heads))
    };
    past.is_none_or(|fact| fact.shape[2] == 0.to_dim()) && tables.all(|table| whole(table))
}

/// The sizes of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes<D = usize> {
    pub(crate) batch: D,
    pub(crate) steps: D,
    /// Of a head.
    pub(crate) size: usize,
    pub(crate) past: D,
}

/// Rows of heads in one tensor: `[batch, steps, stride]`, of which `width` from `offset` on.
struct Rows {
    values: Vec<f32>,
    stride: usize,
    offset: usize,
}

impl Rows {
    /// The heads of one token.
    fn token(&self, token: usize, width: usize) -> &[f32] {
        &self.values[token * self.stride + self.offset..][..width]
    }
}

fn f32s(tensor: &Tensor) -> TractResult<Vec<f32>> {
    Ok(tensor.cast_to::<f32>()?.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
}

impl GroupQuery {
    pub(crate) fn sizes<D: DimLike>(
        &self,
        q: &[D],
        packed: bool,
        past: Option<&[D]>,
    ) -> TractResult<Sizes<D>> {
        let [batch, steps, width] = q else { bail!("a query of {} axes", q.len()) };
        let width = width.to_usize()?;
        let heads = if packed { self.heads + 2 * self.kv_heads } else { self.heads };
        ensure!(heads > 0 && width.is_multiple_of(heads), "{width} is not {heads} heads");
        let size = width / heads;
        let past = match past {
            Some([b, h, length, d])
                if b == batch && *h == D::from(self.kv_heads) && *d == D::from(size) =>
            {
                length.clone()
            }
            Some(shape) => bail!("a past of shape {shape:?}"),
            None => D::zero(),
        };
        Ok(Sizes { batch: batch.clone(), steps: steps.clone(), size, past })
    }

    /// Turns the first `2 * cos.len()` values of a head.
    fn rotate(&self, head: &mut [f32], cos: &[f32], sin: &[f32]) {
        let half = cos.len();
        for (at, (cos, sin)) in cos.iter().zip(sin).enumerate() {
            let (i, j) = if self.interleaved { (2 * at, 2 * at + 1) } else { (at, at + half) };
            let (a, b) = (head[i], head[j]);
            (head[i], head[j]) = (a * cos - b * sin, b * cos + a * sin);
        }
    }

    /// The softmax of a row of scores, with what flows off into a sink.
    fn shares(&self, scores: &mut [f32], sink: Option<f32>) {
        let sink = sink.or(self.smooth.then_some(0.0));
        let most = scores.iter().copied().chain(sink).fold(f32::NEG_INFINITY, f32::max);
        scores.iter_mut().for_each(|s| *s = (*s - most).exp());
        let sum = scores.iter().sum::<f32>() + sink.map_or(0.0, |s| (s - most).exp());
        let share = if sum > 0.0 { 1.0 / sum } else { 0.0 };
        scores.iter_mut().for_each(|s| *s *= share);
    }
}

impl Host for GroupQuery {
    fn name(&self) -> &'static str {
        "GroupQueryAttention"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let q = need(inputs, 0)?;
        let past = maybe(inputs, 3).map(|past| past.shape.to_tvec());
        let s = self.sizes(&q.shape.to_tvec(), maybe(inputs, 1).is_none(), past.as_deref())?;
        // Unless the length is known, the cache grows; `compute` refuses others, and the session
        // then binds it by value.
        let total = maybe(inputs, 6).filter(|f| f.konst.is_some());
        let total = total.map(|_| steering(inputs, 6)).transpose()?;
        let length = match (total.as_deref(), s.past.to_usize()) {
            (Some([total]), Ok(past)) => past.max(usize::try_from(*total)?).to_dim(),
            _ => s.past + &s.steps,
        };
        let cache = tvec!(s.batch.clone(), self.kv_heads.to_dim(), length, s.size.to_dim());
        let cache = q.datum_type.fact(cache);
        let y = tvec!(s.batch, s.steps, (self.heads * s.size).to_dim());
        Ok(tvec!(q.datum_type.fact(y), cache.clone(), cache))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let q = need(inputs, 0)?;
        let packed = maybe(inputs, 1).is_none();
        let s = self.sizes(q.shape(), packed, maybe(inputs, 3).map(Tensor::shape))?;
        let (wide, narrow) = (self.heads * s.size, self.kv_heads * s.size);
        let rows = |at: usize, offset: usize| -> TractResult<Rows> {
            let tensor = need(inputs, if packed { 0 } else { at })?;
            let stride = *tensor.shape().last().context("a scalar")?;
            let expected = if packed { wide + 2 * narrow } else { narrow };
            ensure!(
                at == 0 || stride == expected && tensor.len() == s.batch * s.steps * stride,
                "input {at} has the shape {:?}",
                tensor.shape()
            );
            let offset = if packed { offset } else { 0 };
            Ok(Rows { values: f32s(tensor)?, stride, offset })
        };
        let (query, key, value) = (rows(0, 0)?, rows(1, wide)?, rows(2, wide + narrow)?);
        let ends = sizes(&i64s(need(inputs, 5)?)?)?;
        ensure!(ends.len() == s.batch, "seqlens_k of {} for {} rows", ends.len(), s.batch);
        let total = match &i64s(need(inputs, 6)?)?[..] {
            [total] => usize::try_from(*total)?,
            other => bail!("total_sequence_length {other:?}"),
        };
        ensure!(total <= LONGEST, "a total_sequence_length of {total}");
        let length = s.past.max(total);
        ensure!(
            ends.iter().all(|e| *e < length && (s.steps == total || e + 1 >= s.steps)),
            "seqlens_k {ends:?} do not fit a cache of {length}"
        );
        let first = s.steps == total;
        let before = |b: usize| if first { 0 } else { ends[b] + 1 - s.steps };
        ensure!((0..s.batch).all(|b| before(b) + s.steps <= length), "seqlens_k overrun the cache");

        let tables = match self.rotary {
            true => Some((f32s(need(inputs, 7)?)?, f32s(need(inputs, 8)?)?)),
            false => None,
        };
        let half =
            if self.rotary { *need(inputs, 7)?.shape().last().context("no table")? } else { 0 };
        ensure!(2 * half <= s.size, "rotary tables wider than a head");
        let positions = maybe(inputs, 9).map(i64s).transpose()?;
        let turned = |head: &mut [f32], b: usize, step: usize| -> TractResult<()> {
            let Some((cos, sin)) = &tables else { return Ok(()) };
            let at = match &positions {
                Some(at) => usize::try_from(*at.get(b * s.steps + step).context("positions")?)?,
                None => before(b) + step,
            };
            let at = at * half..(at + 1) * half;
            let missing = "a position beyond the rotary tables";
            let (cos, sin) = (cos.get(at.clone()).context(missing)?, sin.get(at).context(missing)?);
            self.rotate(head, cos, sin);
            Ok(())
        };

        let mut caches = [vec![], vec![]];
        for (cache, (at, new)) in caches.iter_mut().zip([(3, &key), (4, &value)]) {
            *cache = vec![0f32; s.batch * self.kv_heads * length * s.size];
            let past = maybe(inputs, at).map(f32s).transpose()?.unwrap_or_default();
            let row = s.past * s.size;
            ensure!(past.len() == s.batch * self.kv_heads * row, "the pasts differ");
            for (b, h) in (0..s.batch).flat_map(|b| (0..self.kv_heads).map(move |h| (b, h))) {
                let place = b * self.kv_heads + h;
                let to = &mut cache[place * length * s.size..][..length * s.size];
                // What lies behind the tokens so far is no part of the cache.
                let kept = before(b) * s.size;
                ensure!(kept <= row, "seqlens_k are longer than the past");
                to[..kept].copy_from_slice(&past[place * row..][..kept]);
                for step in 0..s.steps {
                    let from = &new.token(b * s.steps + step, narrow)[h * s.size..][..s.size];
                    let to = &mut to[(before(b) + step) * s.size..][..s.size];
                    to.copy_from_slice(from);
                    if at == 3 {
                        turned(to, b, step)?;
                    }
                }
            }
        }
        let [keys, values] = caches;

        let bias =
            maybe(inputs, 10).map(|t| Ok::<_, TractError>((t.shape(), f32s(t)?))).transpose()?;
        if let Some((shape, _)) = &bias {
            ensure!(
                shape.len() == 4
                    && [1, s.batch].contains(&shape[0])
                    && [1, self.heads].contains(&shape[1])
                    && shape[2] == s.steps
                    && shape[3] >= total,
                "an attention_bias of shape {shape:?}"
            );
        }
        let sinks = maybe(inputs, 11).map(f32s).transpose()?;
        ensure!(sinks.as_ref().is_none_or(|v| v.len() == self.heads), "a sink for each head");
        let scale = self.scale.unwrap_or(1.0 / (s.size as f32).sqrt());
        let group = self.heads / self.kv_heads;
        let mut y = vec![0f32; s.batch * s.steps * wide];
        let mut scores = Vec::with_capacity(length);
        for at in coordinates(&[s.batch, s.steps, self.heads]) {
            let (b, step, h) = (at[0], at[1], at[2]);
            let mut q = query.token(b * s.steps + step, wide)[h * s.size..][..s.size].to_vec();
            turned(&mut q, b, step)?;
            let cache = (b * self.kv_heads + h / group) * length * s.size;
            let (keys, values) = (&keys[cache..], &values[cache..]);
            let own = before(b) + step + 1;
            let end = if self.causal { own } else { (ends[b] + 1).max(own) };
            let start = if self.window > 0 { own.saturating_sub(self.window) } else { 0 };
            scores.clear();
            for j in start..end {
                let key = &keys[j * s.size..][..s.size];
                let mut score = scale * q.iter().zip(key).map(|(a, b)| a * b).sum::<f32>();
                if self.softcap > 0.0 {
                    score = self.softcap * (score / self.softcap).tanh();
                }
                if let Some((shape, bias)) = &bias {
                    let row = (b % shape[0] * shape[1] + h % shape[1]) * shape[2] + step;
                    score += bias.get(row * shape[3] + j).copied().unwrap_or(0.0);
                }
                scores.push(score);
            }
            self.shares(&mut scores, sinks.as_ref().map(|s| s[h]));
            let to = &mut y[(b * s.steps + step) * wide + h * s.size..][..s.size];
            for (share, value) in scores.iter().zip(values[start * s.size..].chunks_exact(s.size)) {
                to.iter_mut().zip(value).for_each(|(y, v)| *y += share * v);
            }
        }
        let dt = q.datum_type();
        let cache = [s.batch, self.kv_heads, length, s.size];
        let made = |shape: &[usize], values: &[f32]| -> TractResult<Tensor> {
            Ok(Tensor::from_shape(shape, values)?.cast_to_dt(dt)?.into_owned())
        };
        Ok(tvec!(
            made(&[s.batch, s.steps, wide], &y)?,
            made(&cache, &keys)?,
            made(&cache, &values)?
        ))
    }
}
