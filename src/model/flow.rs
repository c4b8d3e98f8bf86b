//! Nodes with nested graphs: whether inputs, outputs and attributes fit together.
//!
//! In: a node. Out: nothing, or what does not fit. The importer counts and subtracts without looking, and makes lists as long as
//! an attribute says.

use tract_onnx::pb;

use super::ops::is_default;
use crate::error::{Error, ErrorKind, Result};

/// Checks a node of ONNX's own control flow.
pub(super) fn check(node: &pb::NodeProto) -> Result<()> {
    if !is_default(&node.domain) {
        return Ok(());
    }
    match node.op_type.as_str() {
        "If" => ["then_branch", "else_branch"].iter().try_for_each(|name| {
            let Some(graph) = graph(node, name) else { return Ok(()) };
            let fits = graph.input.is_empty() && graph.output.len() >= node.output.len();
            demand(fits, node, "has branches with other inputs or outputs than its own")
        }),
        "Scan" => graph(node, "body").map_or(Ok(()), |body| scan(node, body)),
        _ => Ok(()),
    }
}

fn graph<'a>(node: &'a pb::NodeProto, name: &str) -> Option<&'a pb::GraphProto> {
    node.attribute.iter().find(|a| a.name == name)?.g.as_ref()
}

fn demand(fits: bool, node: &pb::NodeProto, fault: &str) -> Result<()> {
    if fits {
        return Ok(());
    }
    let name = super::inspect::node_name(node);
    Err(Error::new(ErrorKind::InvalidModel, format!("node `{name}` ({}) {fault}", node.op_type)))
}

fn scan(node: &pb::NodeProto, body: &pb::GraphProto) -> Result<()> {
    let given = node.attribute.iter().find(|a| a.name == "num_scan_inputs").map_or(0, |a| a.i);
    let scanned = usize::try_from(given).ok().filter(|n| *n > 0 && *n <= body.input.len());
    let Some(scanned) = scanned else {
        return demand(false, node, &format!("has the attribute num_scan_inputs {given}"));
    };
    // Operator set 8 has lengths before its states.
    let inputs = node.input.len();
    let states = body.input.len() - scanned;
    let fits = [body.input.len(), body.input.len() + 1].contains(&inputs)
        && states <= body.output.len()
        && node.output.len() <= body.output.len();
    demand(fits, node, "has a body with other inputs or outputs than its own")?;
    let collected = body.output.len() - states;
    for (name, count) in [
        ("directions", scanned),
        ("scan_input_axes", scanned),
        ("scan_input_directions", scanned),
        ("scan_output_axes", collected),
        ("scan_output_directions", collected),
    ] {
        let list = node.attribute.iter().find(|a| a.name == name);
        let fits = list.is_none_or(|list| list.ints.len() == count);
        demand(fits, node, &format!("has an attribute {name} that is not {count} long"))?;
    }
    Ok(())
}
