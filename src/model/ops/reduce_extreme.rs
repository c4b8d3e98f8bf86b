//! `ReduceMax` and `ReduceMin`, with the right start.
//!
//! In: numbers or booleans, and constant axes. Out: the greatest, or the least, along them. The engine's
//! own reductions start at the smallest and the largest *finite* number: of nothing but infinities, as
//! in a row of scores that is masked whole, and of nothing at all, they give that number.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};
use tract_onnx::tract_hir::internal::*;

use super::host::{axis_of, i64s};
use super::lower::{Built, Inputs, lowered};
use super::wires::Wires;

/// The axes of a reduction, as an attribute or an input gives them.
pub(super) struct Along {
    listed: Option<Vec<i64>>,
    keep: bool,
    noop: bool,
}

impl Along {
    pub(super) fn of(node: &NodeProto) -> TractResult<Self> {
        let flag = |name, default: i64| -> TractResult<bool> {
            Ok(node.get_attr_opt(name)?.unwrap_or(default) != 0)
        };
        Ok(Self {
            listed: node.get_attr_opt_vec("axes")?,
            keep: flag("keepdims", 1)?,
            noop: flag("noop_with_empty_axes", 0)?,
        })
    }

    /// In ascending order, each once.
    pub(super) fn axes(&self, g: &Wires<'_>, inputs: &Inputs) -> TractResult<TVec<usize>> {
        let rank = g.rank(inputs.need(0)?)?;
        // They came as an input with operator set 18.
        let given = match inputs.get(1) {
            Some(axes) => Some(i64s(g.known(axes, "the axes")?.as_ref())?),
            None => self.listed.clone(),
        };
        let given = given.unwrap_or_default();
        let mut axes = given.iter().map(|a| axis_of(*a, rank)).collect::<TractResult<TVec<_>>>()?;
        if axes.is_empty() && !self.noop {
            axes = (0..rank).collect();
        }
        axes.sort_unstable();
        axes.dedup();
        Ok(axes)
    }

    /// What is reduced along `axes`, without them where they do not stay.
    pub(super) fn kept(
        &self,
        g: &mut Wires<'_>,
        mut y: OutletId,
        axes: TVec<usize>,
    ) -> TractResult<OutletId> {
        for axis in axes.into_iter().rev().filter(|_| !self.keep) {
            y = g.remove_axis(y, axis)?;
        }
        Ok(y)
    }
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let max = node.op_type == "ReduceMax";
    let along = Along::of(node)?;
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let dtype = g.dtype(x)?;
        let axes = along.axes(g, inputs)?;
        let order = match dtype {
            DatumType::Bool => DatumType::U8,
            DatumType::TDim => DatumType::I64,
            other => other,
        };
        let mut y = g.cast(x, order)?;
        // Of something, the engine's own does until the passes, which choose by target.
        let empty = g.shape(y)?.iter().any(|d| *d == 0.to_dim());
        y = if empty || order != dtype {
            g.op(Extreme { axes: axes.clone(), max }, &[y])?
        } else {
            g.reduce(y, if max { Reducer::Max } else { Reducer::Min }, &axes)?
        };
        let y = along.kept(g, y, axes)?;
        Ok(tvec!(g.cast(y, dtype)?))
    })
}

/// The greatest (or the least) along `axes`, which stay with length 1. NaN where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Extreme {
    pub(crate) axes: TVec<usize>,
    pub(crate) max: bool,
}

crate::codec::fields! { Extreme { axes, max } }

impl Extreme {
    /// `start` is what is left of nothing.
    fn run<T: Datum + Copy + PartialOrd>(&self, input: &Tensor, start: T) -> TractResult<Tensor> {
        let max = self.max;
        let pick = |a: T, b: T| {
            let better = if max { b > a } else { b < a };
            // NaN differs from itself, and then wins.
            if better || b.partial_cmp(&b).is_none() { b } else { a }
        };
        let mut shape: TVec<usize> = input.shape().into();
        let mut values: Vec<T> = input.try_as_plain_ram()?.as_slice::<T>()?.to_vec();
        for axis in &self.axes {
            let (length, inner) = (shape[*axis], shape[axis + 1..].iter().product::<usize>());
            shape[*axis] = 1;
            let mut out = vec![start; shape.iter().product()];
            if inner == 1 && length > 0 {
                for (out, row) in out.iter_mut().zip(values.chunks_exact(length)) {
                    *out = row.iter().copied().fold(start, pick);
                }
            } else if inner > 0 && length > 0 {
                let slabs = values.chunks_exact(length * inner);
                for (out, slab) in out.chunks_exact_mut(inner).zip(slabs) {
                    for row in slab.chunks_exact(inner) {
                        out.iter_mut().zip(row).for_each(|(o, v)| *o = pick(*o, *v));
                    }
                }
            }
            values = out;
        }
        Tensor::from_shape(&shape, &values)
    }
}

impl Op for Extreme {
    fn name(&self) -> StaticName {
        if self.max { "Extreme<Max>" } else { "Extreme<Min>" }.into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![format!("axes: {:?}", self.axes)])
    }

    op_as_typed_op!();
}

impl EvalOp for Extreme {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let x = &inputs[0];
        macro_rules! whole {
            ($t:ty) => {
                self.run::<$t>(x, if self.max { <$t>::MIN } else { <$t>::MAX })
            };
        }
        let real = if self.max { f64::NEG_INFINITY } else { f64::INFINITY };
        let y = match x.datum_type() {
            DatumType::F32 => self.run(x, real as f32),
            DatumType::F64 => self.run(x, real),
            DatumType::F16 => {
                let y = self.run(x.cast_to::<f32>()?.as_ref(), real as f32)?;
                Ok(y.cast_to_dt(DatumType::F16)?.into_owned())
            }
            DatumType::I8 => whole!(i8),
            DatumType::U8 => whole!(u8),
            DatumType::I32 => whole!(i32),
            DatumType::I64 => whole!(i64),
            DatumType::I16 => whole!(i16),
            DatumType::U16 => whole!(u16),
            DatumType::U32 => whole!(u32),
            DatumType::U64 => whole!(u64),
            other => bail!("{other:?} has no order"),
        }?;
        Ok(tvec!(y.into_tvalue()))
    }
}

impl TypedOp for Extreme {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut shape = inputs[0].shape.clone();
        for axis in &self.axes {
            ensure!(*axis < shape.rank(), "axis {axis} of {shape:?}");
            shape.set(*axis, 1.to_dim());
        }
        Ok(tvec!(inputs[0].datum_type.fact(shape)))
    }

    fn axes_mapping(
        &self,
        inputs: &[&TypedFact],
        outputs: &[&TypedFact],
    ) -> TractResult<AxesMapping> {
        Reduce::new(self.axes.clone(), if self.max { Reducer::Max } else { Reducer::Min })
            .axes_mapping(inputs, outputs)
    }

    fn change_axes(
        &self,
        model: &TypedModel,
        node: &TypedNode,
        _io: InOut,
        change: &AxisOp,
    ) -> TractResult<Option<AxisChangeConsequence>> {
        let axes = self.axes.iter().map(|a| change.transform_axis(*a)).collect::<Option<TVec<_>>>();
        let Some(mut axes) = axes else { return Ok(None) };
        axes.sort_unstable();
        let op = Some(Box::new(Self { axes, max: self.max }) as _);
        Ok(Some(AxisChangeConsequence::new(model, node, op, change)))
    }

    as_op!();
}
