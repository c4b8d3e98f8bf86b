//! com.microsoft's `GroupQueryAttention`, in every form that has a cache of floats.
//!
//! In: [`GroupQuery`], as the CPU has it. Out: one dispatch each for the queries that are turned, the new keys and the
//! new values, and the attention over these; and, once for all layers of a decoder, a count of lengths and positions
//! that have no place in the caches and tables, which the host reads with the results. Padded rows, windows, caps and
//! sinks are arithmetic on scores: nothing depends on what the lengths are.

mod scores;

use tract_onnx::prelude::DatumType;

use super::flat::{address, each};
use super::gather::counted;
use crate::gpu::builder::{Cx, Lowered, Origin, because};
use crate::gpu::kernel::Param;
use crate::gpu::value::{Carrier, View};
use crate::model::ops::{Coded, GroupQuery, GroupQuerySizes};

const BODY: &str = wgsl!("group_query.wgsl");
/// ONNX's positions of the inputs.
const QUERY: usize = 0;
const KEY: usize = 1;
const VALUE: usize = 2;
const PAST_KEY: usize = 3;
const PAST_VALUE: usize = 4;
const ENDS: usize = 5;
const TOTAL: usize = 6;
const COSINES: usize = 7;
const SINES: usize = 8;
const POSITIONS: usize = 9;
const BIAS: usize = 10;
const SINKS: usize = 11;

/// What all dispatches of a node share.
struct Call<'a> {
    op: &'a GroupQuery,
    slots: &'a [Option<usize>],
    sizes: GroupQuerySizes,
    /// Places of the new cache.
    length: usize,
    /// Whether nothing of the past is attended to.
    first: bool,
    /// The last place of each row.
    ends: View,
    /// Where the rotary tables are, and how many positions they have.
    tables: Option<([View; 2], usize)>,
    positions: Option<View>,
}

pub(crate) fn lower(cx: &mut Cx, coded: &Coded<'_, GroupQuery>) -> Lowered<()> {
    let (op, slots) = (coded.code, coded.slots);
    let slot = |at: usize| slots.get(at).copied().flatten();
    let must = |at: usize| slot(at).map_or_else(|| because("an input is missing"), Ok);
    let (datum, q_shape) = cx.input_fact(must(QUERY)?)?;
    if datum != DatumType::F32 {
        return because(format!("no kernel for attention over {datum:?}"));
    }
    let packed = slot(KEY).is_none();
    let past = slot(PAST_KEY).map(|at| cx.input_fact(at)).transpose()?.map(|fact| fact.1);
    let Ok(sizes) = op.sizes(&q_shape, packed, past.as_deref()) else {
        return because("attention over inputs that do not fit");
    };
    let grown = sizes.past + sizes.steps;
    let known =
        cx.konst(must(TOTAL)?).and_then(|k| k.cast_to::<i64>().ok()?.as_bytes().try_into().ok());
    let total = match known.map(i64::from_le_bytes) {
        Some(total) => usize::try_from(total).or_else(|_| because("a total length below 0"))?,
        None => grown,
    };
    let length = sizes.past.max(total);
    let first = sizes.steps == total;
    if sizes.steps == 0 || sizes.steps > length {
        return because("attention over no steps, or over more than there are");
    }
    let integers = |cx: &mut Cx, at: usize| {
        let view = cx.dense_input(at)?;
        if view.carrier == Carrier::I32 {
            Ok(view)
        } else {
            because("lengths that are no integers")
        }
    };
    let ends = integers(cx, must(ENDS)?)?;
    let positions = match slot(POSITIONS).filter(|_| op.rotary) {
        Some(at) => Some(integers(cx, at)?),
        None => None,
    };
    let mut tables = None;
    if op.rotary {
        let both = [cx.dense_input(must(COSINES)?)?, cx.dense_input(must(SINES)?)?];
        let [rows, half] = both[0].shape[..] else { return because("rotary tables of other axes") };
        if both[1].shape != both[0].shape || 2 * half > sizes.size {
            return because("rotary tables of other sizes");
        }
        tables = Some((both, rows));
    }
    if ends.len() != sizes.batch
        || positions.as_ref().is_some_and(|at| at.len() != sizes.batch * sizes.steps)
    {
        return because("lengths that do not fit the batch");
    }
    let call = Call { op, slots, sizes, length, first, ends, tables, positions };
    call.check(cx, (known.is_none()).then_some(must(TOTAL)?))?;

    let (wide, narrow) = (op.heads * sizes.size, op.kv_heads * sizes.size);
    let mut query = cx.input(must(QUERY)?)?;
    let states = |cx: &mut Cx, at: usize| -> Lowered<View> {
        let view = cx.input(if packed { must(QUERY)? } else { must(at)? })?;
        let stride = if packed { wide + 2 * narrow } else { narrow };
        let fits = view.shape == [sizes.batch, sizes.steps, stride];
        if fits { Ok(view) } else { because("keys or values of other sizes") }
    };
    let (key, value) = (states(cx, KEY)?, states(cx, VALUE)?);
    let (key_from, value_from) = if packed { (wide, wide + narrow) } else { (0, 0) };
    if op.rotary {
        let shape = [sizes.batch, sizes.steps, wide];
        let lies = (DatumType::F32, query.half);
        let turned = cx.builder.value_as(lies, &shape, Origin::Made)?;
        call.states(cx, query, (0, true), None, turned.clone())?;
        query = turned;
    }
    let shape = [sizes.batch, op.kv_heads, length, sizes.size];
    let cache = |cx: &mut Cx, output: usize| {
        let slot = coded.kept.iter().position(|kept| *kept == output);
        cx.value_of(slot, DatumType::F32, &shape)
    };
    let keys = cache(cx, 1)?;
    call.states(cx, key, (key_from, true), Some(PAST_KEY), keys.clone())?;
    let values = cache(cx, 2)?;
    call.states(cx, value, (value_from, false), Some(PAST_VALUE), values.clone())?;
    for (slot, output) in coded.kept.iter().enumerate() {
        match output {
            0 => call.attention(cx, slot, &query, [&keys, &values])?,
            1 => cx.is(slot, keys.clone(), false),
            _ => cx.is(slot, values.clone(), false),
        }
    }
    Ok(())
}

impl Call<'_> {
    fn slot(&self, at: usize) -> Option<usize> {
        self.slots.get(at).copied().flatten()
    }

    /// Fails the run where a length or a position has no place, as the CPU does.
    fn check(&self, cx: &mut Cx, total: Option<usize>) -> Lowered<()> {
        let GroupQuerySizes { batch, steps, past, .. } = self.sizes;
        let rows = self.tables.as_ref().map_or(usize::MAX, |t| t.1);
        // Without positions each step has its place's.
        let turns = if self.positions.is_some() { usize::MAX } else { rows };
        let (least, most) = match self.first {
            true => (0, self.length),
            false => (steps - 1, self.length.min(past + steps).min(turns)),
        };
        if steps > turns {
            return because("positions beyond the rotary tables");
        }
        let mut reads = vec![self.ends.clone()];
        let mut text =
            "  if (k < p.batch) { wrong = in0[k] < p.least || in0[k] >= p.most; }\n".to_owned();
        let mut count = batch;
        if let Some(at) = total {
            let view = cx.dense_input(at)?;
            if view.carrier != Carrier::I32 || view.len() != 1 {
                return because("a total length that is no integer");
            }
            text += &format!("  wrong = wrong || in{}[0] != p.total;\n", reads.len());
            reads.push(view);
        }
        if let Some(positions) = &self.positions {
            text += &format!("  let at = in{}[k];\n", reads.len());
            text += "  wrong = wrong || at < 0 || at >= p.places;\n";
            reads.push(positions.clone());
            count = batch * steps;
        }
        let whole = |n: usize| Param::I(i32::try_from(n).unwrap_or(i32::MAX));
        let params = vec![
            ("batch".to_owned(), Param::U(batch as u32)),
            ("least".to_owned(), whole(least)),
            ("most".to_owned(), whole(most)),
            ("total".to_owned(), whole(past + steps)),
            ("places".to_owned(), whole(rows)),
        ];
        let values: Vec<_> = reads.iter().map(|view| view.value).collect();
        if cx.builder.once(format!("{values:?} {params:?} {count}")) {
            return Ok(());
        }
        let bad = format!("  var wrong = false;\n{text}  return select(0u, 1u, wrong);\n");
        let told = format!("`{}` is given an index that is out of range", cx.node.name);
        counted(cx, &bad, count, (params, reads), told)
    }

    /// `before(b)`, given what reads the last place of row b.
    fn before(&self, end: &str) -> String {
        if self.first { "0".to_owned() } else { format!("{end} + 1 - i32(p.steps)") }
    }

    /// States of the call, turned or not, as they are or appended to a past.
    fn states(
        &self,
        cx: &mut Cx,
        states: View,
        (column, turned): (usize, bool),
        past: Option<usize>,
        output: View,
    ) -> Lowered<()> {
        let GroupQuerySizes { batch, steps, size, .. } = self.sizes;
        let cache = past.is_some();
        let past = past.filter(|_| !self.first).and_then(|at| self.slot(at));
        let past = past.map(|at| cx.input(at)).transpose()?;
        let tables = self.tables.as_ref().filter(|_| turned);
        let lanes = if size.is_multiple_of(4) { 4 } else { 1 };
        let (inner, outer) = match cache {
            true => (self.length, self.op.kv_heads),
            false => (self.op.heads, steps),
        };
        let u = |name: &str, v: usize| (name.to_owned(), Param::U(v as u32));
        let i = |name: &str, v: isize| (name.to_owned(), Param::U((v as i32).cast_unsigned()));
        let mut params = vec![
            u("size", size),
            u("inner", inner),
            u("outer", outer),
            u("steps", steps),
            u("column", column),
            u("x_o", states.offset),
            i("x_b", states.strides[0]),
            i("x_s", states.strides[1]),
            i("x_c", states.strides[2]),
        ];
        let half = tables.map_or(1, |([cosines, _], _)| cosines.shape[1]);
        let mut text = format!(
            "const LANES = {lanes}u;\nconst CACHE = {cache};\nconst ROTARY = {};\nconst HALF = {half}u;\n\
             const INTERLEAVED = {};\n",
            tables.is_some(),
            self.op.interleaved
        );
        let mut reads = vec![states, self.ends.clone()];
        text += &format!("fn before(b: u32) -> u32 {{ return u32({}); }}\n", self.before("in1[b]"));
        let mut read = |view: &View| {
            reads.push(view.clone());
            reads.len() - 1
        };
        let mut position = "before(b) + step".to_owned();
        let mut named = ["0.0".to_owned(), "0.0".to_owned()];
        if let Some((both, _)) = tables {
            named = [0, 1].map(|at| format!("in{}[at]", read(&both[at])));
            if let Some(positions) = &self.positions {
                position = format!("u32(in{}[b * p.steps + step])", read(positions));
            }
        }
        let [cosine, sine] = named;
        let mut old = "0.0".to_owned();
        if let Some(past) = &past {
            let shape = [batch, self.op.kv_heads, self.sizes.past, size];
            if past.shape != shape || past.carrier != Carrier::F32 {
                return because("pasts of other sizes");
            }
            let (place, own) = address("old", past, |axis| ["b", "h", "j", "d"][axis].to_owned());
            params.extend(own);
            old = format!("in{}[{place}]", read(past));
        }
        text += &format!(
            "fn position(b: u32, step: u32) -> u32 {{ return {position}; }}\n\
             fn cosine(at: u32) -> f32 {{ return {cosine}; }}\n\
             fn sine(at: u32) -> f32 {{ return {sine}; }}\n\
             fn old(b: u32, h: u32, j: u32, d: u32) -> f32 {{ return {old}; }}\n"
        );
        let mut kernel = each(cx, &(text + BODY), output.len() / lanes, output)?;
        kernel.params.extend(params);
        kernel.reads = reads;
        cx.run(kernel);
        Ok(())
    }
}
