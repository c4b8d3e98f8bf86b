//! Products and gathers with weights of 2, 4 or 8 bits, which stay packed in the GPU's memory.
//!
//! In: `MatMulNBits`, `GatherBlocks` with constant codes. Out: one dispatch; codes are unpacked in registers. What the
//! file packs into bytes lies in memory as words of 32 bits.

use tract_onnx::prelude::*;

use super::flat::elements;
use super::gather::checked;
use super::pad::padded;
use super::shared::Lanes;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::kernel::{MAX_GROUPS, Param};
use crate::gpu::value::View;
use crate::model::ops::{GatherBlocks, MatMulNBits};

const PRODUCT: &str = wgsl!("nbits.wgsl");

/// The code at `at` among the codes of `BITS` bits in `words`, which start with row `row` of `row_bytes` bytes.
const CODE: &str = "
fn code_NAME(row: u32, row_bytes: u32, at: u32) -> f32 {
  let byte = row * row_bytes + at * BITS / 8u;
  let bit = (byte & 3u) * 8u + at * BITS % 8u;
  return f32((WORDS[byte >> 2u] >> bit) & ((1u << BITS) - 1u));
}
";

fn u(name: &str, v: usize) -> (String, Param) {
    (name.to_owned(), Param::U(v as u32))
}

/// Constant bytes as words, the last one filled with zeros.
fn words(cx: &mut Cx, ix: usize) -> Lowered<View> {
    let Some(konst) = cx.konst(ix) else { return because("codes that are no constant") };
    if konst.datum_type() != DatumType::U8 || konst.len() == 0 {
        return because("codes that are no bytes");
    }
    let words = [konst.len().div_ceil(4)];
    cx.builder.derived(konst, "words", (DatumType::U32, &words), |konst| {
        let mut bytes = konst.as_bytes().to_vec();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    })
}

/// `zero(column, block)` of zero points that lie in `in3`, if anywhere.
fn zero(cx: &mut Cx, op: &MatMulNBits) -> Lowered<(String, Option<View>)> {
    if !op.zeros {
        let middle = 1u32 << (op.bits - 1);
        let text =
            format!("fn zero(c: u32, b: u32) -> vec4<f32> {{ return vec4<f32>({middle}.0); }}\n");
        return Ok((text, None));
    }
    let (datum, _) = cx.input_fact(3)?;
    if datum != DatumType::U8 {
        let text = "fn zero(c: u32, b: u32) -> vec4<f32> { return vec4<f32>(f32(in3[c * p.blocks + b])); }\n";
        return Ok((text.to_owned(), Some(cx.dense_input(3)?)));
    }
    let code = CODE.replace("NAME", "zero").replace("WORDS", "in3");
    let text = "fn zero(c: u32, b: u32) -> vec4<f32> { return vec4<f32>(code_zero(c, p.zero_bytes, b)); }\n";
    Ok((code + text, Some(words(cx, 3)?)))
}

/// The block of each row of K, where they are named; those of the rest, which meet zeros, are the first.
fn groups(cx: &mut Cx, op: &MatMulNBits) -> Lowered<Option<View>> {
    if !op.groups {
        return Ok(None);
    }
    let Some(konst) = cx.konst(cx.inputs() - 1) else {
        return because("blocks of rows that are no constant");
    };
    let blocks = op.k.div_ceil(op.block);
    let (k, rows) = (op.k, blocks * op.block);
    let fits = |named: &[i64]| {
        named.len() >= k && named[..k].iter().all(|b| (0..blocks as i64).contains(b))
    };
    let named = konst.try_as_plain_ram().ok().and_then(|k| k.as_slice::<i64>().ok().map(fits));
    if named != Some(true) {
        return because("blocks of rows that are none");
    }
    let view = cx.builder.derived(
        konst,
        format!("blocks {k} {rows}"),
        (DatumType::U32, &[rows]),
        move |konst| {
            let plain = konst.try_as_plain_ram().ok();
            let named: &[i64] = plain.as_ref().and_then(|k| k.as_slice().ok()).unwrap_or_default();
            let block =
                |at: usize| if at < k { named.get(at).copied().unwrap_or(0) as u32 } else { 0 };
            (0..rows).flat_map(|at| block(at).to_le_bytes()).collect()
        },
    )?;
    Ok(Some(view))
}

pub(crate) fn product(cx: &mut Cx, op: &MatMulNBits) -> Lowered<()> {
    let groups_of = groups(cx, op)?;
    let codes = words(cx, 1)?;
    let (text, zeros) = zero(cx, op)?;
    let scales = cx.dense_input(2)?;
    let blocks = op.k.div_ceil(op.block);
    let a = cx.dense_input(0)?;
    let m = a.len() / op.k.max(1);
    let flat = a.reshaped(&[m, op.k]).map_or_else(|| because("no view"), Ok)?;
    // Codes beyond K meet zeros.
    let a = padded(cx, flat, &[(0, 0), (0, blocks * op.block - op.k)])?;
    let output = cx.output(0)?;
    let (rows, columns, slices) = if m == 1 { (1, 4, 16) } else { (4, 8, 8) };
    let groups = [op.n.div_ceil(columns), m.div_ceil(rows), 1];
    if groups.iter().any(|g| *g > MAX_GROUPS as usize) {
        return because("a product beyond the grid");
    }
    let lanes = Lanes::new(cx, slices, slices * columns, true);
    // Where neighbours are of several blocks, each weight is scaled before it is multiplied.
    let scaled = groups_of.is_some();
    let named = match &groups_of {
        Some(_) => format!("in{}[row]", 3 + usize::from(zeros.is_some())),
        None => "row / p.block_rows".to_owned(),
    };
    let block = format!("fn block_of(row: u32) -> u32 {{ return {named}; }}\n");
    let narrow = m > 1 && a.half && cx.builder.limits().half_math;
    let element = if narrow { "f16" } else { "f32" };
    let head = format!(
        "alias E = {element};\nconst NARROW = {};\nconst GROUPS = {scaled};\nconst BITS = {}u;\nconst ROWS = {rows}u;\nconst COLUMNS = {columns}u;\nconst SLICES = {slices}u;\n{}{}",
        narrow || scaled,
        op.bits,
        lanes.parts("vec4<f32>"),
        lanes.join("shared_sum", "vec4<f32>", "a + b")
    );
    let mut kernel = cx.kernel(head + &text + &block + PRODUCT, groups.map(|g| g as u32), output);
    let each = 32 / op.bits;
    kernel.params = vec![
        u("m", m),
        u("n", op.n),
        u("fours", blocks * op.block / 4),
        u("blocks", blocks),
        u("words", blocks * op.block / each),
        u("block_words", op.block / each),
        u("block_rows", op.block),
        u("zero_bytes", (blocks * op.bits).div_ceil(8)),
    ];
    kernel.reads = vec![a, codes, scales];
    kernel.reads.extend(zeros);
    kernel.reads.extend(groups_of);
    kernel.wide = vec![true];
    kernel.narrow = narrow;
    cx.run(kernel);
    Ok(())
}

pub(crate) fn gather(cx: &mut Cx, op: &GatherBlocks) -> Lowered<()> {
    let (_, stored) = cx.input_fact(0)?;
    let (_, of_scales) = cx.input_fact(2)?;
    let table = op.codes(&stored);
    let codes = words(cx, 0)?;
    let (indices, scales) = (cx.dense_input(1)?, cx.dense_input(2)?);
    let user = cx.node.name.clone();
    checked(cx, &indices, &[table[op.gather_axis]], &user)?;
    let zeros = if cx.inputs() > 3 { Some(words(cx, 3)?) } else { None };
    let output = cx.output(0)?;
    let inner = |axis: usize| table[axis + 1..].iter().product::<usize>();
    let mut body = CODE.replace("NAME", "q").replace("WORDS", "in0");
    let middle = 1u32 << (op.bits - 1);
    let zero = if zeros.is_some() {
        body += &CODE.replace("NAME", "zero").replace("WORDS", "in3");
        "code_zero(s / p.width, p.zero_bytes, s % p.width)".to_owned()
    } else {
        format!("{middle}.0")
    };
    body = format!(
        "const BITS = {}u;\n{body}fn value(i: u32) -> f32 {{\n  let r = i % p.inner;\n  let rest = i / p.inner;\n  \
         let at = in1[rest % p.many];\n  let row = select(u32(at), u32(at + i32(p.size)), at < 0);\n  \
         let element = (rest / p.many * p.size + row) * p.inner + r;\n  \
         let along = element / p.stride % p.extent;\n  \
         let s = (element / (p.stride * p.extent) * p.blocks + along / p.block) * p.stride + element % p.stride;\n  \
         return (code_q(0u, 0u, element) - {zero}) * in2[s];\n}}\n",
        op.bits
    );
    let mut kernel = elements(cx, &body, output)?;
    let width = of_scales.last().copied().unwrap_or(1).max(1);
    kernel.params.extend([
        u("inner", inner(op.gather_axis)),
        u("many", indices.len()),
        u("size", table[op.gather_axis]),
        u("stride", inner(op.quantize_axis)),
        u("extent", table[op.quantize_axis]),
        u("blocks", of_scales[op.quantize_axis]),
        u("block", op.block),
        u("width", width),
        u("zero_bytes", (width * op.bits).div_ceil(8)),
    ]);
    kernel.reads = vec![codes, indices, scales];
    kernel.reads.extend(zeros);
    cx.run(kernel);
    Ok(())
}
