//! Rows times a constant matrix, plus a bias.
//!
//! In: float32 whose last axis is multiplied. Out: the same axes, the last one as long as the matrix is wide. A bias
//! and a function that follow are taken in as the graph is decluttered; weights are packed when code is generated.

use std::sync::Arc;

use nearside_kernels::{Activation, dense, steps};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::math::{Add, Max};

use super::{activation_of, floats};
use crate::codec::{choices, fields};
use crate::reuse;
use crate::scalar::Scalar as _;

/// How the weights lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// `k` rows of columns.
    Rows,
    /// Columns of `k`.
    Columns,
    /// As the kernel reads them.
    Packed,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dense {
    /// Of the output.
    shape: TVec<usize>,
    k: usize,
    weights: Arc<Tensor>,
    layout: Layout,
    bias: Option<Vec<f32>>,
    activation: Activation,
}

choices! { Layout { 0 => Rows, 1 => Columns, 2 => Packed } }
fields! { Dense { shape, k, weights, layout, bias, activation } }

// A bias of NaN is merely never equal.
impl Eq for Dense {}

impl Dense {
    /// `weights`: `k` rows of columns, or columns of `k` where `transposed`.
    pub(crate) fn new(
        shape: &[usize],
        k: usize,
        weights: Arc<Tensor>,
        transposed: bool,
    ) -> TractResult<Self> {
        let layout = if transposed { Layout::Columns } else { Layout::Rows };
        Ok(Self {
            shape: shape.into(),
            k,
            weights,
            layout,
            bias: None,
            activation: Activation::None,
        })
    }

    /// The weights in `k` rows, unless they are packed.
    pub(crate) fn rows(&self) -> TractResult<Option<(usize, Vec<f32>)>> {
        let (k, n) = (self.k, self.shape.last().copied().unwrap_or(0));
        let values = floats(&self.weights)?;
        Ok(match self.layout {
            Layout::Packed => None,
            Layout::Rows => Some((k, values.to_vec())),
            Layout::Columns => Some((k, steps::rows(values, k, n))),
        })
        .map(|rows| rows.filter(|(_, rows)| rows.len() == k * n))
    }

    /// What is added to the sums, and what becomes of them.
    pub(crate) fn end(&self) -> (Option<Vec<f32>>, Activation) {
        (self.bias.clone(), self.activation)
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn packed(&self) -> TractResult<Self> {
        let (k, n) = (self.k, self.shape.last().copied().unwrap_or(0));
        let values = floats(&self.weights)?;
        ensure!(values.len() == k * n, "{} weights for {k} by {n}", values.len());
        // In place: a copy of all weights would be a model's peak.
        let mut packed = Tensor::zero::<f32>(&[dense::packed_len(k, n)])?;
        let mut view = packed.try_as_plain_ram_mut()?;
        let to = view.as_slice_mut::<f32>()?;
        match self.layout {
            Layout::Columns => dense::pack_to(to, k, n, |i, c| values[c * k + i]),
            _ => dense::pack_to(to, k, n, |i, c| values[i * n + c]),
        }
        Ok(Self {
            weights: Arc::new(packed),
            layout: Layout::Packed,
            bias: self.bias.clone(),
            activation: self.activation,
            shape: self.shape.clone(),
            k,
        })
    }
}

impl Op for Dense {
    fn name(&self) -> StaticName {
        "Dense".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        let n = self.shape.last().copied().unwrap_or(1);
        let rows = self.shape.iter().product::<usize>() / n.max(1);
        let way = if rows < dense::ROWS { "single rows" } else { "four rows at a time" };
        let bias = if self.bias.is_some() { ", bias" } else { "" };
        Ok(vec![format!("{rows} x {} x {n}, {way}{bias}, {:?}", self.k, self.activation)])
    }

    op_as_typed_op!();
}

impl EvalOp for Dense {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        if self.layout != Layout::Packed {
            return self.packed()?.eval(_ctx, inputs);
        }
        let mut output = reuse::floats(&self.shape)?;
        let n = self.shape.last().copied().unwrap_or(1);
        let size = [output.len() / n.max(1), self.k, n];
        let mut view = output.try_as_plain_ram_mut()?;
        let out = view.as_slice_mut()?;
        dense::dense(size, floats(&inputs[0])?, floats(&self.weights)?, self.bias.as_deref(), out)?;
        self.activation.apply_to_all(out);
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Dense {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape)))
    }

    fn declutter(
        &self,
        model: &TypedModel,
        node: &TypedNode,
    ) -> TractResult<Option<TypedModelPatch>> {
        let outlet = OutletId::new(node.id, 0);
        rule_if!(self.activation == Activation::None && !model.outputs.contains(&outlet));
        rule_if_some!(next = model.single_succ(node.id)?);
        rule_if!(model.outlet_fact(next.id.into())?.shape.as_concrete() == Some(&*self.shape));
        if let Some(activation) = activation_of(next) {
            let op = Self { activation, ..self.clone() };
            return TypedModelPatch::fuse_with_next(model, node, op).map(Some);
        }
        rule_if_some!(binary = next.op_as::<TypedBinOp>());
        rule_if_some!(other = next.inputs.iter().find(|i| **i != outlet));
        rule_if_some!(konst = model.outlet_fact(*other)?.konst.clone());
        rule_if!(konst.datum_type() == DatumType::F32 && binary.1.is_none());
        if binary.0.is::<Max>() {
            rule_if!(konst.len() == 1);
            let activation = Activation::Clamp(konst.number()?, f32::INFINITY);
            let op = Self { activation, ..self.clone() };
            return TypedModelPatch::fuse_with_next(model, node, op).map(Some);
        }
        let n = self.shape.last().copied();
        rule_if!(binary.0.is::<Add>() && self.bias.is_none());
        rule_if!(Some(konst.len()) == n && konst.shape().last().copied() == n);
        let op = Self { bias: Some(floats(&konst)?.to_vec()), ..self.clone() };
        TypedModelPatch::fuse_with_next(model, node, op).map(Some)
    }

    fn codegen(
        &self,
        model: &TypedModel,
        node: &TypedNode,
    ) -> TractResult<Option<TypedModelPatch>> {
        rule_if!(self.layout != Layout::Packed);
        TypedModelPatch::replace_single_op(model, node, &node.inputs, self.packed()?).map(Some)
    }

    as_op!();
}
