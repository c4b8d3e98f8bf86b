//! What must hold between an operator's shapes, attributes and steering values, operator by operator.
//!
//! In: a node and its inputs as far as they are known. Out: nothing, or what does not fit. The table of [`super::rules`] says
//! which holds for which.

use tract_onnx::tract_hir::internal::*;

mod attention;
mod indices;
mod products;
mod shapes;
mod signals;
mod windows;

use super::checked::Known;
pub(super) use attention::{attention, grouped};
pub(super) use indices::{
    along, embed, ms_positions, nd, of_three, positions, scatter, scatter_nd, top_k, within,
};
pub(super) use products::{
    by_column, channels, divisor, einsum, floats, fused_matmul, gemm, groups, matmul, mean_of_some,
    numbers, quantized,
};
pub(super) use shapes::{
    blocks, broadcast, concat, expanded, extents, pad, reshape, slice, split, tile, transpose,
    unsqueeze,
};
pub(super) use signals::{dft, length, mel, stft};
pub(super) use windows::{conv, conv_transpose, grid, kernel, resize, window};

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
