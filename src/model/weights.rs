//! Large constants pass the importer by.
//!
//! In: a checked file. Out: its large constants as the engine's tensors, and a file that declares them as inputs;
//! then, in the imported graph, constants in the place of those inputs. The importer would copy all of them while
//! the file still holds them, and compare each with all others.

use tract_onnx::pb::{
    self, TensorProto, TensorShapeProto, TypeProto,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::konst::Const;

use super::signature::{code_of, dtype_of};
use crate::error::Result;
use crate::tensor::{self, DType};

/// What is smaller may steer the importer, and weighs nothing.
const LEAST_BYTES: usize = 1024;

/// By name.
pub(super) type Weights = Vec<(String, tensor::Tensor)>;

/// Initializers of a decoded file, by number, that came as tensors: in the file they have no data.
pub(super) type Held = Vec<(usize, tensor::Tensor)>;

/// How the decoded file says of an initializer that it is held; a file's own words of this kind are cleared.
const HELD: i32 = -1;

/// Marks the initializers that are held.
pub(super) fn hold(graph: &mut pb::GraphProto, held: &Held) {
    for (index, _) in held {
        if let Some(tensor) = graph.initializer.get_mut(*index) {
            tensor.data_location = Some(HELD);
        }
    }
}

/// Whether a constant's data are held, and fit it.
pub(super) fn is_held(tensor: &TensorProto) -> bool {
    tensor.data_location == Some(HELD)
}

/// Puts what is held into the file.
pub(super) fn release(graph: &mut pb::GraphProto, held: Held) {
    for (index, data) in held {
        if let Some(tensor) = graph.initializer.get_mut(index) {
            tensor.raw_data = data.bytes().to_vec();
            tensor.data_location = None;
        }
    }
}

/// Takes the large constants out of the main graph, each before the next, so that only one is in memory twice.
pub(super) fn take(graph: &mut pb::GraphProto, held: Held) -> Result<Weights> {
    let mut held: std::collections::HashMap<_, _> = held.into_iter().collect();
    let mut weights = vec![];
    let mut small = vec![];
    for (index, mut proto) in std::mem::take(&mut graph.initializer).into_iter().enumerate() {
        if let Some(tensor) = held.remove(&index) {
            if !graph.input.iter().any(|i| i.name == proto.name) {
                let dims = proto.dims.iter().copied();
                graph.input.push(as_input(&proto.name, proto.data_type, dims));
            }
            weights.push((proto.name, tensor));
            continue;
        }
        let dtype = dtype_of(proto.data_type).filter(|d| !matches!(d, DType::String | DType::Bool));
        let shape = proto.dims.iter().map(|d| usize::try_from(*d).ok()).collect::<Option<Vec<_>>>();
        let (Some(dtype), Some(shape)) = (dtype, shape) else {
            small.push(proto);
            continue;
        };
        if proto.raw_data.len() < LEAST_BYTES {
            small.push(proto);
            continue;
        }
        let bytes = std::mem::take(&mut proto.raw_data);
        let tensor = tensor::Tensor::from_bytes(dtype, &shape, &bytes)?;
        if !graph.input.iter().any(|i| i.name == proto.name) {
            graph.input.push(as_input(&proto.name, proto.data_type, proto.dims.iter().copied()));
        }
        weights.push((proto.name, tensor));
    }
    graph.initializer = small;
    Ok(weights)
}

/// Declares constants as inputs that lie beside the file.
pub(super) fn declare(graph: &mut pb::GraphProto, given: &Weights) {
    for (name, tensor) in given {
        let dims = tensor.shape().iter().map(|d| *d as i64);
        if !graph.input.iter().any(|i| i.name == *name) {
            graph.input.push(as_input(name, code_of(tensor.dtype()), dims));
        }
    }
}

/// Puts constants that lay beside the file back into it.
pub(super) fn restore(graph: &mut pb::GraphProto, given: Weights) {
    for (name, tensor) in given {
        graph.initializer.push(TensorProto {
            name,
            dims: tensor.shape().iter().map(|d| *d as i64).collect(),
            data_type: code_of(tensor.dtype()),
            raw_data: tensor.bytes().to_vec(),
            ..TensorProto::default()
        });
    }
}

fn as_input(name: &str, elem_type: i32, dims: impl Iterator<Item = i64>) -> pb::ValueInfoProto {
    let known =
        |d: i64| Dimension { value: Some(dimension::Value::DimValue(d)), ..Dimension::default() };
    let shape = Some(TensorShapeProto { dim: dims.map(known).collect() });
    let value = type_proto::Value::TensorType(type_proto::Tensor { elem_type, shape });
    pb::ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { value: Some(value), ..TypeProto::default() }),
        ..pb::ValueInfoProto::default()
    }
}

/// Makes the declared inputs constants again.
pub(super) fn put_back(graph: &mut InferenceModel, weights: Weights) -> TractResult<()> {
    let mut weights: std::collections::HashMap<_, _> = weights.into_iter().collect();
    let mut inputs = vec![];
    for outlet in std::mem::take(&mut graph.inputs) {
        let node = &mut graph.nodes[outlet.node];
        let Some(tensor) = weights.remove(&node.name) else {
            inputs.push(outlet);
            continue;
        };
        let value = Arc::clone(tensor.as_tract());
        node.outputs[outlet.slot].fact = TypedFact::try_from(Arc::clone(&value))?.into();
        node.op = Box::new(Const::new(value)?);
    }
    graph.inputs = inputs;
    Ok(())
}
