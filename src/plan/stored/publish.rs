//! Plans to be published.
//!
//! In: a graph before shapes, and the shapes. Out: the plan's bytes, once they were read back and found to be the same.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::{graph, typed};
use crate::codec::Writer;
use crate::error::{ErrorKind, Result};
use crate::guard::guarded;
use crate::model::{Builder, Graph, StoredPlan};
use crate::optimize::Target;
use crate::plan::{PlanKey, plan_error, specialise};

/// Plans `graph` for `key`, in which no tensor takes more than `max_bytes`, and adds the plan to the form; what has no
/// bytes is an error that says so.
pub(crate) fn publish(
    graph: Graph,
    key: &PlanKey,
    max_bytes: u64,
    form: &mut Builder,
) -> Result<()> {
    let before = form.mark();
    let stored = write(graph, key, max_bytes, form);
    match stored {
        Ok(stored) => form.plan(stored),
        Err(error) => {
            form.back(before);
            return Err(error);
        }
    }
    Ok(())
}

fn write(graph: Graph, key: &PlanKey, max_bytes: u64, form: &mut Builder) -> Result<StoredPlan> {
    guarded(ErrorKind::CannotPlan, "planning the model", || {
        let planned = specialise(graph, key, max_bytes, Target::Cpu);
        let (model, outputs) = planned.map_err(|e| plan_error(key, e))?;
        let unwritten =
            |e: TractError| crate::Error::new(ErrorKind::CannotPlan, e.to_string()).with_source(e);
        let mut to = Writer::new(Some(&mut *form));
        let written = graph::write(&model, &mut to).map(|()| to.bytes);
        let inputs = key.inputs.iter().map(|i| (i.dtype, i.shape.clone())).collect();
        let stored = StoredPlan { inputs, outputs, graph: written.map_err(unwritten)? };
        same(&model, &stored, form).map_err(unwritten)?;
        Ok(stored)
    })
}

/// Whether a plan gives its graph back, node by node.
fn same(model: &TypedModel, stored: &StoredPlan, form: &Builder) -> TractResult<()> {
    let read = typed(stored, form)?;
    let facts = |model: &TypedModel| -> HashMap<String, Vec<(DatumType, ShapeFact)>> {
        let fact = |o: &Outlet<TypedFact>| (o.fact.datum_type, o.fact.shape.clone());
        let facts = |node: &TypedNode| (node.name.clone(), node.outputs.iter().map(fact).collect());
        model.nodes.iter().map(facts).collect()
    };
    let written = facts(model);
    for (name, made) in facts(&read) {
        let wanted = written.get(&name);
        ensure!(wanted == Some(&made), "`{name}` makes {made:?} as read, not {wanted:?}");
    }
    Ok(())
}
