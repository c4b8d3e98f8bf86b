//! THE table: operator of the engine's core -> kernel, or why not.
//!
//! In: a node of a concrete-shaped graph. Out: dispatches in the [`Builder`], or a [`Reason`]. A new
//! operator is one row here; see [`super`] for how to add a family.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::AxisOp;
use tract_onnx::tract_core::ops::Downsample;
use tract_onnx::tract_core::ops::array::{
    CumSum, FiniteReshape, Gather, GatherElements, GatherNd, MultiBroadcastTo, OneHot, Pad,
    ScatterElements, ScatterNd, Slice, Tile, Topk, Trilu, TypedConcat,
};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::cnn::{Conv, Deconv, MaxPool, SumPool};
use tract_onnx::tract_core::ops::einsum::prefix_matmul::PrefixMatMul;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::identity::Identity;
use tract_onnx::tract_core::ops::logic::Iff;
use tract_onnx::tract_core::ops::nn::resize::NearestUpsample;
use tract_onnx::tract_core::ops::nn::{Reduce, Resize, RmsNorm, Softmax};
use tract_onnx::tract_core::ops::quant::DequantizeLinearF32;

use super::builder::{Builder, Cx, Lowered, because};
use super::kernels::{
    conv, deconv, elementwise, gather, layout, matmul, pool, quantize, reduce, resize, select,
};
use crate::model::ops::{Quotient, RoundTo};
use crate::optimize::CheckIndices;

/// Lowers a node whose operator it knows; `None` for all others.
type Row = fn(&mut Cx, &dyn TypedOp) -> Option<Lowered<()>>;

macro_rules! row {
    ($op:ty => $lower:path) => {
        |cx, op| op.downcast_ref::<$op>().map(|op| $lower(cx, op))
    };
}

const TABLE: &[Row] = &[
    row!(ElementWiseOp => elementwise::unary),
    row!(TypedBinOp => elementwise::binary),
    row!(Iff => elementwise::select),
    row!(Cast => elementwise::cast),
    row!(Identity => layout::identity),
    row!(AxisOp => layout::axis),
    row!(Slice => layout::slice),
    row!(MultiBroadcastTo => layout::broadcast),
    row!(TypedConcat => layout::concat),
    row!(Tile => layout::tile),
    row!(Pad => layout::pad),
    row!(PrefixMatMul => matmul::lower),
    row!(Conv => conv::lower),
    row!(MaxPool => pool::max),
    row!(SumPool => pool::sum),
    row!(Reduce => reduce::reduce),
    row!(Softmax => reduce::softmax),
    row!(RmsNorm => reduce::rms_norm),
    row!(FiniteReshape => layout::reshape),
    row!(Downsample => layout::downsample),
    row!(Deconv => deconv::lower),
    row!(CheckIndices => gather::check),
    row!(Gather => gather::gather),
    row!(GatherElements => gather::gather_elements),
    row!(GatherNd => gather::gather_nd),
    row!(ScatterElements => gather::scatter_elements),
    row!(ScatterNd => gather::scatter_nd),
    row!(Resize => resize::resize),
    row!(NearestUpsample => resize::nearest),
    row!(Topk => select::topk),
    row!(CumSum => select::cumsum),
    row!(OneHot => select::one_hot),
    row!(Trilu => select::trilu),
    row!(DequantizeLinearF32 => quantize::dequantize),
    row!(Quotient => quantize::quotient),
    row!(RoundTo => quantize::round_to),
];

/// Lowers one node whose inputs are on the GPU.
pub(crate) fn lower<'m>(builder: &mut Builder<'m>, node: &'m TypedNode) -> Lowered<()> {
    let mut cx = Cx { builder, node };
    for row in TABLE {
        if let Some(lowered) = row(&mut cx, &*node.op) {
            return lowered;
        }
    }
    because(format!("no kernel for {}", node.op.name()))
}

/// Whether a node can be lowered, tried on its own.
pub(crate) fn verdict(model: &TypedModel, node: &TypedNode, limits: super::Limits) -> Lowered<()> {
    let mut builder = Builder::new(model, limits, Default::default());
    for input in &node.inputs {
        if model.outlet_fact(*input).is_ok_and(|f| f.konst.is_none()) {
            builder.upload(*input)?;
        }
    }
    for slot in 0..node.outputs.len() {
        let (datum, shape) = builder.fact(OutletId::new(node.id, slot))?;
        builder.value(datum, &shape, super::builder::Origin::Made)?;
    }
    lower(&mut builder, node)
}
