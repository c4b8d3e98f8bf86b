//! Quantisation over the range of a tensor becomes plain numbers.
//!
//! In: the importer's `DynamicQuantizeLinear`, one operator of its own. Out: the same numbers, by operators that the
//! GPU has. Where there is nothing but zeros, the scale is 1, as ONNX Runtime has it.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_core::ops::change_axes::wire_with_rank_broadcast;
use tract_onnx::tract_core::ops::logic::{Iff, comp_eq};
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};

use crate::model::ops::Quotient;

/// The greatest of the integers.
const MOST: f32 = 255.;

pub(super) fn ranges(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        // The type is private to the importer.
        if node.op.name() != "DynamicQuantizeLinearU8" {
            continue;
        }
        let fact = model.outlet_fact(node.inputs[0])?;
        let Some(shape) = fact.shape.as_concrete().filter(|s| !s.contains(&0)) else { continue };
        if fact.datum_type != DatumType::F32 {
            continue;
        }
        let (rank, shape) = (shape.len(), shape.to_vec());
        let mut patch = TypedModelPatch::default();
        let x = patch.tap_model(&model, node.inputs[0])?;
        let mut under = Under { patch: &mut patch, name: &node.name, count: 0 };
        let zero = under.number(0.)?;
        let mut end = |reducer, further: TypedBinOp| {
            let end = under.extreme(x, &shape, reducer)?;
            under.wire(further, &[end, zero])
        };
        let least = end(Reducer::Min, math::min())?;
        let most = end(Reducer::Max, math::max())?;
        let (steps, one) = (under.number(MOST)?, under.number(1.)?);
        let range = under.wire(math::sub(), &[most, least])?;
        let scale = under.wire(Quotient, &[range, steps])?;
        let none = under.wire(TypedBinOp(comp_eq(), None), &[scale, zero])?;
        let scale = under.wire(Iff, &[none, one, scale])?;
        let below = under.wire(math::sub(), &[zero, least])?;
        let start = under.rounded(below, scale)?;
        let start = under.within(start, zero, steps)?;
        let mut over = |at: OutletId| -> TractResult<OutletId> {
            (0..rank).try_fold(at, |at, _| under.wire(AxisOp::Add(0), &[at]))
        };
        let (wide_scale, wide_start) = (over(scale)?, over(start)?);
        let (wide_zero, wide_steps) = (over(zero)?, over(steps)?);
        let y = under.rounded(x, wide_scale)?;
        let y = under.broadcast(math::add(), y, wide_start)?;
        let y = under.within(y, wide_zero, wide_steps)?;
        let y = under.wire(cast(DatumType::U8), &[y])?;
        let start = under.wire(cast(DatumType::U8), &[start])?;
        for (slot, wire) in [y, scale, start].into_iter().enumerate() {
            patch.shunt_outside(&model, OutletId::new(id, slot), wire)?;
        }
        patch.apply(&mut model)?;
    }
    Ok(model)
}

/// Nodes below a name.
struct Under<'a> {
    patch: &'a mut TypedModelPatch,
    name: &'a str,
    count: usize,
}

impl Under<'_> {
    fn next(&mut self) -> String {
        self.count += 1;
        format!("{}.range.{}", self.name, self.count)
    }

    fn wire(
        &mut self,
        op: impl Into<Box<dyn TypedOp>>,
        inputs: &[OutletId],
    ) -> TractResult<OutletId> {
        let name = self.next();
        Ok(self.patch.wire_node(name, op, inputs)?[0])
    }

    fn broadcast(&mut self, op: TypedBinOp, a: OutletId, b: OutletId) -> TractResult<OutletId> {
        let name = self.next();
        Ok(wire_with_rank_broadcast(name, self.patch, op, &[a, b])?[0])
    }

    fn number(&mut self, value: f32) -> TractResult<OutletId> {
        let name = self.next();
        self.patch.add_const(name, tensor0(value))
    }

    /// The least or the greatest element: first of each line, as lines are read side by side.
    fn extreme(
        &mut self,
        mut x: OutletId,
        shape: &[usize],
        reducer: Reducer,
    ) -> TractResult<OutletId> {
        let mut shape: TVec<TDim> = shape.iter().map(|d| d.to_dim()).collect();
        if let Some(last) = shape.len().checked_sub(1).filter(|last| *last > 0) {
            x = self.wire(Reduce::new(tvec!(last), reducer), &[x])?;
            shape[last] = 1.to_dim();
        }
        let volume = shape.iter().product::<TDim>();
        x = self.wire(AxisOp::Reshape(0, shape, tvec!(volume)), &[x])?;
        x = self.wire(Reduce::new(tvec!(0), reducer), &[x])?;
        self.wire(AxisOp::Rm(0), &[x])
    }

    /// `x / by`, halves to even.
    fn rounded(&mut self, x: OutletId, by: OutletId) -> TractResult<OutletId> {
        let x = self.wire(Quotient, &[x, by])?;
        self.wire(math::round_half_to_even(), &[x])
    }

    fn within(&mut self, x: OutletId, low: OutletId, high: OutletId) -> TractResult<OutletId> {
        let x = self.wire(math::max(), &[x, low])?;
        self.wire(math::min(), &[x, high])
    }
}
