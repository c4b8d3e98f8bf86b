//! What the importer takes for granted, checked before it sees a model.
//!
//! In: a decoded file with its constants inside. Out: nothing, or the first inconsistency. tract's importer indexes names and
//! attributes without looking; a hostile file would panic there.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb;

use super::signature::{dtype_of, type_name};
use super::{flow, ops, weights, window};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{DType, volume};

/// Graphs nest through `If`, `Loop` and `Scan`; real models stay below 10.
const MAX_NESTING: usize = 32;

/// The least inputs of operators whose importer looks at them without asking; of one that is not here, one.
const LEAST_INPUTS: &[(&str, usize)] =
    &[("Attention", 3), ("Conv", 2), ("GRU", 3), ("LSTM", 3), ("RNN", 3)];
/// Operators that make something out of nothing, or may.
const SOURCES: &[&str] = &[
    "Constant",
    "Loop",
    "Optional",
    "OptionalHasElement",
    "RandomNormal",
    "RandomUniform",
    "SequenceEmpty",
];

/// Checks every tensor and every name of the main graph and its subgraphs.
pub(crate) fn validate(model: &pb::ModelProto) -> Result<()> {
    let graph = model
        .graph
        .as_ref()
        .ok_or_else(|| invalid("the file holds no graph: it is not an ONNX model"))?;
    if graph.node.is_empty() && graph.output.is_empty() {
        return Err(invalid("the graph is empty: the file is not an ONNX model"));
    }
    check_graph(graph, &HashSet::new(), 0)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidModel, message)
}

fn check_graph<'a>(
    graph: &'a pb::GraphProto,
    outer: &HashSet<&'a str>,
    depth: usize,
) -> Result<()> {
    if depth > MAX_NESTING {
        return Err(invalid(format!("graphs nest deeper than {MAX_NESTING}")));
    }
    let mut names = outer.clone();
    for tensor in &graph.initializer {
        check_tensor(tensor)?;
    }
    names.extend(defined(graph)?);
    for node in &graph.node {
        window::check(node)?;
        flow::check(node)?;
        let row = LEAST_INPUTS.iter().find(|(name, _)| *name == node.op_type);
        let least = row.map_or(usize::from(!SOURCES.contains(&&*node.op_type)), |(_, n)| *n);
        // Empty names at the end are no inputs.
        let given = node.input.iter().rposition(|name| !name.is_empty()).map_or(0, |at| at + 1);
        let known = || ops::unsupported_reason(&node.domain, &node.op_type).is_none();
        if ops::is_default(&node.domain) && given < least && known() {
            return Err(invalid(format!(
                "node `{}` ({}) has {} inputs and needs {least}",
                super::inspect::node_name(node),
                node.op_type,
                given
            )));
        }
        for input in node.input.iter().filter(|i| !i.is_empty()) {
            if !names.contains(input.as_str()) {
                return Err(invalid(format!(
                    "node `{}` ({}) reads `{input}`, which nothing produces",
                    node.name, node.op_type
                )));
            }
        }
        for attribute in &node.attribute {
            for tensor in attribute.t.iter().chain(&attribute.tensors) {
                check_tensor(tensor)?;
            }
            for graph in attribute.g.iter().chain(&attribute.graphs) {
                check_graph(graph, &names, depth + 1)?;
            }
        }
    }
    if let Some(output) = graph.output.iter().find(|o| !names.contains(o.name.as_str())) {
        return Err(invalid(format!("nothing produces the output `{}`", output.name)));
    }
    Ok(())
}

/// The names that a graph gives to values. What has two meanings is refused; of constants of one type and shape, and of
/// an initializer and a `Constant`, the last one is meant.
fn defined(graph: &pb::GraphProto) -> Result<HashSet<&str>> {
    let mut names = HashSet::new();
    for input in &graph.input {
        if !names.insert(input.name.as_str()) {
            return Err(invalid(format!("two inputs are named `{}`", input.name)));
        }
    }
    let mut constants = HashMap::new();
    for tensor in &graph.initializer {
        let kind = (tensor.data_type, &tensor.dims);
        if constants.insert(tensor.name.as_str(), kind).is_some_and(|other| other != kind) {
            let name = &tensor.name;
            return Err(invalid(format!(
                "two constants `{name}` are of different shapes or types"
            )));
        }
    }
    for node in &graph.node {
        let constant = node.op_type == "Constant" && ops::is_default(&node.domain);
        for output in node.output.iter().filter(|o| !o.is_empty()) {
            if !names.insert(output) {
                return Err(invalid(format!("`{output}` is produced twice")));
            }
            if !constant && constants.contains_key(output.as_str()) {
                return Err(invalid(format!("`{output}` is a constant, and what a node produces")));
            }
        }
    }
    names.extend(constants.into_keys());
    Ok(names)
}

/// Whether the engine has the type of a constant.
pub(super) fn constant_type(tensor: &pb::TensorProto) -> Result<DType> {
    dtype_of(tensor.data_type).ok_or_else(|| {
        let (name, wanted) = (&tensor.name, type_name(tensor.data_type));
        Error::unsupported_type(format!("constant `{name}` has the element type {wanted}"))
    })
}

/// Of a type that the engine lacks nothing is known; the check lists it.
fn check_tensor(tensor: &pb::TensorProto) -> Result<()> {
    let Ok(dtype) = constant_type(tensor) else { return Ok(()) };
    if weights::is_held(tensor) {
        return Ok(());
    }
    let shape = tensor
        .dims
        .iter()
        .map(|d| usize::try_from(*d))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|_| invalid(format!("constant `{}` has a negative dimension", tensor.name)))?;
    let count = volume(&shape)?;
    let held = if !tensor.raw_data.is_empty() {
        if dtype.size() == 0 {
            return Err(invalid(format!("constant `{}` holds strings as raw data", tensor.name)));
        }
        tensor.raw_data.len() / dtype.size()
    } else {
        [
            tensor.float_data.len(),
            tensor.double_data.len(),
            tensor.int32_data.len(),
            tensor.int64_data.len(),
            tensor.uint64_data.len(),
            tensor.string_data.len(),
        ]
        .into_iter()
        .max()
        .unwrap_or(0)
    };
    if held != count {
        return Err(invalid(format!(
            "constant `{}` of shape {shape:?} holds {held} values instead of {count}",
            tensor.name
        )));
    }
    Ok(())
}
