//! Which inputs and outputs are sequences or optionals.
//!
//! In: the bytes of a file, of which the importer's own reader keeps tensor types only. Out: the decoded
//! file, in which such a value has the type of its elements, and [`Kind`] says what holds them.

use prost::Message;
use serde::Serialize;
use tract_onnx::pb::{self, tensor_proto::DataType, type_proto::Value};

use super::maps;

/// What holds the elements of an input or output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A tensor, and nothing else.
    #[default]
    Tensor,
    /// A sequence of tensors.
    Sequence,
    /// A tensor or a sequence, or nothing.
    Optional,
}

crate::codec::choices! { Kind { 0 => Tensor, 1 => Sequence, 2 => Optional } }

impl Kind {
    /// Whether it is a plain tensor.
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference.
    pub fn is_tensor(&self) -> bool {
        *self == Self::Tensor
    }

    /// As kept in the decoded file; a file's own words there are cleared.
    const fn mark(self) -> &'static str {
        match self {
            Self::Tensor => "",
            Self::Sequence => "nearside.sequence",
            Self::Optional => "nearside.optional",
        }
    }

    pub(super) fn of(value: &pb::ValueInfoProto) -> Self {
        let mark = value.r#type.as_ref().map_or("", |t| t.denotation.as_str());
        let kinds = [Self::Sequence, Self::Optional];
        kinds.into_iter().find(|k| k.mark() == mark).unwrap_or_default()
    }
}

/// The parts of a file that say so; everything else is skipped.
#[derive(Clone, PartialEq, Message)]
struct ModelTypes {
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphTypes>,
}

#[derive(Clone, PartialEq, Message)]
struct GraphTypes {
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueTypes>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueTypes>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueTypes {
    #[prost(message, optional, tag = "2")]
    r#type: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(message, optional, tag = "1")]
    tensor: Option<pb::type_proto::Tensor>,
    #[prost(message, optional, boxed, tag = "4")]
    sequence: Option<Box<Element>>,
    #[prost(message, optional, boxed, tag = "5")]
    map: Option<Box<Map>>,
    #[prost(message, optional, boxed, tag = "9")]
    optional: Option<Box<Element>>,
}

#[derive(Clone, PartialEq, Message)]
struct Map {
    #[prost(message, optional, boxed, tag = "2")]
    value: Option<Box<Type>>,
}

#[derive(Clone, PartialEq, Message)]
struct Element {
    #[prost(message, optional, boxed, tag = "1")]
    r#type: Option<Box<Type>>,
}

impl Type {
    fn element(of: &Option<Box<Element>>) -> Option<&Self> {
        of.as_ref()?.r#type.as_deref()
    }

    fn is_map_of_text(&self) -> bool {
        let value = self.map.as_ref().and_then(|m| m.value.as_ref()?.tensor.as_ref());
        value.is_some_and(|t| t.elem_type == DataType::String as i32)
    }

    /// What holds the tensors, and their type.
    fn resolve(&self) -> Option<(Kind, &pb::type_proto::Tensor)> {
        if let Some(inner) = Self::element(&self.optional) {
            let inner = Self::element(&inner.sequence).unwrap_or(inner);
            return Some((Kind::Optional, inner.tensor.as_ref()?));
        }
        Some((Kind::Sequence, Self::element(&self.sequence)?.tensor.as_ref()?))
    }
}

/// Marks the inputs and outputs of `model`, decoded from `bytes`, that are no tensors.
pub(super) fn mark(model: &mut pb::ModelProto, bytes: bytes::Bytes) {
    let Some(graph) = &mut model.graph else { return };
    let all = |graph: &pb::GraphProto| {
        let values = graph.input.iter().chain(&graph.output);
        values.clone().any(|v| v.r#type.as_ref().is_none_or(|t| t.value.is_none()))
    };
    for value in graph.input.iter_mut().chain(&mut graph.output) {
        if let Some(declared) = &mut value.r#type {
            declared.denotation.clear();
        }
    }
    if !all(graph) {
        return;
    }
    let types = ModelTypes::decode(bytes).ok().and_then(|t| t.graph).unwrap_or_default();
    let values = graph.input.iter_mut().zip(&types.input);
    for (value, types) in values.chain(graph.output.iter_mut().zip(&types.output)) {
        let Some(declared) = &mut value.r#type else { continue };
        if declared.value.is_some() {
            continue;
        }
        if types.r#type.as_ref().is_some_and(Type::is_map_of_text) {
            declared.denotation = maps::OF_TEXT.to_owned();
        }
        let Some((kind, tensor)) = types.r#type.as_ref().and_then(Type::resolve) else { continue };
        declared.denotation = kind.mark().to_owned();
        declared.value = Some(Value::TensorType(tensor.clone()));
    }
}
