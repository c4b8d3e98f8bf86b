//! The engine's own optimiser, run by a loop of ours.
//!
//! In: a graph and tract's list of passes. Out: the same graph as tract's own loop gives. The one
//! decision: the passes are tract's, the loop is not. tract compares each new node with all nodes of the
//! graph, constants by value, and runs every pass again until a whole round finds nothing; that is most
//! of the time between a file and its first run. Here a patch costs what it touches, and a pass runs
//! again only on a graph that changed since it found nothing.

use std::collections::HashSet;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::dummy::Dummy;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::source::TypedSource;
use tract_onnx::tract_core::optim::Optimizer;

use crate::limit;

/// A graph in its canonical form, as the rewrites want it.
pub(super) fn declutter(model: &mut TypedModel) -> TractResult<()> {
    run(&Optimizer::declutter(), model, |_| true)
}

/// What is constant is computed; all else stays.
#[cfg(feature = "gpu")]
pub(crate) fn fold(model: &mut TypedModel) -> TractResult<()> {
    run(&Optimizer::prop_consts(), model, |_| false)
}

/// A canonical graph in the form that runs: kernels chosen, weights packed.
pub(super) fn lower(model: &mut TypedModel) -> TractResult<()> {
    // The only pass here that works on the graph itself merges the axes of these.
    run(&Optimizer::codegen(), model, |model| model.nodes.iter().any(|n| n.op_is::<EinSum>()))
}

/// `direct` tells whether passes that work on the graph itself have anything to do there.
fn run(
    optimizer: &Optimizer,
    model: &mut TypedModel,
    direct: fn(&TypedModel) -> bool,
) -> TractResult<()> {
    let _proofs = model.symbols.proof_cache_session();
    let mut session = optimizer.session();
    let mut passes = optimizer.passes.clone();
    // The version of the graph in which a pass last found nothing.
    let mut clean = vec![None; passes.len()];
    let mut version = 0u64;
    let mut once = HashSet::new();
    model.compact()?;
    let mut names: HashSet<String> = model.nodes.iter().map(|n| n.name.clone()).collect();
    loop {
        let mut found = false;
        for (pass, clean) in passes.iter_mut().zip(&mut clean) {
            while *clean != Some(version) {
                let before = version;
                pass.reset()?;
                while let Some(mut patch) = pass.next(&mut session, model)? {
                    if patch.dont_apply_twice.take().is_some_and(|p| !once.insert(p)) {
                        continue;
                    }
                    apply(patch, model, &mut names).with_context(|| format!("in {pass:?}"))?;
                    version += 1;
                }
                found |= version != before;
                *clean = Some(before);
                if direct(model) && pass.run_direct(model)? {
                    // Not counted as a find: a pass of this kind reports a change every time.
                    version += 1;
                    *clean = Some(version);
                    names = model.nodes.iter().map(|n| n.name.clone()).collect();
                }
                model.compact()?;
            }
        }
        if !found {
            return Ok(());
        }
    }
}

/// Puts the nodes of a patch into the graph, and takes out what they replace.
fn apply(
    patch: TypedModelPatch,
    model: &mut TypedModel,
    names: &mut HashSet<String>,
) -> TractResult<()> {
    let TypedModelPatch { model: patch, taps, shunts, obliterate, inputs: replaced, .. } = patch;
    let mut wires = taps;
    let mut added = vec![];
    for node in patch.nodes {
        let source = node.op_is::<TypedSource>();
        if source && wires.contains_key(&OutletId::new(node.id, 0)) {
            continue;
        }
        let slots = node.outputs.len();
        for output in &node.outputs {
            // A later pass may compute it.
            limit::check_fact(
                || format!("node `{}` ({})", node.name, node.op.name()),
                &output.fact,
            )?;
        }
        let facts = node.outputs.into_iter().map(|o| o.fact).collect();
        let id = model.add_node(node.name, node.op, facts)?;
        wires.extend((0..slots).map(|s| (OutletId::new(node.id, s), OutletId::new(id, s))));
        if source && let Some(old) = replaced.get(&node.id) {
            model.inputs.iter_mut().filter(|i| i.node == *old).for_each(|i| i.node = id);
        }
        added.push((id, node.inputs));
    }
    let find = |outlet: &OutletId| {
        wires.get(outlet).copied().with_context(|| format!("a patch has no wire {outlet:?}"))
    };
    let mut shunts: Vec<_> = shunts.into_iter().collect();
    shunts.sort();
    for (old, new) in &shunts {
        let new = find(new)?;
        let readers = std::mem::take(&mut model.nodes[old.node].outputs[old.slot].successors);
        for reader in readers {
            model.add_edge(new, reader)?;
        }
        model.outputs.iter_mut().filter(|o| *o == old).for_each(|o| *o = new);
        if let Some(label) = model.outlet_labels.remove(old) {
            model.set_outlet_label(new, label)?;
        }
    }
    for (id, inputs) in &added {
        for (slot, input) in inputs.iter().enumerate() {
            model.add_edge(find(input)?, InletId::new(*id, slot))?;
        }
    }
    for id in obliterate {
        model.nodes[id].op = Box::new(Dummy::new());
    }
    let replaced = shunts.into_iter().map(|(old, _)| old.node).collect();
    remove_unused(model, replaced, names);
    for (id, _) in added {
        let node = &mut model.nodes[id];
        name(node, names);
    }
    Ok(())
}

/// Takes out those of `candidates` whose outputs nobody reads, and then what only they read.
fn remove_unused(model: &mut TypedModel, mut candidates: Vec<usize>, names: &mut HashSet<String>) {
    while let Some(id) = candidates.pop() {
        let kept = model.outputs.iter().chain(&model.inputs).any(|o| o.node == id);
        let node = &mut model.nodes[id];
        if kept || node.outputs.iter().any(|o| !o.successors.is_empty()) {
            continue;
        }
        node.op = Box::new(Dummy::new());
        // With its facts go its constants.
        node.outputs.clear();
        names.remove(&std::mem::take(&mut node.name));
        for input in std::mem::take(&mut node.inputs) {
            let made = &mut model.nodes[input.node].outputs[input.slot];
            made.successors.retain(|reader| reader.node != id);
            candidates.push(input.node);
        }
    }
}

/// A new node keeps its name if no other has it; what follows a `#` was made up by the patch.
fn name(node: &mut TypedNode, names: &mut HashSet<String>) {
    let base = node.name.split_once('#').map_or(&*node.name, |(base, _)| base).to_owned();
    let numbered = (1..).map(|n: usize| format!("{base}.{n}"));
    let mut candidates = std::iter::once(base.clone()).chain(numbered);
    if let Some(free) = candidates.find(|c| !names.contains(c)) {
        names.insert(free.clone());
        node.name = free;
    }
}
