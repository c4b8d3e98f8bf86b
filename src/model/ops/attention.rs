//! `Attention` of the default domain in the forms that the engine lacks: soft caps, windows, boolean
//! masks, padded caches, causal attention over a cache, and the scores as an output.
//!
//! In: queries, keys and values, `[batch, heads, steps, size]` or `[batch, steps, heads * size]`, a mask,
//! a cache, and how much of each cache is filled. Out: what is attended to, the new cache, the scores. The GPU has a
//! kernel for this code, in whatever form.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::comp_gt;
use tract_onnx::tract_core::ops::nn::Reducer;
use tract_onnx::tract_hir::internal::*;

use super::either::{Infers, unless_on_gpu};
use super::host::*;
use super::lower::{lowered, their_whole};

#[derive(Debug)]
pub(crate) struct Attention {
    pub(crate) causal: bool,
    /// Of queries, and of keys and values.
    pub(crate) heads: Option<(usize, usize)>,
    pub(crate) scale: Option<f64>,
    /// 0 for none.
    pub(crate) softcap: f64,
    /// What the last output holds: scores, capped ones, masked ones, or their softmax.
    pub(crate) scores: i64,
    /// How far a query sees to either side; below 0 without end.
    pub(crate) left: i64,
    pub(crate) right: i64,
}

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let heads = |name| node.get_attr_opt::<usize>(name);
    let given = |at: usize| node.input.get(at).is_some_and(|n| !n.is_empty());
    let op = Attention {
        causal: node.get_attr_opt("is_causal")?.unwrap_or(0i64) != 0,
        heads: heads("q_num_heads")?.zip(heads("kv_num_heads")?),
        scale: node.get_attr_opt::<f32>("scale")?.map(f64::from),
        softcap: f64::from(node.get_attr_opt("softcap")?.unwrap_or(0f32)),
        scores: node.get_attr_opt("qk_matmul_output_mode")?.unwrap_or(0),
        left: node.get_attr_opt("left_window_size")?.unwrap_or(-1),
        right: node.get_attr_opt("right_window_size")?.unwrap_or(-1),
    };
    ensure!((0..=3).contains(&op.scores), "qk_matmul_output_mode {} is unknown", op.scores);
    let ours_only = op.softcap != 0.0
        || node.output.get(3).is_some_and(|n| !n.is_empty())
        || given(6)
        || op.left >= 0
        || op.right >= 0
        || op.causal && given(4);
    let ours = host(node, op)?;
    if ours_only {
        return Ok(ours);
    }
    // The GPU has kernels for ours alone.
    if !given(3) {
        return unless_on_gpu(super::theirs(ctx, node)?, ours, Infers::Theirs, |_| true);
    }
    unless_on_gpu(masked(ctx, node)?, ours, Infers::Ours, plain_mask)
}

/// The engine's own, where a query that every key is hidden from is given nothing, as ONNX Runtime has it.
fn masked(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let whole = their_whole(ctx, node)?;
    let heads = node.get_attr_opt::<usize>("q_num_heads")?.unwrap_or(1);
    let causal = node.get_attr_opt("is_causal")?.unwrap_or(0i64) != 0;
    lowered(node, move |g, inputs| {
        let mut outputs = g.parts(&whole, &inputs.present())?;
        let y = *outputs.first().context("no output")?;
        let mut mask = inputs.need(3)?;
        while g.rank(mask)? < 4 {
            mask = g.add_axis(mask, 0)?;
        }
        let hidden = g.like(mask, lowest(g.dtype(mask)?) as f32)?;
        if causal {
            let shape = g.shape(mask)?;
            let (steps, keys) = (shape[2].to_usize()?, shape[3].to_usize()?);
            let seen = (0..steps * keys).map(|at| at % keys.max(1) <= at / keys.max(1));
            let seen = Tensor::from_shape(&[1, 1, steps, keys], &seen.collect::<Vec<_>>())?;
            let seen = g.constant(seen)?;
            mask = g.select(seen, mask, hidden)?;
        }
        let most = g.reduce(mask, Reducer::Max, &[3])?;
        let mut open = g.binary(TypedBinOp(comp_gt(), None), most, hidden)?;
        let nothing = g.like(y, 0.0)?;
        let shape = g.shape(y)?;
        let y = if shape.len() == 4 {
            g.select(open, y, nothing)?
        } else {
            let width = shape[2].clone();
            let apart = tvec!(heads.to_dim(), width.clone() / heads);
            let y = g.reshape(y, 2, tvec!(width.clone()), apart.clone())?;
            open = g.move_axis(open, 1, 2)?;
            let y = g.select(open, y, nothing)?;
            g.reshape(y, 2, apart, tvec!(width))?
        };
        if let Some(first) = outputs.first_mut() {
            *first = y;
        }
        Ok(outputs)
    })
}

/// What hides a key, or less.
fn lowest(dt: DatumType) -> f64 {
    match dt {
        DatumType::F16 => -65504.0,
        DatumType::F64 => f64::MIN,
        _ => f64::from(f32::MIN),
    }
}

/// A mask that is added, of all keys.
fn plain_mask(inputs: &[&TypedFact]) -> bool {
    let [_, keys, _, mask, caches @ ..] = inputs else { return false };
    let steps = |fact: &TypedFact, axis: usize| fact.shape.get(axis).cloned();
    let keys = steps(keys, keys.rank().saturating_sub(2));
    let before = caches.first().map_or(Some(0.to_dim()), |cache| steps(cache, 2));
    let all = keys.zip(before).map(|(keys, before)| keys + before);
    let last = mask.shape.last();
    let whole = all.is_none_or(|all| last.is_some_and(|last| *last == all || last.is_one()));
    mask.datum_type != bool::datum_type() && mask.rank() > 1 && whole
}

/// A tensor seen as `[batch, heads, steps, size]`.
struct View {
    shape: [usize; 4],
    /// Heads lie behind steps.
    flat: bool,
    values: Vec<f64>,
}

/// The same extents of queries, keys or values of either rank, some of which may be known by a symbol alone.
fn by_head<D: DimLike>(shape: &[D], heads: Option<usize>) -> TractResult<[D; 4]> {
    match (shape, heads) {
        ([b, h, s, d], _) => Ok([b.clone(), h.clone(), s.clone(), d.clone()]),
        ([b, s, w], Some(h)) if h > 0 => {
            let w = w.to_usize()?;
            ensure!(w.is_multiple_of(h), "{w} is not {h} heads");
            Ok([b.clone(), h.into(), s.clone(), (w / h).into()])
        }
        _ => bail!("queries, keys and values have rank 4, or rank 3 and numbers of heads"),
    }
}

impl View {
    fn new(tensor: &Tensor, heads: Option<usize>) -> TractResult<Self> {
        let shape = by_head(tensor.shape(), heads)?;
        Ok(Self { shape, flat: tensor.rank() == 3, values: f64s(tensor)? })
    }

    fn row(&self, b: usize, h: usize, s: usize) -> &[f64] {
        let [_, heads, steps, size] = self.shape;
        let row = if self.flat { (b * steps + s) * heads + h } else { (b * heads + h) * steps + s };
        &self.values[row * size..][..size]
    }

    /// `past` with this behind it, as `[batch, heads, steps, size]`.
    fn behind(&self, past: Option<&Tensor>) -> TractResult<Self> {
        let [batch, heads, steps, size] = self.shape;
        let past = past.map(|p| Self::new(p, None)).transpose()?;
        let before = past.as_ref().map_or(0, |p| p.shape[2]);
        let fits = |p: &Self| p.shape == [batch, heads, before, size];
        ensure!(past.as_ref().is_none_or(fits), "the cache does not fit");
        let mut values = Vec::with_capacity(batch * heads * (before + steps) * size);
        for b in 0..batch {
            for h in 0..heads {
                for s in 0..before + steps {
                    values.extend_from_slice(match &past {
                        Some(past) if s < before => past.row(b, h, s),
                        _ => self.row(b, h, s - before),
                    });
                }
            }
        }
        Ok(Self { shape: [batch, heads, before + steps, size], flat: false, values })
    }
}

/// What is added to the score of a query and a key.
struct Bias {
    shape: Vec<usize>,
    values: Vec<f64>,
    /// What hides.
    lowest: f64,
}

impl Bias {
    fn new(mask: &Tensor, wanted: [usize; 4], lowest: f64) -> TractResult<Self> {
        let mut values = f64s(mask)?;
        if mask.datum_type() == bool::datum_type() {
            values.iter_mut().for_each(|v| *v = if *v == 0.0 { lowest } else { 0.0 });
        }
        ensure!((1..=4).contains(&mask.rank()), "a mask of rank 1 to 4");
        let mut shape = vec![1; 4 - mask.rank()];
        shape.extend(mask.shape());
        let fits = shape[..3].iter().zip(&wanted).all(|(a, b)| *a == 1 || a == b);
        ensure!(fits && shape[3] <= wanted[3], "the mask does not fit");
        Ok(Self { shape, values, lowest })
    }

    /// A mask that is too short hides what is behind it.
    fn at(&self, at: [usize; 4]) -> f64 {
        if at[3] >= self.shape[3] {
            return self.lowest;
        }
        let at: Vec<usize> = at.iter().zip(&self.shape).map(|(a, d)| (*a).min(d - 1)).collect();
        self.values[flat(&at, &self.shape)]
    }
}

impl Attention {
    /// Shapes of the output, the cache of keys, that of values, and the scores.
    fn shapes<D: DimLike>(&self, q: &[D], k: &[D], v: &[D], past: &D) -> TractResult<[Vec<D>; 4]> {
        let heads = self.heads.unzip();
        let (q4, k4) = (by_head(q, heads.0)?, by_head(k, heads.1)?);
        let v4 = by_head(v, heads.1)?;
        ensure!(q4[0] == k4[0] && k4[..3] == v4[..3] && q4[3] == k4[3], "keys do not fit queries");
        let (of_queries, of_keys) = (q4[1].to_usize()?, k4[1].to_usize()?);
        ensure!(
            of_keys > 0 && of_queries.is_multiple_of(of_keys),
            "heads of queries do not divide into those of keys"
        );
        let keys = k4[2].clone() + past;
        let [batch, heads, steps, _] = q4;
        let width = v4[3].clone();
        let out = match q.len() {
            3 => vec![batch.clone(), steps.clone(), width.clone() * of_queries],
            _ => vec![batch.clone(), heads.clone(), steps.clone(), width.clone()],
        };
        let cache = |size: D| vec![batch.clone(), of_keys.into(), keys.clone(), size];
        let caches = [cache(k4[3].clone()), cache(width)];
        let [of_k, of_v] = caches;
        Ok([out, of_k, of_v, vec![batch.clone(), heads, steps, keys.clone()]])
    }

    /// Whether the query at `i`, which `offset` keys precede, may see the key at `j`.
    fn sees(&self, i: usize, j: usize, offset: i64) -> bool {
        let ahead = j as i64 - (i as i64 + offset);
        (!self.causal || ahead <= 0)
            && (self.left < 0 || -ahead <= self.left)
            && (self.right < 0 || ahead <= self.right)
    }
}

impl Host for Attention {
    fn name(&self) -> &'static str {
        "Attention"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let (q, k, v) = (need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?);
        let past = match maybe(inputs, 4) {
            Some(past) => past.shape.get(2).context("a cache of rank 4")?.clone(),
            None => 0.to_dim(),
        };
        let [q_dims, k_dims, v_dims] = [q, k, v].map(|fact| fact.shape.to_tvec());
        let [out, keys, values, scores] = self.shapes(&q_dims, &k_dims, &v_dims, &past)?;
        let dt = q.datum_type;
        Ok(tvec!(dt.fact(out), k.datum_type.fact(keys), v.datum_type.fact(values), dt.fact(scores)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (q_, k_, v_) = (need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?);
        let past = match maybe(inputs, 4) {
            Some(past) => *past.shape().get(2).context("a cache of rank 4")?,
            None => 0,
        };
        let [out_shape, key_shape, value_shape, score_shape] =
            self.shapes(q_.shape(), k_.shape(), v_.shape(), &past)?;
        let heads = self.heads.unzip();
        let q = View::new(q_, heads.0)?;
        let k = View::new(k_, heads.1)?.behind(maybe(inputs, 4))?;
        let v = View::new(v_, heads.1)?.behind(maybe(inputs, 5))?;
        ensure!(k.shape[2] == v.shape[2], "the caches of keys and values differ");
        let [batch, q_heads, steps, size] = q.shape;
        let keys = k.shape[2];
        let lowest = lowest(q_.datum_type());
        let mask = maybe(inputs, 3)
            .map(|m| Bias::new(m, [batch, q_heads, steps, keys], lowest))
            .transpose()?;
        let filled = maybe(inputs, 6).map(i64s).transpose()?;
        ensure!(
            filled.as_ref().is_none_or(|f| f.len() == batch),
            "one length for each batch entry"
        );
        let scale = self.scale.unwrap_or_else(|| 1.0 / (size as f64).sqrt());
        let group = q_heads / k.shape[1];
        let mut out = vec![0.0; volume(&out_shape)?];
        let mut scores = Vec::with_capacity(volume(&score_shape)?);
        for (row, at) in coordinates(&[batch, q_heads, steps]).enumerate() {
            let (b, h, i) = (at[0], at[1], at[2]);
            let length = filled.as_ref().map(|f| f[b]);
            let offset = length.map_or(past as i64, |l| l - steps as i64);
            let mut open = false;
            let (mut shown, mut line) = (Vec::with_capacity(keys), Vec::with_capacity(keys));
            for j in 0..keys {
                let product = q.row(b, h, i).iter().zip(k.row(b, h / group, j)).map(|(a, b)| a * b);
                let score = product.sum::<f64>() * scale;
                let capped = match self.softcap {
                    0.0 => score,
                    cap => cap * (score / cap).tanh(),
                };
                let hidden = !self.sees(i, j, offset) || length.is_some_and(|l| j as i64 >= l);
                let bias = match &mask {
                    _ if hidden => f64::NEG_INFINITY,
                    Some(mask) => mask.at([b, h, i, j]),
                    None => 0.0,
                };
                open |= bias > lowest;
                // A hidden key stays hidden, whatever its score.
                let masked = if bias <= lowest { bias } else { capped + bias };
                shown.push(match self.scores {
                    0 => score,
                    1 => capped,
                    _ => masked,
                });
                line.push(masked);
            }
            if open {
                let most = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                line.iter_mut().for_each(|s| *s = (*s - most).exp());
                let sum: f64 = line.iter().sum();
                line.iter_mut().for_each(|s| *s /= sum);
            } else {
                // Nothing to attend to gives nothing.
                line.fill(0.0);
            }
            let width = v.shape[3];
            let to = if q.flat { (b * steps + i) * q_heads + h } else { row };
            let to = &mut out[to * width..][..width];
            for (j, share) in line.iter().enumerate().filter(|(_, s)| **s != 0.0) {
                to.iter_mut().zip(v.row(b, h / group, j)).for_each(|(o, v)| *o += share * v);
            }
            scores.extend_from_slice(if self.scores == 3 { &line } else { &shown });
        }
        let dt = q_.datum_type();
        Ok(tvec!(
            from_f64(&out_shape, &out, dt)?,
            from_f64(&key_shape, &k.values, k_.datum_type())?,
            from_f64(&value_shape, &v.values, v_.datum_type())?,
            from_f64(&score_shape, &scores, dt)?
        ))
    }
}
