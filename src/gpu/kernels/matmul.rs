//! Matrix products, batched, over operands of any strides: a transposed operand costs no copy.
//!
//! In: `PrefixMatMul` (every einsum that is a product comes in this form), and products that other
//! families make of their work. Out: a tiled dispatch, or one for vectors.

use tract_onnx::prelude::DatumType;
use tract_onnx::tract_core::ops::einsum::prefix_matmul::PrefixMatMul;

use super::attention;
use super::vector;
use super::wide::{self, Fours};
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::kernel::{Kernel, MAX_GROUPS, Param, Pattern};
use crate::gpu::value::{View, collapse, dense_strides};

const TILED: &str = wgsl!("matmul.wgsl");

pub(crate) fn lower(cx: &mut Cx, op: &PrefixMatMul) -> Lowered<()> {
    let ((a_type, _), (b_type, _)) = (cx.input_fact(0)?, cx.input_fact(1)?);
    let (datum, _) = cx.output_fact(0)?;
    if op.quantize_output.is_some() || a_type != b_type || a_type != datum {
        return because("a product of two element types");
    }
    if !matches!(datum, DatumType::F32 | DatumType::I32) {
        return because(format!("no kernel for a product of {datum:?}"));
    }
    let swap = |view: View, transposed: bool| {
        let mut order: Vec<usize> = (0..view.shape.len()).collect();
        let rank = order.len();
        if transposed {
            order.swap(rank - 2, rank - 1);
        }
        view.permuted(&order)
    };
    let a = swap(cx.input(0)?, op.transpose_a);
    let b = swap(cx.input(1)?, op.transpose_b);
    let output = cx.output(0)?;
    if let Some(kernel) = attention::recognised(cx, &a, &b, &output, op.transpose_c) {
        cx.run(kernel);
        return Ok(());
    }
    let pattern = match op.transpose_c {
        true => Pattern::Product(swap(b.clone(), true), swap(a.clone(), true)),
        false => Pattern::Product(a.clone(), b.clone()),
    };
    let mut kernel = product(cx, a, b, output, op.transpose_c)?;
    kernel.pattern = pattern;
    cx.run(kernel);
    Ok(())
}

/// `output[…, m, n] = Σ a[…, m, k] b[…, k, n]`; with `transposed`, `output[…, n, m]`. The axes before
/// the last two broadcast. The caller may extend the chain before it runs the kernel.
pub(crate) fn product(
    cx: &mut Cx,
    a: View,
    b: View,
    output: View,
    transposed: bool,
) -> Lowered<Kernel> {
    let rank = output.shape.len();
    if a.shape.len() != rank || b.shape.len() != rank || rank < 2 {
        return because("operands of different ranks");
    }
    let (m, k, n) = (a.shape[rank - 2], a.shape[rank - 1], b.shape[rank - 1]);
    let batch = &output.shape[..rank - 2];
    let spread = |view: &View| -> Vec<isize> {
        let axes = view.shape[..rank - 2].iter().zip(&view.strides);
        axes.zip(batch).map(|((have, s), want)| if have == want { *s } else { 0 }).collect()
    };
    let (dims, strides) = collapse(batch, &[&spread(&a), &spread(&b), &dense_strides(batch)]);
    if dims.len() > 2 {
        // Too many kinds of batch for the grid: one dense copy brings them in line.
        let dense = |cx: &mut Cx, view: View| {
            let mut shape = batch.to_vec();
            shape.extend(&view.shape[rank - 2..]);
            let whole = view.broadcast(&shape).map_or_else(|| because("no view"), Ok)?;
            cx.dense(whole)
        };
        let (a, b) = (dense(cx, a)?, dense(cx, b)?);
        return product(cx, a, b, output, transposed);
    }
    let count: usize = dims.iter().product();
    let inner = dims.last().copied().unwrap_or(1);
    let step = |view: usize, back: usize| {
        let strides = &strides[view];
        strides.len().checked_sub(back).map_or(0, |at| strides[at] as i32)
    };
    let vector = m == 1;
    let carrier = output.carrier;
    let by = |along: isize, other: isize| along.unsigned_abs() == 1 && other.unsigned_abs() != 1;
    let a_by_k = by(a.strides[rank - 1], a.strides[rank - 2]);
    let b_by_k = by(b.strides[rank - 2], b.strides[rank - 1]);
    let small = m <= 32 || n <= 32 || m * n * count <= 64 * 64 * 16;
    let (tx, ty) = if small { (8, 8) } else { (16, 16) };
    let kind = carrier.wgsl();
    // As f16 few products are added before their sum is: its error does not grow with k.
    let narrow = m > 1 && cx.narrow(&a, &b);
    let element = if narrow { "f16" } else { kind };
    // Four neighbours at a time, where everything lies on multiples of four.
    let even = |values: &[isize]| values.iter().all(|v| v % 4 == 0);
    let along = |view: usize| [step(view, 1) as isize, step(view, 2) as isize];
    let a_wide = k.is_multiple_of(4)
        && (a.strides[rank - 1] == 1 && even(&[a.strides[rank - 2], a.offset as isize]))
        && even(&along(0));
    let aligned = even(&along(1)) && b.offset.is_multiple_of(4);
    let second = match (b.strides[rank - 2], b.strides[rank - 1]) {
        (1, across) if aligned && (across % 4 == 0 || n == 1) => Some(Fours::Down),
        (down, 1) if aligned && down % 4 == 0 && n.is_multiple_of(4) => Some(Fours::Across),
        (_, 1) => Some(Fours::Odd),
        _ => None,
    };
    // Of one row four neighbours are read where the matrix's lie along k.
    let fours = second.filter(|second| a_wide || vector && *second != Fours::Down);
    let (body, groups) = if vector {
        vector::body(cx, kind, (n, k, count), fours, b_by_k)
    } else if let Some(second) = fours {
        wide::body(cx, (kind, element), (m, n, count), second)
    } else {
        let head = format!(
            "alias T = {kind};\nalias E = {element};\nconst BLOCK = {}u;\n\
             const TX = {tx}u;\nconst TY = {ty}u;\nconst STEP = 16u;\n\
             const A_BY_K = {a_by_k};\nconst B_BY_K = {b_by_k};\n",
            if narrow { 4 } else { 1 }
        );
        (head + TILED, [n.div_ceil(tx * 4), m.div_ceil(ty * 4), count])
    };
    if groups.iter().any(|g| *g > MAX_GROUPS as usize) {
        return because("a product beyond the grid");
    }
    let (c_m, c_n) = if transposed { (1, m) } else { (n, 1) };
    let u = |v: usize| Param::U(v as u32);
    let i = |v: isize| Param::U((v as i32).cast_unsigned());
    let b32 = |v: i32| Param::U(v.cast_unsigned());
    let params = [
        ("m", u(m)),
        ("n", u(n)),
        ("k", u(k)),
        ("inner_batch", u(inner)),
        ("a_o", u(a.offset)),
        ("a_b0", b32(step(0, 2))),
        ("a_b1", b32(step(0, 1))),
        ("a_m", i(a.strides[rank - 2])),
        ("a_k", i(a.strides[rank - 1])),
        ("b_o", u(b.offset)),
        ("b_b0", b32(step(1, 2))),
        ("b_b1", b32(step(1, 1))),
        ("b_k", i(b.strides[rank - 2])),
        ("b_n", i(b.strides[rank - 1])),
        ("c_m", u(c_m)),
        ("c_n", u(c_n)),
    ];
    let groups = groups.map(|g| g as u32);
    let mut kernel = cx.kernel(body, groups, output);
    kernel.params = params.iter().map(|(name, p)| ((*name).to_owned(), *p)).collect();
    kernel.reads = vec![a, b];
    let first = fours.is_some_and(|second| !vector || second == Fours::Down);
    kernel.wide = vec![first, fours.is_some_and(|second| second != Fours::Odd)];
    kernel.narrow = narrow;
    kernel.acc = carrier;
    Ok(kernel)
}
