//! `Equal`, also of booleans, which the engine's comparison does not take, and of extents.
//!
//! In: two tensors that broadcast. Out: booleans. The engine's comparison says of an extent that only a run tells that it is no
//! number, and this for good, while the plan is made: a graph that asks whether nothing was found would never hear it. So such
//! extents are bounded from both sides, which waits for the run; only what is surely so, as that no extent is -1, is known before.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::broadcast::multi_broadcast;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::{and, comp_eq, comp_gte, comp_lte};
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};
use super::wires::Wires;

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, |g, inputs| {
        let (a, b) = (inputs.need(0)?, inputs.need(1)?);
        let types = [g.dtype(a)?, g.dtype(b)?];
        let common = match DatumType::super_type_for(types).context("the types differ")? {
            DatumType::Bool => DatumType::U8,
            other => other,
        };
        let (a, b) = (g.cast(a, common)?, g.cast(b, common)?);
        if common == TDim::datum_type() {
            return Ok(tvec!(extents(g, a, b)?));
        }
        Ok(tvec!(g.binary(TypedBinOp(comp_eq(), None), a, b)?))
    })
}

fn extents(g: &mut Wires<'_>, a: OutletId, b: OutletId) -> TractResult<OutletId> {
    if let (Some(a), Some(b)) = (&g.fact(a)?.konst, &g.fact(b)?.konst)
        && let Some(equal) = known(a, b)?
    {
        return g.constant(equal);
    }
    let least = g.binary(TypedBinOp(comp_gte(), None), a, b)?;
    let most = g.binary(TypedBinOp(comp_lte(), None), a, b)?;
    g.binary(and(), least, most)
}

/// Which of these are equal, where that is certain of all of them.
fn known(a: &Tensor, b: &Tensor) -> TractResult<Option<Tensor>> {
    let shape = multi_broadcast(&[a.shape(), b.shape()])?;
    let (a, b) = (a.to_plain_array_view::<TDim>()?, b.to_plain_array_view::<TDim>()?);
    let (a, b) = (a.broadcast(&*shape), b.broadcast(&*shape));
    let (a, b) = (a.context("no such shape")?, b.context("no such shape")?);
    let equal = a.iter().zip(b.iter()).map(|(a, b)| same(a, b)).collect::<Option<Vec<bool>>>();
    equal.map(|equal| Tensor::from_shape(&shape, &equal)).transpose()
}

fn same(a: &TDim, b: &TDim) -> Option<bool> {
    let negative = |d: &TDim| d.to_i64().is_ok_and(|d| d < 0);
    if negative(a) && counts(b) || negative(b) && counts(a) {
        return Some(false);
    }
    (a.clone() - b).to_i64().ok().map(|difference| difference == 0)
}

/// Whether it is made of extents in a way that cannot be negative.
pub(super) fn counts(d: &TDim) -> bool {
    match d {
        TDim::Val(value) => *value >= 0,
        TDim::Sym(_) => true,
        TDim::Add(parts) | TDim::Mul(parts) => parts.iter().all(counts),
        TDim::MulInt(times, part) => *times >= 0 && counts(part),
        TDim::Div(part, _) => counts(part),
        _ => false,
    }
}
