//! `ReduceMax` and `ReduceMin` of booleans, which the engine cannot order.
//!
//! In: booleans, and axes. Out: whether any, or all, are true.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct Any {
    max: bool,
    axes: Option<Vec<i64>>,
    keep: bool,
    noop: bool,
}

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    // Booleans came with operator set 20, axes as an input with 18.
    if ctx.onnx_operator_set_version < 18 {
        return super::theirs(ctx, node);
    }
    let flag =
        |name, default: i64| Ok::<_, TractError>(node.get_attr_opt(name)?.unwrap_or(default) != 0);
    let op = Any {
        max: node.op_type == "ReduceMax",
        axes: node.get_attr_opt_vec("axes")?,
        keep: flag("keepdims", 1)?,
        noop: flag("noop_with_empty_axes", 0)?,
    };
    either(super::theirs(ctx, node)?, host(node, op)?, |inputs| {
        inputs[0].datum_type != bool::datum_type()
    })
}

impl Any {
    fn reduced(&self, rank: usize, axes: Option<Vec<i64>>) -> TractResult<Vec<bool>> {
        let axes = axes.or_else(|| self.axes.clone()).unwrap_or_default();
        if axes.is_empty() {
            return Ok(vec![!self.noop; rank]);
        }
        let mut reduced = vec![false; rank];
        for axis in axes {
            reduced[axis_of(axis, rank)?] = true;
        }
        Ok(reduced)
    }

    fn kept<D: Clone>(&self, shape: &[D], reduced: &[bool], one: &D) -> Vec<D> {
        let dims = shape.iter().zip(reduced).filter(|(_, r)| self.keep || !**r);
        dims.map(|(d, r)| if *r { one.clone() } else { d.clone() }).collect()
    }
}

impl Host for Any {
    fn name(&self) -> &'static str {
        if self.max { "ReduceMax" } else { "ReduceMin" }
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let input = need(inputs, 0)?;
        let axes = maybe(inputs, 1).map(|_| steering(inputs, 1)).transpose()?;
        let reduced = self.reduced(input.rank(), axes)?;
        let shape: Vec<TDim> = input.shape.iter().cloned().collect();
        Ok(tvec!(input.datum_type.fact(self.kept(&shape, &reduced, &1.to_dim()))))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let input = need(inputs, 0)?;
        let axes = maybe(inputs, 1).map(i64s).transpose()?;
        let reduced = self.reduced(input.rank(), axes)?;
        let values = i64s(input)?;
        let whole: Vec<usize> =
            input.shape().iter().zip(&reduced).map(|(d, r)| if *r { 1 } else { *d }).collect();
        let mut out = vec![!self.max; volume(&whole)?];
        for (at, value) in coordinates(input.shape()).zip(values) {
            let at: Vec<usize> =
                at.iter().zip(&reduced).map(|(a, r)| if *r { 0 } else { *a }).collect();
            if (value != 0) == self.max {
                out[flat(&at, &whole)] = self.max;
            }
        }
        Ok(tvec!(Tensor::from_shape(&self.kept(input.shape(), &reduced, &1), &out)?))
    }
}
