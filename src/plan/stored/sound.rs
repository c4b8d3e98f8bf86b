//! What operators take for granted of their inputs, checked before a graph of unknown origin is planned.
//!
//! In: an operator and the facts of its inputs. Out: nothing, or what is wrong. The importer gives such operators
//! only in forms that fit; a file may have any.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{
    CumSum, DynSlice, Gather, GatherElements, OneHot, ScatterElements, Slice, Tile, Topk, Trilu,
    TypedConcat,
};
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::cnn::{Conv, Deconv, MaxPool, PaddingSpec, PoolSpec, SumPool};
use tract_onnx::tract_core::ops::downsample::Downsample;
use tract_onnx::tract_core::ops::fft::{Fft, Stft};
use tract_onnx::tract_core::ops::nn::{
    NearestUpsample, Reduce, Resize, RmsNorm, ScaledRmsNorm, Softmax,
};

use crate::cpu::recurrence::Recurrence;
use crate::optimize::{self, Stride};

/// Checks `op` against its inputs, of which there are as many as its row says.
pub(super) fn check(op: &dyn TypedOp, inputs: &[&TypedFact]) -> TractResult<()> {
    optimize::check(op, inputs)?;
    let rank = inputs.first().map_or(0, |fact| fact.rank());
    for axis in axes(op) {
        ensure!(axis < rank, "axis {axis} of a tensor of rank {rank}");
    }
    if let Some(spec) = window(op) {
        spec_fits(spec, inputs)?;
    }
    if let Some(op) = op.downcast_ref::<Deconv>() {
        return spread_fits(op, inputs);
    }
    if let Some(op) = op.downcast_ref::<Slice>() {
        let length = inputs.first().map(|fact| fact.shape[op.axis].clone());
        let numbers = [Some(&op.start), Some(&op.end), length.as_ref()];
        let known = numbers.iter().all(|n| n.is_some_and(|n| n.to_i64().is_ok()));
        ensure!(known, "a slice without ends");
    } else if let Some(op) = op.downcast_ref::<Recurrence>() {
        ensure!(op.names(inputs.len()) && op.fits(), "a recurrence of other inputs or sizes");
    } else if let Some(op) = op.downcast_ref::<Tile>() {
        ensure!(op.multipliers.len() == rank, "repeats for another rank");
    } else if let Some(op) = op.downcast_ref::<NearestUpsample>() {
        ensure!(op.scales.len() == rank, "scales for another rank");
        ensure!(op.scales.iter().all(|s| i32::try_from(*s).is_ok()), "scales of {:?}", op.scales);
    } else if let Some(op) = op.downcast_ref::<Resize>() {
        resized(op, inputs)?;
    } else if let Some(op) = skips(op) {
        let length = inputs.first().and_then(|fact| fact.shape.get(op.axis)?.to_usize().ok());
        let fits = length.is_some_and(|length| op.modulo <= length) && op.stride != 0;
        ensure!(fits, "every {}th from {} of {length:?}", op.stride, op.modulo);
    } else if let Some(op) = op.downcast_ref::<Stft>() {
        let length = inputs.first().and_then(|fact| fact.shape.get(op.axis)?.to_usize().ok());
        let window = op.window.as_ref().is_none_or(|window| window.len() <= op.frame);
        let fits = length.is_some_and(|length| op.frame <= length) && op.stride > 0;
        ensure!(fits && window, "frames of {} of {length:?}", op.frame);
    } else if op.is::<Trilu>() {
        ensure!(rank > 1, "a triangle of {rank} axes");
    } else if let Some(op) = op.downcast_ref::<OneHot>() {
        ensure!(i32::try_from(op.dim).is_ok(), "a depth of {}", op.dim);
    } else if let Some(AxisOp::Add(axis)) = op.downcast_ref::<AxisOp>() {
        ensure!(*axis <= rank, "a new axis {axis} for a tensor of rank {rank}");
    } else if let Some(AxisOp::Reshape(at, old, new)) = op.downcast_ref::<AxisOp>() {
        let here = inputs.first().and_then(|fact| fact.shape.get(*at..at + old.len()));
        ensure!(here == Some(old), "a shape {old:?} that is not at axis {at}");
        let count = |dims: &[TDim]| {
            let mut sizes = dims.iter().map(|d| d.to_usize().ok());
            sizes.try_fold(1usize, |n, d| n.checked_mul(d?))
        };
        ensure!(count(old).is_some() && count(old) == count(new), "{new:?} in place of {old:?}");
    }
    Ok(())
}

/// Every n-th element, in either form.
fn skips(op: &dyn TypedOp) -> Option<&Downsample> {
    op.downcast_ref::<Downsample>().or_else(|| op.downcast_ref::<Stride>().map(|op| &op.0))
}

/// Scales or sizes that make extents.
fn resized(op: &Resize, inputs: &[&TypedFact]) -> TractResult<()> {
    let values = |at: Option<usize>| inputs.get(at?)?.konst.clone();
    if let Some(scales) = values(op.optional_scales_input) {
        let scales = scales.cast_to::<f32>()?;
        let scales = scales.try_as_plain_ram()?.as_slice::<f32>()?;
        let fits = scales.iter().all(|s| s.is_finite() && *s > 0.0 && *s < 1e9);
        ensure!(fits, "scales of {scales:?}");
    }
    if let Some(sizes) = values(op.optional_sizes_input) {
        let sizes = sizes.cast_to::<i64>()?;
        let sizes = sizes.try_as_plain_ram()?.as_slice::<i64>()?;
        ensure!(
            sizes.iter().all(|s| i32::try_from(*s).is_ok_and(|s| s >= 0)),
            "sizes of {sizes:?}"
        );
    }
    Ok(())
}

/// The axes of its first input that an operator names.
fn axes(op: &dyn TypedOp) -> TVec<usize> {
    if let Some(op) = skips(op) {
        return tvec!(op.axis);
    }
    macro_rules! axis {
        ($($type:ident),*) => {$(
            if let Some(op) = op.downcast_ref::<$type>() {
                return tvec!(op.axis);
            }
        )*};
    }
    axis!(
        CumSum,
        DynSlice,
        Fft,
        Gather,
        GatherElements,
        RmsNorm,
        ScaledRmsNorm,
        ScatterElements,
        Slice,
        Stft,
        Topk,
        TypedConcat
    );
    if let Some(op) = op.downcast_ref::<OneHot>() {
        // Of its output, which has one more.
        return op.axis.checked_sub(1).into_iter().collect();
    }
    match (op.downcast_ref::<Reduce>(), op.downcast_ref::<Softmax>(), op.downcast_ref::<AxisOp>()) {
        (Some(op), ..) => op.axes.clone(),
        (_, Some(op), _) => op.axes.clone(),
        (.., Some(AxisOp::Rm(axis))) => tvec!(*axis),
        (.., Some(AxisOp::Move(from, to))) => tvec!(*from, *to),
        _ => tvec!(),
    }
}

/// The window of an operator that has one, and the groups of a convolution.
fn window(op: &dyn TypedOp) -> Option<(&PoolSpec, usize)> {
    let pool = || op.downcast_ref::<MaxPool>().map(|op| &op.pool_spec);
    let sum = || op.downcast_ref::<SumPool>().map(|op| &op.pool_spec);
    let conv = op.downcast_ref::<Conv>().map(|op| (&op.pool_spec, op.group));
    let deconv = || op.downcast_ref::<Deconv>().map(|op| (&op.pool_spec, op.group));
    conv.or_else(deconv).or_else(|| pool().or_else(sum).map(|spec| (spec, 0)))
}

fn spec_fits((spec, group): (&PoolSpec, usize), inputs: &[&TypedFact]) -> TractResult<()> {
    let rank = inputs.first().map_or(0, |fact| fact.rank());
    let hyper = rank.checked_sub(1 + usize::from(spec.data_format.has_n()));
    ensure!(hyper == Some(spec.kernel_shape.len()), "a window of another rank than its image");
    let many = |list: &Option<TVec<usize>>| {
        list.as_ref().is_none_or(|l| Some(l.len()) == hyper && l.iter().all(|n| *n > 0))
    };
    let small = |list: &[usize]| list.iter().all(|n| i32::try_from(*n).is_ok());
    let lists = [&spec.dilations, &spec.strides];
    ensure!(lists.iter().all(|list| many(list)), "a window with bad steps");
    ensure!(lists.iter().all(|l| l.as_ref().is_none_or(|l| small(l))), "a window with long steps");
    ensure!(
        small(&spec.kernel_shape) && !spec.kernel_shape.contains(&0),
        "a window without extent"
    );
    if group == 0 {
        return Ok(());
    }
    let channels = [spec.input_channels, spec.output_channels];
    ensure!(channels.iter().all(|c| c.is_multiple_of(group)), "{channels:?} in {group} groups");
    let weights = inputs.get(1).and_then(|fact| fact.shape.as_concrete());
    let weights = weights.map(|shape| shape.iter().product::<usize>());
    let taps: usize = spec.kernel_shape.iter().product();
    let wanted = taps.checked_mul(channels[0] / group).and_then(|n| n.checked_mul(channels[1]));
    ensure!(weights.is_some() && weights == wanted, "weights that do not fill the window");
    Ok(())
}

/// A transposed convolution whose padding takes away no more than there is.
fn spread_fits(op: &Deconv, inputs: &[&TypedFact]) -> TractResult<()> {
    let spec = &op.pool_spec;
    let (PaddingSpec::Explicit(before, after) | PaddingSpec::ExplicitOnnxPool(before, after, _)) =
        &spec.padding
    else {
        return Ok(());
    };
    let first = if spec.data_format.has_n() { 1 } else { 0 };
    let first = if spec.data_format.c_is_last() { first } else { first + 1 };
    let (strides, dilations) = (spec.strides(), spec.dilations());
    for (at, kernel) in spec.kernel_shape.iter().enumerate() {
        let size = inputs.first().and_then(|x| x.shape.get(first + at)?.to_usize().ok());
        let lists = [before.get(at), after.get(at), op.adjustments.get(at)];
        let ([Some(before), Some(after), Some(more)], Some(size)) = (lists, size) else {
            bail!("a transposed convolution of another rank");
        };
        let reach = size.saturating_sub(1).checked_mul(strides[at]);
        let taps = (kernel - 1).checked_mul(dilations[at]);
        let full = reach.zip(taps).and_then(|(a, b)| a.checked_add(b)?.checked_add(1 + more));
        let pads = before.checked_add(*after);
        ensure!(pads.zip(full).is_some_and(|(p, f)| p <= f), "padding of {pads:?} of {full:?}");
    }
    Ok(())
}
