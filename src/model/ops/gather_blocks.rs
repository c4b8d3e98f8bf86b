//! com.microsoft `GatherBlockQuantized`: rows of a table of 4- or 8-bit codes, dequantised as they
//! are taken.
//!
//! In: codes (packed in uint8 along the last axis, or one a byte), indices, a scale and maybe a
//! zero point a block along any axis. Out: float32. The table stays packed.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};
use super::nbits::code;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GatherBlocks {
    pub(crate) gather_axis: usize,
    pub(crate) quantize_axis: usize,
    pub(crate) block: usize,
    pub(crate) bits: usize,
}

crate::codec::fields! { GatherBlocks { gather_axis, quantize_axis, block, bits } }

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let bits: usize = node.get_attr_opt("bits")?.unwrap_or(4);
    let block: usize = node.get_attr_opt("block_size")?.unwrap_or(128);
    let gather_axis: i64 = node.get_attr_opt("gather_axis")?.unwrap_or(0);
    let quantize_axis: i64 = node.get_attr_opt("quantize_axis")?.unwrap_or(1);
    ensure!(matches!(bits, 2 | 4 | 8), "{bits} bits are not supported");
    ensure!(block >= 16 && block.is_power_of_two(), "block_size {block}");
    lowered(node, move |g, inputs| {
        let (data, indices, scales) = (inputs.need(0)?, inputs.need(1)?, inputs.need(2)?);
        let dtype = g.dtype(scales)?;
        let op = GatherBlocks {
            gather_axis: g.axis(data, gather_axis)?,
            quantize_axis: g.axis(data, quantize_axis)?,
            block,
            bits,
        };
        let mut operands = tvec!(data, g.cast(indices, DatumType::I64)?, g.f32(scales)?);
        operands.extend(inputs.get(3));
        let y = g.op(op, &operands)?;
        Ok(tvec!(g.cast(y, dtype)?))
    })
}

impl GatherBlocks {
    /// The table's shape in codes.
    pub(crate) fn codes(&self, stored: &[usize]) -> TVec<usize> {
        let mut shape: TVec<usize> = stored.into();
        if let Some(last) = shape.last_mut() {
            *last *= 8 / self.bits;
        }
        shape
    }

    fn output(&self, table: &[usize], indices: &[usize]) -> TVec<usize> {
        let (outer, inner) = (&table[..self.gather_axis], &table[self.gather_axis + 1..]);
        outer.iter().chain(indices).chain(inner).copied().collect()
    }
}

impl Op for GatherBlocks {
    fn name(&self) -> StaticName {
        "GatherBlockQuantized".into()
    }

    op_as_typed_op!();
}

impl EvalOp for GatherBlocks {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let plain =
            inputs.iter().map(|i| i.try_as_plain_ram()).collect::<TractResult<TVec<_>>>()?;
        let data = plain[0].as_slice::<u8>()?;
        let indices = plain[1].as_slice::<i64>()?;
        let scales = plain[2].as_slice::<f32>()?;
        let zeros = plain.get(3).map(|z| z.as_slice::<u8>()).transpose()?;
        let table = self.codes(inputs[0].shape());
        let size = table[self.gather_axis];
        let outer: usize = table[..self.gather_axis].iter().product();
        let inner: usize = table[self.gather_axis + 1..].iter().product();
        // Along the quantised axis: stride, extent, blocks.
        let stride: usize = table[self.quantize_axis + 1..].iter().product();
        let extent = table[self.quantize_axis];
        let blocks = inputs[2].shape()[self.quantize_axis];
        // Zero points are packed along the last axis, row by row.
        let width = inputs[2].shape().last().copied().unwrap_or(1);
        let zero_bytes = (width * self.bits).div_ceil(8);
        let middle = (1 << (self.bits - 1)) as u8;
        let mut output = Tensor::zero::<f32>(&self.output(&table, inputs[1].shape()))?;
        let mut output_plain = output.try_as_plain_ram_mut()?;
        let y = output_plain.as_slice_mut::<f32>()?;
        let mut slots = y.chunks_exact_mut(inner.max(1));
        for o in 0..outer {
            for index in indices {
                let at = if *index < 0 { index + size as i64 } else { *index };
                let at = usize::try_from(at).ok().filter(|at| *at < size);
                let at = at.with_context(|| format!("index {index} is not one of {size}"))?;
                let Some(slot) = slots.next() else { continue };
                for (i, value) in slot.iter_mut().enumerate() {
                    let element = (o * size + at) * inner + i;
                    let along = element / stride % extent;
                    let s = (element / (stride * extent) * blocks + along / self.block) * stride
                        + element % stride;
                    let zero = match zeros {
                        Some(z) => code(&z[s / width * zero_bytes..], s % width, self.bits),
                        None => middle,
                    };
                    let q = code(data, element, self.bits);
                    *value = (f32::from(q) - f32::from(zero)) * scales[s];
                }
            }
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for GatherBlocks {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let concrete = |at: usize| inputs[at].shape.as_concrete().context("symbolic shape");
        ensure!(inputs[0].datum_type == DatumType::U8, "the table is not uint8");
        let axis = self.gather_axis.max(self.quantize_axis);
        ensure!(axis < inputs[0].rank(), "axis {axis} of {:?}", inputs[0].shape);
        ensure!(matches!(self.bits, 2 | 4 | 8) && self.block > 0, "{} bits", self.bits);
        let table = self.codes(concrete(0)?);
        let mut wanted = table.clone();
        wanted[self.quantize_axis] = table[self.quantize_axis].div_ceil(self.block);
        ensure!(concrete(2)? == &wanted[..], "scales of shape {:?}", inputs[2].shape);
        if let Some(zeros) = inputs.get(3) {
            if let Some(last) = wanted.last_mut() {
                *last = (*last * self.bits).div_ceil(8);
            }
            ensure!(zeros.datum_type == DatumType::U8, "the zero points are not uint8");
            ensure!(concrete(3)? == &wanted[..], "zero points of shape {:?}", zeros.shape);
        }
        Ok(tvec!(f32::fact(self.output(&table, concrete(1)?))))
    }

    as_op!();
}
