//! Rewrites of a typed graph before the engine's own optimiser, as an ordered list.
//!
//! In: a graph with concrete shapes, as imported. Out: an equivalent graph that the engine runs
//! better. Each pass is one file and one row.

mod bounds;
mod convolutions;
mod engine;
mod precision;

pub(crate) use engine::{declutter, lower};
use tract_onnx::prelude::{TractResult, TypedModel};

type Pass = fn(TypedModel) -> TractResult<TypedModel>;

/// The passes in the order in which they run.
const PASSES: &[(&str, Pass)] = &[
    ("half_to_single", precision::half_to_single),
    ("check_indices", bounds::check_indices),
    ("convolutions", convolutions::convolutions),
];

/// Runs all passes.
pub(crate) fn rewrite(model: TypedModel) -> TractResult<TypedModel> {
    PASSES.iter().try_fold(model, |model, (name, pass)| {
        pass(model).map_err(|e| e.context(format!("in the pass {name}")))
    })
}
