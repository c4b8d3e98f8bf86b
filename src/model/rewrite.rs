//! Rewrites of the decoded file before import: where the importer reads an operator set's defaults
//! wrongly, counts inputs that are left out at the end, takes names for unique, and the names of our operators of
//! other domains.
//!
//! In: a checked file. Out: the same model, with the defaults written out. Each rewrite is one row.

use std::collections::HashSet;

use tract_onnx::pb::{
    self, AttributeProto, attribute_proto::AttributeType, tensor_proto::DataType, type_proto::Value,
};

use super::ops::at_opset;
use super::{expand, maps, ops, scope, words};

/// (operator, first and last operator set, rewrite)
type Row = (&'static str, i64, i64, fn(&mut pb::NodeProto));

const ROWS: &[Row] = &[
    ("ConstantOfShape", 9, i64::MAX, constant_of_shape_is_float),
    ("Resize", 10, 10, resize_10_rounds_down),
];

/// Applies every row to every node, subgraphs included.
pub(crate) fn rewrite(model: &mut pb::ModelProto) {
    let opset = model
        .opset_import
        .iter()
        .find(|o| matches!(o.domain.as_str(), "" | "ai.onnx"))
        .map_or(0, |o| o.version);
    if let Some(graph) = &mut model.graph {
        maps::declare_inputs(graph);
        rewrite_graph(graph, opset);
    }
}

fn rewrite_graph(graph: &mut pb::GraphProto, opset: i64) {
    expand::expand(graph);
    none_are_none(graph);
    adapt(graph);
    words::made_of_nothing(graph);
    for node in &mut graph.node {
        if let Some(key) = ops::key(&node.domain, &node.op_type) {
            node.op_type = key;
        }
        let opset = at_opset::of(node).unwrap_or(opset);
        for (op_type, first, last, rewrite) in ROWS {
            if node.op_type == *op_type && (*first..=*last).contains(&opset) {
                rewrite(node);
            }
        }
        let flow = node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty());
        while !flow && node.input.last().is_some_and(String::is_empty) {
            node.input.pop();
        }
        at_opset::rename(node);
        for attribute in &mut node.attribute {
            for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                open_inputs(graph);
                own_outputs(graph);
                rewrite_graph(graph, opset);
            }
        }
    }
    name_apart(graph);
}

/// A name for an extent of a nested graph's input is nobody's outside of it, and the importer would take it for an
/// extent of its own that nothing else can be.
fn open_inputs(graph: &mut pb::GraphProto) {
    use pb::tensor_shape_proto::dimension::Value::DimParam;
    for input in &mut graph.input {
        let Some(Value::TensorType(tensor)) = input.r#type.as_mut().and_then(|t| t.value.as_mut())
        else {
            continue;
        };
        for dim in tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim) {
            if matches!(dim.value, Some(DimParam(_))) {
                dim.value = None;
            }
        }
    }
}

/// What a nested graph gives it also makes, which the importer takes for granted.
fn own_outputs(graph: &mut pb::GraphProto) {
    let own: HashSet<String> = scope::own_names(graph).map(str::to_owned).collect();
    for (at, output) in graph.output.iter_mut().enumerate() {
        if own.contains(&output.name) {
            continue;
        }
        let name = format!("nearside.outer.{at}.{}", output.name);
        graph.node.push(pb::NodeProto {
            op_type: "Identity".to_owned(),
            name: name.clone(),
            input: vec![std::mem::replace(&mut output.name, name.clone())],
            output: vec![name],
            ..pb::NodeProto::default()
        });
    }
}

/// No two nodes of a graph have one name, nor has one that of a constant or an input: ONNX allows for that, and
/// the engine finds nodes by name.
fn name_apart(graph: &mut pb::GraphProto) {
    let pb::GraphProto { node, initializer, input, .. } = graph;
    let held = initializer.iter().map(|t| t.name.as_str());
    let mut names: HashSet<String> =
        held.chain(input.iter().map(|i| i.name.as_str())).map(str::to_owned).collect();
    for node in node {
        // As the importer names it.
        let known = [Some(&node.name), node.output.first()].into_iter().flatten();
        let Some(name) = known.into_iter().find(|n| !n.is_empty()).cloned() else { continue };
        if names.insert(name.clone()) {
            continue;
        }
        let mut numbered = (1..).map(|n: usize| format!("{name}.{n}"));
        let free = numbered.find(|name| !names.contains(name)).unwrap_or(name);
        names.insert(free.clone());
        node.name = free;
    }
}

/// The importer fills with a float64 where the file does not say with what.
fn constant_of_shape_is_float(node: &mut pb::NodeProto) {
    if node.attribute.iter().all(|a| a.name != "value") {
        node.attribute.push(AttributeProto {
            name: "value".to_owned(),
            r#type: AttributeType::Tensor as i32,
            t: Some(pb::TensorProto {
                dims: vec![1],
                data_type: DataType::Float as i32,
                float_data: vec![0.],
                ..pb::TensorProto::default()
            }),
            ..AttributeProto::default()
        });
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

/// (operator, inputs, what to put before them). ONNX wants scalars where exporters and ONNX's own
/// function bodies give lists of one, and the importer wants those where ONNX has scalars; and scales may be
/// float16, which the importer refuses.
const ADAPTERS: &[(&str, &[usize], Adapter)] = &[
    ("NonMaxSuppression", &[2, 3, 4], Adapter::List),
    ("Pad", &[2], Adapter::Scalar),
    ("QLinearConv", &[1, 4, 6], Adapter::Single),
    ("QLinearMatMul", &[1, 4, 6], Adapter::Single),
    ("Range", &[0, 1, 2], Adapter::Scalar),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Adapter {
    Scalar,
    List,
    Single,
}

/// Puts a reshape to a scalar or a list of one, or a cast to float32, before such inputs; no work where they fit.
fn adapt(graph: &mut pb::GraphProto) {
    // The shapes to which it reshapes, and whether they are used.
    let mut shapes =
        [("nearside.scalar.shape", vec![], false), ("nearside.list.shape", vec![1], false)];
    let mut nodes = Vec::with_capacity(graph.node.len());
    let mut added = 0;
    for mut node in std::mem::take(&mut graph.node) {
        let row = ADAPTERS.iter().find(|(op_type, ..)| *op_type == node.op_type);
        for (at, adapter) in
            row.iter().flat_map(|(_, at, adapter)| at.iter().map(|a| (*a, *adapter)))
        {
            let Some(input) = node.input.get_mut(at).filter(|i| !i.is_empty()) else { continue };
            let output = format!("nearside.adapted.{added}.{input}");
            added += 1;
            let mut before = pb::NodeProto {
                name: output.clone(),
                input: vec![std::mem::replace(input, output.clone())],
                output: vec![output],
                ..pb::NodeProto::default()
            };
            match adapter {
                Adapter::Scalar | Adapter::List => {
                    let (shape, _, used) = &mut shapes[usize::from(adapter == Adapter::List)];
                    before.op_type = "Reshape".to_owned();
                    before.input.push((*shape).to_owned());
                    *used = true;
                }
                Adapter::Single => {
                    before.op_type = "Cast".to_owned();
                    before.attribute.push(cast_to(DataType::Float));
                }
            }
            nodes.push(before);
        }
        nodes.push(node);
    }
    graph.node = nodes;
    for (name, dims, _) in shapes.into_iter().filter(|(.., used)| *used) {
        graph.initializer.push(pb::TensorProto {
            name: name.to_owned(),
            dims: vec![dims.len() as i64],
            data_type: DataType::Int64 as i32,
            int64_data: dims,
            ..pb::TensorProto::default()
        });
    }
}

/// The engine keeps all boxes where none at most are asked for, as where nothing is said of it; ONNX keeps none. Less
/// than none is none to both.
fn none_are_none(graph: &mut pb::GraphProto) {
    let mut nodes = Vec::with_capacity(graph.node.len());
    let mut untold = false;
    for mut node in std::mem::take(&mut graph.node) {
        if node.op_type == "NonMaxSuppression" && ops::is_default(&node.domain) {
            node.input.resize(node.input.len().max(3), String::new());
            if node.input[2].is_empty() {
                untold = true;
                NO_BOXES.clone_into(&mut node.input[2]);
            } else {
                // Less one where it is zero.
                let mut most = node.input[2].clone();
                for (op_type, to) in LESS_ONE_OF_NONE {
                    let output = format!("nearside.boxes.{}.{}", nodes.len(), node.input[2]);
                    let subtracted = (*op_type == "Sub").then(|| node.input[2].clone());
                    nodes.push(pb::NodeProto {
                        name: output.clone(),
                        op_type: (*op_type).to_owned(),
                        input: subtracted.into_iter().chain([most]).collect(),
                        output: vec![output.clone()],
                        attribute: to.iter().map(|to| cast_to(*to)).collect(),
                        ..pb::NodeProto::default()
                    });
                    most = output;
                }
                node.input[2] = most;
            }
        }
        nodes.push(node);
    }
    graph.node = nodes;
    if untold {
        graph.initializer.push(pb::TensorProto {
            name: NO_BOXES.to_owned(),
            dims: vec![1],
            data_type: DataType::Int64 as i32,
            int64_data: vec![-1],
            ..pb::TensorProto::default()
        });
    }
}

const NO_BOXES: &str = "nearside.no_boxes";
/// Operators that make of a number of boxes the same, or -1 of 0.
const LESS_ONE_OF_NONE: &[(&str, Option<DataType>)] = &[
    ("Cast", Some(DataType::Bool)),
    ("Not", None),
    ("Cast", Some(DataType::Int64)),
    ("Sub", None),
];

fn cast_to(to: DataType) -> AttributeProto {
    AttributeProto {
        name: "to".to_owned(),
        r#type: AttributeType::Int as i32,
        i: i64::from(to as i32),
        ..AttributeProto::default()
    }
}
