//! Names in graphs: which a graph makes itself, which it reads from outside, and in which order its
//! nodes can run.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use tract_onnx::pb;

use super::split::invalid;
use crate::error::Result;

/// The names that a graph makes: constants, inputs, outputs of nodes.
pub(super) fn own_names(graph: &pb::GraphProto) -> impl Iterator<Item = &str> {
    let made = graph.node.iter().flat_map(|n| &n.output).map(String::as_str);
    let constants = graph.initializer.iter().map(|t| t.name.as_str());
    constants
        .chain(graph.input.iter().map(|i| i.name.as_str()))
        .chain(made)
        .filter(|n| !n.is_empty())
}

/// The nested graphs of a node.
pub(super) fn nested(node: &pb::NodeProto) -> impl Iterator<Item = &pb::GraphProto> {
    node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs))
}

/// What the nested graphs of a node read from outside of them.
pub(super) fn free_of_node(node: &pb::NodeProto) -> Vec<&str> {
    nested(node).flat_map(free).collect()
}

fn free(graph: &pb::GraphProto) -> Vec<&str> {
    let own: HashSet<&str> = own_names(graph).collect();
    let reads = graph.node.iter().flat_map(|node| {
        let inputs = node.input.iter().map(String::as_str).filter(|n| !n.is_empty());
        inputs.chain(free_of_node(node))
    });
    let outputs = graph.output.iter().map(|o| o.name.as_str());
    reads.chain(outputs).filter(|n| !own.contains(n)).collect()
}

/// The nodes, each after those whose outputs it reads, else as in the file.
pub(super) fn order(graph: &pb::GraphProto) -> Result<Vec<usize>> {
    let makers = graph
        .node
        .iter()
        .enumerate()
        .flat_map(|(at, n)| n.output.iter().map(move |o| (o.as_str(), at)));
    let makers: HashMap<&str, usize> = makers.filter(|(name, _)| !name.is_empty()).collect();
    let mut waits = vec![0usize; graph.node.len()];
    let mut readers: Vec<Vec<usize>> = vec![vec![]; graph.node.len()];
    for (at, node) in graph.node.iter().enumerate() {
        let reads = node.input.iter().map(String::as_str).chain(free_of_node(node));
        for maker in reads.filter_map(|n| makers.get(n)) {
            readers[*maker].push(at);
            waits[at] += 1;
        }
    }
    let ready = waits.iter().enumerate().filter(|(_, w)| **w == 0).map(|(at, _)| Reverse(at));
    let mut ready: BinaryHeap<Reverse<usize>> = ready.collect();
    let mut order = Vec::with_capacity(waits.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(at);
        for reader in &readers[at] {
            waits[*reader] -= 1;
            if waits[*reader] == 0 {
                ready.push(Reverse(*reader));
            }
        }
    }
    if order.len() < graph.node.len() {
        return Err(invalid("the graph has a cycle".to_owned()));
    }
    Ok(order)
}

/// Makes constants of `Constant` nodes, nested graphs included, so that they are seen wherever they are
/// read.
pub(super) fn fold_constants(graph: &mut pb::GraphProto) {
    let mut kept = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        match (node.op_type == "Constant").then(|| constant(&node)).flatten() {
            Some(tensor) => graph.initializer.push(tensor),
            None => {
                for attribute in &mut node.attribute {
                    let nested = attribute.g.iter_mut().chain(&mut attribute.graphs);
                    nested.for_each(fold_constants);
                }
                kept.push(node);
            }
        }
    }
    graph.node = kept;
}

/// The forms of numbers; what else there is stays a node.
fn constant(node: &pb::NodeProto) -> Option<pb::TensorProto> {
    use pb::tensor_proto::DataType;
    let [attribute] = &node.attribute[..] else { return None };
    let tensor = match attribute.name.as_str() {
        "value" => attribute.t.clone()?,
        "value_int" => pb::TensorProto {
            data_type: DataType::Int64 as i32,
            int64_data: vec![attribute.i],
            ..pb::TensorProto::default()
        },
        "value_ints" => pb::TensorProto {
            data_type: DataType::Int64 as i32,
            dims: vec![i64::try_from(attribute.ints.len()).ok()?],
            int64_data: attribute.ints.clone(),
            ..pb::TensorProto::default()
        },
        "value_float" => pb::TensorProto {
            data_type: DataType::Float as i32,
            float_data: vec![attribute.f],
            ..pb::TensorProto::default()
        },
        _ => return None,
    };
    Some(pb::TensorProto { name: node.output.first()?.clone(), ..tensor })
}
