//! `TreeEnsemble`, of the operator set 5: leaves in lists of their own, and tests of membership.
//!
//! In: a node. Out: a [`Regressor`] of the input's own type.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::super::kernel::{Built, operator};
use super::super::scores::PostTransform;
use super::aggregate::Aggregate;
use super::ensemble::{Ensemble, Mode, Node};
use super::flat::tensor;
use super::regressor::Regressor;

const MODES: [Mode; 7] =
    [Mode::Leq, Mode::Lt, Mode::Gte, Mode::Gt, Mode::Eq, Mode::Neq, Mode::Member];

pub(in super::super::super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    operator(Regressor {
        name: "TreeEnsemble",
        ensemble: ensemble(ctx, node)?,
        aggregate: Aggregate::of_number(node.get_attr_opt("aggregate_function")?.unwrap_or(1))?,
        transform: PostTransform::of_number(node.get_attr_opt("post_transform")?.unwrap_or(0))?,
        base: vec![],
        keep_type: true,
    })
}

fn ensemble(ctx: &ParsingContext, node: &NodeProto) -> TractResult<Ensemble> {
    let ints = |name: &str| -> TractResult<&[i64]> {
        Ok(node.get_attr_opt_slice::<i64>(name)?.unwrap_or_default())
    };
    let reals = |name: &str| -> TractResult<Vec<f64>> {
        tensor(ctx, node, name)?.with_context(|| format!("it has no {name}"))
    };
    let features = ints("nodes_featureids")?;
    let count = features.len();
    let nodes_list = |name: &str| -> TractResult<&[i64]> {
        let list = ints(name)?;
        ensure!(list.len() == count, "{name} has {} entries for {count} nodes", list.len());
        Ok(list)
    };
    let (yes, yes_leaf) = (nodes_list("nodes_truenodeids")?, nodes_list("nodes_trueleafs")?);
    let (no, no_leaf) = (nodes_list("nodes_falsenodeids")?, nodes_list("nodes_falseleafs")?);
    let (modes, splits) = (reals("nodes_modes")?, reals("nodes_splits")?);
    ensure!(
        modes.len() == count && splits.len() == count,
        "it has {count} nodes, {} modes and {} splits",
        modes.len(),
        splits.len()
    );
    let missing = ints("nodes_missing_value_tracks_true")?;
    let (targets, weights) = (ints("leaf_targetids")?, reals("leaf_weights")?);
    ensure!(targets.len() == weights.len(), "leaf_targetids and leaf_weights differ in length");
    let members = tensor(ctx, node, "membership_values")?.unwrap_or_default();
    let mut members = members.split(|m| m.is_nan());

    let mut ensemble =
        Ensemble { targets: node.get_attr_opt("n_targets")?.unwrap_or(0), ..Ensemble::default() };
    // Leaf i becomes the node count + i.
    let place = |id: i64, is_leaf: i64| -> TractResult<u32> {
        let limit = if is_leaf == 0 { count } else { weights.len() };
        let id = usize::try_from(id).ok().filter(|id| *id < limit);
        let id = id.context("a node has no child of the number that it names")?;
        Ok(u32::try_from(if is_leaf == 0 { id } else { count + id })?)
    };
    for ix in 0..count {
        let mode = MODES.get(modes[ix] as usize).copied().context("a node mode is unknown")?;
        let mut value = splits[ix];
        if mode == Mode::Member {
            value = ensemble.sets.len() as f64;
            let set = members.next().context("membership_values lack a set")?;
            ensemble.sets.push(set.to_vec());
        }
        ensemble.nodes.push(Node {
            mode,
            missing_yes: missing.get(ix).is_some_and(|m| *m == 1),
            feature: u32::try_from(features[ix])?,
            value,
            yes: place(yes[ix], yes_leaf[ix])?,
            no: place(no[ix], no_leaf[ix])?,
        });
    }
    for (ix, (target, weight)) in targets.iter().zip(&weights).enumerate() {
        let (mode, yes) = (Mode::Leaf, u32::try_from(ix)?);
        let leaf = Node { mode, missing_yes: false, feature: 0, value: 0.0, yes, no: 1 };
        ensemble.nodes.push(leaf);
        ensemble.weights.push((u32::try_from(*target)?, *weight));
    }
    for root in ints("tree_roots")? {
        ensemble.roots.push(place(*root, 0)?);
    }
    ensemble.checked()
}
