//! An update written into a cache at a place of its own for each entry of the batch.
//!
//! In: `TensorScatter`, as the CPU has it. Out: one dispatch for the new cache, and a count of places that it has not.

use super::flat::{address, coordinates, elements};
use super::gather::counted;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::kernel::Param;
use crate::gpu::value::Carrier;
use crate::model::ops::{Coded, TensorScatter};

pub(crate) fn lower(cx: &mut Cx, coded: &Coded<'_, TensorScatter>) -> Lowered<()> {
    let op = coded.code;
    let must = |at: usize| {
        let slot = coded.slots.get(at).copied().flatten();
        slot.map_or_else(|| because("an input is missing"), Ok)
    };
    let (cache, update) = (cx.input(must(0)?)?, cx.input(must(1)?)?);
    let rank = cache.shape.len();
    let from_front = if op.axis < 0 { op.axis + rank as i64 } else { op.axis };
    let axis = usize::try_from(from_front).unwrap_or(rank);
    let fits = axis > 0
        && axis < rank
        && update.shape.len() == rank
        && update.datum == cache.datum
        && (0..rank).all(|a| {
            let (new, old) = (update.shape[a], cache.shape[a]);
            new == old || a == axis && new <= old
        });
    if !fits {
        return because("an update that does not fit");
    }
    let (size, new) = (cache.shape[axis], update.shape[axis]);
    let whole = |n: usize| Param::I(i32::try_from(n).unwrap_or(i32::MAX));
    let starts = match coded.slots.get(2).copied().flatten() {
        Some(slot) => Some(cx.dense_input(slot)?),
        None => None,
    };
    let mut start = "0u".to_owned();
    if let Some(starts) = &starts {
        if starts.carrier != Carrier::I32 || starts.len() != cache.shape[0] {
            return because("places that do not fit the batch");
        }
        let over = if op.circular { "false" } else { "in0[k] > p.last" };
        let bad = format!("  return select(0u, 1u, in0[k] < 0 || {over});\n");
        let told = format!("`{}` writes its update over the cache's end", cx.node.name);
        let params = vec![("last".to_owned(), whole(size - new))];
        counted(cx, &bad, starts.len(), (params, vec![starts.clone()]), told)?;
        start = "u32(in2[c0]) % p.size".to_owned();
    }
    let output = cx.output(0)?;
    let (text, mut params) = coordinates("d", &output.shape);
    let along = |axis: usize| format!("c{axis}");
    let (old_at, of_old) = address("x", &cache, along);
    let (new_at, of_new) =
        address("u", &update, |a| if a == axis { "step".to_owned() } else { along(a) });
    params.extend(of_old);
    params.extend(of_new);
    params.push(("size".to_owned(), Param::U(size as u32)));
    params.push(("many".to_owned(), Param::U(new as u32)));
    let body = format!(
        "fn value(i: u32) -> {} {{\n{text}  let step = (c{axis} + p.size - {start}) % p.size;\n  \
         if (step < p.many) {{ return in1[{new_at}]; }}\n  return in0[{old_at}];\n}}\n",
        cache.carrier.wgsl()
    );
    let mut kernel = elements(cx, &body, output)?;
    kernel.params.extend(params);
    kernel.reads = vec![cache, update];
    kernel.reads.extend(starts);
    cx.run(kernel);
    Ok(())
}
