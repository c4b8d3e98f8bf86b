//! What a model takes and gives: names, element types and shapes.
//!
//! In: the graph's declared inputs and outputs. Out: a [`Signature`], the same words in every face.

use std::collections::{HashMap, HashSet};

use serde::{Serialize, Serializer};
use tract_onnx::pb::{
    self, tensor_proto::DataType, tensor_shape_proto::dimension, type_proto::Value,
};

use super::narrow::narrow;
use super::{Kind, maps};
use crate::codec::{choices, fields};
use crate::error::{Error, Result};
use crate::tensor::DType;

/// One dimension of a declared shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Fixed.
    Known(usize),
    /// Named: the same name means the same size in one run.
    Symbol(String),
    /// Free.
    Unknown,
}

impl Serialize for Dim {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Known(n) => serializer.serialize_u64(*n as u64),
            Self::Symbol(s) => serializer.serialize_str(s),
            Self::Unknown => serializer.serialize_str(""),
        }
    }
}

/// A declared input or output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValueInfo {
    /// Name in the graph.
    pub name: String,
    /// What holds the elements; their type and shape are those of a tensor in it.
    #[serde(skip_serializing_if = "Kind::is_tensor")]
    pub kind: Kind,
    /// Element type.
    #[serde(rename = "type", serialize_with = "dtype_name")]
    pub dtype: DType,
    /// Dimensions, outermost first. Empty for a scalar and where the rank is not declared
    /// (see `ranked`).
    pub shape: Vec<Dim>,
    /// Whether the model declares a rank.
    #[serde(skip)]
    pub ranked: bool,
    /// What each column stands for, where the model has a map and the engine a table: the classes of
    /// `ZipMap`, the vocabulary of `DictVectorizer`, the keys of a sparse `CastMap`. Else empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

choices! { Dim { 0 => Known(size), 1 => Symbol(name), 2 => Unknown } }
fields! {
    Signature { inputs, outputs }
    ValueInfo { name, kind, dtype, shape, ranked, labels }
}

fn dtype_name<S: Serializer>(dtype: &DType, s: S) -> std::result::Result<S::Ok, S::Error> {
    s.serialize_str(dtype.name())
}

/// Inputs (those that a caller feeds) and outputs, in the model's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signature {
    /// What a caller feeds.
    pub inputs: Vec<ValueInfo>,
    /// What a run gives.
    pub outputs: Vec<ValueInfo>,
}

impl Signature {
    pub(crate) fn of(graph: &pb::GraphProto) -> Result<Self> {
        let inputs = graph
            .input
            .iter()
            // Before IR 4 every initializer is listed as an input too, as a default value.
            .filter(|i| !graph.initializer.iter().any(|init| init.name == i.name))
            .map(|v| input_info(graph, v))
            .collect::<Result<_>>()?;
        let outputs = graph.output.iter().map(|v| output_info(graph, v)).collect::<Result<_>>()?;
        Ok(Self { inputs, outputs })
    }
}

/// What a model gives twice by one name it gives once.
pub(super) fn tell_once(graph: &mut pb::GraphProto) {
    let mut told = HashSet::new();
    graph.output.retain(|output| told.insert(output.name.clone()));
}

pub(super) fn input_info(graph: &pb::GraphProto, value: &pb::ValueInfoProto) -> Result<ValueInfo> {
    value_info(value, "input", || maps::of_input(graph, value))
}

pub(super) fn output_info(graph: &pb::GraphProto, value: &pb::ValueInfoProto) -> Result<ValueInfo> {
    value_info(value, "output", || maps::of_output(graph, &value.name))
}

/// The element type of an ONNX type code; of one that the engine lacks, its carrier.
pub(crate) fn dtype_of(code: i32) -> Option<DType> {
    let code = narrow(code).map_or(code, |n| n.carrier as i32);
    Some(match DataType::try_from(code).ok()? {
        DataType::Float => DType::Float32,
        DataType::Double => DType::Float64,
        DataType::Float16 => DType::Float16,
        DataType::Int8 => DType::Int8,
        DataType::Int16 => DType::Int16,
        DataType::Int32 => DType::Int32,
        DataType::Int64 => DType::Int64,
        DataType::Uint8 => DType::Uint8,
        DataType::Uint16 => DType::Uint16,
        DataType::Uint32 => DType::Uint32,
        DataType::Uint64 => DType::Uint64,
        DataType::Bool => DType::Bool,
        DataType::String => DType::String,
        _ => return None,
    })
}

/// The ONNX type code of an element type.
pub(super) fn code_of(dtype: DType) -> i32 {
    let plain = 1..=DataType::Bfloat16 as i32;
    plain
        .into_iter()
        .find(|code| narrow(*code).is_none() && dtype_of(*code) == Some(dtype))
        .unwrap_or_default()
}

/// The ONNX name of a type code, also of those that the engine lacks.
pub(crate) fn type_name(code: i32) -> String {
    DataType::try_from(code).map_or_else(|_| format!("type {code}"), |t| format!("{t:?}"))
}

/// `columns` gives those of the table that stands for a map.
fn value_info(
    value: &pb::ValueInfoProto,
    role: &str,
    columns: impl FnOnce() -> Option<maps::Columns>,
) -> Result<ValueInfo> {
    let (name, kind) = (value.name.clone(), Kind::of(value));
    let Some(Value::TensorType(tensor)) = value.r#type.as_ref().and_then(|t| t.value.as_ref())
    else {
        if let Some(maps::Columns { labels, count, elements }) = columns() {
            let shape = vec![Dim::Unknown, count.map_or(Dim::Unknown, Dim::Known)];
            let dtype = if elements == DataType::String { DType::String } else { DType::Float32 };
            return Ok(ValueInfo { name, kind, dtype, shape, ranked: true, labels });
        }
        return Err(Error::unsupported_type(format!(
            "{role} `{name}` is not a tensor (a map, or its type is not declared); \
             export the model with plain tensors"
        )));
    };
    let dtype = dtype_of(tensor.elem_type).ok_or_else(|| {
        Error::unsupported_type(format!(
            "{role} `{name}` has the element type {}",
            type_name(tensor.elem_type)
        ))
    })?;
    let dims = tensor.shape.as_ref().map(|s| &s.dim[..]);
    let shape = dims
        .unwrap_or_default()
        .iter()
        .map(|d| match &d.value {
            Some(dimension::Value::DimValue(n)) if *n >= 0 => {
                usize::try_from(*n).map_or(Dim::Unknown, Dim::Known)
            }
            Some(dimension::Value::DimParam(s)) if !s.is_empty() && s != "?" => {
                Dim::Symbol(s.clone())
            }
            _ => Dim::Unknown,
        })
        .collect();
    Ok(ValueInfo { name, kind, dtype, shape, ranked: dims.is_some(), labels: vec![] })
}

fn tensor_of(value: &pb::ValueInfoProto) -> Option<&pb::type_proto::Tensor> {
    let Some(Value::TensorType(tensor)) = value.r#type.as_ref()?.value.as_ref() else {
        return None;
    };
    Some(tensor)
}

/// The element type that a value of a graph is declared with.
pub(super) fn declared_type(value: &pb::ValueInfoProto) -> Option<DType> {
    dtype_of(tensor_of(value)?.elem_type)
}

/// The rank that a value is declared with; 0 where none is.
pub(super) fn declared_rank(value: &pb::ValueInfoProto) -> usize {
    tensor_of(value).and_then(|t| t.shape.as_ref()).map_or(0, |s| s.dim.len())
}

/// The shape that a value is declared with; what is not known is 0, as ONNX Runtime reads it where it
/// needs a shape and has no tensor.
pub(super) fn declared_shape(value: &pb::ValueInfoProto) -> Vec<usize> {
    let dims = tensor_of(value).and_then(|t| t.shape.as_ref()).map_or(&[][..], |s| &s.dim);
    let size = |d: &pb::tensor_shape_proto::Dimension| match d.value {
        Some(dimension::Value::DimValue(n)) => usize::try_from(n).unwrap_or(0),
        _ => 0,
    };
    dims.iter().map(size).collect()
}

/// The values of a graph that are declared, by name: outputs, and inner ones.
pub(super) fn declared_types(graph: &pb::GraphProto) -> HashMap<&str, pb::ValueInfoProto> {
    let values = graph.value_info.iter().chain(&graph.output);
    values.map(|v| (v.name.as_str(), v.clone())).collect()
}
