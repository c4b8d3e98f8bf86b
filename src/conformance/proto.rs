//! The values of node tests: `TensorProto`, `SequenceProto` and `OptionalProto` files -> [`Value`].
//!
//! In: a protobuf. Out: a value, or the word for what it is instead.

use prost::Message;
use tract_onnx::pb;

use crate::model::{Kind, dtype_of, type_name, widen_tensor};
use crate::tensor::{DType, Tensor};
use crate::value::Value;

#[derive(Clone, PartialEq, Message)]
struct SequenceProto {
    #[prost(message, repeated, tag = "3")]
    tensors: Vec<pb::TensorProto>,
}

#[derive(Clone, PartialEq, Message)]
struct OptionalProto {
    #[prost(message, optional, tag = "3")]
    tensor: Option<pb::TensorProto>,
    #[prost(message, optional, tag = "5")]
    sequence: Option<SequenceProto>,
}

/// A value from a file; the error says what it is instead.
pub(super) fn value(kind: Kind, bytes: &[u8]) -> Result<Value, String> {
    let sequence = |proto: SequenceProto| {
        proto.tensors.iter().map(tensor).collect::<Result<_, _>>().map(Value::Sequence)
    };
    let odd = |e| format!("not a value file: {e}");
    match kind {
        Kind::Tensor => tensor(&pb::TensorProto::decode(bytes).map_err(odd)?).map(Value::Tensor),
        Kind::Sequence => sequence(SequenceProto::decode(bytes).map_err(odd)?),
        Kind::Optional => match OptionalProto::decode(bytes).map_err(odd)? {
            OptionalProto { tensor: Some(proto), .. } => tensor(&proto).map(Value::Tensor),
            OptionalProto { sequence: Some(proto), .. } => sequence(proto),
            OptionalProto { .. } => Ok(Value::Absent),
        },
    }
}

fn tensor(proto: &pb::TensorProto) -> Result<Tensor, String> {
    let mut proto = proto.clone();
    widen_tensor(&mut proto);
    let proto = &proto;
    let dtype = dtype_of(proto.data_type)
        .ok_or_else(|| format!("the element type {}", type_name(proto.data_type)))?;
    let shape = proto.dims.iter().map(|d| usize::try_from(*d)).collect::<Result<Vec<_>, _>>();
    let shape = shape.map_err(|_| "a negative dimension".to_owned())?;
    if dtype == DType::String {
        let strings =
            proto.string_data.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect();
        return Tensor::from_strings(&shape, strings).map_err(|e| e.to_string());
    }
    let bytes =
        if proto.raw_data.is_empty() { fields(dtype, proto) } else { proto.raw_data.to_vec() };
    Tensor::from_bytes(dtype, &shape, &bytes).map_err(|e| e.to_string())
}

/// The typed fields as little-endian bytes; narrow types lie in `int32_data`.
fn fields(dtype: DType, proto: &pb::TensorProto) -> Vec<u8> {
    match dtype {
        DType::Float32 => proto.float_data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        DType::Float64 => proto.double_data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        DType::Int64 => proto.int64_data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        DType::Uint32 | DType::Uint64 => {
            let size = dtype.size();
            proto.uint64_data.iter().flat_map(|v| v.to_le_bytes()[..size].to_vec()).collect()
        }
        _ => {
            let size = dtype.size();
            proto.int32_data.iter().flat_map(|v| v.to_le_bytes()[..size].to_vec()).collect()
        }
    }
}
