//! `LSTM` without an initial state, of several rows: the state is wired in as zeros.
//!
//! In: as LSTM. Out: the engine's own LSTM. Its optimiser goes wrong over hidden and cell state where both
//! come from one place, as equal constants do; so each gets zeros of its own making.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::MultiBroadcastTo;
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::logic::{comp_gt, comp_gte};
use tract_onnx::tract_hir::internal::*;

use super::host::either;
use super::lower::{Built, Inputs, lowered, their_whole};
use super::wires::Wires;

/// The inputs of the initial hidden and cell state.
const STATES: [usize; 2] = [5, 6];

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let given = |at: usize| node.input.get(at).is_some_and(|n| !n.is_empty());
    if STATES.into_iter().all(given) {
        return super::theirs(ctx, node);
    }
    let batch_first = node.get_attr_opt("layout")?.unwrap_or(0i64) == 1;
    let batch = usize::from(!batch_first);
    let positions: Vec<usize> = (0..8).filter(|at| given(*at) || STATES.contains(at)).collect();
    let mut whole = node.clone();
    whole.output = ["y", "y_h", "y_c"].map(str::to_owned).to_vec();
    whole.input = (0..8)
        .map(|at| if positions.contains(&at) { at.to_string() } else { String::new() })
        .collect();
    let lstm = their_whole(ctx, &whole)?;
    let ours = lowered(node, move |g, inputs| {
        let zeros = [zeros(g, inputs, batch, comp_gt())?, zeros(g, inputs, batch, comp_gte())?];
        let all = positions.iter().map(|at| match inputs.get(*at) {
            Some(input) => Ok(input),
            None => match STATES.iter().position(|state| state == at) {
                Some(state) => Ok(zeros[state]),
                None => bail!("input {at} is missing"),
            },
        });
        g.parts(&lstm, &all.collect::<TractResult<TVec<_>>>()?)
    })?;
    // One row moves nowhere.
    either(super::theirs(ctx, node)?, ours, move |inputs| inputs[0].shape[batch] == 1.to_dim())
}

/// Zeros of a state's shape: whether numbers of the input compare with NaN, which none does.
fn zeros(
    g: &mut Wires<'_>,
    inputs: &Inputs,
    batch: usize,
    compare: Box<dyn BinMiniOp>,
) -> TractResult<OutletId> {
    let (x, r) = (inputs.need(0)?, inputs.need(2)?);
    let (shape, weights) = (g.shape(x)?, g.shape(r)?);
    let nan = g.like(x, f32::NAN)?;
    let first = g.slice(x, 2, 0.to_dim(), 1.to_dim())?;
    let first = g.slice(first, 1 - batch, 0.to_dim(), 1.to_dim())?;
    let never = g.binary(TypedBinOp(compare, None), first, nan)?;
    let zero = g.cast(never, g.dtype(x)?)?;
    let mut state = tvec!(weights[0].clone(), weights[0].clone(), weights[2].clone());
    state[batch] = shape[batch].clone();
    g.op(MultiBroadcastTo::new(ShapeFact::from_dims(state)), &[zero])
}
