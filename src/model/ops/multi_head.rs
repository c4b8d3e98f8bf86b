//! com.microsoft's attention over queries, keys and values that are projected already: `MultiHeadAttention`, and
//! `DecoderMaskedMultiHeadAttention`, the same for one query at a time.
//!
//! In: the three, apart or packed, with masks, biases and a past that grows or is filled in place. Out: the attended
//! values, the new past, and the scores.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::contrib_attention::{Heads, attend};
use super::lower::{Built, Inputs, lowered};
use super::shared_cache::Filling;
use super::wires::Wires;

/// Where an operator with query, key and value of their own has its other inputs.
#[derive(Clone, Copy)]
struct Places {
    projection: usize,
    mask: usize,
    bias: usize,
    past: [usize; 2],
    filled: usize,
}

/// Of `cache_indirection`.
const BEAMS: usize = 9;

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let heads = Heads::of(node)?;
    separate(node, heads, Places { projection: 3, mask: 4, bias: 5, past: [6, 7], filled: 8 })
}

/// The same for one query at a time, over a cache that is filled in place.
pub(super) fn decoder(_: &ParsingContext, node: &NodeProto) -> Built {
    let heads = Heads::of(&shared(node))?;
    separate(node, heads, Places { projection: 10, mask: 3, bias: 4, past: [5, 6], filled: 7 })
}

/// The node without the flag that says what its inputs do.
fn shared(node: &NodeProto) -> NodeProto {
    let mut node = node.clone();
    node.attribute.retain(|a| a.name != "past_present_share_buffer");
    node
}

fn separate(node: &NodeProto, heads: Heads, at: Places) -> Built {
    // Scores are as many as keys, and a mask of other operators is.
    let scored = node.output.get(3).is_some_and(|name| !name.is_empty());
    lowered(node, move |g, inputs| {
        let [mut q, mut k, mut v] = projected(g, inputs)?;
        if let Some(bias) = inputs.get(at.projection) {
            let mut start = 0.to_dim();
            for side in [&mut q, &mut k, &mut v] {
                // A key that comes as heads already has no part in the bias.
                if g.rank(*side)? != 3 {
                    continue;
                }
                let end = start.clone() + g.shape(*side)?[2].clone();
                let part = g.slice(bias, 0, start, end.clone())?;
                *side = g.add(*side, part)?;
                start = end;
            }
        }
        q = heads.split(g, q)?;
        for side in [&mut k, &mut v] {
            if g.rank(*side)? == 3 {
                *side = heads.split(g, *side)?;
            }
        }
        let (mask, bias) = (inputs.get(at.mask), inputs.get(at.bias));
        let [keys, values] = at.past.map(|at| inputs.get(at));
        ensure!(keys.is_some() == values.is_some(), "a past of keys or of values alone");
        let (Some(keys), Some(values)) = (keys, values) else {
            let (y, scores) = attend(g, &heads, [q, k, v], mask, bias)?;
            return Ok(tvec!(y, k, v, scores));
        };
        let Some(filled) = inputs.get(at.filled) else {
            k = g.concat(2, &[keys, k])?;
            v = g.concat(2, &[values, v])?;
            let (y, scores) = attend(g, &heads, [q, k, v], mask, bias)?;
            return Ok(tvec!(y, k, v, scores));
        };
        let filling = Filling {
            past: [keys, values],
            new: [k, v],
            filled,
            origin: inputs.get(BEAMS),
            queries: g.shape(q)?[2].to_usize()?,
            causal: heads.causal,
        };
        let lengths = mask.map(|mask| g.rank(mask)).transpose()?.is_none_or(|rank| rank == 1);
        let made = filling.wire(g, lengths && bias.is_none() && !scored)?;
        let ([k, v], [keys, values]) = (made.seen, made.whole);
        let causal = heads.causal && made.hidden.is_none();
        let mut heads = heads.clone();
        heads.causal = causal;
        let (y, scores) = attend(g, &heads, [q, k, v], mask, made.hidden.or(bias))?;
        Ok(tvec!(y, keys, values, scores))
    })
}

/// Query, key and value, unpacked from `[batch, length, heads, parts, size]` where they come so.
fn projected(g: &mut Wires<'_>, inputs: &Inputs) -> TractResult<[OutletId; 3]> {
    let mut sides: TVec<OutletId> = tvec!();
    for at in 0..3 {
        let Some(x) = inputs.get(at) else { continue };
        let shape = g.shape(x)?;
        if shape.len() != 5 {
            sides.push(x);
            continue;
        }
        for part in 0..shape[3].to_usize()? {
            let one = g.slice(x, 3, part.to_dim(), (part + 1).to_dim())?;
            let one = g.remove_axis(one, 3)?;
            let from = tvec!(shape[2].clone(), shape[4].clone());
            let to = tvec!(shape[2].clone() * &shape[4]);
            sides.push(g.reshape(one, 2, from, to)?);
        }
    }
    match sides[..] {
        [q, k, v] => Ok([q, k, v]),
        _ => bail!("query, key and value make {} parts", sides.len()),
    }
}
