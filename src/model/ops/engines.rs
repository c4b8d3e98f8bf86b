//! The engine's own operators, called so that they do not look at what is not there.
//!
//! In: an operator of the importer and what it reads. Out: what it makes, ahead of a plan or in a typed graph. Their wiring
//! computes with constants as it goes, and takes a node to have as many outputs as there might be.

use tract_onnx::tract_core::ops::array::GatherNd;
use tract_onnx::tract_core::ops::source::TypedSource;
use tract_onnx::tract_hir::internal::*;

use crate::limit;
use crate::optimize;

/// Largest result in bytes that is computed before the plan is made.
pub(super) const MOST_AHEAD: usize = 64 << 20;

/// Adds an operator over these to a graph.
type Wire<'a> = dyn Fn(&mut TypedModel, &[OutletId]) -> TractResult<TVec<OutletId>> + 'a;

/// What an operator makes of these, before there is a plan, if it is not too much. The engine's own go through a graph,
/// which is checked as any.
pub(super) fn ahead(
    op: &dyn InferenceOp,
    inputs: TVec<TValue>,
) -> TractResult<Option<TVec<TValue>>> {
    let op = op.as_op();
    let expansion = op.downcast_ref::<Box<dyn Expansion>>();
    // It is in a graph as it is imported, and trusts its indices there as well.
    let picks = op.downcast_ref::<GatherNd>();
    let wire: &Wire<'_> = match (expansion, picks) {
        (Some(expansion), _) if !expansion.runs_out_of_plan() => return Ok(None),
        (Some(expansion), _) => &|graph, wires| expansion.wire("ahead", graph, wires),
        (None, Some(op)) => &|graph, wires| graph.wire_node("ahead", op.clone(), wires),
        (None, None) => return op.eval_out_of_plan(inputs),
    };
    let mut graph = TypedModel::default();
    let mut wires = tvec!();
    for (at, input) in inputs.iter().enumerate() {
        let mut fact = TypedFact::try_from(input.clone().into_arc_tensor())?;
        if picks.is_some() {
            // What is known would be picked as soon as it is wired, before anything is checked.
            fact = fact.without_value();
        }
        wires.push(graph.add_source(format!("input.{at}"), fact)?);
    }
    let outputs = wire(&mut graph, &wires)?;
    graph.select_output_outlets(&outputs)?;
    let graph = optimize::guarded(graph)?;
    for node in &graph.nodes {
        for output in &node.outputs {
            limit::check_fact(|| format!("`{}` ({})", node.name, node.op.name()), &output.fact)?;
            if bytes(&output.fact) > MOST_AHEAD {
                return Ok(None);
            }
        }
    }
    graph.into_runnable()?.run(inputs).map(Some)
}

fn bytes(fact: &TypedFact) -> usize {
    let size = fact.datum_type.size_of();
    fact.shape.as_concrete().map_or(0, |s| s.iter().fold(size, |n, d| n.saturating_mul(*d)))
}

/// An operator in a typed graph. The engine's own may make more outputs than the node has, and then looks at facts that
/// are not there.
pub(super) fn wired(
    op: &dyn InferenceOp,
    source: &InferenceModel,
    node: &InferenceNode,
    target: &mut TypedModel,
    mapping: &HashMap<OutletId, OutletId>,
) -> TractResult<TVec<OutletId>> {
    let Some(expansion) = op.as_op().downcast_ref::<Box<dyn Expansion>>() else {
        return op.to_typed(source, node, target, mapping);
    };
    let inputs = node.inputs.iter().map(|i| mapping.get(i).copied());
    let inputs = inputs.collect::<Option<Vec<_>>>().context("an input of no node")?;
    let (name, prefix) = (expansion.name(), &node.name);
    let mut outputs =
        expansion.wire_with_inference_model_and_node(prefix, source, node, target, &inputs)?;
    ensure!(outputs.len() >= node.outputs.len(), "{name} makes {} outputs", outputs.len());
    outputs.truncate(node.outputs.len());
    for (at, (outlet, output)) in outputs.iter().zip(&node.outputs).enumerate() {
        let made = InferenceFact::from(target.outlet_fact(*outlet)?);
        let fits = output.fact.clone().unify_with(&made).is_ok();
        ensure!(fits, "{name} makes an output {at} of {made:?} instead of {:?}", output.fact);
    }
    Ok(outputs)
}

/// Whether a tensor has no elements and is no list of extents or axes: the engine's kernels take it for one that has.
pub(super) fn is_void(tensor: &Tensor) -> bool {
    use DatumType::{I32, I64, TDim};
    tensor.len() == 0 && !matches!(tensor.datum_type(), I32 | I64 | TDim)
}

/// Takes the values of inputs from the wiring, where it must not compute with them at once: those of a `product`, which is
/// checked first, and what has no elements.
pub(super) fn forget_values(
    target: &mut TypedModel,
    inputs: &[OutletId],
    mapping: &HashMap<OutletId, OutletId>,
    product: bool,
) -> TractResult<()> {
    let outlets = inputs.iter().filter_map(|i| mapping.get(i).copied()).collect::<TVec<_>>();
    for outlet in outlets {
        let fact = target.outlet_fact(outlet)?;
        let void = fact.konst.as_ref().is_some_and(|k| is_void(k));
        let late = product || void;
        // In a patch an input is a source, whatever it is outside.
        if late && target.node(outlet.node).op_is::<TypedSource>() {
            let fact = fact.without_value();
            target.set_outlet_fact(outlet, fact)?;
        }
    }
    Ok(())
}
