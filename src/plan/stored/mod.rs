//! Plans of a published model: graphs that were imported, rewritten and decluttered when it was published.
//!
//! In: bytes, and the constants that they name. Out: a [`Plan`] as importing gives it, in less than a fifth of the
//! time. What is left for loading depends on the machine: kernels are chosen, weights packed.

mod graph;
mod operators;
#[cfg(feature = "native")]
mod publish;
mod sound;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::Plan;
use crate::codec::{Constants, Reader};
use crate::error::{Error, ErrorKind, Result};
use crate::guard::guarded;
use crate::model::{Published, StoredPlan};
use crate::optimize;

#[cfg(feature = "native")]
pub(crate) use publish::publish;

/// Raised with every change of what a graph's bytes mean, and of what the rewrites make of a model: plans of another
/// number are not believed.
pub(crate) const EDITION: u64 = 1;

impl Plan {
    /// A plan of a published model; the last one where the model is not `kept`: its constants then go as they are
    /// packed.
    pub(crate) fn read(
        stored: &StoredPlan,
        published: &Published,
        kept: bool,
        max_bytes: u64,
    ) -> Result<Self> {
        guarded(ErrorKind::InvalidModel, "reading a published plan", || {
            let outputs = stored.outputs.clone();
            let typed = typed(stored, published);
            if !kept {
                published.forget();
            }
            typed.and_then(|typed| Self::lowered(typed, outputs, max_bytes)).map_err(|e| {
                super::too_much(&e).unwrap_or_else(|| {
                    let text = "the published form is damaged, or was not made by nearside";
                    Error::new(ErrorKind::InvalidModel, text).with_source(e)
                })
            })
        })
    }
}

fn typed(stored: &StoredPlan, constants: &dyn Constants) -> TractResult<TypedModel> {
    let mut from = Reader::new(&stored.graph, constants);
    let typed = graph::read(&mut from)?;
    ensure!(from.is_empty(), "there is more than the graph");
    ensure!(typed.outputs.len() == stored.outputs.len(), "another number of outputs");
    ensure!(typed.inputs.len() == stored.inputs.len(), "another number of inputs");
    for (outlet, (_, shape)) in typed.inputs.iter().zip(&stored.inputs) {
        let fact = typed.outlet_fact(*outlet)?;
        ensure!(fact.shape.as_concrete() == Some(&shape[..]), "an input of shape {:?}", fact.shape);
    }
    // Checks that a rewrite has put before indices are there already; a file may have lost them.
    optimize::guarded(typed)
}
