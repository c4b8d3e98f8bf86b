//! The attributes of the operator sets 1 to 4: parallel lists, leaves among the nodes.
//!
//! In: a node. Out: an ensemble. A tree's root is the first node that bears its number; weights of a
//! node that is no leaf are ignored, as old converters wrote some.

use std::collections::HashMap;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{NodeProto, TensorProto};
use tract_onnx::tensor::load_tensor;
use tract_onnx::tract_hir::internal::*;

use super::ensemble::{Ensemble, Mode, Node};

/// A list of floats, given as such or as the tensor `<name>_as_tensor`.
pub(super) fn reals(ctx: &ParsingContext, node: &NodeProto, name: &str) -> TractResult<Vec<f64>> {
    if let Some(floats) = node.get_attr_opt_slice::<f32>(name)?
        && !floats.is_empty()
    {
        return Ok(floats.iter().copied().map(f64::from).collect());
    }
    Ok(tensor(ctx, node, &format!("{name}_as_tensor"))?.unwrap_or_default())
}

/// A tensor attribute as float64.
pub(super) fn tensor(
    ctx: &ParsingContext,
    node: &NodeProto,
    name: &str,
) -> TractResult<Option<Vec<f64>>> {
    let Some(tensor) = node.get_attr_opt::<&TensorProto>(name)? else { return Ok(None) };
    if tensor.data_type == 0 {
        return Ok(None);
    }
    let tensor = load_tensor(&*ctx.framework.provider, tensor, None)?;
    let floats = tensor.cast_to::<f64>()?;
    Ok(Some(floats.try_as_plain_ram()?.as_slice::<f64>()?.to_vec()))
}

fn mode(name: &[u8]) -> TractResult<Mode> {
    Ok(match name {
        b"BRANCH_LEQ" => Mode::Leq,
        b"BRANCH_LT" => Mode::Lt,
        b"BRANCH_GTE" => Mode::Gte,
        b"BRANCH_GT" => Mode::Gt,
        b"BRANCH_EQ" => Mode::Eq,
        b"BRANCH_NEQ" => Mode::Neq,
        b"LEAF" => Mode::Leaf,
        other => bail!("the node mode {} is unknown", String::from_utf8_lossy(other)),
    })
}

/// `prefix` is that of the leaves' lists: `class` or `target`.
pub(super) fn ensemble(
    ctx: &ParsingContext,
    node: &NodeProto,
    prefix: &str,
    targets: usize,
) -> TractResult<Ensemble> {
    let ints = |name: &str| -> TractResult<&[i64]> {
        Ok(node.get_attr_opt_slice::<i64>(name)?.unwrap_or_default())
    };
    let modes = node.get_attr_opt_slice::<Vec<u8>>("nodes_modes")?.unwrap_or_default();
    let count = modes.len();
    let nodes_list = |name: &str| -> TractResult<&[i64]> {
        let list = ints(name)?;
        ensure!(list.len() == count, "{name} has {} entries for {count} nodes", list.len());
        Ok(list)
    };
    let (trees, ids) = (nodes_list("nodes_treeids")?, nodes_list("nodes_nodeids")?);
    let (yes, no) = (nodes_list("nodes_truenodeids")?, nodes_list("nodes_falsenodeids")?);
    let features = nodes_list("nodes_featureids")?;
    let values = reals(ctx, node, "nodes_values")?;
    ensure!(values.len() == count, "nodes_values has {} entries for {count} nodes", values.len());
    let missing = ints("nodes_missing_value_tracks_true")?;

    let mut at: HashMap<(i64, i64), usize> = HashMap::with_capacity(count);
    for (ix, key) in trees.iter().copied().zip(ids.iter().copied()).enumerate() {
        ensure!(at.insert(key, ix).is_none(), "tree {} has two nodes {}", key.0, key.1);
    }
    let leaves = leaf_weights(ctx, node, prefix, &at)?;

    let mut ensemble = Ensemble { targets, ..Ensemble::default() };
    for ix in 0..count {
        let mode = mode(&modes[ix])?;
        if ix == 0 || trees[ix - 1] != trees[ix] {
            ensemble.roots.push(u32::try_from(ix)?);
        }
        let child = |id: i64| -> TractResult<u32> {
            let child = at.get(&(trees[ix], id));
            let child = child.with_context(|| format!("tree {} has no node {id}", trees[ix]))?;
            Ok(u32::try_from(*child)?)
        };
        let (yes, no) = if mode == Mode::Leaf {
            let weights = leaves.get(&ix).map(Vec::as_slice).unwrap_or_default();
            let first = u32::try_from(ensemble.weights.len())?;
            ensemble.weights.extend_from_slice(weights);
            if weights.is_empty() && targets == 1 {
                // As in ONNX Runtime, which keeps both in one place.
                ensemble.weights.push((0, values[ix]));
            }
            (first, u32::try_from(ensemble.weights.len())? - first)
        } else {
            (child(yes[ix])?, child(no[ix])?)
        };
        ensemble.nodes.push(Node {
            mode,
            missing_yes: missing.get(ix).is_some_and(|m| *m == 1),
            feature: u32::try_from(features[ix])?,
            value: values[ix],
            yes,
            no,
        });
    }
    ensemble.checked()
}

/// What each leaf adds, by its place among the nodes.
fn leaf_weights(
    ctx: &ParsingContext,
    node: &NodeProto,
    prefix: &str,
    at: &HashMap<(i64, i64), usize>,
) -> TractResult<HashMap<usize, Vec<(u32, f64)>>> {
    let list = |name: &str| -> TractResult<&[i64]> {
        Ok(node.get_attr_opt_slice::<i64>(&format!("{prefix}_{name}"))?.unwrap_or_default())
    };
    let (trees, ids, targets) = (list("treeids")?, list("nodeids")?, list("ids")?);
    let weights = reals(ctx, node, &format!("{prefix}_weights"))?;
    ensure!(
        [trees.len(), ids.len(), targets.len()].iter().all(|n| *n == weights.len()),
        "the {prefix} lists have different lengths"
    );
    let mut leaves: HashMap<usize, Vec<(u32, f64)>> = HashMap::new();
    for (((tree, id), target), weight) in trees.iter().zip(ids).zip(targets).zip(weights) {
        let leaf = at.get(&(*tree, *id));
        let leaf = leaf.with_context(|| format!("tree {tree} has no node {id}"))?;
        leaves.entry(*leaf).or_default().push((u32::try_from(*target)?, weight));
    }
    Ok(leaves)
}
