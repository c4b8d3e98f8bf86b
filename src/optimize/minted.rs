//! Extents that only a run knows stay known to it.
//!
//! In: a graph, and what makes it canonical. Out: the canonical graph. What gives as many elements as it finds, as `NonZero`
//! does, names that number for all shapes behind it. Where the optimiser drops its values and keeps a shape, nobody would
//! bind the name; so those values are outputs then, behind the graph's own, which nobody reads.

use std::collections::HashSet;

use tract_onnx::prelude::*;

/// Makes a graph canonical by `work`.
pub(super) fn kept(
    model: &mut TypedModel,
    work: impl Fn(&mut TypedModel) -> TractResult<()>,
) -> TractResult<()> {
    let makers: Vec<usize> =
        model.nodes.iter().filter(|n| n.op.mints_runtime_symbols()).map(|n| n.id).collect();
    if makers.is_empty() {
        return work(model);
    }
    let before = model.clone();
    work(model)?;
    if unbound(model)? {
        *model = before;
        model.outputs.extend(makers.iter().map(|id| OutletId::new(*id, 0)));
        work(model)?;
    }
    Ok(())
}

/// Whether a shape has a name that no operator gives to a number.
fn unbound(model: &TypedModel) -> TractResult<bool> {
    let of_inputs = model.input_outlets()?.iter().map(|o| model.outlet_fact(*o));
    let mut bound = HashSet::new();
    for fact in of_inputs {
        bound.extend(symbols(fact?));
    }
    let live = model.eval_order()?;
    let nodes = || live.iter().map(|id| model.node(*id));
    for node in nodes().filter(|n| n.op.mints_runtime_symbols()) {
        bound.extend(node.outputs.iter().flat_map(|o| symbols(&o.fact)));
    }
    let mut used = nodes().flat_map(|n| n.outputs.iter().flat_map(|o| symbols(&o.fact)));
    Ok(used.any(|symbol| !bound.contains(&symbol)))
}

fn symbols(fact: &TypedFact) -> Vec<Symbol> {
    let dims = fact.konst.as_ref().filter(|k| k.datum_type() == TDim::datum_type());
    let plain = dims.and_then(|k| k.try_as_plain_ram().ok());
    let dims = plain.as_ref().and_then(|k| k.as_slice::<TDim>().ok()).unwrap_or_default();
    fact.shape.iter().chain(dims).flat_map(|d| d.symbols()).collect()
}
