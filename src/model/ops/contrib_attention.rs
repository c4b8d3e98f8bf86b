//! com.microsoft's attention of encoders: `Attention`, `QAttention`.
//!
//! In: hidden states with one weight for query, key and value, with masks, biases and a past. Out: the attended values and
//! the new past. Both end in [`attend`], as what has the three projected already does.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::MultiBroadcastTo;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::{Iff, comp_gt, comp_gte, comp_lt};
use tract_onnx::tract_core::ops::nn::{Softmax, SoftmaxKind};
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, Inputs, lowered};
use super::wires::Wires;

/// The attributes that they share.
#[derive(Clone)]
pub(super) struct Heads {
    count: usize,
    pub(super) causal: bool,
    scale: Option<f32>,
    /// What is added to the score of a masked key.
    masked: f32,
}

impl Heads {
    pub(super) fn of(node: &NodeProto) -> TractResult<Self> {
        let count: usize = node.get_attr("num_heads")?;
        ensure!(count > 0, "num_heads is 0");
        for flag in ["do_rotary", "past_present_share_buffer"] {
            ensure!(!node.get_attr_opt(flag)?.unwrap_or(false), "{flag} is not supported");
        }
        Ok(Self {
            count,
            causal: node.get_attr_opt("unidirectional")?.unwrap_or(false),
            scale: node.get_attr_opt("scale")?.filter(|s| *s != 0.),
            masked: node.get_attr_opt("mask_filter_value")?.unwrap_or(-10000.),
        })
    }

    /// `[batch, length, heads * size]` to `[batch, heads, length, size]`.
    pub(super) fn split(&self, g: &mut Wires<'_>, x: OutletId) -> TractResult<OutletId> {
        let shape = g.shape(x)?;
        ensure!(shape.len() == 3, "{} axes instead of 3", shape.len());
        let width = shape[2].to_usize()?;
        ensure!(width % self.count == 0, "{width} does not divide into {} heads", self.count);
        let to = tvec!(self.count.to_dim(), (width / self.count).to_dim());
        let x = g.reshape(x, 2, tvec!(shape[2].clone()), to)?;
        g.move_axis(x, 2, 1)
    }
}

fn refuse(node: &NodeProto, at: usize, what: &str) -> TractResult<()> {
    ensure!(node.input.get(at).is_none_or(String::is_empty), "{what} is not supported");
    Ok(())
}

pub(super) fn attention(_: &ParsingContext, node: &NodeProto) -> Built {
    let heads = Heads::of(node)?;
    let sizes: Option<Vec<usize>> = node.get_attr_opt_vec("qkv_hidden_sizes")?;
    refuse(node, 6, "past_sequence_length")?;
    lowered(node, move |g, inputs| {
        let (x, w) = (inputs.need(0)?, inputs.need(1)?);
        let mut qkv = g.matmul(x, w, false, false)?;
        if let Some(bias) = inputs.get(2) {
            qkv = g.add(qkv, bias)?;
        }
        let parts = thirds(g, qkv, sizes.as_deref())?;
        self_attention(g, &heads, parts, inputs, 3, 4, inputs.get(5))
    })
}

pub(super) fn quantized(_: &ParsingContext, node: &NodeProto) -> Built {
    let heads = Heads::of(node)?;
    lowered(node, move |g, inputs| {
        let (x, w) = (inputs.need(0)?, inputs.need(1)?);
        let qkv = g.integer_matmul(x, inputs.get(6), w, inputs.get(7), (false, false))?;
        let qkv = g.f32(qkv)?;
        let (scale_x, scale_w) = (g.parameter(inputs.need(3)?)?, g.parameter(inputs.need(4)?)?);
        let scale = g.mul(scale_x, scale_w)?;
        let qkv = g.mul(qkv, scale)?;
        let qkv = g.add(qkv, inputs.need(2)?)?;
        let parts = thirds(g, qkv, None)?;
        self_attention(g, &heads, parts, inputs, 5, 8, None)
    })
}

/// Query, key and value of a common projection.
fn thirds(g: &mut Wires<'_>, qkv: OutletId, sizes: Option<&[usize]>) -> TractResult<[OutletId; 3]> {
    ensure!(g.rank(qkv)? == 3, "the input has not 3 axes");
    let width = g.shape(qkv)?[2].to_usize()?;
    let third = [width / 3; 3];
    let sizes = sizes.filter(|s| !s.is_empty()).unwrap_or(&third);
    ensure!(sizes.len() == 3 && sizes.iter().sum::<usize>() == width, "parts {sizes:?} of {width}");
    let mut start = 0;
    let mut parts = [qkv; 3];
    for (part, size) in parts.iter_mut().zip(sizes) {
        *part = g.slice(qkv, 2, start.to_dim(), (start + size).to_dim())?;
        start += size;
    }
    Ok(parts)
}

/// Over a past `[2, batch, heads, length, size]`, with a mask; gives the output and the new past.
fn self_attention(
    g: &mut Wires<'_>,
    heads: &Heads,
    parts: [OutletId; 3],
    inputs: &Inputs,
    mask_at: usize,
    past_at: usize,
    bias: Option<OutletId>,
) -> TractResult<TVec<OutletId>> {
    let [q, mut k, mut v] = parts;
    let q = heads.split(g, q)?;
    k = heads.split(g, k)?;
    v = heads.split(g, v)?;
    if let Some(past) = inputs.get(past_at) {
        for (side, at) in [(&mut k, 0usize), (&mut v, 1)] {
            let old = g.slice(past, 0, at.to_dim(), (at + 1).to_dim())?;
            let old = g.remove_axis(old, 0)?;
            *side = g.concat(2, &[old, *side])?;
        }
    }
    let (y, _) = attend(g, heads, [q, k, v], inputs.get(mask_at), bias)?;
    // Key and value make one tensor only where they are of one shape.
    if g.shape(k)? != g.shape(v)? {
        return Ok(tvec!(y));
    }
    let (k, v) = (g.add_axis(k, 0)?, g.add_axis(v, 0)?);
    Ok(tvec!(y, g.concat(0, &[k, v])?))
}

/// `softmax(q · kᵀ * scale + masks) · v`, of heads, back to `[batch, length, heads * size]`; and what the softmax is of.
pub(super) fn attend(
    g: &mut Wires<'_>,
    heads: &Heads,
    [q, k, v]: [OutletId; 3],
    mask: Option<OutletId>,
    bias: Option<OutletId>,
) -> TractResult<(OutletId, OutletId)> {
    let (from, to) = (g.shape(q)?, g.shape(k)?);
    ensure!(from.len() == 4 && to.len() == 4 && g.rank(v)? == 4, "heads have 4 axes");
    let size = from[3].to_usize()?.max(1);
    let mut scores = g.matmul(q, k, false, true)?;
    scores = g.scaled(scores, heads.scale.unwrap_or(1. / (size as f32).sqrt()))?;
    if let Some(mask) = told(g, mask, from[0].to_usize()?)? {
        let keep = visible(g, mask, to[0].to_usize()?, to[2].to_usize()?)?;
        let (kept, lost) = (g.like(scores, 0.)?, g.like(scores, heads.masked)?);
        let (kept, lost) = (ranked(g, kept, 4)?, ranked(g, lost, 4)?);
        let mask = g.op(Iff, &[keep, kept, lost])?;
        scores = g.add(scores, mask)?;
    }
    if heads.causal {
        let (queries, keys) = (from[2].to_usize()?, to[2].to_usize()?);
        ensure!(keys >= queries, "{queries} queries over {keys} keys");
        let before = keys - queries;
        let later = |at: usize| at % keys > at / keys + before;
        // Below any mask: a query of masked keys alone still looks at none that comes later.
        let values: Vec<f32> =
            (0..queries * keys).map(|at| if later(at) { f32::MIN } else { 0. }).collect();
        let mask = Tensor::from_shape(&[1, 1, queries, keys], &values)?;
        let mask = g.constant(mask.cast_to_dt(g.dtype(scores)?)?.into_owned())?;
        scores = g.add(scores, mask)?;
    }
    if let Some(bias) = bias {
        scores = g.add(scores, bias)?;
    }
    let weights = g.op(Softmax::new(tvec!(3), None, SoftmaxKind::default()), &[scores])?;
    let y = g.matmul(weights, v, false, false)?;
    let y = g.move_axis(y, 1, 2)?;
    let shape = g.shape(y)?;
    let from = tvec!(shape[2].clone(), shape[3].clone());
    let to = tvec!(shape[2].clone() * &shape[3]);
    Ok((g.reshape(y, 2, from, to)?, scores))
}

/// A mask that says anything: one of a single flag for all keys of a row, which ONNX Runtime takes none of, is left out.
fn told(g: &Wires<'_>, mask: Option<OutletId>, batch: usize) -> TractResult<Option<OutletId>> {
    let Some(mask) = mask else { return Ok(None) };
    let shape = g.shape(mask)?;
    let rows = [1, batch].iter().any(|n| shape.first() == Some(&n.to_dim()));
    let dummy = shape.len() == 2 && rows && shape[1].is_one();
    Ok((!dummy).then_some(mask))
}

fn ranked(g: &mut Wires<'_>, mut x: OutletId, rank: usize) -> TractResult<OutletId> {
    while g.rank(x)? < rank {
        x = g.add_axis(x, 0)?;
    }
    Ok(x)
}

/// Which keys may be seen, `[batch, 1, 1 or queries, keys]`, from any form of the mask: a flag a
/// key, a flag a query and key, or a row's end, or ends and then starts; or ends and then where the rows of
/// packed queries and keys begin, which an unpacked form does not need.
fn visible(g: &mut Wires<'_>, mask: OutletId, batch: usize, keys: usize) -> TractResult<OutletId> {
    let mask = g.cast(mask, DatumType::I64)?;
    let shape = g.shape(mask)?;
    if shape.len() == 1 {
        let ends = g.slice(mask, 0, 0.to_dim(), batch.to_dim())?;
        let places: Vec<i64> = (0..keys as i64).collect();
        let places = g.constant(Tensor::from_shape(&[1, 1, 1, keys], &places)?)?;
        let ends = g.along(ends, 0, 4)?;
        let ends = ranked(g, ends, 4)?;
        let mut keep = g.binary(TypedBinOp(comp_lt(), None), places, ends)?;
        if shape[0] == (2 * batch).to_dim() {
            let starts = g.slice(mask, 0, batch.to_dim(), (2 * batch).to_dim())?;
            let starts = g.along(starts, 0, 4)?;
            let starts = ranked(g, starts, 4)?;
            let after = g.binary(TypedBinOp(comp_gte(), None), places, starts)?;
            keep = g.binary(tract_onnx::tract_core::ops::logic::and(), keep, after)?;
        } else {
            let known = [batch, 3 * batch + 2].iter().any(|n| shape[0] == n.to_dim());
            ensure!(known, "a mask of {} for a batch of {batch}", shape[0]);
        }
        return Ok(keep);
    }
    ensure!((2..4).contains(&shape.len()), "a mask of {} axes is not supported", shape.len());
    ensure!(shape[shape.len() - 1] == keys.to_dim(), "a mask of {shape:?} for {keys} keys");
    let mut mask = mask;
    while g.rank(mask)? < 4 {
        mask = g.add_axis(mask, 1)?;
    }
    let zero = g.constant(tensor0(0i64))?;
    let keep = g.binary(TypedBinOp(comp_gt(), None), mask, zero)?;
    let mut shape = g.shape(keep)?;
    shape[0] = batch.to_dim();
    g.op(MultiBroadcastTo::new(ShapeFact::from_dims(shape)), &[keep])
}
