//! Rewrites of the decoded file before import: where the importer reads an operator set's defaults
//! wrongly, and the names of our operators of other domains.
//!
//! In: a checked file. Out: the same model, with the defaults written out. Each rewrite is one row.

use tract_onnx::pb::{self, AttributeProto, attribute_proto::AttributeType};

use super::ops;

/// (operator, first and last operator set, rewrite)
type Row = (&'static str, i64, i64, fn(&mut pb::NodeProto));

const ROWS: &[Row] = &[("Resize", 10, 10, resize_10_rounds_down)];

/// Applies every row to every node, subgraphs included.
pub(crate) fn rewrite(model: &mut pb::ModelProto) {
    let opset = model
        .opset_import
        .iter()
        .find(|o| matches!(o.domain.as_str(), "" | "ai.onnx"))
        .map_or(0, |o| o.version);
    if let Some(graph) = &mut model.graph {
        rewrite_graph(graph, opset);
    }
}

fn rewrite_graph(graph: &mut pb::GraphProto, opset: i64) {
    scalars(graph);
    for node in &mut graph.node {
        if let Some(key) = ops::key(&node.domain, &node.op_type) {
            node.op_type = key;
        }
        for (op_type, first, last, rewrite) in ROWS {
            if node.op_type == *op_type && (*first..=*last).contains(&opset) {
                rewrite(node);
            }
        }
        for attribute in &mut node.attribute {
            for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                rewrite_graph(graph, opset);
            }
        }
    }
}

/// Resize-10 has no `nearest_mode`: it takes the source index rounded down, while the importer gives
/// it the default of Resize-11.
fn resize_10_rounds_down(node: &mut pb::NodeProto) {
    node.attribute.retain(|a| a.name != "nearest_mode");
    node.attribute.push(AttributeProto {
        name: "nearest_mode".to_owned(),
        r#type: AttributeType::String as i32,
        s: b"floor".to_vec(),
        ..AttributeProto::default()
    });
}

/// (operator, inputs that ONNX wants as scalars): exporters and ONNX's own function bodies give them as
/// lists of one, which everyone but the importer accepts.
const SCALARS: &[(&str, &[usize])] = &[("Pad", &[2]), ("Range", &[0, 1, 2])];

/// Puts a reshape to a scalar before such inputs.
fn scalars(graph: &mut pb::GraphProto) {
    let shape = "nearside.scalar.shape";
    let mut nodes = Vec::with_capacity(graph.node.len());
    let mut reshapes = 0;
    for mut node in std::mem::take(&mut graph.node) {
        let inputs = SCALARS.iter().find(|(op_type, _)| *op_type == node.op_type);
        for at in inputs.iter().flat_map(|(_, inputs)| *inputs) {
            let Some(input) = node.input.get_mut(*at).filter(|i| !i.is_empty()) else { continue };
            let output = format!("nearside.scalar.{reshapes}.{input}");
            reshapes += 1;
            nodes.push(pb::NodeProto {
                op_type: "Reshape".to_owned(),
                name: output.clone(),
                input: vec![std::mem::replace(input, output.clone()), shape.to_owned()],
                output: vec![output],
                ..pb::NodeProto::default()
            });
        }
        nodes.push(node);
    }
    graph.node = nodes;
    if reshapes > 0 {
        graph.initializer.push(pb::TensorProto {
            name: shape.to_owned(),
            dims: vec![0],
            data_type: pb::tensor_proto::DataType::Int64 as i32,
            ..pb::TensorProto::default()
        });
    }
}
