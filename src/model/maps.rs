//! Maps at the edge of a graph, as tables: the engine has tensors only.
//!
//! In: a graph whose output is made by `ZipMap` (a sequence of maps from label to score), or whose
//! input goes into `DictVectorizer` (a map from word to number) or `CastMap` (a map from number to number or
//! text). Out: the columns of the table [rows, columns] that stands in the map's place.

use tract_onnx::pb::{
    self, TensorShapeProto, TypeProto,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto::{Tensor, Value},
};

const DOMAIN: &str = "ai.onnx.ml";

/// The mark of a declared map whose values are texts, in the decoded file; others have none.
pub(super) const OF_TEXT: &str = "nearside.map.text";

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

/// The columns of a table that stands for a map.
#[derive(PartialEq)]
pub(super) struct Columns {
    /// What each one stands for; empty where the keys say nothing.
    pub(super) labels: Vec<String>,
    /// How many there are; a dense map may have any number of them.
    pub(super) count: Option<usize>,
    pub(super) elements: DataType,
}

impl Columns {
    fn labelled(labels: Vec<String>, elements: DataType) -> Self {
        Self { count: Some(labels.len()), labels, elements }
    }
}

/// Keys of a sparse map, beyond which no table has columns.
const MAX_KEYS: i64 = 1 << 16;

/// Of an output that `ZipMap` makes.
pub(super) fn of_output(graph: &pb::GraphProto, name: &str) -> Option<Columns> {
    let maker = |n: &&pb::NodeProto| is(n, "ZipMap") && n.output.iter().any(|o| o == name);
    let node = graph.node.iter().find(maker)?;
    let labels = labels(node, "classlabels_int64s", "classlabels_strings")?;
    Some(Columns::labelled(labels, DataType::Float))
}

/// Of an input that goes into one kind of `DictVectorizer` or `CastMap` and nowhere else.
pub(super) fn of_input(graph: &pb::GraphProto, value: &pb::ValueInfoProto) -> Option<Columns> {
    let mut readers = graph.node.iter().filter(|n| n.input.contains(&value.name));
    let text = value.r#type.as_ref().is_some_and(|t| t.denotation == OF_TEXT);
    let elements = if text { DataType::String } else { DataType::Float };
    let columns = |node: &pb::NodeProto| {
        if is(node, "CastMap") {
            let attribute = |name: &str| node.attribute.iter().find(|a| a.name == name);
            if attribute("map_form").is_none_or(|a| a.s != b"SPARSE") {
                return Some(Columns { labels: vec![], count: None, elements });
            }
            let keys = attribute("max_map").map_or(1, |a| a.i);
            let labels = (0..keys).map(|key| key.to_string());
            return (1..=MAX_KEYS)
                .contains(&keys)
                .then(|| Columns::labelled(labels.collect(), elements));
        }
        let words = labels(node, "int64_vocabulary", "string_vocabulary");
        let words = words.filter(|_| is(node, "DictVectorizer") && !text);
        words.map(|words| Columns::labelled(words, elements))
    };
    let first = columns(readers.next()?)?;
    readers.all(|node| columns(node).as_ref() == Some(&first)).then_some(first)
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
        let Some(table) = of_input(graph, &graph.input[ix]) else { continue };
        let columns = table.count.and_then(|n| i64::try_from(n).ok());
        let columns = columns.map(dimension::Value::DimValue);
        let dim = [None, columns].map(|value| Dimension { value, ..Dimension::default() }).into();
        let tensor =
            Tensor { elem_type: table.elements as i32, shape: Some(TensorShapeProto { dim }) };
        let value = Some(Value::TensorType(tensor));
        graph.input[ix].r#type = Some(TypeProto { value, ..TypeProto::default() });
    }
}
