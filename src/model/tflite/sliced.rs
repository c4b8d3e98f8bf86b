//! Slices, and what is put in another order along an axis.
//!
//! In: bounds that are constants or computed. Out: ONNX's `Slice`, in which a bound beyond the end is at the end.

use tract_onnx::pb::tensor_proto::DataType;

use super::graph::{Graph, Refused};
use super::indices::longs;
use super::nodes::{Operator, int};
use super::shape::constant;

/// Beyond any end; the importer keeps bounds in 32 bits.
const FAR: i64 = i32::MAX as i64;

/// A slice along the first axes.
fn sliced(g: &mut Graph, value: &str, starts: &str, ends: &str, steps: &[i64]) -> String {
    let axes: Vec<i64> = (0..steps.len() as i64).collect();
    let (axes, steps) = (g.longs(&axes), g.longs(steps));
    g.node("Slice", &[value, starts, ends, &axes, &steps], vec![])
}

/// Inputs: values, where to begin, how many; -1 is all that is left.
pub(super) fn slice(g: &mut Graph, op: &Operator) -> Refused {
    let value = g.value(op.input(0)?)?;
    let rank = g.tensors[op.input(0)?].shape.len();
    let known = constant(g, op, 1).ok().zip(constant(g, op, 2).ok());
    let (starts, ends) = if let Some((starts, sizes)) = known {
        let end = |(start, size): (&i64, &i64)| {
            if *size < 0 { FAR } else { start.saturating_add(*size) }
        };
        let ends: Vec<i64> = starts.iter().zip(&sizes).map(end).collect();
        (g.longs(&starts), g.longs(&ends))
    } else {
        let (starts, sizes) = (longs(g, op, 1)?, longs(g, op, 2)?);
        let (zero, far) = (g.long(0), g.long(FAR));
        let open = g.node("Less", &[&sizes, &zero], vec![]);
        let ends = g.node("Add", &[&starts, &sizes], vec![]);
        let ends = g.node("Where", &[&open, &far, &ends], vec![]);
        (starts, ends)
    };
    let value = sliced(g, &value, &starts, &ends, &vec![1; rank]);
    g.give(op.outputs[0], value);
    Ok(())
}

/// What a bound is where a mask says so.
fn masked(g: &mut Graph, bound: &str, mask: &[bool], instead: &str) -> String {
    if !mask.contains(&true) {
        return bound.to_owned();
    }
    let bytes = mask.iter().map(|m| u8::from(*m)).collect();
    let mask = g.raw(DataType::Bool, &[mask.len()], bytes);
    g.node("Where", &[&mask, instead, bound], vec![])
}

/// One entry of a slice's specification for each axis that it goes along.
struct Axes {
    /// The entries that slice, by their numbers; nothing for an axis that an ellipsis stands for.
    entries: Vec<Option<usize>>,
    /// Axes that go away, in the sliced tensor.
    gone: Vec<i64>,
    /// Axes that come new, in the result.
    new: Vec<i64>,
}

/// Options: masks by the entry's bit: begin, end, ellipsis, new axis, shrink.
fn axes(op: &Operator, count: usize, rank: usize) -> Refused<Axes> {
    let has = |number: usize, entry: usize| op.int(number) >> entry & 1 == 1;
    let new = (0..count).filter(|e| has(3, *e) && !has(2, *e)).count();
    let ellipsis = (0..count).any(|e| has(2, e));
    let named = count - new - usize::from(ellipsis);
    let skipped = rank.checked_sub(named).ok_or("of more axes than there are")?;
    let mut axes = Axes { entries: vec![], gone: vec![], new: vec![] };
    let mut result = 0;
    for entry in 0..count {
        if has(2, entry) {
            axes.entries.extend(vec![None; skipped]);
            result += skipped;
        } else if has(3, entry) {
            axes.new.push(result as i64);
            result += 1;
        } else if has(4, entry) {
            axes.gone.push(axes.entries.len() as i64);
            axes.entries.push(Some(entry));
        } else {
            axes.entries.push(Some(entry));
            result += 1;
        }
    }
    Ok(axes)
}

/// Inputs: values, beginnings, ends, steps.
pub(super) fn strided(g: &mut Graph, op: &Operator) -> Refused {
    let steps = constant(g, op, 3)?;
    let rank = g.tensors[op.input(0)?].shape.len();
    let count = steps.len();
    if count > 16 || steps.contains(&0) {
        return Err(format!("with the steps {steps:?}"));
    }
    if op.options.is_some_and(|o| o.int8(5) != 0) {
        return Err("with ends counted from the beginnings".to_owned());
    }
    let Axes { entries, gone, new } = axes(op, count, rank)?;
    let each = |f: &dyn Fn(usize) -> i64, open: i64| -> Vec<i64> {
        entries.iter().map(|e| e.map_or(open, f)).collect()
    };
    let has = |number: usize, entry: usize| op.int(number) >> entry & 1 == 1;
    let (from, to) = (
        |e: usize| if steps[e] > 0 { 0 } else { FAR },
        |e: usize| {
            if steps[e] > 0 { FAR } else { -FAR }
        },
    );
    let known = constant(g, op, 1).ok().zip(constant(g, op, 2).ok());
    let step = each(&|e| if has(4, e) { 1 } else { steps[e] }, 1);
    let (starts, ends) = if let Some((begin, end)) = known {
        if begin.len() != count || end.len() != count {
            return Err("with bounds of several lengths".to_owned());
        }
        let single = |e: usize| if begin[e] == -1 { FAR } else { begin[e].saturating_add(1) };
        let starts = each(&|e| if has(0, e) && !has(4, e) { from(e) } else { begin[e] }, 0);
        let ends = each(
            &|e| match (has(4, e), has(1, e)) {
                (true, _) => single(e),
                (_, true) => to(e),
                _ => end[e],
            },
            FAR,
        );
        (g.longs(&starts), g.longs(&ends))
    } else {
        if entries.len() != count || entries.contains(&None) {
            return Err("with computed bounds and an ellipsis or a new axis".to_owned());
        }
        computed(g, op, count, [&each(&from, 0), &each(&to, 0)])?
    };
    let value = g.value(op.input(0)?)?;
    let mut value = sliced(g, &value, &starts, &ends, &step);
    for (op_type, axes) in [("Squeeze", gone), ("Unsqueeze", new)] {
        if !axes.is_empty() {
            let axes = g.longs(&axes);
            value = g.node(op_type, &[&value, &axes], vec![]);
        }
    }
    g.give(op.outputs[0], value);
    Ok(())
}

/// Bounds that are known only while running; `open` are those of entries without any.
fn computed(
    g: &mut Graph,
    op: &Operator,
    count: usize,
    open: [&[i64]; 2],
) -> Refused<(String, String)> {
    let mask =
        |number: usize| -> Vec<bool> { (0..count).map(|e| op.int(number) >> e & 1 == 1).collect() };
    let [first, last, single] = [mask(0), mask(1), mask(4)];
    let (begin, end) = (longs(g, op, 1)?, longs(g, op, 2)?);
    let [from, to] = open.map(|bounds| g.longs(bounds));
    let open: Vec<bool> = first.iter().zip(&single).map(|(f, s)| *f && !s).collect();
    let starts = masked(g, &begin, &open, &from);
    let ends = masked(g, &end, &last, &to);
    let (one, back, far) = (g.long(1), g.long(-1), g.long(FAR));
    let next = g.node("Add", &[&begin, &one], vec![]);
    let at_end = g.node("Equal", &[&begin, &back], vec![]);
    let next = g.node("Where", &[&at_end, &far, &next], vec![]);
    let ends = masked(g, &ends, &single, &next);
    Ok((starts, ends))
}

/// Inputs: values, the axes that run backwards.
pub(super) fn reverse(g: &mut Graph, op: &Operator) -> Refused {
    let axes = constant(g, op, 1)?;
    let value = g.value(op.input(0)?)?;
    let all = |n: i64| vec![n; axes.len()];
    let (starts, ends) = (g.longs(&all(-1)), g.longs(&all(-FAR)));
    let (steps, axes) = (g.longs(&all(-1)), g.longs(&axes));
    let value = g.node("Slice", &[&value, &starts, &ends, &axes, &steps], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

/// Inputs: values, how many of each sequence run backwards.
pub(super) fn reverse_sequence(g: &mut Graph, op: &Operator) -> Refused {
    let (value, lengths) = (g.value(op.input(0)?)?, longs(g, op, 1)?);
    let axes =
        vec![int("time_axis", i64::from(op.int(0))), int("batch_axis", i64::from(op.int(1)))];
    let value = g.node("ReverseSequence", &[&value, &lengths], axes);
    g.give(op.outputs[0], value);
    Ok(())
}

/// Paddings that mirror; the option says whether the edge comes again.
pub(super) fn mirror(g: &mut Graph, op: &Operator) -> Refused {
    let pads = constant(g, op, 1)?;
    let shape = g.tensors[op.input(0)?].shape.clone();
    let symmetric = op.byte(0) != 0;
    let mut value = g.value(op.input(0)?)?;
    for (axis, (size, pad)) in shape.iter().zip(pads.chunks_exact(2)).enumerate() {
        let size = *size as i64;
        let most = if symmetric { size } else { size - 1 };
        if pad.iter().any(|p| !(0..=most).contains(p)) {
            return Err(format!("of {pad:?} on an axis of {size}"));
        }
        if pad == [0, 0] {
            continue;
        }
        // A file may say any size.
        g.file.spend(usize::try_from(size + pad[0] + pad[1]).unwrap_or(0).saturating_mul(8))?;
        let edge = i64::from(!symmetric);
        let before = (0..pad[0]).rev().map(|i| i + edge);
        let after = (0..pad[1]).map(|i| size - 1 - edge - i);
        let index: Vec<i64> = before.chain(0..size).chain(after).collect();
        let index = g.longs(&index);
        value = g.node("Gather", &[&value, &index], vec![int("axis", axis as i64)]);
    }
    g.give(op.outputs[0], value);
    Ok(())
}
