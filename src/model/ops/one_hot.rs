//! `OneHot`, for any index: one that is out of range marks nothing, nor does one with a fraction.
//!
//! In: indices, a constant depth, and the values for off and on. Out: an axis more, of that depth. (The
//! engine's own panics at such an index, and wants constant values.)

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::{comp_eq, comp_lt};
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};
use crate::limit;

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let axis: i64 = node.get_attr_opt("axis")?.unwrap_or(-1);
    lowered(node, move |g, inputs| {
        let (indices, values) = (inputs.need(0)?, inputs.need(2)?);
        let depth = g.known(inputs.need(1)?, "the depth")?;
        let depth = depth.cast_to::<i64>()?;
        let depth = *depth.try_as_plain_ram()?.as_slice::<i64>()?.first().context("no depth")?;
        ensure!((0..1 << 31).contains(&depth), "a depth of {depth}");
        ensure!(g.shape(values)?[..] == [2.to_dim()], "the values are not off and on");
        let rank = g.rank(indices)? as i64 + 1;
        let axis = if axis < 0 { axis + rank } else { axis };
        ensure!((0..rank).contains(&axis), "axis {axis} of {rank}");
        let axis = axis as usize;
        let mut shape = g.shape(indices)?;
        shape.insert(axis, depth.to_dim());
        let made = g.dtype(values)?.fact(shape);
        limit::check_fact(|| "OneHot".to_owned(), &made)?;
        limit::check(|| "OneHot".to_owned(), DatumType::I64, &[depth as usize])?;
        let of = match g.dtype(indices)? {
            of @ (DatumType::F32 | DatumType::F64) => of,
            DatumType::F16 => DatumType::F32,
            _ => DatumType::I64,
        };
        let indices = g.cast(indices, of)?;
        let indices = g.add_axis(indices, axis)?;
        let zero = g.constant(tensor0(0i64).cast_to_dt(of)?.into_owned())?;
        let from_end = g.constant(tensor0(depth).cast_to_dt(of)?.into_owned())?;
        let turned = g.add(indices, from_end)?;
        let negative = g.binary(TypedBinOp(comp_lt(), None), indices, zero)?;
        let indices = g.select(negative, turned, indices)?;
        let mut shape = vec![1; rank as usize];
        shape[axis] = depth as usize;
        let places: Vec<i64> = (0..depth).collect();
        let places = Tensor::from_shape(&shape, &places)?;
        let places = g.constant(places.cast_to_dt(of)?.into_owned())?;
        let hot = g.binary(TypedBinOp(comp_eq(), None), indices, places)?;
        let off = g.slice(values, 0, 0.to_dim(), 1.to_dim())?;
        let on = g.slice(values, 0, 1.to_dim(), 2.to_dim())?;
        Ok(tvec!(g.select(hot, on, off)?))
    })
}
