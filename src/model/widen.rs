//! A graph of types that the engine lacks -> the same graph on their carriers.
//!
//! In: a decoded file. Out: the same, with every constant, input and output of a [`narrow`] type as one
//! of its carrier, and a `Narrow` node where ONNX would round: at casts, and behind arithmetic. The one
//! decision: types follow the nodes in order, from inputs to outputs; what only moves values needs no
//! rounding.

use std::collections::HashMap;

use tract_onnx::pb::{
    self, AttributeProto, NodeProto, attribute_proto::AttributeType, type_proto::Value,
};

use super::narrow::{Narrow, narrow, widen_tensor};
use super::ops::{NARROW, NEARSIDE};

/// The narrow values by name.
type Types = HashMap<String, &'static Narrow>;

/// Operators whose results are some of the values that they are given.
const MOVES: &[&str] = &[
    "CenterCropPad",
    "Compress",
    "Concat",
    "ConstantOfShape",
    "DepthToSpace",
    "Expand",
    "Flatten",
    "Gather",
    "GatherElements",
    "GatherND",
    "Identity",
    "Max",
    "MaxPool",
    "Min",
    "OneHot",
    "Pad",
    "Relu",
    "Reshape",
    "ReverseSequence",
    "ScatterElements",
    "ScatterND",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "TopK",
    "Transpose",
    "Trilu",
    "Unique",
    "Unsqueeze",
    "Where",
];
/// Operators whose results are of another type than what they are given.
const OTHERS: &[&str] = &[
    "And",
    "ArgMax",
    "ArgMin",
    "Equal",
    "GatherBlockQuantized",
    "Greater",
    "GreaterOrEqual",
    "IsInf",
    "IsNaN",
    "Less",
    "LessOrEqual",
    "MatMulNBits",
    "NonZero",
    "Not",
    "Or",
    "Shape",
    "Size",
    "Xor",
];

/// Widens the main graph and its subgraphs.
pub(crate) fn widen(model: &mut pb::ModelProto) {
    if let Some(graph) = &mut model.graph {
        let fed = feed(graph);
        widen_graph(graph, Types::new());
        graph.node.splice(0..0, fed);
    }
}

/// What a caller feeds is rounded first: a carrier holds more than the type. What reads the input reads
/// the rounded one instead.
fn feed(graph: &mut pb::GraphProto) -> Vec<NodeProto> {
    let mut nodes = vec![];
    for ix in 0..graph.input.len() {
        let name = graph.input[ix].name.clone();
        let constant = graph.initializer.iter().any(|i| i.name == name);
        if let Some(narrow) = declared(&graph.input[ix]).filter(|_| !constant) {
            let fed = format!("{FED}{name}");
            rename(graph, &name, &fed);
            nodes.push(rounding(narrow, name, fed));
        }
    }
    nodes
}

const FED: &str = "nearside.fed.";

/// Makes the nodes of a graph, and of those in it, read another value.
fn rename(graph: &mut pb::GraphProto, from: &str, to: &str) {
    for node in &mut graph.node {
        node.input.iter_mut().filter(|i| *i == from).for_each(|i| to.clone_into(i));
        for graph in node.attribute.iter_mut().flat_map(|a| a.g.iter_mut().chain(&mut a.graphs)) {
            rename(graph, from, to);
        }
    }
}

fn declared(value: &pb::ValueInfoProto) -> Option<&'static Narrow> {
    let Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
    narrow(tensor.elem_type)
}

fn redeclare(value: &mut pb::ValueInfoProto, types: &mut Types) {
    let Some(narrow) = declared(value) else { return };
    if let Some(Value::TensorType(tensor)) = value.r#type.as_mut().and_then(|t| t.value.as_mut()) {
        tensor.elem_type = narrow.carrier as i32;
    }
    types.insert(format!("{FED}{}", value.name), narrow);
    types.insert(value.name.clone(), narrow);
}

/// Gives the types of the graph's outputs; `types` are those of the graphs around it.
fn widen_graph(graph: &mut pb::GraphProto, mut types: Types) -> Vec<Option<&'static Narrow>> {
    graph.input.iter_mut().for_each(|i| redeclare(i, &mut types));
    for tensor in &mut graph.initializer {
        if let Some(narrow) = widen_tensor(tensor) {
            types.insert(tensor.name.clone(), narrow);
        }
    }
    let mut nodes = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        let behind = widen_node(&mut node, &mut types);
        nodes.push(node);
        nodes.extend(behind);
    }
    graph.node = nodes;
    let outputs = graph.output.iter().map(|o| types.get(&o.name).copied()).collect();
    graph.output.iter_mut().for_each(|o| redeclare(o, &mut types));
    graph.value_info.iter_mut().for_each(|v| redeclare(v, &mut types));
    outputs
}

/// Widens a node; gives the nodes that round its results.
fn widen_node(node: &mut NodeProto, types: &mut Types) -> Vec<NodeProto> {
    let (constant, inner) = widen_attributes(node, types);
    let input = |at: usize| node.input.get(at).and_then(|name| types.get(name)).copied();
    let op_type = node.op_type.as_str();
    let mut typed = vec![];
    let mut rounds = false;
    match op_type {
        "Cast" | "CastLike" => {
            let wanted = if op_type == "Cast" { code(node, "to") } else { input(1) };
            if let Some(narrow) = wanted {
                to_narrow(node, narrow);
                typed.push(Some(narrow));
            } else if op_type == "Cast" && code(node, "to").is_none() {
                return vec![];
            }
        }
        "QuantizeLinear" => {
            if let Some(narrow) = input(2).or_else(|| code(node, "output_dtype")) {
                node.attribute.retain(|a| a.name != "output_dtype");
                node.attribute.push(int(NARROW, i64::from(narrow.code)));
                typed.push(Some(narrow));
            }
        }
        "DequantizeLinear" => {
            typed.push(code(node, "output_dtype").or_else(|| input(1)));
            node.attribute.retain(|a| a.name != "output_dtype" || narrow(a.i as i32).is_none());
            rounds = true;
        }
        // The bits of a carrier are not those of the type.
        "BitCast" => {
            if let Some(narrow) = input(0).or_else(|| code(node, "to")) {
                node.attribute.push(int(NARROW, i64::from(narrow.code)));
            }
        }
        "If" | "Scan" => typed = inner,
        "Loop" => typed = inner.into_iter().skip(1).collect(),
        _ if OTHERS.contains(&op_type) => {}
        _ => {
            let moves = MOVES.contains(&op_type) || constant.is_some();
            let dtype = code(node, "dtype");
            let given = (0..node.input.len()).find_map(input);
            let narrow = constant.or(dtype).or(given).filter(|n| moves || n.is_float());
            typed = vec![narrow; node.output.len()];
            rounds = !moves;
        }
    }
    for attribute in &mut node.attribute {
        let narrow = narrow(attribute.i as i32);
        if let Some(narrow) = narrow.filter(|_| DTYPES.contains(&attribute.name.as_str())) {
            attribute.i = i64::from(narrow.carrier as i32);
        }
    }
    let mut behind = vec![];
    for (name, narrow) in node.output.iter_mut().zip(typed) {
        let Some(narrow) = narrow.filter(|_| !name.is_empty()) else { continue };
        types.insert(name.clone(), narrow);
        if rounds {
            // One without a name goes by what the file calls its output.
            if node.name.is_empty() {
                node.name.clone_from(name);
            }
            let exact = format!("nearside.exact.{name}");
            behind.push(rounding(narrow, exact.clone(), std::mem::replace(name, exact)));
        }
    }
    behind
}

/// Attributes that name an element type.
const DTYPES: &[&str] = &["dtype", "softmax_precision", "stash_type"];

/// Gives the type of the node's constant, and those of the outputs of its first subgraph.
fn widen_attributes(
    node: &mut NodeProto,
    types: &Types,
) -> (Option<&'static Narrow>, Vec<Option<&'static Narrow>>) {
    let (mut constant, mut inner) = (None, vec![]);
    for attribute in &mut node.attribute {
        for tensor in attribute.t.iter_mut().chain(&mut attribute.tensors) {
            constant = widen_tensor(tensor).or(constant);
        }
        for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            let outputs = widen_graph(graph, types.clone());
            inner = if inner.is_empty() { outputs } else { inner };
        }
    }
    (constant, inner)
}

/// The narrow type that an attribute names.
fn code(node: &NodeProto, name: &str) -> Option<&'static Narrow> {
    narrow(node.attribute.iter().find(|a| a.name == name)?.i as i32)
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Int as i32,
        i,
        ..AttributeProto::default()
    }
}

/// Makes a cast round to a narrow type.
fn to_narrow(node: &mut NodeProto, narrow: &Narrow) {
    node.op_type = NARROW.to_owned();
    node.domain = NEARSIDE.to_owned();
    node.input.truncate(1);
    node.attribute.retain(|a| a.name != "to");
    node.attribute.push(int("to", i64::from(narrow.code)));
}

fn rounding(narrow: &Narrow, from: String, to: String) -> NodeProto {
    let mut node = NodeProto {
        name: format!("nearside.narrow.{to}"),
        input: vec![from],
        output: vec![to],
        ..NodeProto::default()
    };
    to_narrow(&mut node, narrow);
    node.attribute.push(int("behind", 1));
    node.attribute.push(int("saturate", 0));
    node
}
