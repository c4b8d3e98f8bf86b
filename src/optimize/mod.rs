//! Rewrites of a typed graph, as two ordered lists: before the engine's own optimiser, and of what it leaves.
//!
//! In: a graph with concrete shapes, as imported. Out: an equivalent graph that the engine runs
//! better. Each pass is one file and one row.

mod axes;
mod batches;
mod binary;
mod bounds;
mod branches;
mod broadcasts;
mod chains;
mod division;
mod empties;
mod engine;
mod extremes;
mod factors;
mod few_bits;
mod finished;
#[cfg(feature = "gpu")]
mod halves;
mod integers;
mod minted;
mod moves;
mod narrow_pools;
mod norms;
mod picks;
mod places;
mod precision;
mod products;
#[cfg(feature = "gpu")]
mod ranges;
mod recurrences;
mod resizes;
mod round_trips;
mod rows;
mod slopes;
mod sound;
mod stride;
mod sums;
mod swishes;
mod transposed;
mod unpacked;
mod unquantised;
mod whole;
mod whole_numbers;
mod windows;

pub(crate) use binary::{Ordered, Power, Times};
pub(crate) use bounds::{BadValue, CheckDivisors, CheckIndices, held};
pub(crate) use branches::has_branches;
#[cfg(feature = "gpu")]
pub(crate) use broadcasts::release_broadcasts;
#[cfg(feature = "gpu")]
pub(crate) use engine::fold;
#[cfg(feature = "gpu")]
pub(crate) use halves::{HALF, Halves, forget_halves};
#[cfg(feature = "gpu")]
pub(crate) use norms::norms;
#[cfg(feature = "gpu")]
pub(crate) use resizes::onnx_plan;
pub(crate) use sound::{check, check_all};
pub(crate) use stride::Stride;

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::cast::Cast;

type Pass = fn(TypedModel) -> TractResult<TypedModel>;

/// What the graph is rewritten for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Cpu,
    /// Whose kernels are chosen from the engine's own operators.
    #[cfg(feature = "gpu")]
    Gpu,
}

/// The passes in the order in which they run, and whether they are for every target or give operators that only one
/// has.
const PASSES: &[(&str, Pass, Option<Target>)] = &[
    ("half_to_single", precision::half_to_single, None),
    ("extremes", extremes::extremes, Some(Target::Cpu)),
    ("division", division::division, Some(Target::Cpu)),
    ("check_indices", bounds::check_indices, None),
    ("check_divisors", bounds::check_divisors, None),
    ("round_trips", round_trips::round_trips, Some(Target::Cpu)),
    ("empties", empties::empties, None),
    ("slopes", slopes::slopes, Some(Target::Cpu)),
    #[cfg(feature = "gpu")]
    ("ranges", ranges::ranges, Some(Target::Gpu)),
    #[cfg(feature = "gpu")]
    ("unquantised", unquantised::unquantised, Some(Target::Gpu)),
    ("empty_sums", sums::empty_sums, None),
    ("swishes", swishes::swishes, Some(Target::Cpu)),
    ("narrow_pools", narrow_pools::narrow_pools, Some(Target::Cpu)),
    ("windows", windows::windows, Some(Target::Cpu)),
    ("factors", factors::factors, None),
    ("unquantised_products", unquantised::unquantised_products, Some(Target::Cpu)),
    ("products", products::products, Some(Target::Cpu)),
    ("recurrences", recurrences::recurrences, None),
    ("keep_strides", stride::keep_strides, None),
    ("keep_binary", binary::keep_binary, None),
    ("integer_products", integers::integer_products, None),
    ("keep_broadcasts", broadcasts::keep_broadcasts, None),
];

/// What replaces a node, and perhaps others around it.
type Rule = fn(&TypedModel, &TypedNode) -> TractResult<Option<TypedModelPatch>>;

/// Rules for a canonical graph that the CPU is to run, each for all nodes before the next one.
const LAST_RULES: &[(&str, Rule)] = &[
    ("branches", branches::branches),
    ("channels", slopes::channels),
    ("norms", norms::normalisation),
    ("transposed", transposed::transposed),
    ("unpacked", unpacked::unpacked),
    ("few_bits", few_bits::few_bits),
    ("whole", whole::whole),
    ("finished", finished::finished),
    // Before the rows, of which it takes the short ones.
    ("axes", axes::axes),
    ("rows", rows::rows),
    ("batches", batches::batch),
    ("resizes", resizes::resizes),
    ("picks", picks::picks),
    ("moves", moves::moved),
    ("whole_numbers", whole_numbers::whole_numbers),
];

/// Applies the last rules, and makes chains of what they left.
fn finish(model: &mut TypedModel) -> TractResult<()> {
    for (name, rule) in LAST_RULES {
        for id in model.eval_order()? {
            let patch = rule(model, model.node(id));
            if let Some(patch) = patch.with_context(|| format!("in the rule {name}"))? {
                patch.apply(model)?;
            }
        }
    }
    chains::chains(model).context("in the pass chains")
}

/// The value of a wire, also where it takes some shaping to get at it.
fn constant(model: &TypedModel, outlet: OutletId) -> TractResult<Option<Arc<Tensor>>> {
    if let Some(konst) = &model.outlet_fact(outlet)?.konst {
        return Ok(Some(Arc::clone(konst)));
    }
    let node = model.node(outlet.node);
    rule_if!(node.op_is::<AxisOp>() || node.op_is::<Cast>());
    rule_if_some!(input = constant(model, node.inputs[0])?);
    rule_if_some!(outputs = node.op.eval_out_of_plan(tvec!(input.into_tvalue()))?);
    Ok(outputs.into_iter().next().map(TValue::into_arc_tensor))
}

/// A graph in its canonical form.
pub(crate) fn declutter(model: &mut TypedModel) -> TractResult<()> {
    minted::kept(model, |model| {
        engine::declutter(model)?;
        broadcasts::restore(model)
    })
}

/// A canonical graph in the form that runs on the CPU.
pub(crate) fn lower(model: &mut TypedModel) -> TractResult<()> {
    finish(model)?;
    engine::lower(model)
}

/// A graph that is run while another one is made: with what keeps it from reading what is not there.
pub(crate) fn guarded(model: TypedModel) -> TractResult<TypedModel> {
    let passes: [Pass; 4] =
        [bounds::check_indices, bounds::check_divisors, empties::empties, sums::empty_sums];
    let mut model = passes.iter().try_fold(model, |model, pass| pass(model))?;
    broadcasts::restore(&mut model)?;
    check_all(&model)?;
    Ok(model)
}

/// Runs all passes.
pub(crate) fn rewrite(model: TypedModel, target: Target) -> TractResult<TypedModel> {
    PASSES
        .iter()
        .filter(|(.., only)| only.is_none_or(|t| t == target))
        .try_fold(model, |model, (name, pass, _)| {
            pass(model).map_err(|e| e.context(format!("in the pass {name}")))
        })
}

/// The part of a graph for the GPU that stays on the CPU, as the CPU likes it.
#[cfg(feature = "gpu")]
pub(crate) fn rest(model: TypedModel) -> TractResult<TypedModel> {
    let model = products::products(windows::windows(model)?)?;
    let mut model = recurrences::recurrences(model)?;
    lower(&mut model)?;
    Ok(model)
}
