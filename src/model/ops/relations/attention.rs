//! Queries, keys and values of attention, their caches and masks.
//!
//! In: a node and its inputs as far as they are known. Out: nothing, or what does not fit.

use tract_onnx::tract_hir::internal::*;

use super::super::checked::Known;

/// An input as `[batch, heads, steps, size]`, of which `attribute` counts the heads where they lie side by side.
fn heads_of(known: &Known, at: usize, attribute: &str) -> TractResult<Option<[i64; 4]>> {
    let heads = known.int(attribute).unwrap_or(0);
    match known.dims(at).as_deref() {
        None => Ok(None),
        Some([batch, heads, steps, size]) => Ok(Some([*batch, *heads, *steps, *size])),
        Some([batch, steps, width]) => {
            ensure!(heads > 0 && width % heads == 0, "a width of {width} in {heads} heads");
            Ok(Some([*batch, heads, *steps, width / heads]))
        }
        Some(dims) => bail!("an input {at} of shape {dims:?}"),
    }
}

/// Keys are as wide as queries and as many as values, behind as much of a past; a mask covers them.
pub(in crate::model::ops) fn attention(known: &Known) -> TractResult<()> {
    // Queries, keys, values, and those of the past.
    for at in [0, 1, 2, 4, 5] {
        let dtype = known.dtype(at);
        ensure!(dtype.is_none_or(|dt| dt.is_float()), "an input {at} of {dtype:?}");
    }
    let Some(rank) = known.rank(0) else { return Ok(()) };
    for at in [1, 2] {
        if let Some(other) = known.rank(at) {
            ensure!(other == rank, "queries of rank {rank} and an input {at} of rank {other}");
        }
    }
    if rank == 3 {
        for name in ["q_num_heads", "kv_num_heads"] {
            let heads = known.int(name).unwrap_or(0);
            ensure!(heads > 0, "{name} {heads}");
        }
    }
    let q = heads_of(known, 0, "q_num_heads")?;
    let k = heads_of(known, 1, "kv_num_heads")?;
    let v = heads_of(known, 2, "kv_num_heads")?;
    if let (Some(q), Some(k)) = (q, k) {
        ensure!(q[0] == k[0] && q[3] == k[3], "queries {q:?} and keys {k:?}");
        ensure!(k[1] > 0 && q[1] % k[1] == 0, "{} heads of queries over {} of keys", q[1], k[1]);
    }
    if let (Some(k), Some(v)) = (k, v) {
        ensure!(k[..3] == v[..3], "keys {k:?} and values {v:?}");
    }
    let mut before = [Some(0); 2];
    for ((at, side), before) in [(4, k), (5, v)].into_iter().zip(&mut before) {
        if !known.is_given(at) {
            continue;
        }
        ensure!(known.rank(at).is_none_or(|r| r == 4), "a cache that is not of rank 4");
        *before = known.dim(at, 2);
        if let (Some(past), Some(side)) = (known.dims(at), side) {
            let fits = [0, 1, 3].iter().all(|axis| past.get(*axis) == side.get(*axis));
            ensure!(fits, "a cache of shape {past:?} before {side:?}");
        }
    }
    let [keys, values] = before;
    if let (Some(keys), Some(values)) = (keys, values) {
        ensure!(keys == values, "caches of {keys} keys and {values} values");
    }
    let (Some(q), Some(k), Some(before), Some(mask)) = (q, k, keys, known.dims(3)) else {
        return Ok(());
    };
    let wanted = [q[0], q[1], q[2], k[2] + before];
    ensure!((1..=4).contains(&mask.len()), "a mask of shape {mask:?}");
    let mut axes = mask.iter().rev().zip(wanted.iter().rev());
    // What is behind a mask that is too short is hidden.
    let last = axes.next().is_none_or(|(m, w)| m <= w);
    ensure!(
        last && axes.all(|(m, w)| *m == 1 || m == w),
        "a mask of shape {mask:?} for {wanted:?}"
    );
    Ok(())
}

/// The same of com.microsoft's, whose heads lie side by side.
pub(in crate::model::ops) fn grouped(known: &Known) -> TractResult<()> {
    let heads = known.int("num_heads").unwrap_or(0);
    let of_keys = known.int("kv_num_heads").unwrap_or(0);
    let fits = heads > 0 && of_keys > 0 && heads % of_keys == 0;
    ensure!(fits, "{heads} heads of queries over {of_keys} of keys");
    let Some(q) = known.dims(0) else { return Ok(()) };
    let [batch, steps, width] = q[..] else { bail!("queries of shape {q:?}") };
    let packed = !known.is_given(1);
    let all = if packed {
        of_keys.checked_mul(2).and_then(|n| n.checked_add(heads))
    } else {
        Some(heads)
    };
    let all = all.with_context(|| format!("{heads} heads"))?;
    ensure!(width % all == 0, "a width of {width} in {all} heads");
    let size = width / all;
    for at in [1, 2].into_iter().filter(|_| !packed) {
        if let Some(dims) = known.dims(at) {
            let wanted = [batch, steps, size.saturating_mul(of_keys)];
            ensure!(dims == wanted, "an input {at} of shape {dims:?} instead of {wanted:?}");
        }
    }
    for at in [3, 4] {
        if let Some(past) = known.dims(at) {
            let fits = past.first() == Some(&batch) && past.get(1) == Some(&of_keys);
            ensure!(fits && past.get(3) == Some(&size), "a cache of shape {past:?}");
        }
    }
    if let (Some(cos), Some(sin)) = (known.dims(7), known.dims(8)) {
        ensure!(cos == sin, "tables of shapes {cos:?} and {sin:?}");
    }
    Ok(())
}
