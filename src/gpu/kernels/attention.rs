//! Attention: a product, what is done to it, a softmax and a second product as one dispatch.
//!
//! In: a product whose first operand only it reads, a softmax of scores that only that reads, made by a product. Out:
//! the kernel of all three; scales, masks, caps and whatever else is done to single scores are its `score`. The scores
//! are never in memory. Heads of keys and values that are repeated for a group of queries' are read where they lie.

use tract_onnx::prelude::DatumType;

use super::flat::{address, coordinates};
use super::shared::Lanes;
use crate::gpu::builder::Cx;
use crate::gpu::chain::Arg;
use crate::gpu::kernel::{Kernel, MAX_GROUPS, MAX_STORAGE_BINDINGS, Param, Pattern};
use crate::gpu::value::{Carrier, View, collapse, dense_strides};

const TILES: &str = include_str!("attention.wgsl");
const SUBGROUP: &str = include_str!("attention_subgroup.wgsl");
const ROW: &str = include_str!("attention_row.wgsl");

/// Rows up to which each has a workgroup of its own.
const FEW: usize = 8;
/// Vectors of the result's columns that an invocation makes of one row at most.
const MOST_COLUMNS: usize = 4;
/// Scores that are no burden for the memory, where without subgroups everyone would wait for everyone to do without.
const LEAST_SCORES: usize = 1 << 19;

/// An axis as it lies in memory: lengths and strides, outermost first.
type Axis = Vec<(usize, isize)>;

/// A batch of matrices.
struct Matrices {
    view: View,
    batch: Vec<Axis>,
    down: isize,
    across: isize,
}

/// The kernel for `shares x b`, where `shares` is a softmax of scores.
pub(super) fn recognised(
    cx: &mut Cx,
    shares: &View,
    b: &View,
    output: &View,
    transposed: bool,
) -> Option<Kernel> {
    let rank = shares.shape.len();
    if output.datum != DatumType::F32 || rank < 2 || !cx.alone(0) {
        return None;
    }
    let softmax = cx.builder.maker(shares)?;
    let second = cx.builder.kernel(softmax)?;
    let Pattern::Softmax(scores, true) = &second.pattern else { return None };
    if !second.chain.statements.is_empty() || second.chain.result != Arg::Acc {
        return None;
    }
    let first_at = cx.builder.maker(scores)?;
    let first = cx.builder.kernel(first_at)?;
    let Pattern::Product(q, k) = &first.pattern else { return None };
    if first.acc != Carrier::F32 {
        return None;
    }
    let (batch, rows, keys) =
        (&output.shape[..rank - 2], shares.shape[rank - 2], shares.shape[rank - 1]);
    let same = shares.shape[..rank - 2] == *batch && scores.is_dense() && scores.shape.len() > 1;
    if !same || rows * keys == 0 || !scores.shape.ends_with(&[rows, keys]) || q.shape.len() < 2 {
        return None;
    }
    let size = *q.shape.last()?;
    let width = *b.shape.last()?;
    let lead = &scores.shape[..scores.shape.len() - 2];
    let (score, q, k) = (first.chain.reshaped(&scores.shape)?, (q, rows, size), (k, size, keys));
    let [q, k] = [onto(q.0, lead, (q.1, q.2))?, onto(k.0, lead, (k.1, k.2))?];
    let (score, q, k, batch) = match order(shares, &scores.shape) {
        // The second product may have the batch in another order than the first, or its axes merged.
        Some(order) => (score.permuted(&order), q.permuted(&order), k.permuted(&order), batch),
        None if shares.is_dense() => (score, q, k, lead),
        None => return None,
    };
    let label = format!("{} {} {}", first.label, second.label, cx.node.name);
    let sides = [(&q, rows, size), (&k, size, keys), (b, keys, width)];
    let [q, k, v] = together(cx, sides, batch)?;
    let lengths: Vec<usize> = batch_lengths(&q, &k, &v)?;
    let strides: Vec<Vec<isize>> = [&q, &k, &v].map(|m| m.strides(&lengths)).into();
    let all: Vec<&[isize]> = strides.iter().map(Vec::as_slice).collect();
    let (dims, strides) = collapse(&lengths, &all);
    let (dims, strides) = match dims.is_empty() {
        true => (vec![1], vec![vec![0]; 3]),
        false => (dims, strides),
    };
    let count: usize = batch.iter().product();
    let few = rows < FEW;
    let subgroup = cx.builder.limits().subgroup.filter(|n| *n >= 4);
    if !few && subgroup.is_none() && rows * keys * count < LEAST_SCORES {
        return None;
    }
    // Invocations that share rows.
    let side = subgroup.map_or(8, |n| n.min(8));
    let fours = width.div_ceil(4);
    let (across, down) = match few {
        true => (fours.next_power_of_two().min(64), 1),
        false => (fours.next_multiple_of(side).min(MOST_COLUMNS * side), 4 * 64 / side),
    };
    let groups = [rows.div_ceil(down), fours.div_ceil(across), count];
    // Each further part of the columns computes the scores anew.
    if groups[1] > 2 || groups.iter().any(|g| *g > MAX_GROUPS as usize) {
        return None;
    }
    let mut params: Vec<(String, Param)> = vec![];
    let mut put = |name: &str, v: isize| {
        params.push((name.to_owned(), Param::U((v as i32).cast_unsigned())));
    };
    put("rows", rows as isize);
    put("keys", keys as isize);
    put("size", size as isize);
    put("size4", size.div_ceil(4) as isize);
    put("width", width as isize);
    put("c_m", if transposed { 1 } else { width as isize });
    put("c_n", if transposed { rows as isize } else { 1 });
    for (name, m) in [("q", &q), ("k", &k), ("v", &v)] {
        // Keys lie across the second operand.
        let (row, element) = if name == "k" { (m.across, m.down) } else { (m.down, m.across) };
        put(&format!("{name}_row"), row);
        put(&format!("{name}_one"), element);
    }
    let mut body = if few {
        format!("const FOURS = {across}u;\n")
    } else {
        let lanes = Lanes::new(cx, side, 64, true);
        let shared = [("shared_max", "max(a, b)"), ("shared_sum", "a + b")];
        let shared = shared.map(|(name, join)| lanes.join(name, "vec4<f32>", join)).concat();
        let parts = lanes.parts("vec4<f32>");
        let columns = across / side;
        let sums = sums(columns, side);
        format!("const X = {side}u;\nconst COLUMNS = {columns}u;\n{sums}{parts}{shared}")
    };
    let narrow = cx.narrow(&q.view, &k.view);
    body += if narrow { "alias E = f16;\n" } else { "alias E = f32;\n" };
    let mut wide = vec![];
    for (at, (name, m)) in [("q", &q), ("k", &k), ("v", &v)].into_iter().enumerate() {
        let (row, element) = if name == "k" { (m.across, m.down) } else { (m.down, m.across) };
        let length = if name == "v" { width } else { size };
        let fours = |v: isize| v % 4 == 0;
        let is_wide = element == 1
            && length.is_multiple_of(4)
            && fours(row)
            && fours(m.view.offset as isize)
            && strides[at].iter().all(|s| fours(*s));
        wide.push(is_wide);
        let view = View { shape: dims.clone(), strides: strides[at].clone(), ..m.view.clone() };
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
    body += match (few, subgroup) {
        (true, _) => ROW,
        (false, None) => TILES,
        (false, Some(_)) => SUBGROUP,
    };
    let mut kernel = cx.kernel(body, groups.map(|g| g as u32), output.clone());
    kernel.label = label;
    kernel.params = params;
    kernel.reads = vec![q.view, k.view, v.view];
    kernel.wide = wide;
    kernel.narrow = narrow;
    kernel.score = Some(score);
    if kernel.bindings() > MAX_STORAGE_BINDINGS {
        return None;
    }
    cx.drop_kernel(first_at);
    cx.drop_kernel(softmax);
    Some(kernel)
}

/// Matrices of an operand over a whole batch.
fn onto(view: &View, batch: &[usize], (down, across): (usize, usize)) -> Option<View> {
    let mut shape = batch.to_vec();
    shape.extend([down, across]);
    let same = view.shape.len() == shape.len();
    let spread = view.broadcast(&shape).filter(|_| same);
    let whole = view.len() == shape.iter().product::<usize>();
    spread.or_else(|| view.reshaped(&shape).filter(|_| whole))
}

/// Which axis of a dense value of `shape` each axis of `view` is, its last two being the same.
fn order(view: &View, shape: &[usize]) -> Option<Vec<usize>> {
    let rank = shape.len();
    if view.shape.len() != rank || view.offset != 0 || view.shape[rank - 2..] != shape[rank - 2..] {
        return None;
    }
    let dense = dense_strides(shape);
    let mut order = vec![];
    for (n, stride) in view.shape.iter().zip(&view.strides) {
        // Axes of length 1 are alike.
        let alike = |axis: &usize| shape[*axis] == *n && (*n == 1 || dense[*axis] == *stride);
        let free = |axis: &usize| !order.contains(axis);
        // The last two keep their places, also among others of length 1.
        let own = order.len();
        let axis =
            if own + 2 < rank { (0..rank - 2).find(|a| free(a) && alike(a)) } else { Some(own) };
        order.push(axis.filter(|a| alike(a))?);
    }
    Some(order)
}

/// The three operands over one batch: keys and values where they lie before they are repeated, if that is told by
/// strides.
fn together(cx: &Cx, sides: [(&View, usize, usize); 3], batch: &[usize]) -> Option<[Matrices; 3]> {
    let seen = |through: bool| {
        let all = sides
            .map(|(view, down, across)| Matrices::of(cx, view, batch, (down, across), through));
        let [q, k, v] = all;
        let all = [q?, k?, v?];
        batch_lengths(&all[0], &all[1], &all[2])?;
        Some(all)
    };
    seen(true).or_else(|| seen(false))
}

/// The lengths of the batch's axes, each as finely divided as any of the three needs it.
fn batch_lengths(q: &Matrices, k: &Matrices, v: &Matrices) -> Option<Vec<usize>> {
    let mut lengths = vec![];
    for ((q, k), v) in q.batch.iter().zip(&k.batch).zip(&v.batch) {
        let of = |axis: &Axis| axis.iter().map(|(n, _)| *n).collect::<Vec<_>>();
        let parts = [of(q), of(k), of(v)];
        let finest = parts.iter().max_by_key(|p| p.len())?.clone();
        if parts.iter().any(|p| p.len() > 1 && *p != finest) {
            return None;
        }
        lengths.extend(finest);
    }
    Some(lengths)
}

impl Matrices {
    fn of(
        cx: &Cx,
        view: &View,
        batch: &[usize],
        (down, across): (usize, usize),
        through: bool,
    ) -> Option<Self> {
        let spread = onto(view, batch, (down, across))?;
        let shape = &spread.shape;
        let source = if through { cx.builder.copied(view) } else { None };
        let axes = match source {
            Some(source) => shape
                .iter()
                .zip(&spread.strides)
                .map(|(n, stride)| behind(source, *n, *stride))
                .collect::<Option<Vec<Axis>>>()
                .filter(|_| spread.offset == 0)
                .map(|axes| (source.clone(), axes)),
            None => None,
        };
        let one = |(n, s): (&usize, &isize)| vec![(*n, *s)];
        let (view, mut axes) = match axes {
            Some((view, axes)) if axes[batch.len()..].iter().all(|a| a.len() <= 1) => (view, axes),
            _ => (spread.clone(), shape.iter().zip(&spread.strides).map(one).collect()),
        };
        let stride = |axis: Option<Axis>| axis.and_then(|a| a.first().map(|f| f.1)).unwrap_or(0);
        let across = stride(axes.pop());
        let down = stride(axes.pop());
        Some(Self { view, batch: axes, down, across })
    }

    /// Over axes of `lengths`, into which the batch's are divided.
    fn strides(&self, lengths: &[usize]) -> Vec<isize> {
        let mut strides = vec![];
        let mut rest = lengths;
        for axis in &self.batch {
            if axis.len() > 1 {
                strides.extend(axis.iter().map(|(_, s)| *s));
                rest = rest.get(axis.len()..).unwrap_or_default();
                continue;
            }
            let (whole, stride) = axis.first().copied().unwrap_or((1, 0));
            let mut count = 1;
            let mut part = vec![];
            while let Some((n, others)) = rest.split_first() {
                if count == whole && !part.is_empty() {
                    break;
                }
                part.push(*n);
                count *= n;
                rest = others;
            }
            strides.extend(dense_strides(&part).iter().map(|s| s * stride));
        }
        strides
    }
}

/// An axis of `n` elements, `stride` apart in a dense copy of `source`, as it lies in `source`.
fn behind(source: &View, n: usize, stride: isize) -> Option<Axis> {
    if n == 1 || stride == 0 {
        return Some(vec![(n, 0)]);
    }
    let dense = dense_strides(&source.shape);
    let mut axis: Axis = vec![];
    let mut count = 1;
    for at in (0..source.shape.len()).rev() {
        let (len, own) = (source.shape[at], source.strides[at]);
        if len == 1 || dense[at] < stride {
            continue;
        }
        if axis.is_empty() && dense[at] != stride {
            return None;
        }
        axis.insert(0, (len, own));
        count *= len;
        if count >= n {
            break;
        }
    }
    if count != n {
        return None;
    }
    let shape: Vec<usize> = axis.iter().map(|a| a.0).collect();
    let strides: Vec<isize> = axis.iter().map(|a| a.1).collect();
    let (shape, strides) = collapse(&shape, &[&strides]);
    Some(shape.into_iter().zip(strides.into_iter().next()?).collect())
}

/// Where matrix `b` of an operand starts.
fn start(name: &str, view: &View) -> (String, Vec<(String, Param)>) {
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
