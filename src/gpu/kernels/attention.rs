//! Attention: a product, what is done to it, a softmax and a second product as one dispatch.
//!
//! In: a product whose first operand only it reads, a softmax of scores that only that reads, made by a product. Out:
//! the kernel of all three; scales, masks, caps and whatever else is done to single scores are its `score`. The scores
//! are never in memory. Heads of keys and values that are repeated for a group of queries' are read where they lie.

use tract_onnx::prelude::DatumType;

use super::flash::{self, Aside, Heads, Side};
use crate::gpu::builder::Cx;
use crate::gpu::chain::Arg;
use crate::gpu::kernel::{Kernel, MAX_STORAGE_BINDINGS, Pattern};
use crate::gpu::value::{Carrier, View, collapse, dense_strides};

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
    let side = |m: &Matrices, keys: bool| {
        let view = View { shape: lengths.clone(), strides: m.strides(&lengths), ..m.view.clone() };
        // Keys lie across the second operand.
        let (row, one) = if keys { (m.across, m.down) } else { (m.down, m.across) };
        Side { view, row, one }
    };
    let heads = Heads {
        sides: [side(&q, false), side(&k, true), side(&v, false)],
        rows,
        keys,
        size,
        width,
        score,
        aside: Aside::Nothing,
    };
    if !heads.is_worth_it(cx) {
        return None;
    }
    let steps = if transposed { (1, rows) } else { (width, 1) };
    let kernel = Kernel { label, ..flash::kernel(cx, heads, output.clone(), steps).ok()? };
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
