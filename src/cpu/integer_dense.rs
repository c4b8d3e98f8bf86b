//! Products of rows of 8-bit integers with a constant matrix.
//!
//! In: uint8 or int8 values and their zero point, which may be known only when the model runs. Out: int32 sums; or, once
//! a graph is to run, what follows them column by column: a scale, a bias, a function, a rounding.

use std::sync::Arc;

use nearside_kernels::Activation;
use nearside_kernels::integer::{self, Columns, Scaled, Weights};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::integer::{bytes, weights_less, zero_point};
use crate::codec::fields;
use crate::model::ops::RoundTo;
use crate::reuse;
use crate::scalar::Scalar as _;

/// Rows of 8-bit integers times a constant matrix: int32 sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IntegerDense {
    /// Of the output, whose last axis is the columns.
    shape: TVec<usize>,
    k: usize,
    /// 8-bit, in rows; packed, less their zero points, when code is generated.
    weights: Arc<Tensor>,
    /// One zero point, or one a column.
    zeros: Arc<Tensor>,
    packed: bool,
}

fields! { IntegerDense { shape, k, weights, zeros, packed } }

impl IntegerDense {
    /// `weights`: rows of `shape`'s last axis.
    pub(crate) fn new(
        shape: &[usize],
        weights: Arc<Tensor>,
        zeros: Arc<Tensor>,
    ) -> TractResult<Self> {
        let n = shape.last().copied().unwrap_or(0);
        ensure!(
            n > 0 && weights.len().is_multiple_of(n),
            "{} weights for rows of {n}",
            weights.len()
        );
        let k = weights.len() / n;
        Ok(Self { shape: shape.into(), k, weights, zeros, packed: false })
    }

    /// Of weights that are there as int16, in `k` rows.
    pub(crate) fn of_shorts(shape: &[usize], k: usize, weights: &[i16]) -> TractResult<Self> {
        let packed = integer::pack(k, shape.last().copied().unwrap_or(0), weights)?;
        Ok(Self {
            shape: shape.into(),
            k,
            weights: Arc::new(as_packed(shape, &packed)),
            zeros: Arc::new(tensor0(0i32)),
            packed: true,
        })
    }

    fn packed(&self) -> TractResult<Self> {
        let n = self.shape.last().copied().unwrap_or(0);
        let weights = weights_less(&self.weights, &self.zeros, n, less_by_column)?;
        let packed = integer::pack(self.k, n, &weights)?;
        let weights = Arc::new(as_packed(&self.shape, &packed));
        Ok(Self { weights, packed: true, ..self.clone() })
    }

    /// Once packed.
    fn run(&self, inputs: &[TValue], columns: &mut Columns<'_>) -> TractResult<()> {
        let (x, zero) = (bytes(&inputs[0])?, zero_point(&inputs[1])?);
        let n = self.shape.last().copied().unwrap_or(1);
        let m = self.shape.iter().product::<usize>() / n.max(1);
        let weights = self.weights.try_as_plain_ram()?;
        let weights = match self.weights.datum_type() {
            DatumType::I8 => Weights::Bytes(weights.as_slice()?),
            _ => Weights::Shorts(weights.as_slice()?),
        };
        Ok(integer::dense([m, self.k, n], x, zero, weights, columns)?)
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }
}

/// Rows from which on weights are read so often that widening them each time costs more than reading more.
const MANY: usize = 16;

/// Packed weights for this output: as bytes where few rows share them.
fn as_packed(shape: &[usize], packed: &[i16]) -> Tensor {
    let rows = shape.iter().rev().skip(1).product::<usize>();
    let narrow = if rows < MANY { integer::narrowed(packed) } else { None };
    narrow.map_or_else(|| tensor1(packed), |narrow| tensor1(&narrow))
}

/// Takes each column's zero point from its values.
fn less_by_column(values: &mut [i16], zeros: &[i16]) {
    for row in values.chunks_exact_mut(zeros.len().max(1)) {
        row.iter_mut().zip(zeros).for_each(|(value, zero)| *value = value.wrapping_sub(*zero));
    }
}

impl Op for IntegerDense {
    fn name(&self) -> StaticName {
        "IntegerDense".into()
    }

    op_as_typed_op!();
}

impl EvalOp for IntegerDense {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        if !self.packed {
            return self.packed()?.eval(_ctx, inputs);
        }
        let mut output = reuse::tensor(DatumType::I32, &self.shape)?;
        let mut view = output.try_as_plain_ram_mut()?;
        self.run(&inputs, &mut Columns::Sums(view.as_slice_mut()?))?;
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for IntegerDense {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(i32::fact(&self.shape)))
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

/// An [`IntegerDense`] with what follows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FinishedDense {
    pub(crate) dense: IntegerDense,
    /// What is added to the sums: one value for all columns or one a column.
    pub(crate) offsets: Option<Vec<i32>>,
    /// What sums are multiplied by, times the third input where there is one; as many values.
    pub(crate) factors: Vec<f32>,
    /// What is added then; as many values.
    pub(crate) bias: Option<Vec<f32>>,
    pub(crate) end: End,
}

/// How a [`FinishedDense`] ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    Function(Activation),
    Rounded(RoundTo),
}

// Factors of NaN are merely never equal.
impl Eq for FinishedDense {}

impl FinishedDense {
    fn dtype(&self) -> DatumType {
        match &self.end {
            End::Function(_) => DatumType::F32,
            End::Rounded(round) => round.dtype,
        }
    }
}

impl Op for FinishedDense {
    fn name(&self) -> StaticName {
        "IntegerDense".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        let bias = if self.bias.is_some() { ", bias" } else { "" };
        Ok(vec![format!("{} x {:?}{bias}, {:?}", self.dense.k, self.dense.shape, self.end)])
    }

    op_as_typed_op!();
}

impl EvalOp for FinishedDense {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        if !self.dense.packed {
            let dense = self.dense.packed()?;
            return Self { dense, ..self.clone() }.eval(_ctx, inputs);
        }
        let mut factors = self.factors.clone();
        if let Some(scale) = inputs.get(2) {
            let scale = scale.number::<f32>()?;
            factors.iter_mut().for_each(|factor| *factor *= scale);
        }
        let (offsets, bias) = (self.offsets.as_deref(), self.bias.as_deref());
        let scaled = Scaled { offsets, factors: &factors, bias };
        let mut output = reuse::tensor(self.dtype(), &self.dense.shape)?;
        let mut view = output.try_as_plain_ram_mut()?;
        let mut columns = match &self.end {
            End::Function(function) => Columns::Scaled(scaled, *function, view.as_slice_mut()?),
            End::Rounded(round) => Columns::Rounded(scaled, round.zero, round.quanta(&mut view)?),
        };
        self.dense.run(&inputs, &mut columns)?;
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for FinishedDense {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(self.dtype().fact(&self.dense.shape)))
    }

    fn codegen(
        &self,
        model: &TypedModel,
        node: &TypedNode,
    ) -> TractResult<Option<TypedModelPatch>> {
        rule_if!(!self.dense.packed);
        let op = Self { dense: self.dense.packed()?, ..self.clone() };
        TypedModelPatch::replace_single_op(model, node, &node.inputs, op).map(Some)
    }

    as_op!();
}
