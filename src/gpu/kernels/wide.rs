//! Matrix products whose operands are read four neighbours at a time.
//!
//! In: the sizes of a product. Out: the text of its body, and its workgroups. Where the rows of the second operand do not
//! begin at multiples of four, their neighbours are loads of their own; what lies behind a row's end is multiplied too,
//! and never stored. The larger an invocation's tile, the fewer
//! loads feed an addition, and the fewer invocations there are: the largest tile is taken that keeps the adapter busy.

use std::fmt::Write;

use crate::gpu::builder::Cx;

const BODY: &str = wgsl!("wide.wgsl");

/// How four neighbours of the second operand lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fours {
    /// Along k.
    Down,
    /// Along n.
    Across,
    /// Along n, from anywhere on.
    Odd,
}

/// Rows of a tile, and vectors of columns.
const TILES: [(usize, usize); 3] = [(8, 2), (4, 2), (4, 1)];

/// The body and its workgroups. `kind` is what sums are, `element` what is multiplied, four products at a time, and
/// added before the sum is.
pub(super) fn body(
    cx: &Cx,
    (kind, element): (&str, &str),
    (m, n, count): (usize, usize, usize),
    second: Fours,
) -> (String, [usize; 3]) {
    let work = |(rows, fours): (usize, usize)| (m.div_ceil(rows), n.div_ceil(fours * 4));
    let fits = |tile: &&(usize, usize)| {
        let (down, across) = work(**tile);
        // A tile beyond the matrix is work for nothing.
        (tile.0 == 4 || m > 4) && down * across * count >= cx.builder.limits().busy
    };
    let (rows, fours) = TILES.iter().find(fits).copied().unwrap_or((4, 1));
    let (down, across) = work((rows, fours));
    let wy = (64 / across.next_power_of_two().min(64)).max(down.next_power_of_two().min(8));
    let wx = 64 / wy;
    let head = format!(
        "alias T = {kind};\nalias T4 = vec4<T>;\nalias E4 = vec4<{element}>;\nconst WX = {wx}u;\nconst WY = {wy}u;\n\
         const ROWS = {rows}u;\nconst COLUMNS = {}u;\n{}",
        fours * 4,
        sums(rows, fours, second)
    );
    (head + BODY, [across.div_ceil(wx), down.div_ceil(wy), count])
}

/// `b4(at)`: four neighbours of the second operand from anywhere on, as `kind`.
pub(super) fn unaligned(kind: &str) -> String {
    let neighbours = [0, 1, 2, 3].map(|at| format!("in1[at + {at}u]")).join(", ");
    format!("fn b4(at: u32) -> {kind} {{ return {kind}({neighbours}); }}\n")
}

/// The accumulators and what is added to them.
fn sums(rows: usize, fours: usize, second: Fours) -> String {
    let (mut fields, mut all, mut start, mut loads, mut adds) =
        (String::new(), vec![], String::new(), String::new(), String::new());
    let columns = fours * 4;
    let of = |text: &mut String, line: String| {
        let _ = writeln!(text, "  {line}");
    };
    for r in 0..rows {
        of(&mut start, format!("let a{r} = (a + min(m + {r}u, p.m - 1u) * p.a_m) >> 2u;"));
    }
    let by_k = second == Fours::Down;
    let mut four = String::new();
    match second {
        Fours::Down => {
            for c in 0..columns {
                of(&mut start, format!("let b{c} = (b + min(n + {c}u, p.n - 1u) * p.b_n) >> 2u;"));
                of(&mut loads, format!("let w{c} = in1[b{c} + k];"));
            }
        }
        Fours::Across => {
            of(&mut start, "let down = p.b_k >> 2u;".to_owned());
            for f in 0..fours {
                of(&mut start, format!("var b{f} = (b + min(n + {}u, p.n - 4u)) >> 2u;", f * 4));
                for step in 0..4 {
                    of(&mut loads, format!("let w{} = in1[b{f} + {step}u * down];", f * 4 + step));
                }
                of(&mut loads, format!("b{f} += 4u * down;"));
            }
        }
        Fours::Odd => {
            four = unaligned("E4");
            for f in 0..fours {
                of(&mut start, format!("var b{f} = b + n + {}u;", f * 4));
                for step in 0..4 {
                    of(&mut loads, format!("let w{} = b4(b{f} + {step}u * p.b_k);", f * 4 + step));
                }
                of(&mut loads, format!("b{f} += 4u * p.b_k;"));
            }
        }
    }
    for r in 0..rows {
        of(&mut adds, format!("v = in0[a{r} + k];"));
        for f in 0..fours {
            let w = [0, 1, 2, 3].map(|at| format!("w{}", f * 4 + at));
            let sum = match by_k {
                true => format!("T4(E4({}))", w.map(|w| format!("dot(v, {w})")).join(", ")),
                false => {
                    format!("T4(v.x * {} + v.y * {} + v.z * {} + v.w * {})", w[0], w[1], w[2], w[3])
                }
            };
            of(&mut adds, format!("(*s).c{r}_{f} += {sum};"));
            of(&mut fields, format!("c{r}_{f}: T4,"));
            all.push(format!("(*s).c{r}_{f}"));
        }
    }
    let count = all.len();
    format!(
        "struct Sums {{\n{fields}}}\n{four}\
         fn add_all(s: ptr<function, Sums>, a: u32, b: u32, m: u32, n: u32) {{\n{start}  \
         let steps = p.k >> 2u;\n  var v = E4();\n  \
         for (var k = 0u; k < steps; k++) {{\n{loads}{adds}  }}\n}}\n\
         fn together(s: ptr<function, Sums>) -> array<T4, {count}> {{\n  \
         return array<T4, {count}>({});\n}}\n",
        all.join(", ")
    )
}
