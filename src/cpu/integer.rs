//! Convolutions of 8-bit integers with constant weights.
//!
//! In: uint8 or int8 values and their zero point, which may be known only when the model runs. Out: int32 sums, or
//! what follows them, taken in as the graph is decluttered: a bias, a scale, a rounding.

use std::sync::Arc;

use nearside_kernels::conv::Geometry;
use nearside_kernels::integer_conv::{self, Finish as Places};
use nearside_kernels::widen::Bytes;
use nearside_kernels::{direct, exact, squares};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::math::{Add, Mul};

use super::{check, per_channel};
use crate::codec::{choices, fields};
use crate::model::ops::RoundTo;
use crate::reuse;
use crate::scalar::Scalar as _;

/// What becomes of the sums of a channel.
#[derive(Clone, Debug, PartialEq)]
enum Finish {
    Sums,
    /// float32, times a scale each.
    Scaled(Vec<f32>),
    /// Scaled, then rounded.
    Rounded(Vec<f32>, RoundTo),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IntegerConvolution {
    geometry: Geometry,
    /// Of the output.
    shape: TVec<usize>,
    /// 8-bit, in OIHW; packed, less their zero points, when code is generated: int16, or float32 where that is exact
    /// and faster.
    weights: Arc<Tensor>,
    /// One zero point, or one a channel.
    zeros: Arc<Tensor>,
    packed: bool,
    bias: Vec<i32>,
    finish: Finish,
}

choices! { Finish { 0 => Sums, 1 => Scaled(scales), 2 => Rounded(scales, round) } }
fields! { IntegerConvolution { geometry, shape, weights, zeros, packed, bias, finish } }

// Scales of NaN are merely never equal.
impl Eq for IntegerConvolution {}

/// Values of 8 bits.
pub(super) fn bytes(values: &Tensor) -> TractResult<Bytes<'_>> {
    let view = values.try_as_plain_ram()?;
    Ok(match values.datum_type().unquantized() {
        DatumType::U8 => Bytes::U8(view.as_slice::<u8>()?),
        DatumType::I8 => Bytes::I8(view.as_slice::<i8>()?),
        other => bail!("8-bit integers, not {other:?}"),
    })
}

/// The one zero point of a tensor.
pub(super) fn zero_point(zero: &Tensor) -> TractResult<i16> {
    Ok(zero.number::<i32>()?.try_into()?)
}

/// Weights less their zero point, of which there is one, or one for each of some lines; `less` takes those away.
pub(super) fn weights_less(
    weights: &Tensor,
    zero: &Tensor,
    lines: usize,
    less: impl FnOnce(&mut [i16], &[i16]),
) -> TractResult<Vec<i16>> {
    let weights = bytes(weights)?;
    ensure!(lines > 0 && weights.len().is_multiple_of(lines), "weights of {lines} channels");
    let zeros = zero.cast_to::<i32>()?;
    let zeros = zeros.try_as_plain_ram()?.as_slice::<i32>()?;
    let Some((first, rest)) = zeros.split_first() else { bail!("no zero point") };
    if rest.iter().all(|z| z == first) && (rest.is_empty() || zeros.len() == lines) {
        return Ok(weights.wide((*first).try_into()?));
    }
    ensure!(zeros.len() == lines, "{} zero points for {lines} channels", zeros.len());
    let zeros = zeros.iter().map(|z| Ok((*z).try_into()?)).collect::<TractResult<Vec<i16>>>()?;
    let mut wide = weights.wide(0);
    less(&mut wide, &zeros);
    Ok(wide)
}

/// Takes each line's zero point from its values.
fn less_by_line(values: &mut [i16], zeros: &[i16]) {
    let depth = values.len() / zeros.len().max(1);
    for (line, zero) in values.chunks_exact_mut(depth.max(1)).zip(zeros) {
        line.iter_mut().for_each(|value| *value = value.wrapping_sub(*zero));
    }
}

impl IntegerConvolution {
    pub(crate) fn new(
        geometry: Geometry,
        shape: &[usize],
        weights: Arc<Tensor>,
        zeros: Arc<Tensor>,
        bias: &Tensor,
    ) -> TractResult<Self> {
        let bias = per_channel::<i32>(bias, geometry.channels_out)?;
        let (shape, finish) = (shape.into(), Finish::Sums);
        Ok(Self { geometry, shape, weights, zeros, packed: false, bias, finish })
    }

    fn packed(&self) -> TractResult<Self> {
        let g = &self.geometry;
        let weights = weights_less(&self.weights, &self.zeros, g.channels_out, less_by_line)?;
        let weights = Arc::new(if exact::suits(g) {
            let floats: Vec<f32> = weights.iter().map(|w| f32::from(*w)).collect();
            tensor1(&direct::pack(g, &floats)?)
        } else if squares::suits(g) {
            tensor1(&squares::pack(g, &weights)?)
        } else {
            tensor1(&integer_conv::pack(g, &weights)?)
        });
        Ok(Self { weights, packed: true, ..self.clone() })
    }

    fn dtype(&self) -> DatumType {
        match &self.finish {
            Finish::Sums => DatumType::I32,
            Finish::Scaled(_) => DatumType::F32,
            Finish::Rounded(_, round) => round.dtype,
        }
    }

    /// This operator with `next`, whose other operand, if any, is `konst`, taken in.
    fn with(&self, next: &TypedNode, konst: Option<&Tensor>) -> TractResult<Option<Self>> {
        let channels = self.geometry.channels_out;
        let mut op = self.clone();
        if let Some(round) = next.op_as::<RoundTo>() {
            let Finish::Scaled(scales) = &self.finish else { return Ok(None) };
            rule_if!(matches!(round.dtype, DatumType::U8 | DatumType::I8));
            op.finish = Finish::Rounded(scales.clone(), round.clone());
        } else if let Some(cast) = next.op_as::<Cast>() {
            rule_if!(self.finish == Finish::Sums && cast.to == DatumType::F32);
            op.finish = Finish::Scaled(vec![1.; channels]);
        } else if let (Some(binary), Some(konst)) = (next.op_as::<TypedBinOp>(), konst) {
            let by_channel = konst.len() == 1
                || (konst.len() == channels && konst.shape().get(1) == Some(&channels));
            rule_if!(by_channel && binary.1.is_none());
            match &mut op.finish {
                Finish::Sums if binary.0.is::<Add>() => {
                    let more = per_channel::<i32>(konst, channels)?;
                    op.bias.iter_mut().zip(more).for_each(|(b, more)| *b = b.wrapping_add(more));
                }
                Finish::Scaled(scales)
                    if binary.0.is::<Mul>() && scales.iter().all(|s| *s == 1.) =>
                {
                    *scales = per_channel::<f32>(konst, channels)?;
                }
                _ => return Ok(None),
            }
        } else {
            return Ok(None);
        }
        Ok(Some(op))
    }
}

impl Op for IntegerConvolution {
    fn name(&self) -> StaticName {
        "IntegerConvolution".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        let way = if exact::suits(&self.geometry) {
            "as floats"
        } else if squares::suits(&self.geometry) {
            "by transformed tiles"
        } else {
            "in pairs"
        };
        Ok(vec![format!("{way} to {:?} {:?}", self.dtype(), self.geometry)])
    }

    op_as_typed_op!();
}

impl EvalOp for IntegerConvolution {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        if !self.packed {
            return self.packed()?.eval(_ctx, inputs);
        }
        let zero = zero_point(&inputs[1])?;
        let mut output = reuse::tensor(self.dtype(), &self.shape)?;
        let mut view = output.try_as_plain_ram_mut()?;
        let mut finish = match &self.finish {
            Finish::Sums => Places::Sums(view.as_slice_mut()?),
            Finish::Scaled(scales) => Places::Scaled(scales, view.as_slice_mut()?),
            Finish::Rounded(scales, round) => {
                Places::Rounded(scales, round.zero, round.quanta(&mut view)?)
            }
        };
        let (g, weights) = (&self.geometry, self.weights.try_as_plain_ram()?);
        let (x, bias) = (bytes(&inputs[0])?, &self.bias);
        if exact::suits(g) {
            exact::conv(g, x, zero, weights.as_slice()?, bias, &mut finish)?;
        } else if squares::suits(g) {
            squares::conv(g, x, zero, weights.as_slice()?, bias, &mut finish)?;
        } else {
            integer_conv::conv(g, x, zero, weights.as_slice()?, bias, &mut finish)?;
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for IntegerConvolution {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        check(&self.geometry, &self.shape, inputs)?;
        Ok(tvec!(self.dtype().fact(&self.shape)))
    }

    fn declutter(
        &self,
        model: &TypedModel,
        node: &TypedNode,
    ) -> TractResult<Option<TypedModelPatch>> {
        let outlet = OutletId::new(node.id, 0);
        rule_if!(!model.outputs.contains(&outlet));
        rule_if_some!(next = model.single_succ(node.id)?);
        rule_if!(model.outlet_fact(next.id.into())?.shape.as_concrete() == Some(&*self.shape));
        let other = next.inputs.iter().find(|i| **i != outlet);
        let konst = other.map(|o| model.outlet_fact(*o)).transpose()?.and_then(|f| f.konst.clone());
        rule_if_some!(op = self.with(next, konst.as_deref())?);
        TypedModelPatch::fuse_with_next(model, node, op).map(Some)
    }

    fn codegen(
        &self,
        model: &TypedModel,
        node: &TypedNode,
    ) -> TractResult<Option<TypedModelPatch>> {
        rule_if!(!self.packed);
        TypedModelPatch::replace_single_op(model, node, &node.inputs, self.packed()?).map(Some)
    }

    as_op!();
}
