//! A graph under construction, below one node's name: what the operators' wiring is written in.
//!
//! In: wires. Out: more wires. Each method is one engine operator or a few, with the broadcasting and
//! the types that ONNX expects.

use std::fmt::Display;

use tract_onnx::tract_core::ops::array::{Gather, Slice, TypedConcat};
use tract_onnx::tract_core::ops::cast;
use tract_onnx::tract_core::ops::change_axes::wire_with_rank_broadcast;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::logic::Iff;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};
use tract_onnx::tract_core::ops::{binary::TypedBinOp, math};
use tract_onnx::tract_hir::internal::*;

use super::host::i64s;
use super::integer_product::IntegerProduct;
use super::lower::Part;
use super::quantize::fits;
use super::quotient::Quotient;
use crate::limit;
use crate::optimize;

/// A graph under construction, below one node's name.
pub(super) struct Wires<'a> {
    model: &'a mut TypedModel,
    prefix: &'a str,
    count: usize,
}

impl<'a> Wires<'a> {
    pub(super) fn new(model: &'a mut TypedModel, prefix: &'a str) -> Self {
        Self { model, prefix, count: 0 }
    }

    fn name(&mut self) -> String {
        self.count += 1;
        format!("{}.{}", self.prefix, self.count)
    }

    pub(super) fn fact(&self, x: OutletId) -> TractResult<&TypedFact> {
        self.model.outlet_fact(x)
    }

    pub(super) fn shape(&self, x: OutletId) -> TractResult<TVec<TDim>> {
        Ok(self.fact(x)?.shape.to_tvec())
    }

    /// The shape, where it is known.
    pub(super) fn lengths(&self, x: OutletId) -> TractResult<TVec<usize>> {
        let shape = &self.fact(x)?.shape;
        Ok(shape.as_concrete().context("the shape depends on data")?.into())
    }

    pub(super) fn rank(&self, x: OutletId) -> TractResult<usize> {
        Ok(self.fact(x)?.rank())
    }

    pub(super) fn dtype(&self, x: OutletId) -> TractResult<DatumType> {
        Ok(self.fact(x)?.datum_type)
    }

    /// The value of `what`, which must be known when a plan is made.
    pub(super) fn known(&self, x: OutletId, what: impl Display) -> TractResult<Arc<Tensor>> {
        let known = self.fact(x)?.konst.clone();
        known.with_context(|| format!("{what} must be constant"))
    }

    /// An axis as ONNX gives it, negative from the end.
    pub(super) fn axis(&self, x: OutletId, axis: i64) -> TractResult<usize> {
        let rank = self.rank(x)?;
        let at = if axis < 0 { axis + rank as i64 } else { axis };
        let at = usize::try_from(at).ok().filter(|at| *at < rank);
        at.with_context(|| format!("axis {axis} is not one of {rank}"))
    }

    pub(super) fn op(
        &mut self,
        op: impl Into<Box<dyn TypedOp>>,
        inputs: &[OutletId],
    ) -> TractResult<OutletId> {
        let op = op.into();
        self.check(op.as_ref(), inputs)?;
        let name = self.name();
        Ok(self.model.wire_node(name, op, inputs)?[0])
    }

    /// An operator counts on what its inputs are, and what is made of constants is computed as soon as it is wired.
    fn check(&self, op: &dyn TypedOp, inputs: &[OutletId]) -> TractResult<()> {
        let facts = inputs.iter().map(|i| self.model.outlet_fact(*i));
        let facts = facts.collect::<TractResult<TVec<_>>>()?;
        optimize::check(op, &facts).with_context(|| format!("{} does not fit", op.name()))?;
        if facts.iter().all(|fact| fact.konst.is_some()) {
            for fact in op.output_facts(&facts)? {
                limit::check_fact(|| format!("`{}` ({})", self.prefix, op.name()), &fact)?;
            }
        }
        Ok(())
    }

    pub(super) fn part(&mut self, part: &Part, inputs: &[OutletId]) -> TractResult<OutletId> {
        Ok(self.parts(part, inputs)?[0])
    }

    /// All outputs of an operator as part of one of ours.
    pub(super) fn parts(
        &mut self,
        part: &Part,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let name = self.name();
        part.wire(&name, self.model, inputs)
    }

    pub(super) fn constant(&mut self, value: impl IntoArcTensor) -> TractResult<OutletId> {
        let name = self.name();
        self.model.add_const(name, value)
    }

    pub(super) fn scalar(&mut self, value: f32) -> TractResult<OutletId> {
        self.constant(tensor0(value))
    }

    pub(super) fn cast(&mut self, x: OutletId, to: DatumType) -> TractResult<OutletId> {
        if self.dtype(x)? == to { Ok(x) } else { self.op(cast::cast(to), &[x]) }
    }

    pub(super) fn f32(&mut self, x: OutletId) -> TractResult<OutletId> {
        self.cast(x, DatumType::F32)
    }

    /// A binary operator with NumPy's broadcasting.
    pub(super) fn binary(
        &mut self,
        op: TypedBinOp,
        a: OutletId,
        b: OutletId,
    ) -> TractResult<OutletId> {
        let name = self.name();
        Ok(wire_with_rank_broadcast(name, self.model, op, &[a, b])?[0])
    }

    /// `a` where `which`, else `b`.
    pub(super) fn select(
        &mut self,
        which: OutletId,
        a: OutletId,
        b: OutletId,
    ) -> TractResult<OutletId> {
        let rank = [which, a, b].iter().map(|x| self.rank(*x)).collect::<TractResult<Vec<_>>>()?;
        let rank = rank.into_iter().max().unwrap_or(0);
        let mut sides = [which, a, b];
        for side in &mut sides {
            while self.rank(*side)? < rank {
                *side = self.add_axis(*side, 0)?;
            }
        }
        self.op(Iff, &sides)
    }

    pub(super) fn add(&mut self, a: OutletId, b: OutletId) -> TractResult<OutletId> {
        self.binary(math::add(), a, b)
    }

    pub(super) fn sub(&mut self, a: OutletId, b: OutletId) -> TractResult<OutletId> {
        self.binary(math::sub(), a, b)
    }

    pub(super) fn mul(&mut self, a: OutletId, b: OutletId) -> TractResult<OutletId> {
        self.binary(math::mul(), a, b)
    }

    /// A float32 quotient to the last bit.
    pub(super) fn div(&mut self, mut a: OutletId, mut b: OutletId) -> TractResult<OutletId> {
        let rank = self.rank(a)?.max(self.rank(b)?);
        for side in [&mut a, &mut b] {
            while self.rank(*side)? < rank {
                *side = self.add_axis(*side, 0)?;
            }
        }
        self.op(Quotient, &[a, b])
    }

    /// Times a constant; nothing for 1.
    pub(super) fn scaled(&mut self, x: OutletId, by: f32) -> TractResult<OutletId> {
        if by == 1.0 {
            return Ok(x);
        }
        let by = self.like(x, by)?;
        self.mul(x, by)
    }

    /// A constant of `x`'s type.
    pub(super) fn like(&mut self, x: OutletId, value: f32) -> TractResult<OutletId> {
        let value = tensor0(value).cast_to_dt(self.dtype(x)?)?.into_owned();
        self.constant(value)
    }

    /// At least `low` and at most `high`.
    pub(super) fn clip(
        &mut self,
        mut x: OutletId,
        low: Option<f32>,
        high: Option<f32>,
    ) -> TractResult<OutletId> {
        for (end, op) in [(low, math::max()), (high, math::min())] {
            if let Some(end) = end {
                let end = self.like(x, end)?;
                x = self.binary(op, x, end)?;
            }
        }
        Ok(x)
    }

    pub(super) fn reduce(
        &mut self,
        x: OutletId,
        reducer: Reducer,
        axes: &[usize],
    ) -> TractResult<OutletId> {
        let fact = self.fact(x)?;
        let (dtype, mut shape) = (fact.datum_type, fact.shape.to_tvec());
        if shape.iter().any(|d| *d == 0.to_dim()) {
            // The engine divides by how many there are.
            for axis in axes {
                *shape.get_mut(*axis).context("no such axis")? = 1.to_dim();
            }
            let shape = shape.iter().map(TDim::to_usize).collect::<Result<TVec<_>, _>>()?;
            let value = match reducer {
                Reducer::Sum => 0.,
                Reducer::Prod => 1.,
                Reducer::Max => f32::NEG_INFINITY,
                Reducer::Min => f32::INFINITY,
                Reducer::MeanOfSquares => f32::NAN,
                other => bail!("{other:?} of nothing"),
            };
            limit::check(|| format!("`{}`", self.prefix), dtype, &shape)?;
            let value = tensor0(value).cast_to_dt(dtype)?.into_owned();
            return self.constant(value.broadcast_to_shape(&shape)?);
        }
        self.op(Reduce::new(axes.into(), reducer), &[x])
    }

    pub(super) fn concat(&mut self, axis: usize, parts: &[OutletId]) -> TractResult<OutletId> {
        self.op(TypedConcat::new(axis), parts)
    }

    pub(super) fn slice(
        &mut self,
        x: OutletId,
        axis: usize,
        start: TDim,
        end: TDim,
    ) -> TractResult<OutletId> {
        self.op(Slice::new(axis, start, end), &[x])
    }

    /// What lies at places along an axis; those that are known are checked, others by the plan.
    pub(super) fn gather(
        &mut self,
        axis: usize,
        x: OutletId,
        at: OutletId,
    ) -> TractResult<OutletId> {
        let length = self.shape(x)?.get(axis).and_then(|d| d.to_i64().ok());
        if let (Some(length), Some(known)) = (length, &self.fact(at)?.konst) {
            let odd = i64s(known)?.into_iter().find(|at| !(-length..length).contains(at));
            ensure!(odd.is_none(), "{odd:?} is no place of {length}");
        }
        self.op(Gather::new(axis), &[x, at])
    }

    pub(super) fn move_axis(
        &mut self,
        x: OutletId,
        from: usize,
        to: usize,
    ) -> TractResult<OutletId> {
        if from == to { Ok(x) } else { self.op(AxisOp::Move(from, to), &[x]) }
    }

    pub(super) fn add_axis(&mut self, x: OutletId, at: usize) -> TractResult<OutletId> {
        self.op(AxisOp::Add(at), &[x])
    }

    pub(super) fn remove_axis(&mut self, x: OutletId, at: usize) -> TractResult<OutletId> {
        self.op(AxisOp::Rm(at), &[x])
    }

    /// Axes `at..` of extents `from` become axes of extents `to`.
    pub(super) fn reshape(
        &mut self,
        x: OutletId,
        at: usize,
        from: TVec<TDim>,
        to: TVec<TDim>,
    ) -> TractResult<OutletId> {
        if from == to { Ok(x) } else { self.op(AxisOp::Reshape(at, from, to), &[x]) }
    }

    /// One dimension for all elements.
    pub(super) fn flat(&mut self, x: OutletId) -> TractResult<OutletId> {
        let shape = self.shape(x)?;
        let volume = shape.iter().product::<TDim>();
        self.reshape(x, 0, shape, tvec!(volume))
    }

    /// `a · b` over the innermost axes, NumPy's rules for ranks 1 and for batches.
    pub(super) fn matmul(
        &mut self,
        mut a: OutletId,
        mut b: OutletId,
        transpose_a: bool,
        transpose_b: bool,
    ) -> TractResult<OutletId> {
        let vectors = (self.rank(a)? == 1, self.rank(b)? == 1);
        if vectors.0 {
            a = self.add_axis(a, usize::from(transpose_a))?;
        }
        if vectors.1 {
            b = self.add_axis(b, usize::from(!transpose_b))?;
        }
        let rank = self.rank(a)?.max(self.rank(b)?);
        for side in [&mut a, &mut b] {
            while self.rank(*side)? < rank {
                *side = self.add_axis(*side, 0)?;
            }
        }
        let (mut of_a, mut of_b) = (self.shape(a)?, self.shape(b)?);
        for (shape, turned) in [(&mut of_a, transpose_a), (&mut of_b, transpose_b)] {
            if turned {
                shape.swap(rank - 2, rank - 1);
            }
        }
        fits(&of_a, &of_b)?;
        let axes = AxesMapping::for_numpy_matmul(rank, transpose_a, transpose_b, false)?;
        let dtype = self.dtype(a)?;
        ensure!(dtype == self.dtype(b)?, "a product of {dtype:?} and {:?}", self.dtype(b)?);
        ensure!(dtype.is_number(), "a product of {dtype:?}");
        let product = EinSum::new(axes, dtype);
        // The engine computes a product of constants at once, and has no kernels for these.
        let mut y = match IntegerProduct::of(&product, &[dtype]) {
            Some(whole) => self.op(whole, &[a, b])?,
            None => self.op(product, &[a, b])?,
        };
        if vectors.1 {
            y = self.remove_axis(y, rank - 1)?;
        }
        if vectors.0 {
            y = self.remove_axis(y, rank - 2)?;
        }
        Ok(y)
    }
}
