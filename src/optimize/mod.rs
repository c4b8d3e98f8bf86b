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

/// What the graph is rewritten for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Cpu,
    /// Whose kernels are chosen from the engine's own operators.
    #[cfg(feature = "gpu")]
    Gpu,
}

/// The passes in the order in which they run.
const PASSES: &[(&str, Pass)] = &[
    ("half_to_single", precision::half_to_single),
    ("check_indices", bounds::check_indices),
    ("convolutions", convolutions::convolutions),
];

/// Runs all passes.
pub(crate) fn rewrite(model: TypedModel, target: Target) -> TractResult<TypedModel> {
    PASSES.iter().try_fold(model, |model, (name, pass)| {
        if target != Target::Cpu && *name == "convolutions" {
            return Ok(model);
        }
        pass(model).map_err(|e| e.context(format!("in the pass {name}")))
    })
}

/// The part of a graph for the GPU that stays on the CPU, as the CPU likes it.
#[cfg(feature = "gpu")]
pub(crate) fn rest(model: TypedModel) -> TractResult<TypedModel> {
    let mut model = convolutions::convolutions(model)?;
    lower(&mut model)?;
    Ok(model)
}
