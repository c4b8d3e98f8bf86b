//! What must hold between an operator's shapes, attributes and steering values, operator by operator.
//!
//! In: a node and its inputs as far as they are known. Out: nothing, or what does not fit. The table of [`super::rules`] says
//! which holds for which.

use tract_onnx::tract_hir::internal::*;

use super::checked::Known;

/// Longest window, and most coefficients of a filter bank, that are made while a plan is: they are constants.
const LONGEST: i64 = 1 << 24;

/// An axis as ONNX gives it, negative from the end.
pub(super) fn axis_of(known: &Known, axis: i64, rank: usize) -> TractResult<usize> {
    let at = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    let at = usize::try_from(at).ok().filter(|at| *at < rank);
    at.with_context(|| {
        format!("{} is given the axis {axis}, which is none of {rank}", known.site.op_type)
    })
}

pub(super) fn distinct(known: &Known, axes: &[i64], rank: usize) -> TractResult<()> {
    let mut seen = vec![false; rank];
    for axis in axes {
        let at = axis_of(known, *axis, rank)?;
        let Some(seen) = seen.get_mut(at) else { continue };
        ensure!(
            !std::mem::replace(seen, true),
            "{} is given the axis {axis} twice",
            known.site.op_type
        );
    }
    Ok(())
}

fn count(list: &[i64]) -> i64 {
    list.len() as i64
}

/// Attributes of a window have an entry for each spatial axis.
pub(super) fn window(known: &Known) -> TractResult<()> {
    let Some(rank) = known.rank(0) else { return Ok(()) };
    let spatial = rank.saturating_sub(2);
    for (name, each) in [
        ("kernel_shape", 1),
        ("strides", 1),
        ("dilations", 1),
        ("pads", 2),
        ("output_padding", 1),
        ("output_shape", 1),
    ] {
        let Some(list) = known.list(name) else { continue };
        // The whole shape, as some exporters have it.
        let whole = name == "output_shape" && list.len() == rank;
        ensure!(
            list.len() == each * spatial || whole,
            "{name} {list:?} for {spatial} spatial axes"
        );
    }
    let (Some(kernels), Some(dims)) = (known.list("kernel_shape"), known.dims(0)) else {
        return Ok(());
    };
    for (axis, (kernel, dim)) in kernels.iter().zip(dims.iter().skip(2)).enumerate() {
        let pad = |at: usize| known.list("pads").and_then(|l| l.get(at)).copied().unwrap_or(0);
        // The engine goes through what lies outside of the input too.
        let reach = dim.saturating_add(pad(axis)).saturating_add(pad(axis + spatial));
        let most = reach.saturating_mul(2).saturating_add(64);
        ensure!(*kernel <= most, "a window of {kernel} over {dim}");
    }
    Ok(())
}

/// The input with the kernels.
fn kernels(known: &Known) -> usize {
    if known.site.op_type == "QLinearConv" { 3 } else { 1 }
}

/// Kernels are `[outputs, inputs / group, ...]`.
pub(super) fn conv(known: &Known) -> TractResult<()> {
    let at = kernels(known);
    let group = known.int("group").unwrap_or(1);
    ensure!(group > 0, "group {group}");
    if let (Some(channels), Some(each)) = (known.dim(0, 1), known.dim(at, 1)) {
        ensure!(
            each.checked_mul(group) == Some(channels),
            "kernels for {each} channels in {group} groups, and {channels} channels"
        );
    }
    if let Some(outputs) = known.dim(at, 0) {
        ensure!(outputs % group == 0, "{outputs} kernels in {group} groups");
        let bias = if at == 3 { 8 } else { 2 };
        if known.site.op_type != "ConvInteger"
            && let Some(bias) = known.dims(bias)
        {
            ensure!(bias == [outputs], "a bias of shape {bias:?} for {outputs} kernels");
        }
    }
    kernel_shape(known, at)
}

fn kernel_shape(known: &Known, at: usize) -> TractResult<()> {
    if let (Some(shape), Some(dims)) = (known.list("kernel_shape"), known.dims(at)) {
        ensure!(
            dims.get(2..) == Some(shape),
            "kernel_shape {shape:?}, and kernels of shape {dims:?}"
        );
    }
    if let Some(dims) = known.dims(at) {
        ensure!(dims.iter().all(|d| *d > 0), "kernels of shape {dims:?}");
    }
    Ok(())
}

/// Kernels are `[inputs, outputs / group, ...]`.
pub(super) fn conv_transpose(known: &Known) -> TractResult<()> {
    let group = known.int("group").unwrap_or(1);
    ensure!(group > 0, "group {group}");
    let (inputs, each) = (known.dim(1, 0), known.dim(1, 1));
    if let (Some(channels), Some(inputs)) = (known.dim(0, 1), inputs) {
        ensure!(
            inputs == channels && inputs % group == 0,
            "kernels for {inputs} channels in {group} groups, and {channels} channels"
        );
    }
    if let (Some(each), Some(bias)) = (each, known.dims(2)) {
        let outputs = each.saturating_mul(group);
        ensure!(bias == [outputs], "a bias of shape {bias:?} for {outputs} channels");
    }
    kernel_shape(known, 1)?;
    let (Some(dims), Some(kernels)) = (known.dims(0), known.dims(1)) else { return Ok(()) };
    let at = |name: &str, at: usize, default| {
        known.list(name).and_then(|l| l.get(at)).copied().unwrap_or(default)
    };
    let spatial = dims.len().saturating_sub(2);
    for (axis, (dim, kernel)) in dims.iter().zip(&kernels).skip(2).enumerate() {
        let window = (kernel - 1).saturating_mul(at("dilations", axis, 1));
        let made = (dim - 1).saturating_mul(at("strides", axis, 1)).saturating_add(window);
        let pads = at("pads", axis, 0).saturating_add(at("pads", axis + spatial, 0));
        let made = made.saturating_add(1 + at("output_padding", axis, 0)).saturating_sub(pads);
        ensure!((0..=i64::from(i32::MAX)).contains(&made), "an extent of {made}");
    }
    Ok(())
}

/// Parameters of a norm are lists of one for each channel.
pub(super) fn channels(known: &Known) -> TractResult<()> {
    let Some(channels) = known.dim(0, 1) else { return Ok(()) };
    for at in 1..5 {
        if let Some(dims) = known.dims(at) {
            ensure!(dims == [channels], "an input {at} of shape {dims:?} for {channels} channels");
        }
    }
    Ok(())
}

pub(super) fn groups(known: &Known) -> TractResult<()> {
    let groups = known.int("num_groups").unwrap_or(1);
    ensure!(groups > 0, "{groups} groups");
    if let Some(channels) = known.dim(0, 1) {
        ensure!(channels % groups == 0, "{channels} channels in {groups} groups");
        for at in [1, 2] {
            if let Some(dims) = known.dims(at) {
                let fits = dims == [channels] || known.site.opset < 21 && dims == [groups];
                ensure!(fits, "an input {at} of shape {dims:?} for {channels} channels");
            }
        }
    }
    Ok(())
}

pub(super) fn blocks(known: &Known) -> TractResult<()> {
    let size = known.int("blocksize").unwrap_or(0);
    ensure!(size > 0, "blocks of {size}");
    let divided = if known.site.op_type == "DepthToSpace" { &[1][..] } else { &[2, 3] };
    let by =
        if divided.len() == 1 { size.checked_mul(size).context("blocks too large")? } else { size };
    for axis in divided {
        if let Some(dim) = known.dim(0, *axis) {
            ensure!(dim % by == 0, "an extent of {dim} in blocks of {by}");
        }
    }
    Ok(())
}

/// All inputs but for one axis of the same extents.
pub(super) fn concat(known: &Known) -> TractResult<()> {
    let Some(first) = known.dims(0) else { return Ok(()) };
    let given = known.int("axis").unwrap_or(1);
    let axis = axis_of(known, given, first.len())?;
    let mut at = 1;
    while known.is_given(at) {
        if let Some(dims) = known.dims(at) {
            let same = |(a, (x, y)): (usize, (&i64, &i64))| a == axis || x == y;
            let fits = dims.len() == first.len() && first.iter().zip(&dims).enumerate().all(same);
            ensure!(fits, "shapes {first:?} and {dims:?} along axis {axis}");
        }
        at += 1;
    }
    Ok(())
}

pub(super) fn extents(known: &Known) -> TractResult<()> {
    let Some(list) = known.ints(0) else { return Ok(()) };
    volume(&list)
}

fn volume(list: &[i64]) -> TractResult<()> {
    let mut volume = 1i64;
    for extent in list {
        // The engine keeps no more bits of a number that it makes an extent of.
        ensure!((0..=i64::from(i32::MAX)).contains(extent), "an extent of {extent}");
        volume = volume.checked_mul((*extent).max(1)).context("too many elements")?;
    }
    ensure!(volume <= i64::MAX / 16, "{volume} elements");
    Ok(())
}

pub(super) fn expanded(known: &Known) -> TractResult<()> {
    let Some(list) = known.ints(1) else { return Ok(()) };
    volume(&list)?;
    let Some(dims) = known.dims(0) else { return Ok(()) };
    for (a, b) in dims.iter().rev().zip(list.iter().rev()) {
        ensure!(a == b || *a == 1 || *b == 1, "a shape of {dims:?} to one of {list:?}");
    }
    Ok(())
}

pub(super) fn reshape(known: &Known) -> TractResult<()> {
    let Some(list) = known.ints(1) else { return Ok(()) };
    ensure!(list.iter().all(|v| *v >= -1), "a shape of {list:?}");
    ensure!(list.iter().filter(|v| **v == -1).count() <= 1, "a shape of {list:?}");
    let positive: Vec<i64> = list.iter().copied().filter(|v| *v > 0).collect();
    volume(&positive)?;
    let Some(dims) = known.dims(0) else { return Ok(()) };
    let keep = known.int("allowzero").unwrap_or(0) == 0;
    let mut wanted = 1i64;
    for (at, value) in list.iter().enumerate().filter(|(_, v)| **v != -1) {
        let extent = match value {
            0 if keep => {
                *dims.get(at).with_context(|| format!("a shape of {list:?} of one of {dims:?}"))?
            }
            other => *other,
        };
        wanted = wanted.checked_mul(extent).context("too many elements")?;
    }
    let held = dims.iter().try_fold(1i64, |n, d| n.checked_mul(*d)).context("too many elements")?;
    let fits = match list.contains(&-1) {
        true if wanted == 0 => held == 0,
        true => held % wanted == 0,
        false => held == wanted,
    };
    ensure!(fits, "a shape of {list:?} for one of {dims:?}");
    Ok(())
}

pub(super) fn tile(known: &Known) -> TractResult<()> {
    if let (Some(rank), Some(length)) = (known.rank(0), known.dim(1, 0)) {
        // The first operator set has a number and an axis instead.
        ensure!(known.site.opset < 6 || length == rank as i64, "{length} repeats of rank {rank}");
    }
    let Some(repeats) = known.ints(1) else { return Ok(()) };
    volume(&repeats)?;
    let Some(dims) = known.dims(0) else { return Ok(()) };
    let made: Option<Vec<i64>> =
        dims.iter().zip(&repeats).map(|(d, r)| d.checked_mul(*r)).collect();
    volume(&made.context("too many elements")?)
}

/// How long each part of a split is.
pub(super) fn split(known: &Known) -> TractResult<()> {
    let Some(dims) = known.dims(0) else { return Ok(()) };
    let axis = axis_of(known, known.int("axis").unwrap_or(0), dims.len())?;
    let extent = dims.get(axis).copied().unwrap_or_default();
    let sizes = known.ints(1).or_else(|| known.list("split").map(<[i64]>::to_vec));
    match sizes {
        Some(sizes) => {
            ensure!(sizes.iter().all(|s| (0..=extent).contains(s)), "parts {sizes:?} of {extent}");
            ensure!(sizes.iter().sum::<i64>() == extent, "parts {sizes:?} of {extent}");
            ensure!(
                sizes.len() >= known.site.outputs,
                "parts {sizes:?} for {} outputs",
                known.site.outputs
            );
        }
        None if known.is_given(1) => {}
        None => {
            let parts = known.int("num_outputs").unwrap_or(known.site.outputs as i64);
            ensure!(
                parts > 0 && parts >= known.site.outputs as i64,
                "{parts} parts for {} outputs",
                known.site.outputs
            );
            ensure!(known.site.opset >= 18 || extent % parts == 0, "{parts} parts of {extent}");
            ensure!(known.site.opset < 18 || parts <= extent, "{parts} parts of {extent}");
        }
    }
    Ok(())
}

fn in_range(indices: &[i64], extent: i64) -> TractResult<()> {
    match indices.iter().find(|i| !(-extent..extent).contains(*i)) {
        Some(index) => bail!("the index {index}, which is not in -{extent}..{extent}"),
        None => Ok(()),
    }
}

/// Indices along an axis.
pub(super) fn along(known: &Known) -> TractResult<()> {
    let (Some(rank), Some(indices)) = (known.rank(0), known.ints(1)) else { return Ok(()) };
    let axis = axis_of(known, known.int("axis").unwrap_or(0), rank)?;
    known.dim(0, axis).map_or(Ok(()), |extent| in_range(&indices, extent))
}

/// Indices lie within the input but for the axis.
pub(super) fn within(known: &Known) -> TractResult<()> {
    let (Some(dims), Some(of)) = (known.dims(0), known.dims(1)) else { return Ok(()) };
    let axis = axis_of(known, known.int("axis").unwrap_or(0), dims.len())?;
    let fits = dims.iter().zip(&of).enumerate().all(|(a, (x, y))| a == axis || y <= x);
    ensure!(fits, "indices of shape {of:?} into {dims:?}");
    Ok(())
}

pub(super) fn scatter(known: &Known) -> TractResult<()> {
    if let (Some(of), Some(updates)) = (known.dims(1), known.dims(2)) {
        ensure!(of == updates, "indices of shape {of:?} for updates of {updates:?}");
    }
    within(known)
}

/// Index tuples into the axes behind `batch_dims`.
pub(super) fn nd(known: &Known) -> TractResult<()> {
    let (Some(dims), Some(of)) = (known.dims(0), known.dims(1)) else { return Ok(()) };
    let batch =
        usize::try_from(known.int("batch_dims").unwrap_or(0)).context("negative batch_dims")?;
    ensure!(batch < dims.len().min(of.len()), "batch_dims {batch}");
    ensure!(dims.get(..batch) == of.get(..batch), "batches {dims:?} and {of:?}");
    let depth = of.last().and_then(|d| usize::try_from(*d).ok()).unwrap_or_default();
    ensure!(depth <= dims.len() - batch, "tuples of {depth} into {dims:?}");
    let Some(indices) = known.ints(1).filter(|_| depth > 0) else { return Ok(()) };
    for (at, index) in indices.iter().enumerate() {
        let extent = dims.get(batch + at % depth).copied().unwrap_or_default();
        in_range(&[*index], extent)?;
    }
    Ok(())
}

pub(super) fn scatter_nd(known: &Known) -> TractResult<()> {
    let (Some(dims), Some(of), Some(updates)) = (known.dims(0), known.dims(1), known.dims(2))
    else {
        return Ok(());
    };
    let Some((depth, places)) = of.split_last() else { return Ok(()) };
    let rest = usize::try_from(*depth).ok().and_then(|d| dims.get(d..)).unwrap_or_default();
    ensure!(
        updates == [places, rest].concat(),
        "updates of shape {updates:?} at {of:?} of {dims:?}"
    );
    Ok(())
}

pub(super) fn matmul(known: &Known) -> TractResult<()> {
    let (Some(a), Some(b)) = (known.dims(0), known.dims(1)) else { return Ok(()) };
    let inner = b.len().checked_sub(2).and_then(|at| b.get(at)).or(b.last());
    ensure!(a.last() == inner, "shapes {a:?} and {b:?}");
    let batch = |dims: &[i64]| dims.iter().rev().skip(2).copied().collect::<Vec<_>>();
    let fits = |(x, y): (&i64, &i64)| x == y || *x == 1 || *y == 1;
    ensure!(batch(&a).iter().zip(&batch(&b)).all(fits), "shapes {a:?} and {b:?}");
    Ok(())
}

pub(super) fn gemm(known: &Known) -> TractResult<()> {
    let side = |at: usize, name: &str, inner: usize| {
        known.dim(at, if known.int(name).unwrap_or(0) == 0 { inner } else { 1 - inner })
    };
    let (a, b) = (side(0, "transA", 1), side(1, "transB", 0));
    if let (Some(a), Some(b)) = (a, b) {
        ensure!(a == b, "rows of {a} and columns of {b}");
    }
    let made = [side(0, "transA", 0), side(1, "transB", 1)];
    let Some(bias) = known.dims(2) else { return Ok(()) };
    for (bias, made) in bias.iter().rev().zip(made.iter().rev()) {
        let fits = made.is_none_or(|made| *bias == made || *bias == 1);
        ensure!(fits, "a bias of {bias} for {made:?}");
    }
    Ok(())
}

/// The last axis has real and imaginary parts.
pub(super) fn dft(known: &Known) -> TractResult<()> {
    let Some(rank) = known.rank(0) else { return Ok(()) };
    let axis = known.ints(2).and_then(|a| a.first().copied()).or_else(|| known.int("axis"));
    if let Some(axis) = axis {
        ensure!(axis_of(known, axis, rank)? + 1 < rank, "the axis {axis} of {rank}");
    }
    if let Some(parts) = known.dim(0, rank - 1) {
        ensure!((1..=2).contains(&parts), "numbers of {parts} parts");
    }
    let Some(length) = known.ints(1).and_then(|l| l.first().copied()) else { return Ok(()) };
    ensure!((1..=LONGEST).contains(&length), "a length of {length}");
    Ok(())
}

/// Heads divide into the widths of inputs of rank 3.
pub(super) fn attention(known: &Known) -> TractResult<()> {
    let Some(rank) = known.rank(0) else { return Ok(()) };
    for at in [1, 2] {
        if let Some(other) = known.rank(at) {
            ensure!(other == rank, "queries of rank {rank} and an input {at} of rank {other}");
        }
    }
    for at in [4, 5] {
        let fits = known.rank(at).is_none_or(|r| r == 4);
        ensure!(fits, "a cache that is not of rank 4");
    }
    if rank == 3 {
        for (name, at) in [("q_num_heads", 0), ("kv_num_heads", 1), ("kv_num_heads", 2)] {
            let heads = known.int(name).unwrap_or(0);
            ensure!(heads > 0, "{name} {heads}");
            if let Some(width) = known.dim(at, 2) {
                ensure!(width % heads == 0, "a width of {width} in {heads} heads");
            }
        }
    }
    Ok(())
}

/// Window functions are constants that are made while a plan is.
pub(super) fn length(known: &Known) -> TractResult<()> {
    let Some(length) = known.ints(0) else { return Ok(()) };
    ensure!(
        length.len() == 1 && length.iter().all(|l| (0..=LONGEST).contains(l)),
        "a length of {length:?}"
    );
    Ok(())
}

pub(super) fn mel(known: &Known) -> TractResult<()> {
    let (Some(bins), Some(length)) = (known.ints(0), known.ints(1)) else { return Ok(()) };
    let one = |list: &[i64]| list.first().copied().filter(|_| list.len() == 1);
    let (bins, length) = one(&bins).zip(one(&length)).context("a number of bins and a length")?;
    let fits = bins > 0 && length > 0 && bins.checked_mul(length).is_some_and(|n| n <= LONGEST);
    ensure!(fits, "{bins} bins of a length of {length}");
    let Some(rate) = known.ints(2) else { return Ok(()) };
    let rate = one(&rate).filter(|r| *r > 0).with_context(|| format!("a rate of {rate:?}"))?;
    let edge =
        |at: usize| known.value(at).and_then(|v| super::host::f64s(v).ok()?.first().copied());
    let (Some(low), Some(high)) = (edge(3), edge(4)) else { return Ok(()) };
    let fits = low >= 0.0 && low < high && high <= rate as f64 / 2.0;
    ensure!(fits, "bands from {low} to {high} of a rate of {rate}");
    Ok(())
}

/// Frames lie within the signal.
pub(super) fn stft(known: &Known) -> TractResult<()> {
    let one = |at: usize| known.ints(at).and_then(|v| v.first().copied());
    if let Some(step) = one(1) {
        ensure!((1..=LONGEST).contains(&step), "a step of {step}");
    }
    let Some(length) = one(3).or_else(|| known.dim(2, 0)) else { return Ok(()) };
    ensure!((1..=LONGEST).contains(&length), "frames of {length}");
    if let Some(signal) = known.dim(0, 1) {
        ensure!(length <= signal, "frames of {length} of a signal of {signal}");
    }
    Ok(())
}

/// Scales of a tensor, of an axis, or of blocks along one.
pub(super) fn quantized(known: &Known) -> TractResult<()> {
    let (Some(dims), Some(scales)) = (known.dims(0), known.dims(1)) else { return Ok(()) };
    if scales.is_empty() || scales == [1] {
        return Ok(());
    }
    let axis = axis_of(known, known.int("axis").unwrap_or(1), dims.len())?;
    let extent = dims.get(axis).copied().unwrap_or_default();
    let block = known.int("block_size").unwrap_or(0);
    ensure!((0..=extent.max(1)).contains(&block), "blocks of {block} along {extent}");
    if block == 0 {
        ensure!(scales == [extent], "scales of shape {scales:?} along {extent}");
    } else {
        let along = scales.get(axis).copied().unwrap_or_default();
        let fits = scales.len() == dims.len() && along == (extent + block - 1) / block;
        ensure!(fits, "scales of shape {scales:?} for {dims:?} in blocks of {block}");
    }
    Ok(())
}

/// No constant integer divides by zero.
pub(super) fn divisor(known: &Known) -> TractResult<()> {
    let zero = known.ints(1).is_some_and(|v| v.contains(&0));
    let whole = known.dtype(0).is_some_and(|t| t.is_integer());
    ensure!(!(zero && whole), "an integer is divided by zero");
    Ok(())
}

/// Two pads for each axis, or for each that is named.
pub(super) fn pad(known: &Known) -> TractResult<()> {
    let Some(rank) = known.rank(0) else { return Ok(()) };
    let axes = known.ints(3);
    if let Some(axes) = &axes {
        distinct(known, axes, rank)?;
    } else if known.is_given(3) {
        return Ok(());
    }
    let pairs = axes.as_ref().map_or(rank, Vec::len) as i64;
    let given = known.list("pads").or(known.list("paddings")).map(count);
    let length = given.or_else(|| known.rank(1).filter(|r| *r == 1).and(known.dim(1, 0)));
    if let Some(length) = length {
        ensure!(length == 2 * pairs, "{length} pads for {pairs} axes");
    }
    let pads = known.ints(1).or_else(|| known.list("pads").map(<[i64]>::to_vec));
    if let (Some(pads), Some(dims), None) = (pads, known.dims(0), axes) {
        let (before, after) = pads.split_at_checked(dims.len()).context("pads for each axis")?;
        let made = |((dim, a), b): ((&i64, &i64), &i64)| dim.checked_add(*a)?.checked_add(*b);
        let made: Option<Vec<i64>> = dims.iter().zip(before).zip(after).map(made).collect();
        volume(&made.context("too many elements")?)?;
    } else if let Some(pads) = known.ints(1) {
        let most = i64::from(i32::MAX);
        ensure!(pads.iter().all(|p| (-most..=most).contains(p)), "pads of {pads:?}");
    }
    Ok(())
}

/// A scale or a size for each axis, or for each that is named.
pub(super) fn resize(known: &Known) -> TractResult<()> {
    let Some(dims) = known.dims(0) else { return Ok(()) };
    if let Some(axes) = known.list("axes") {
        distinct(known, axes, dims.len())?;
    }
    let wanted = known.list("axes").map_or(dims.len(), <[i64]>::len) as i64;
    ensure!(dims.iter().all(|d| *d > 0), "an input of shape {dims:?}");
    let (scales, sizes) = if known.site.opset < 11 { (1, 9) } else { (2, 3) };
    for at in [scales, sizes] {
        let Some(length) = known.dim(at, 0) else { continue };
        ensure!(length == 0 || length == wanted, "{length} scales or sizes for {wanted} axes");
    }
    // With one of the two left out or without entries, the other one says how large.
    let none = |at: usize| !known.is_given(at) || known.dim(at, 0) == Some(0);
    ensure!(!(none(scales) && none(sizes)), "neither scales nor sizes");
    if let Some(sizes) = known.ints(sizes) {
        ensure!(sizes.iter().all(|s| *s > 0), "sizes {sizes:?}");
        volume(&sizes)?;
    }
    if let Some(scales) = known.value(scales).and_then(|v| super::host::f64s(v).ok()) {
        let sane = scales.iter().all(|s| s.is_finite() && *s > 0.0 && *s < 1e9);
        ensure!(sane, "scales {scales:?}");
        let made: f64 =
            scales.iter().product::<f64>() * dims.iter().map(|d| *d as f64).product::<f64>();
        ensure!(made < 1e15, "scales {scales:?}");
    }
    Ok(())
}

pub(super) fn top_k(known: &Known) -> TractResult<()> {
    let Some(rank) = known.rank(0) else { return Ok(()) };
    let axis = axis_of(known, known.int("axis").unwrap_or(-1), rank)?;
    let k = known.ints(1).and_then(|k| k.first().copied()).or_else(|| known.int("k"));
    if let (Some(k), Some(extent)) = (k, known.dim(0, axis)) {
        ensure!((0..=extent).contains(&k), "the {k} largest of {extent}");
    }
    Ok(())
}

pub(super) fn transpose(known: &Known) -> TractResult<()> {
    let (Some(perm), Some(rank)) = (known.list("perm"), known.rank(0)) else { return Ok(()) };
    ensure!(perm.len() == rank, "the permutation {perm:?} of {rank} axes");
    distinct(known, perm, rank)
}

pub(super) fn unsqueeze(known: &Known) -> TractResult<()> {
    let axes = known.ints(1).or_else(|| known.list("axes").map(<[i64]>::to_vec));
    let (Some(axes), Some(rank)) = (axes, known.rank(0)) else { return Ok(()) };
    distinct(known, &axes, rank + axes.len())
}

/// The same with either side turned over.
pub(super) fn fused_matmul(known: &Known) -> TractResult<()> {
    let (Some(a), Some(b)) = (known.dims(0), known.dims(1)) else { return Ok(()) };
    let given = |name: &str| known.int(name).unwrap_or(0) != 0;
    ensure!(!given("transA") || a.len() > 1, "a list cannot be turned over");
    ensure!(!given("transB") || b.len() > 1, "a list cannot be turned over");
    if given("transBatchA") || given("transBatchB") {
        ensure!(a.len() > 2 && b.len() > 2, "there is no batch to turn over");
        return Ok(());
    }
    let from_end =
        |dims: &[i64], at: usize| dims.len().checked_sub(at).and_then(|at| dims.get(at)).copied();
    let a = from_end(&a, if given("transA") { 2 } else { 1 });
    let b = from_end(&b, if given("transB") || b.len() == 1 { 1 } else { 2 });
    ensure!(a == b, "rows of {a:?} and columns of {b:?}");
    Ok(())
}

/// Tables have a row for each index.
pub(super) fn embed(known: &Known) -> TractResult<()> {
    for (indices, table) in [(0, 2), (8, 3), (1, 4)] {
        if let (Some(indices), Some(rows)) = (known.ints(indices), known.dim(table, 0)) {
            in_range(&indices, rows)?;
        }
    }
    if let (false, Some(steps), Some(rows)) = (known.is_given(8), known.dim(0, 1), known.dim(3, 0))
    {
        ensure!(steps <= rows, "{steps} steps and {rows} positions");
    }
    Ok(())
}

/// Each term has a letter for each axis.
pub(super) fn einsum(known: &Known) -> TractResult<()> {
    let Some(equation) = &known.site.equation else { return Ok(()) };
    let terms = equation.split_once("->").map_or(equation.as_str(), |(terms, _)| terms);
    for (at, term) in terms.split(',').enumerate() {
        let letters = term.chars().filter(|c| c.is_ascii_alphabetic()).count();
        let Some(rank) = known.rank(at) else { continue };
        let fits = if term.contains("...") { letters <= rank } else { letters == rank };
        ensure!(fits, "the term `{term}` for an input {at} of rank {rank}");
    }
    Ok(())
}
