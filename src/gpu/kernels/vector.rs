//! Products of one row, as a decoder's token makes them.
//!
//! In: the sizes of a product, and how its operands lie. Out: the text of its body, and its workgroups. Four neighbours
//! are one load where they can be. A sum is shared between as many invocations as keep the adapter busy: where a CPU
//! plays it that is mostly one.

use super::shared::Lanes;
use super::wide::Fours;
use crate::gpu::builder::Cx;

const BODY: &str = wgsl!("vector.wgsl");

/// Invocations that share a sum at most.
const MOST_SLICES: usize = 16;
/// Steps that each of them takes at least.
const LEAST_STEPS: usize = 4;
/// Adapters that are not busy with fewer invocations are GPUs: memory is far there, and neighbours are read together.
const FAR: usize = 1024;
/// How many times as many invocations hide how far it is.
const HIDDEN: usize = 8;

/// The body and its workgroups. `fours`: how four neighbours of the matrix lie that can be read so, and of the row too
/// where that is along k; `by_k`: whether neighbours of the matrix lie along k at all.
pub(super) fn body(
    cx: &Cx,
    kind: &str,
    (n, k, count): (usize, usize, usize),
    fours: Option<Fours>,
    by_k: bool,
) -> (String, [usize; 3]) {
    let down = fours == Some(Fours::Down);
    let by_k = by_k || down;
    let (busy, room, least) = match cx.builder.limits().busy {
        busy if busy >= FAR => (busy * HIDDEN, 256, if by_k { 8 } else { 1 }),
        busy => (busy, 64, 1),
    };
    let columns = if matches!(fours, Some(Fours::Across | Fours::Odd)) { 4 } else { 1 };
    let steps = if down { k.div_ceil(4) } else { k };
    let units = n.div_ceil(columns);
    let mut slices = least;
    while slices < MOST_SLICES
        && units * count * slices < busy
        && steps / (slices * 2) >= LEAST_STEPS
    {
        slices *= 2;
    }
    let lanes = room / slices;
    let shared = Lanes::new(cx, slices, room, by_k);
    let sum = if columns == 4 { "vec4<T>" } else { "T" };
    let term = match fours {
        Some(Fours::Down) => "dot(in0[(a >> 2u) + k], in1[(b >> 2u) + k])",
        Some(Fours::Across) => "in0[a + k * p.a_k] * in1[(b + k * p.b_k) >> 2u]",
        Some(Fours::Odd) => "in0[a + k * p.a_k] * b4(b + k * p.b_k)",
        None => "in0[a + k * p.a_k] * in1[b + k * p.b_k]",
    };
    let four = match fours {
        Some(Fours::Odd) => super::wide::unaligned("T4"),
        _ => String::new(),
    };
    let parts = match columns {
        4 => "array<T, 4> { return array<T, 4>(s.x, s.y, s.z, s.w); }",
        _ => "array<T, 1> { return array<T, 1>(s); }",
    };
    let steps = if down { "p.k >> 2u" } else { "p.k" };
    let head = format!(
        "alias T = {kind};\nalias T4 = vec4<T>;\nalias S = {sum};\nconst LANES = {lanes}u;\n\
         const SLICES = {slices}u;\nconst COLUMNS = {columns}u;\nconst BY_K = {by_k};\n{four}\
         fn steps() -> u32 {{ return {steps}; }}\n\
         fn term(a: u32, b: u32, k: u32) -> S {{ return {term}; }}\n\
         fn parts_of(s: S) -> {parts}\n{}{}",
        shared.parts("S"),
        shared.join("shared_sum", "S", "a + b")
    );
    (head + BODY, [units.div_ceil(lanes), 1, count])
}
