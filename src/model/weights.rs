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

use super::signature::dtype_of;
use crate::error::Result;
use crate::tensor::{self, DType};

/// What is smaller may steer the importer, and weighs nothing.
const LEAST_BYTES: usize = 1024;

/// By name.
pub(super) type Weights = Vec<(String, tensor::Tensor)>;

/// Takes the large constants out of the main graph, each before the next, so that only one is in memory twice.
pub(super) fn take(graph: &mut pb::GraphProto) -> Result<Weights> {
    let mut weights = vec![];
    let mut small = vec![];
    for mut proto in std::mem::take(&mut graph.initializer) {
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
            graph.input.push(as_input(&proto));
        }
        weights.push((proto.name, tensor));
    }
    graph.initializer = small;
    Ok(weights)
}

fn as_input(proto: &TensorProto) -> pb::ValueInfoProto {
    let known =
        |d: &i64| Dimension { value: Some(dimension::Value::DimValue(*d)), ..Dimension::default() };
    let dim = proto.dims.iter().map(known).collect();
    let shape = Some(TensorShapeProto { dim });
    let value =
        type_proto::Value::TensorType(type_proto::Tensor { elem_type: proto.data_type, shape });
    pb::ValueInfoProto {
        name: proto.name.clone(),
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
