//! Windows over images, and resizing.
//!
//! In: a node and its inputs as far as they are known. Out: nothing, or what does not fit.

use tract_onnx::tract_hir::internal::*;

use super::super::checked::Known;
use super::super::host::f64s;
use super::distinct;
use super::shapes::volume;

/// Of one side, which a window may be as wide as.
const MOST_PADS: i64 = 4096;

/// Attributes of a window have an entry for each spatial axis.
pub(in crate::model::ops) fn window(known: &Known) -> TractResult<()> {
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
    // A convolution's window is as large as its weights, which the file has; a pool's is what it says.
    if !known.site.op_type.ends_with("Pool") {
        return Ok(());
    }
    let (Some(kernels), Some(dims)) = (known.list("kernel_shape"), known.dims(0)) else {
        return Ok(());
    };
    // With places of the greatest the engine counts in whole planes, and so do kernels over channels that come last.
    let last = known.site.op_type == "NhwcMaxPool" || known.int("channels_last").unwrap_or(0) != 0;
    let some = if known.site.outputs > 1 || last { 0 } else { 2 };
    let empty = dims.iter().skip(some).any(|d| *d == 0);
    ensure!(!empty, "a pool over an input of shape {dims:?}");
    for (axis, (kernel, dim)) in kernels.iter().zip(dims.iter().skip(2)).enumerate() {
        let pad = |at: usize| known.list("pads").and_then(|l| l.get(at)).copied().unwrap_or(0);
        let pad = |at: usize| pad(at).min(MOST_PADS);
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

/// Kernels as an attribute has them, wherever the channels of the image are.
pub(in crate::model::ops) fn kernel(known: &Known) -> TractResult<()> {
    kernel_shape(known, kernels(known))
}

/// Kernels are `[outputs, inputs / group, ...]`.
pub(in crate::model::ops) fn conv(known: &Known) -> TractResult<()> {
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
    kernel_shape(known, at)?;
    near(known, at)
}

/// Pads reach no further than an image and its kernels do, and somewhat: beyond there is nothing but work.
fn near(known: &Known, at: usize) -> TractResult<()> {
    let (Some(dims), Some(kernels)) = (known.dims(0), known.dims(at)) else { return Ok(()) };
    let sizes = dims.iter().zip(&kernels).skip(2);
    for (axis, (dim, kernel)) in sizes.enumerate() {
        let apart = known.list("dilations").and_then(|l| l.get(axis)).copied().unwrap_or(1);
        let most = kernel.saturating_mul(apart).saturating_add(*dim).saturating_add(4096);
        let pads = known.list("pads").unwrap_or_default();
        for pad in pads.iter().skip(axis).step_by(dims.len().saturating_sub(2).max(1)) {
            ensure!(*pad <= most, "a pad of {pad} around {dim}");
        }
    }
    Ok(())
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
pub(in crate::model::ops) fn conv_transpose(known: &Known) -> TractResult<()> {
    let group = known.int("group").unwrap_or(1);
    ensure!(group > 0, "group {group}");
    let (inputs, each) = (known.dim(1, 0), known.dim(1, 1));
    if let (Some(channels), Some(inputs)) = (known.dim(0, 1), inputs) {
        ensure!(
            inputs == channels && inputs % group == 0,
            "kernels for {inputs} channels in {group} groups, and {channels} channels"
        );
    }
    let bias = if known.site.op_type == "ConvTransposeWithDynamicPads" { 3 } else { 2 };
    if let (Some(each), Some(bias)) = (each, known.dims(bias)) {
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

/// Places in as many images, each with a coordinate for each of their axes.
pub(in crate::model::ops) fn grid(known: &Known) -> TractResult<()> {
    let (Some(dims), Some(grid)) = (known.dims(0), known.dims(1)) else { return Ok(()) };
    let fits = grid.first() == dims.first() && grid.last() == Some(&(dims.len() as i64 - 2));
    ensure!(fits, "a grid of shape {grid:?} for images of {dims:?}");
    ensure!(dims.iter().skip(2).all(|d| *d > 0), "places in images of {dims:?}");
    Ok(())
}

/// A scale or a size for each axis, or for each that is named.
pub(in crate::model::ops) fn resize(known: &Known) -> TractResult<()> {
    let Some(dims) = known.dims(0) else { return Ok(()) };
    if let Some(axes) = known.list("axes") {
        distinct(known, axes, dims.len())?;
    }
    let wanted = known.list("axes").map_or(dims.len(), <[i64]>::len) as i64;
    // Of no images there is nothing to resize.
    let none = |axis: usize| axis + 2 < dims.len() && dims.get(axis) == Some(&0);
    let sane = |(axis, d): (usize, &i64)| *d > 0 || none(axis);
    ensure!(dims.iter().enumerate().all(sane), "an input of shape {dims:?}");
    let (scales, sizes) = if known.site.opset < 11 { (1, 9) } else { (2, 3) };
    for at in [scales, sizes] {
        let Some(length) = known.dim(at, 0) else { continue };
        ensure!(length == 0 || length == wanted, "{length} scales or sizes for {wanted} axes");
    }
    // With one of the two left out or without entries, the other one says how large.
    let absent = |at: usize| !known.is_given(at) || known.dim(at, 0) == Some(0);
    ensure!(!(absent(scales) && absent(sizes)), "neither scales nor sizes");
    if let Some(sizes) = known.ints(sizes) {
        let all = known.list("axes").is_none();
        let sane = |(axis, s): (usize, &i64)| *s > 0 || *s == 0 && all && none(axis);
        ensure!(sizes.iter().enumerate().all(sane), "sizes {sizes:?}");
        volume(&sizes)?;
    }
    if let Some(scales) = known.value(scales).and_then(|v| f64s(v).ok()) {
        let sane = scales.iter().all(|s| s.is_finite() && *s > 0.0 && *s < 1e9);
        ensure!(sane, "scales {scales:?}");
        let made: f64 =
            scales.iter().product::<f64>() * dims.iter().map(|d| *d as f64).product::<f64>();
        ensure!(made < 1e15, "scales {scales:?}");
    }
    Ok(())
}
