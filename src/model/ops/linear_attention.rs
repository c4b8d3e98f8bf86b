//! Attention without a cache of keys: `LinearAttention`, and the convolution before it,
//! `CausalConvWithState`.
//!
//! In: the tokens of one call, and a state of fixed size. Out: what each token gives, and the next state. The GPU has
//! kernels for both.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
pub(crate) struct LinearAttention {
    pub(crate) q_heads: usize,
    pub(crate) kv_heads: usize,
    /// 0 for the root of a key's size, inverted.
    pub(crate) scale: f64,
    pub(crate) gated: bool,
    pub(crate) delta: bool,
}

pub(super) fn attention(_: &ParsingContext, node: &NodeProto) -> Built {
    let (gated, delta) = match node.get_attr_opt("update_rule")?.unwrap_or("gated_delta") {
        "linear" => (false, false),
        "gated" => (true, false),
        "delta" => (false, true),
        "gated_delta" => (true, true),
        other => bail!("update_rule {other} is unknown"),
    };
    let op = LinearAttention {
        q_heads: node.get_attr("q_num_heads")?,
        kv_heads: node.get_attr("kv_num_heads")?,
        scale: f64::from(node.get_attr_opt("scale")?.unwrap_or(0f32)),
        gated,
        delta,
    };
    ensure!(op.kv_heads > 0 && op.q_heads.is_multiple_of(op.kv_heads), "heads do not divide");
    host(node, op)
}

/// The extents of a tensor of `N` axes.
fn extents<const N: usize>(shape: &[usize]) -> TractResult<[usize; N]> {
    <[usize; N]>::try_from(shape).map_err(|_| format_err!("{} axes instead of {N}", shape.len()))
}

impl LinearAttention {
    /// Sizes of a head's key and value.
    pub(crate) fn sizes(
        &self,
        q: &[usize],
        k: &[usize],
        v: &[usize],
    ) -> TractResult<(usize, usize)> {
        let [q, k, v] = [extents::<3>(q)?, extents::<3>(k)?, extents::<3>(v)?];
        let (size, width) = (k[2] / self.kv_heads, v[2] / self.kv_heads);
        let fits = q[..2] == k[..2]
            && k[..2] == v[..2]
            && q[2] == self.q_heads * size
            && k[2] == self.kv_heads * size
            && v[2] == self.kv_heads * width;
        ensure!(fits, "queries, keys and values do not fit the heads");
        Ok((size, width))
    }

    /// One token of one head: the state, `[size, width]`, fades by `decay`, and takes the pair in.
    fn update(
        &self,
        state: &mut [f64],
        k: &[f64],
        v: &[f64],
        decay: impl Fn(usize) -> f64,
        beta: f64,
    ) {
        if self.gated {
            for (i, row) in state.chunks_exact_mut(v.len()).enumerate() {
                let keep = decay(i).exp();
                row.iter_mut().for_each(|s| *s *= keep);
            }
        }
        let mut news = v.to_vec();
        if self.delta {
            for (k, row) in k.iter().zip(state.chunks_exact(v.len())) {
                news.iter_mut().zip(row).for_each(|(n, s)| *n -= k * s);
            }
            news.iter_mut().for_each(|n| *n *= beta);
        }
        for (k, row) in k.iter().zip(state.chunks_exact_mut(v.len())) {
            row.iter_mut().zip(&news).for_each(|(s, n)| *s += k * n);
        }
    }
}

impl Host for LinearAttention {
    fn name(&self) -> &'static str {
        "LinearAttention"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let q = need(inputs, 0)?;
        let of = |at| dims(need(inputs, at)?);
        let (size, width) = self.sizes(&of(0)?, &of(1)?, &of(2)?)?;
        let [batch, steps, _] = extents(&of(0)?)?;
        let state = maybe(inputs, 3).map_or(q.datum_type, |s| s.datum_type);
        Ok(tvec!(
            q.datum_type.fact([batch, steps, self.q_heads * width]),
            state.fact([batch, self.kv_heads, size, width])
        ))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (q_, k_, v_) = (need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?);
        let (size, width) = self.sizes(q_.shape(), k_.shape(), v_.shape())?;
        let [batch, steps, _] = extents(q_.shape())?;
        let (q, k, v) = (f64s(q_)?, f64s(k_)?, f64s(v_)?);
        let shape = [batch, self.kv_heads, size, width];
        let mut states = match maybe(inputs, 3) {
            Some(past) => f64s(past)?,
            None => vec![0.0; volume(&shape)?],
        };
        ensure!(states.len() == volume(&shape)?, "the past state does not fit");
        // One number a token and head, or one for each of a key's.
        let tokens = batch * steps;
        let per_token = |at: usize, wanted: bool| -> TractResult<(Vec<f64>, usize)> {
            if !wanted {
                return Ok((vec![], 0));
            }
            let values = f64s(need(inputs, at)?)?;
            let each = values.len() / tokens.max(1);
            let known = [1, self.kv_heads, self.kv_heads * size].contains(&each);
            ensure!(known && each * tokens == values.len(), "input {at} does not fit");
            Ok((values, each))
        };
        let (decay, decays) = per_token(4, self.gated)?;
        let (beta, betas) = per_token(5, self.delta)?;
        let scale = if self.scale == 0.0 { 1.0 / (size as f64).sqrt() } else { self.scale };
        let group = self.q_heads / self.kv_heads;
        let mut y = vec![0.0; tokens * self.q_heads * width];
        for at in coordinates(&[batch, self.kv_heads, steps]) {
            let (token, h) = (at[0] * steps + at[2], at[1]);
            let state = &mut states[(at[0] * self.kv_heads + h) * size * width..][..size * width];
            let row = token * self.kv_heads + h;
            let fade = |i: usize| match decays {
                1 => decay[token],
                n if n == self.kv_heads => decay[row],
                _ => decay[row * size + i],
            };
            let rate = match betas {
                0 => 1.0,
                1 => beta[token],
                _ => beta[row],
            };
            self.update(state, &k[row * size..][..size], &v[row * width..][..width], fade, rate);
            for head in h * group..(h + 1) * group {
                let head = token * self.q_heads + head;
                let to = &mut y[head * width..][..width];
                for (q, row) in q[head * size..][..size].iter().zip(state.chunks_exact(width)) {
                    to.iter_mut().zip(row).for_each(|(y, s)| *y += scale * q * s);
                }
            }
        }
        let out = [batch, steps, self.q_heads * width];
        let kept = maybe(inputs, 3).map_or(q_.datum_type(), Tensor::datum_type);
        Ok(tvec!(from_f64(&out, &y, q_.datum_type())?, from_f64(&shape, &states, kept)?))
    }
}

#[derive(Debug)]
pub(crate) struct CausalConv {
    pub(crate) silu: bool,
}

pub(super) fn causal_conv(_: &ParsingContext, node: &NodeProto) -> Built {
    let silu = match node.get_attr_opt("activation")?.unwrap_or("none") {
        "none" => false,
        "silu" | "swish" => true,
        other => bail!("the activation {other} is unknown"),
    };
    host(node, CausalConv { silu })
}

impl Host for CausalConv {
    fn name(&self) -> &'static str {
        "CausalConvWithState"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let x = need(inputs, 0)?;
        let ([batch, channels, _], [rows, _, taps]) =
            (extents(&dims(x)?)?, extents(&dims(need(inputs, 1)?)?)?);
        ensure!(rows == channels && taps > 0, "a kernel for each channel");
        let state = x.datum_type.fact([batch, channels, taps - 1]);
        Ok(tvec!(x.without_value(), state))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (x_, w_) = (need(inputs, 0)?, need(inputs, 1)?);
        let [batch, channels, length] = extents(x_.shape())?;
        let [_, _, taps] = extents(w_.shape())?;
        let (x, w) = (f64s(x_)?, f64s(w_)?);
        let bias = maybe(inputs, 2).map_or_else(|| Ok(vec![0.0; channels]), f64s)?;
        let before = taps.saturating_sub(1);
        let shape = [batch, channels, before];
        let past = maybe(inputs, 3).map_or_else(|| Ok(vec![0.0; volume(&shape)?]), f64s)?;
        let fits = w.len() == channels * taps && bias.len() == channels;
        ensure!(fits && taps > 0 && past.len() == volume(&shape)?, "the inputs do not fit");
        let (mut y, mut state) = (Vec::with_capacity(x.len()), Vec::with_capacity(past.len()));
        for row in 0..batch * channels {
            let kernel = &w[row % channels * taps..][..taps];
            let line = [&past[row * before..][..before], &x[row * length..][..length]].concat();
            for window in line.windows(taps) {
                let sum: f64 = window.iter().zip(kernel).map(|(x, w)| x * w).sum();
                let sum = sum + bias[row % channels];
                y.push(if self.silu { sum / (1.0 + (-sum).exp()) } else { sum });
            }
            state.extend_from_slice(&line[length..]);
        }
        let dt = x_.datum_type();
        Ok(tvec!(from_f64(x_.shape(), &y, dt)?, from_f64(&shape, &state, dt)?))
    }
}
