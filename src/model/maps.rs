//! Maps at the edge of a graph, as tables: the engine has tensors only.
//!
//! In: a graph whose output is made by `ZipMap` (a sequence of maps from label to score), or whose
//! input goes into `DictVectorizer` (a map from word to number). Out: the labels of the columns of the
//! float32 table [rows, columns] that stands in the map's place.

use tract_onnx::pb::{
    self, TensorShapeProto, TypeProto,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto::{Tensor, Value},
};

const DOMAIN: &str = "ai.onnx.ml";

fn is(node: &pb::NodeProto, op_type: &str) -> bool {
    node.domain == DOMAIN && node.op_type == op_type
}

/// The labels that a node gives in one of two attributes, as text.
fn labels(node: &pb::NodeProto, ints: &str, strings: &str) -> Option<Vec<String>> {
    let list = |name: &str| node.attribute.iter().find(|a| a.name == name);
    let strings = list(strings).map(|a| {
        a.strings.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect::<Vec<_>>()
    });
    let ints = || list(ints).map(|a| a.ints.iter().map(i64::to_string).collect());
    strings.filter(|s| !s.is_empty()).or_else(ints).filter(|l| !l.is_empty())
}

/// Of an output that `ZipMap` makes.
pub(super) fn of_output(graph: &pb::GraphProto, name: &str) -> Option<Vec<String>> {
    let maker = |n: &&pb::NodeProto| is(n, "ZipMap") && n.output.iter().any(|o| o == name);
    let node = graph.node.iter().find(maker)?;
    labels(node, "classlabels_int64s", "classlabels_strings")
}

/// Of an input that goes into `DictVectorizer` and nowhere else.
pub(super) fn of_input(graph: &pb::GraphProto, name: &str) -> Option<Vec<String>> {
    let mut readers = graph.node.iter().filter(|n| n.input.iter().any(|i| i == name));
    let words = |node| {
        let words = labels(node, "int64_vocabulary", "string_vocabulary");
        words.filter(|_| is(node, "DictVectorizer"))
    };
    let first = words(readers.next()?)?;
    readers.all(|node| words(node).as_ref() == Some(&first)).then_some(first)
}

/// Declares the inputs that are maps as the tables that a caller feeds.
pub(super) fn declare_inputs(graph: &mut pb::GraphProto) {
    let is_tensor = |value: &pb::ValueInfoProto| {
        matches!(value.r#type.as_ref().and_then(|t| t.value.as_ref()), Some(Value::TensorType(_)))
    };
    for ix in 0..graph.input.len() {
        if is_tensor(&graph.input[ix]) {
            continue;
        }
        let Some(words) = of_input(graph, &graph.input[ix].name) else { continue };
        let columns = i64::try_from(words.len()).ok().map(dimension::Value::DimValue);
        let dim = [None, columns].map(|value| Dimension { value, ..Dimension::default() }).into();
        let tensor =
            Tensor { elem_type: DataType::Float as i32, shape: Some(TensorShapeProto { dim }) };
        let value = Some(Value::TensorType(tensor));
        graph.input[ix].r#type = Some(TypeProto { value, ..TypeProto::default() });
    }
}
