//! `QuantizeLinear` and `DequantizeLinear` in the forms that the engine lacks: scales that depend on
//! data, blocks, and 16-bit integers.
//!
//! In: values, scales and zero points. Out: integers, or values. Everything else stays with the engine,
//! which fuses it into its integer operators.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct Linear {
    quantize: bool,
    axis: i64,
    block: usize,
    /// The wanted type, where no zero point says it.
    to: Option<DatumType>,
}

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let block = usize::try_from(node.get_attr_opt("block_size")?.unwrap_or(0i64))?;
    let code = node.get_attr_opt("output_dtype")?.unwrap_or(0i32);
    let to = match code {
        0 => None,
        code => {
            let dtype = super::super::signature::dtype_of(code);
            Some(dtype.context("the wanted type is unknown here")?.to_datum())
        }
    };
    let quantize = node.op_type == "QuantizeLinear";
    let op = Linear { quantize, axis: node.get_attr_opt("axis")?.unwrap_or(1), block, to };
    let ours = host(node, op)?;
    if block > 0 || to.is_some_and(|t| t.size_of() != 1) {
        return Ok(ours);
    }
    let fits: Fits = if quantize { quantize_fits } else { dequantize_fits };
    either(super::theirs(ctx, node)?, ours, fits)
}

fn narrow(fact: &TypedFact) -> bool {
    matches!(fact.datum_type, DatumType::U8 | DatumType::I8 | DatumType::I32)
}

fn constant(fact: &TypedFact) -> bool {
    fact.konst.is_some() && fact.datum_type != f16::datum_type()
}

fn quantize_fits(inputs: &[&TypedFact]) -> bool {
    let zero = inputs.get(2).is_none_or(|z| constant(z) && narrow(z));
    inputs[0].datum_type == f32::datum_type() && constant(inputs[1]) && zero
}

fn dequantize_fits(inputs: &[&TypedFact]) -> bool {
    inputs.iter().skip(1).all(|i| constant(i)) && narrow(inputs[0])
}

impl Linear {
    /// For each element of `shape` which scale is its own.
    fn which(&self, shape: &[usize], scale: &[usize]) -> TractResult<Vec<usize>> {
        if scale.iter().product::<usize>() == 1 {
            return Ok(vec![0; volume(shape)?]);
        }
        let axis = axis_of(self.axis, shape.len())?;
        if self.block == 0 {
            ensure!(scale == [shape[axis]], "one scale for each slice along the axis");
            return Ok(coordinates(shape).map(|at| at[axis]).collect());
        }
        let mut blocks = shape.to_vec();
        blocks[axis] = shape[axis].div_ceil(self.block);
        ensure!(scale == blocks, "one scale for each block");
        let block = |mut at: Vec<usize>| {
            at[axis] /= self.block;
            flat(&at, &blocks)
        };
        Ok(coordinates(shape).map(block).collect())
    }
}

impl Host for Linear {
    fn name(&self) -> &'static str {
        if self.quantize { "QuantizeLinear" } else { "DequantizeLinear" }
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let (x, scale) = (need(inputs, 0)?, need(inputs, 1)?);
        let to = match (self.quantize, maybe(inputs, 2), self.to) {
            (true, Some(zero), _) => zero.datum_type,
            (true, None, to) => to.unwrap_or(DatumType::U8),
            (false, _, to) => to.unwrap_or(scale.datum_type),
        };
        Ok(tvec!(to.fact(x.shape.clone())))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (x, scale) = (need(inputs, 0)?, need(inputs, 1)?);
        let which = self.which(x.shape(), scale.shape())?;
        let scales = f64s(scale)?;
        let zeros = maybe(inputs, 2).map_or_else(|| Ok(vec![0.0; scales.len()]), f64s)?;
        ensure!(zeros.len() == scales.len(), "one zero point for each scale");
        let values = f64s(x)?;
        let each = values.iter().zip(&which);
        if !self.quantize {
            let out: Vec<f64> = each.map(|(x, w)| (x - zeros[*w]) * scales[*w]).collect();
            return Ok(tvec!(from_f64(x.shape(), &out, self.to.unwrap_or(scale.datum_type()))?));
        }
        let zero = maybe(inputs, 2).map(Tensor::datum_type);
        let to = zero.or(self.to).unwrap_or(DatumType::U8);
        let (low, high) = match to {
            DatumType::U8 => (0.0, 255.0),
            DatumType::I8 => (-128.0, 127.0),
            DatumType::U16 => (0.0, 65535.0),
            DatumType::I16 => (-32768.0, 32767.0),
            other => bail!("cannot quantise to {other:?}"),
        };
        let single = x.datum_type() != f64::datum_type();
        let round = |(x, w): (&f64, &usize)| {
            // The quotient is rounded to single first, as everyone computes it: that decides ties.
            let quotient = if single { f64::from((x / scales[*w]) as f32) } else { x / scales[*w] };
            (quotient.round_ties_even() + zeros[*w]).clamp(low, high)
        };
        Ok(tvec!(from_f64(x.shape(), &each.map(round).collect::<Vec<_>>(), to)?))
    }
}
