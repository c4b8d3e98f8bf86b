//! `Reshape` to a shape that is known of something whose extents a run makes.
//!
//! In: a tensor, perhaps as long as `NonZero` finds. Out: the same elements in the shape, where there are so many, also where
//! one extent is what the others leave and only a run sees that they divide; the engine's own operator in every other form,
//! which wants to see it while the plan is made.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::either::as_chosen;
use super::host::*;

#[derive(Debug)]
struct Reshape {
    /// The extent that the others leave.
    rest: Symbol,
}

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    if node.input.len() < 2 {
        return super::theirs(ctx, node);
    }
    let ours = host(node, Reshape { rest: ctx.template.symbols.new_with_prefix("x") })?;
    as_chosen(super::theirs(ctx, node)?, ours, |inputs| !is_open(inputs))
}

/// Whether how much there is shows in a run only, and the shape leaves nothing open, or what may not divide.
fn is_open(inputs: &[&TypedFact]) -> bool {
    let [x, shape] = inputs else { return false };
    let known: i64 = x.shape.iter().filter_map(|d| d.to_i64().ok()).fold(1, i64::saturating_mul);
    let settled = |shape: &Arc<Tensor>| {
        let Ok(shape) = i64s(shape) else { return false };
        let wanted = shape.iter().filter(|d| **d > 0).fold(1, |n: i64, d| n.saturating_mul(*d));
        match shape.iter().filter(|d| **d <= 0).collect::<Vec<_>>()[..] {
            [] => true,
            [-1] => known % wanted != 0,
            _ => false,
        }
    };
    x.shape.as_concrete().is_none() && shape.konst.as_ref().is_some_and(settled)
}

impl Host for Reshape {
    fn name(&self) -> &'static str {
        "Reshape"
    }

    fn mints(&self) -> bool {
        true
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let dim = |d: &i64| match d {
            -1 => Ok(self.rest.to_dim()),
            d => usize::try_from(*d).map(|d| d.to_dim()).with_context(|| format!("{d} is no size")),
        };
        let shape = steering(inputs, 1)?.iter().map(dim).collect::<TractResult<TVec<TDim>>>()?;
        Ok(tvec!(need(inputs, 0)?.datum_type.fact(&shape)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (x, mut shape) = (need(inputs, 0)?, i64s(need(inputs, 1)?)?);
        if let Some(at) = shape.iter().position(|d| *d == -1) {
            shape[at] = 1;
            let others = volume(&sizes(&shape)?)?.max(1);
            shape[at] = (x.len() / others) as i64;
        }
        let shape = sizes(&shape)?;
        let fits = volume(&shape)? == x.len();
        ensure!(fits, "a shape of {shape:?} for one of {:?}", x.shape());
        Ok(tvec!(x.clone().into_shape(&shape)?))
    }
}
