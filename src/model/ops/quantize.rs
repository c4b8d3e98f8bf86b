//! Arithmetic of quantised tensors, as ONNX Runtime's CPU kernels do it: integers are exact, scales
//! are applied in float32, and halves round to even.
//!
//! In: integer tensors with scales and zero points, which may be computed. Out: wires. The
//! importer's own quantised operators round through fixed-point multipliers, which is off by one
//! now and then; one step off in the first layer is a visible difference in the last.

use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::quant::DequantizeLinearF32;
use tract_onnx::tract_hir::internal::*;

use super::round_to::{RoundTo, range};
use super::wires::Wires;

/// A quantised tensor: integers, scale, zero point (0 where absent).
#[derive(Clone, Copy)]
pub(super) struct Quantized {
    pub(super) values: OutletId,
    pub(super) scale: OutletId,
    pub(super) zero: Option<OutletId>,
}

impl Wires<'_> {
    /// A scale or zero point that holds one value, as a scalar; others as they are.
    pub(super) fn parameter(&mut self, x: OutletId) -> TractResult<OutletId> {
        let one = self.fact(x)?.shape.volume().is_one();
        let shape = self.shape(x)?;
        if one
            && !shape.is_empty()
            && let Some(konst) = self.fact(x)?.konst.clone()
        {
            return self.constant(Arc::unwrap_or_clone(konst).into_shape(&[])?);
        }
        if one { self.reshape(x, 0, shape, tvec!()) } else { Ok(x) }
    }

    /// A parameter per slice along `axis` of a tensor of rank `rank`, shaped to broadcast.
    pub(super) fn along(&mut self, x: OutletId, axis: usize, rank: usize) -> TractResult<OutletId> {
        let mut x = self.parameter(x)?;
        if self.rank(x)? == 1 {
            for _ in axis + 1..rank {
                let at = self.rank(x)?;
                x = self.add_axis(x, at)?;
            }
            for _ in 0..axis {
                x = self.add_axis(x, 0)?;
            }
        }
        ensure!(self.rank(x)? <= rank, "a parameter of more axes than there are");
        Ok(x)
    }

    /// The value of a constant that holds one.
    fn constant_value<T: Datum + Copy>(&self, x: OutletId) -> TractResult<Option<T>> {
        let konst = self.fact(x)?.konst.as_ref().filter(|k| k.len() == 1);
        konst.map(|k| k.cast_to::<T>()?.try_as_plain_ram()?.as_slice().map(|s| s[0])).transpose()
    }

    /// Whether a constant is zero throughout, as the zero points of weights are, one a channel: large weights are
    /// computed ahead, and each step of that counts.
    fn is_nothing(&self, x: OutletId) -> TractResult<bool> {
        let Some(konst) = &self.fact(x)?.konst else { return Ok(false) };
        let numbers = konst.cast_to::<f32>()?;
        Ok(numbers.try_as_plain_ram()?.as_slice::<f32>()?.iter().all(|number| *number == 0.))
    }

    /// `(values - zero) * scale` in float32; parameters of rank 1 run along `axis`.
    pub(super) fn dequantize(&mut self, q: Quantized, axis: usize) -> TractResult<OutletId> {
        let rank = self.rank(q.values)?;
        let zero = match q.zero {
            Some(zero) => self.constant_value(zero)?,
            None => Some(0),
        };
        let dtype = self.dtype(q.values)?;
        let small = matches!(dtype, DatumType::I8 | DatumType::U8);
        if let (true, Some(zero), Some(scale)) = (small, zero, self.constant_value(q.scale)?) {
            return self.op(DequantizeLinearF32::new(scale, zero), &[q.values]);
        }
        // The difference is of integers: float32 does not hold all of int32. A float stands for a
        // float8 or float4.
        let exact = if dtype.is_float() { DatumType::F32 } else { DatumType::I32 };
        let mut x = q.values;
        if let Some(zero) = q.zero
            && !self.is_nothing(zero)?
        {
            x = self.cast(x, exact)?;
            let zero = self.along(zero, axis, rank)?;
            let zero = self.cast(zero, exact)?;
            x = self.sub(x, zero)?;
        }
        let x = self.f32(x)?;
        let scale = self.along(q.scale, axis, rank)?;
        let scale = self.f32(scale)?;
        self.mul(x, scale)
    }

    /// `saturate(round(x / scale) + zero)` of the zero point's type, uint8 without one.
    pub(super) fn quantize(
        &mut self,
        x: OutletId,
        scale: OutletId,
        zero: Option<OutletId>,
        axis: usize,
    ) -> TractResult<OutletId> {
        let rank = self.rank(x)?;
        let scale = self.along(scale, axis, rank)?;
        let scale = self.f32(scale)?;
        let x = self.div(x, scale)?;
        self.saturate(x, zero, axis)
    }

    /// `saturate(round(x) + zero)`.
    pub(super) fn saturate(
        &mut self,
        x: OutletId,
        zero: Option<OutletId>,
        axis: usize,
    ) -> TractResult<OutletId> {
        let Some(zero) = zero else {
            return self.op(RoundTo { dtype: DatumType::U8, zero: 0 }, &[x]);
        };
        let dtype = self.dtype(zero)?;
        let (low, high) = range(dtype)?;
        if let Some(zero) = self.constant_value(zero)? {
            return self.op(RoundTo { dtype, zero }, &[x]);
        }
        let rank = self.rank(x)?;
        let x = self.op(math::round_half_to_even(), &[x])?;
        let zero = self.along(zero, axis, rank)?;
        let zero = self.f32(zero)?;
        let x = self.add(x, zero)?;
        let x = self.clip(x, Some(low as f32), Some(high as f32))?;
        self.cast(x, dtype)
    }

    /// The exact int32 product of two 8-bit matrices (ranks at least 2), less their zero points;
    /// `b`'s may be one a column.
    pub(super) fn integer_matmul(
        &mut self,
        a: OutletId,
        a_zero: Option<OutletId>,
        b: OutletId,
        b_zero: Option<OutletId>,
        transposed: (bool, bool),
    ) -> TractResult<OutletId> {
        let (mut a, mut b) = (a, b);
        let rank = self.rank(a)?.max(self.rank(b)?);
        ensure!(rank >= 2, "an integer product needs matrices");
        for side in [&mut a, &mut b] {
            while self.rank(*side)? < rank {
                *side = self.add_axis(*side, 0)?;
            }
        }
        if transposed.0 {
            a = self.move_axis(a, rank - 2, rank - 1)?;
        }
        if transposed.1 {
            b = self.move_axis(b, rank - 2, rank - 1)?;
        }
        fits(&self.shape(a)?, &self.shape(b)?)?;
        let bias = self.constant(tensor0(0i32))?;
        let a_zero = self.zero_point(a_zero)?;
        let b_zero = self.zero_point(b_zero)?;
        let one = self.scalar(1.)?;
        let zero = self.constant(tensor0(0i32))?;
        let inputs = [a, b, bias, a_zero, one, b_zero, one, zero, one];
        let ranks: Vec<usize> = inputs.iter().map(|i| self.rank(*i)).collect::<TractResult<_>>()?;
        ensure!(ranks[3] <= 1 && ranks[5] <= 1, "a zero point a batch is not supported");
        let sides = [
            (a_zero, self.shape(a)?[rank - 2].clone()),
            (b_zero, self.shape(b)?[rank - 1].clone()),
        ];
        for (zero, length) in sides {
            let zero = self.shape(zero)?;
            ensure!(zero.iter().all(|d| *d == length), "zero points {zero:?} for {length}");
        }
        let mut axes = AxesMapping::disconnected_for_ranks(&ranks, &ranks[0..1])?
            .renaming((InOut::In(0), rank - 2), 'm')?
            .linking('m', (InOut::Out(0), rank - 2))?
            .renaming((InOut::In(1), rank - 1), 'n')?
            .linking('n', (InOut::Out(0), rank - 1))?
            .renaming((InOut::In(0), rank - 1), 'k')?
            .linking('k', (InOut::In(1), rank - 2))?;
        for axis in 0..rank - 2 {
            axes = axes
                .linking((InOut::In(0), axis), (InOut::In(1), axis))?
                .linking((InOut::In(0), axis), (InOut::Out(0), axis))?;
        }
        if ranks[3] == 1 {
            axes = axes.linking('m', (InOut::In(3), 0))?;
        }
        if ranks[5] == 1 {
            axes = axes.linking('n', (InOut::In(5), 0))?;
        }
        let op = EinSum { axes, operating_dt: DatumType::I32, q_params: Some(DatumType::I32) };
        self.op(op, &inputs)
    }

    fn zero_point(&mut self, zero: Option<OutletId>) -> TractResult<OutletId> {
        match zero {
            Some(zero) => {
                let zero = self.parameter(zero)?;
                self.cast(zero, DatumType::I32)
            }
            None => self.constant(tensor0(0i32)),
        }
    }
}

/// Whether two sides of a product, of one rank, have the same inner length, and batches that broadcast; what is not known
/// is not judged.
pub(super) fn fits(a: &[TDim], b: &[TDim]) -> TractResult<()> {
    let same = |a: &TDim, b: &TDim, one: bool| match (a.to_i64(), b.to_i64()) {
        (Ok(a), Ok(b)) => a == b || one && (a == 1 || b == 1),
        _ => true,
    };
    let inner = a.last().zip(b.len().checked_sub(2).and_then(|at| b.get(at)));
    let batch = a.len().saturating_sub(2);
    let fits = inner.is_none_or(|(a, b)| same(a, b, false))
        && a.iter().zip(b).take(batch).all(|(a, b)| same(a, b, true));
    ensure!(fits, "a product of shapes {a:?} and {b:?}");
    Ok(())
}
