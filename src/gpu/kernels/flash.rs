//! The kernel of attention: `softmax(score(Q x K)) x V`, the scores never in memory.
//!
//! In: queries, keys and values where they lie, what is done to a score, and what a row gives away to no key. Out: one
//! dispatch. Few rows have a workgroup each; many are made in tiles, with subgroups where the adapter has them.

use super::flat::{address, coordinates};
use super::shared::Lanes;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::chain::Chain;
use crate::gpu::kernel::{Kernel, MAX_GROUPS, Param};
use crate::gpu::value::{View, collapse};

const TILES: &str = wgsl!("attention.wgsl");
const MEMORY: &str = wgsl!("attention_memory.wgsl");
const SUBGROUP: &str = wgsl!("attention_subgroup.wgsl");
const ROW: &str = wgsl!("attention_row.wgsl");

/// Rows up to which each has a workgroup of its own.
const FEW: usize = 8;
/// Vectors of the result's columns that an invocation makes of one row at most.
const MOST_COLUMNS: usize = 4;
/// Scores that are no burden for the memory, where without subgroups everyone would wait for everyone to do without.
const LEAST_SCORES: usize = 1 << 19;

/// An operand: a view over the batch of its first elements, and the strides of a matrix.
pub(super) struct Side {
    pub(super) view: View,
    /// From a query, key or value to the next.
    pub(super) row: isize,
    /// From an element to the next.
    pub(super) one: isize,
}

/// What a row gives away before its keys share the rest.
pub(super) enum Aside {
    Nothing,
    /// As to a key of score 0.
    Zero,
    /// All of it where every key has the lowest score: then the row is nothing.
    Hidden,
    /// As to a key of the score that its matrix of the batch has here, a dense vector that counts on from its start.
    Sinks(View),
}

/// One attention over a batch.
pub(super) struct Heads {
    /// Queries, keys, values.
    pub(super) sides: [Side; 3],
    pub(super) rows: usize,
    pub(super) keys: usize,
    /// Elements of a key.
    pub(super) size: usize,
    /// Elements of a value.
    pub(super) width: usize,
    pub(super) score: Chain,
    pub(super) aside: Aside,
}

/// How the work is divided.
struct Division {
    /// Vectors of columns that a workgroup makes.
    across: usize,
    /// Invocations that share rows; nothing where each row has a workgroup.
    side: Option<usize>,
    groups: [usize; 3],
}

impl Heads {
    fn count(&self) -> usize {
        self.sides[0].view.shape.iter().product()
    }

    fn division(&self, cx: &Cx) -> Division {
        let subgroup = cx.builder.limits().subgroup.filter(|n| *n >= 4);
        let side = (self.rows >= FEW).then(|| subgroup.map_or(8, |n| n.min(8)));
        let fours = self.width.div_ceil(4);
        let (across, down) = match side {
            None => (fours.next_power_of_two().min(64), 1),
            Some(side) => (fours.next_multiple_of(side).min(MOST_COLUMNS * side), 4 * 64 / side),
        };
        let groups = [self.rows.div_ceil(down), fours.div_ceil(across), self.count()];
        Division { across, side, groups }
    }

    /// Whether it is better than a product, a softmax and a product.
    pub(super) fn is_worth_it(&self, cx: &Cx) -> bool {
        let subgroups = cx.builder.limits().subgroup.is_some_and(|n| n >= 4);
        let many = self.rows * self.keys * self.count() >= LEAST_SCORES;
        // Each further part of the columns computes the scores anew.
        (self.rows < FEW || subgroups || many) && self.division(cx).groups[1] <= 2
    }
}

/// The kernel, whose result's rows and columns are `steps` apart.
pub(super) fn kernel(
    cx: &mut Cx,
    heads: Heads,
    output: View,
    steps: (usize, usize),
) -> Lowered<Kernel> {
    let Division { across, side, groups } = heads.division(cx);
    if groups.iter().any(|g| *g > MAX_GROUPS as usize) {
        return because("attention beyond the grid");
    }
    let strides: Vec<&[isize]> = heads.sides.iter().map(|s| &s.view.strides[..]).collect();
    let (dims, strides) = match collapse(&heads.sides[0].view.shape, &strides) {
        (dims, _) if dims.is_empty() => (vec![1], vec![vec![0]; 3]),
        collapsed => collapsed,
    };
    let mut params: Vec<(String, Param)> = vec![];
    let mut put = |name: &str, v: isize| {
        params.push((name.to_owned(), Param::U((v as i32).cast_unsigned())));
    };
    put("rows", heads.rows as isize);
    put("keys", heads.keys as isize);
    put("size", heads.size as isize);
    put("size4", heads.size.div_ceil(4) as isize);
    put("width", heads.width as isize);
    put("c_m", steps.0 as isize);
    put("c_n", steps.1 as isize);
    for (name, side) in ["q", "k", "v"].into_iter().zip(&heads.sides) {
        put(&format!("{name}_row"), side.row);
        put(&format!("{name}_one"), side.one);
    }
    let mut body = match side {
        None => format!("const FOURS = {across}u;\n"),
        Some(side) => {
            let lanes = Lanes::new(cx, side, 64, true);
            let shared = [("shared_max", "max(a, b)"), ("shared_sum", "a + b")];
            let shared = shared.map(|(name, join)| lanes.join(name, "vec4<f32>", join)).concat();
            let parts = lanes.parts("vec4<f32>");
            let columns = across / side;
            let sums = sums(columns, side);
            format!("const X = {side}u;\nconst COLUMNS = {columns}u;\n{sums}{parts}{shared}")
        }
    };
    // As f16 four products are added before their sum is: its error does not grow with the size.
    let narrow = cx.narrow(&heads.sides[0].view, &heads.sides[1].view);
    body += if narrow { "alias E = f16;\n" } else { "alias E = f32;\n" };
    let mut wide = vec![];
    for (at, (name, side)) in ["q", "k", "v"].into_iter().zip(&heads.sides).enumerate() {
        let length = if name == "v" { heads.width } else { heads.size };
        let fours = |v: isize| v % 4 == 0;
        let is_wide = side.one == 1
            && length.is_multiple_of(4)
            && fours(side.row)
            && fours(side.view.offset as isize)
            && strides[at].iter().all(|s| fours(*s));
        wide.push(is_wide);
        let view = View { shape: dims.clone(), strides: strides[at].clone(), ..side.view.clone() };
        let (text, own) = start(name, &view);
        body += &text;
        // The sizes of the axes are shared.
        params.extend(
            own.into_iter().filter(|o| !params.iter().any(|p| p.0 == o.0)).collect::<Vec<_>>(),
        );
        let (rows, elements) = match name {
            "q" => ("rows", "size"),
            "k" => ("keys", "size"),
            _ => ("keys", "width"),
        };
        body += &loads(name, at, is_wide, (rows, elements));
    }
    let given = match &heads.aside {
        Aside::Nothing => "0.0",
        Aside::Zero => "exp(-top)",
        // As good as without end.
        Aside::Hidden => "select(0.0, 3.4028234663852886e38f, top <= -3.4028234663852886e38f)",
        Aside::Sinks(view) => {
            params.push(("sinks".to_owned(), Param::U(view.len() as u32)));
            params.push(("sinks_o".to_owned(), Param::U(view.offset as u32)));
            "exp(f32(in3[p.sinks_o + b % p.sinks]) - top)"
        }
    };
    body += &format!("fn aside(b: u32, top: f32) -> f32 {{ return {given}; }}\n");
    let subgroups = cx.builder.limits().subgroup.is_some_and(|n| n >= 4);
    body += &match (side, subgroups) {
        (None, _) => ROW.to_owned(),
        (Some(_), false) => MEMORY.to_owned() + &TILES.replace("$LANE", "").replace("$OWN", "flat"),
        (Some(_), true) => {
            let lane = ", @builtin(subgroup_invocation_id) lane: u32";
            SUBGROUP.to_owned() + &TILES.replace("$LANE", lane).replace("$OWN", "lane")
        }
    };
    let mut kernel = cx.kernel(body, groups.map(|g| g as u32), output);
    kernel.params = params;
    kernel.reads = heads.sides.into_iter().map(|side| side.view).collect();
    if let Aside::Sinks(view) = heads.aside {
        kernel.reads.push(view);
    }
    kernel.wide = wide;
    kernel.narrow = narrow;
    kernel.score = Some(heads.score);
    Ok(kernel)
}

/// Where matrix `b` of an operand starts.
pub(super) fn start(name: &str, view: &View) -> (String, Vec<(String, Param)>) {
    let (text, mut params) = coordinates("n", &view.shape);
    let (place, own) = address(name, view, |axis| format!("c{axis}"));
    params.extend(own);
    (format!("fn {name}_at(i: u32) -> u32 {{\n{text}  return {place};\n}}\n"), params)
}

/// Four neighbours of a row: one load, or four, of which those behind the row's end are 0.
fn loads(name: &str, at: usize, wide: bool, (rows, elements): (&str, &str)) -> String {
    let kind = if name == "v" { "f32" } else { "E" };
    let place = format!("base + min(row, p.{rows} - 1u) * p.{name}_row");
    let head = format!("fn {name}4(base: u32, row: u32, four: u32) -> vec4<{kind}> {{\n");
    if wide {
        let four = format!("min(four, (p.{elements} >> 2u) - 1u)");
        return format!("{head}  return vec4<{kind}>(in{at}[(({place}) >> 2u) + {four}]);\n}}\n");
    }
    let one = |l: usize| {
        let one = format!("{kind}(in{at}[at + {l}u * p.{name}_one])");
        format!("select({kind}(), {one}, four * 4u + {l}u < p.{elements})")
    };
    format!(
        "{head}  let at = {place} + four * 4u * p.{name}_one;\n  return vec4<{kind}>({}, {}, {}, {});\n}}\n",
        one(0),
        one(1),
        one(2),
        one(3)
    )
}

/// The accumulators of 4 rows by `columns` vectors, `side` apart, and what is done to them.
fn sums(columns: usize, side: usize) -> String {
    let lanes = ["x", "y", "z", "w"];
    let (mut fields, mut scale, mut add) = (String::new(), String::new(), String::new());
    let mut all = vec![];
    for c in 0..columns {
        for key in 0..4 {
            add += &format!("  w{key} = v4(v, key + {key}u, column + {}u);\n", c * side);
        }
        for (r, lane) in lanes.iter().enumerate() {
            fields += &format!("  o{c}_{r}: vec4<f32>,\n");
            scale += &format!("  (*s).o{c}_{r} *= by.{lane};\n");
            add += &format!(
                "  (*s).o{c}_{r} += a{r}.x * w0 + a{r}.y * w1 + a{r}.z * w2 + a{r}.w * w3;\n"
            );
            all.push(format!("(*s).o{c}_{r}"));
        }
    }
    let count = columns * 4;
    format!(
        "struct Sums {{\n{fields}}}\n\
         fn scale(s: ptr<function, Sums>, by: vec4<f32>) {{\n{scale}}}\n\
         fn together(s: ptr<function, Sums>) -> array<vec4<f32>, {count}> {{\n  \
         return array<vec4<f32>, {count}>({});\n}}\n\
         fn add(s: ptr<function, Sums>, v: u32, key: u32, column: u32, a0: vec4<f32>, a1: vec4<f32>, \
         a2: vec4<f32>, a3: vec4<f32>) {{\n  var w0: vec4<f32>;\n  var w1: vec4<f32>;\n  \
         var w2: vec4<f32>;\n  var w3: vec4<f32>;\n{add}}}\n",
        all.join(", ")
    )
}
