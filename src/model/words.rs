//! Constants of unsigned integers of 32 and 64 bits, as the importer reads them.
//!
//! In: a decoded file. Out: the same, with their elements as bytes, and a node for each that has none. ONNX keeps both types
//! in a list of 64-bit words; the importer looks for them among the signed ones, whose type it gives them.

use tract_onnx::pb::{
    self, AttributeProto, TensorProto, attribute_proto::AttributeType, tensor_proto::DataType,
};

use super::weights;

/// The type of a constant that the importer takes for another one.
fn unsigned(tensor: &TensorProto) -> Option<DataType> {
    let dtype = DataType::try_from(tensor.data_type).ok()?;
    let open = tensor.raw_data.is_empty() && !weights::is_held(tensor);
    (open && matches!(dtype, DataType::Uint32 | DataType::Uint64)).then_some(dtype)
}

/// Makes bytes of the words of every constant, those of nested graphs included.
pub(super) fn as_bytes(graph: &mut pb::GraphProto) {
    graph.initializer.iter_mut().for_each(pack);
    for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
        attribute.t.iter_mut().chain(&mut attribute.tensors).for_each(pack);
        attribute.g.iter_mut().chain(&mut attribute.graphs).for_each(as_bytes);
    }
}

fn pack(tensor: &mut TensorProto) {
    let Some(dtype) = unsigned(tensor) else { return };
    let words = std::mem::take(&mut tensor.uint64_data);
    tensor.raw_data = match dtype {
        DataType::Uint32 => words.iter().flat_map(|word| (*word as u32).to_le_bytes()).collect(),
        _ => words.iter().flat_map(|word| word.to_le_bytes()).collect(),
    };
}

/// Makes what has no elements, and so no bytes, with a node; of one graph.
pub(super) fn made_of_nothing(graph: &mut pb::GraphProto) {
    let fed = |name: &str| graph.input.iter().any(|input| input.name == name);
    let empty = |tensor: &TensorProto| unsigned(tensor).is_some() && tensor.dims.contains(&0);
    let (nothing, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut graph.initializer)
        .into_iter()
        .partition(|tensor| empty(tensor) && !fed(&tensor.name));
    graph.initializer = rest;
    for tensor in nothing {
        let (node, extents) = maker(&tensor, &tensor.name);
        graph.node.insert(0, node);
        graph.initializer.push(extents);
    }
    for node in &mut graph.node {
        let constant = node.op_type == "Constant" && node.domain.is_empty();
        let value = node.attribute.iter().find_map(|a| a.t.as_ref()).filter(|t| empty(t));
        if let (true, Some(value), Some(name)) = (constant, value, node.output.first()) {
            let (made, extents) = maker(value, name);
            *node = made;
            graph.initializer.push(extents);
        }
    }
}

/// A node that makes `tensor` under a name, and the constant that it reads.
fn maker(tensor: &TensorProto, name: &str) -> (pb::NodeProto, TensorProto) {
    let extents = TensorProto {
        name: format!("{name}.nearside.extents"),
        dims: vec![tensor.dims.len() as i64],
        data_type: DataType::Int64 as i32,
        raw_data: tensor.dims.iter().flat_map(|dim| dim.to_le_bytes()).collect(),
        ..TensorProto::default()
    };
    let width = if tensor.data_type == DataType::Uint32 as i32 { 4 } else { 8 };
    let zero = TensorProto {
        dims: vec![1],
        data_type: tensor.data_type,
        raw_data: vec![0; width],
        ..TensorProto::default()
    };
    let value = AttributeProto {
        name: "value".to_owned(),
        r#type: AttributeType::Tensor as i32,
        t: Some(zero),
        ..AttributeProto::default()
    };
    let node = pb::NodeProto {
        name: name.to_owned(),
        op_type: "ConstantOfShape".to_owned(),
        input: vec![extents.name.clone()],
        output: vec![name.to_owned()],
        attribute: vec![value],
        ..pb::NodeProto::default()
    };
    (node, extents)
}
