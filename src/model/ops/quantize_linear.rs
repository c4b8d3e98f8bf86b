//! `QuantizeLinear` and `DequantizeLinear`: by tensor, by slice along an axis, by block.
//!
//! In: constant or computed scales and zero points, of 8 or 16 bits, or of a type that the engine lacks
//! (then in its carrier). Out: as ONNX Runtime rounds.
//! (The importer multiplies by the scale's reciprocal, which is a step off now and then, and wants
//! constants.)

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{NodeProto, tensor_proto::DataType};
use tract_onnx::tract_core::ops::array::MultiBroadcastTo;
use tract_onnx::tract_hir::internal::*;

use super::super::narrow::{Narrow, narrow};
use super::lower::{Built, lowered};
use super::narrow::{ToNarrow, carrier};
use super::quantize::Quantized;
use super::round_to;
use super::wires::Wires;

struct Attributes {
    axis: i64,
    block: usize,
    output: Option<DatumType>,
    /// The type of the result, where the engine lacks it.
    narrow: Option<&'static Narrow>,
    saturate: bool,
}

impl Attributes {
    fn of(node: &NodeProto) -> TractResult<Self> {
        let output = match node.get_attr_opt::<i64>("output_dtype")?.unwrap_or(0) {
            0 => None,
            code => Some(DatumType::try_from(DataType::try_from(i32::try_from(code)?)?)?),
        };
        Ok(Self {
            axis: node.get_attr_opt("axis")?.unwrap_or(1),
            block: node.get_attr_opt("block_size")?.unwrap_or(0),
            output,
            narrow: node.get_attr_opt(super::NARROW)?.and_then(narrow),
            saturate: node.get_attr_opt("saturate")?.unwrap_or(true),
        })
    }

    /// A scale or zero point that broadcasts against `x`.
    fn parameter(
        &self,
        g: &mut Wires<'_>,
        parameter: OutletId,
        x: OutletId,
    ) -> TractResult<OutletId> {
        let parameter = g.parameter(parameter)?;
        let rank = g.rank(x)?;
        if g.rank(parameter)? == 0 {
            return Ok(parameter);
        }
        let axis = g.axis(x, self.axis)?;
        if self.block == 0 {
            ensure!(g.rank(parameter)? == 1, "a scale of {} axes", g.rank(parameter)?);
            return g.along(parameter, axis, rank);
        }
        let shape = g.shape(parameter)?;
        ensure!(shape.len() == rank, "a blocked scale of {} axes for {rank}", shape.len());
        let (blocks, size) = (shape[axis].clone(), self.block.to_dim());
        let mut wide = shape.clone();
        wide.insert(axis + 1, size.clone());
        let parameter = g.add_axis(parameter, axis + 1)?;
        let wide = MultiBroadcastTo::new(ShapeFact::from_dims(wide));
        let parameter = g.op(wide, &[parameter])?;
        let to = tvec!(blocks.clone() * self.block);
        let parameter = g.reshape(parameter, axis, tvec!(blocks, size), to)?;
        let extent = g.shape(x)?[axis].clone();
        g.slice(parameter, axis, 0.to_dim(), extent)
    }
}

pub(super) fn quantize(_: &ParsingContext, node: &NodeProto) -> Built {
    let attributes = Attributes::of(node)?;
    if let Some(output) = attributes.output {
        round_to::range(output)?;
    }
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let x = g.f32(x)?;
        let scale = attributes.parameter(g, inputs.need(1)?, x)?;
        let zero = match (inputs.get(2), attributes.output) {
            (Some(zero), _) => Some(attributes.parameter(g, zero, x)?),
            (None, None) => match attributes.narrow {
                Some(narrow) => Some(g.constant(Tensor::zero_scalar_dt(carrier(narrow))?)?),
                None => None,
            },
            (None, Some(dtype)) => Some(g.constant(Tensor::zero_scalar_dt(dtype)?)?),
        };
        let scale = g.f32(scale)?;
        let Some(narrow) = attributes.narrow else {
            return Ok(tvec!(g.quantize(x, scale, zero, 0)?));
        };
        if let Some((low, high)) = narrow.range() {
            // The carrier's range holds the type's.
            let y = g.quantize(x, scale, zero, 0)?;
            return Ok(tvec!(g.clip(y, Some(low as f32), Some(high as f32))?));
        }
        let mut y = g.div(x, scale)?;
        if let Some(zero) = zero {
            y = g.add(y, zero)?;
        }
        Ok(tvec!(g.op(ToNarrow::quantising(narrow, attributes.saturate), &[y])?))
    })
}

pub(super) fn dequantize(_: &ParsingContext, node: &NodeProto) -> Built {
    let attributes = Attributes::of(node)?;
    lowered(node, move |g, inputs| {
        let values = inputs.need(0)?;
        let scale = attributes.parameter(g, inputs.need(1)?, values)?;
        let zero = match inputs.get(2) {
            Some(zero) => Some(attributes.parameter(g, zero, values)?),
            None => None,
        };
        let dtype = attributes.output.unwrap_or(g.dtype(scale)?);
        let y = g.dequantize(Quantized { values, scale, zero }, 0)?;
        Ok(tvec!(g.cast(y, dtype)?))
    })
}
