//! Constants of 4 bits become constants of 8.
//!
//! In: a decoded file. Out: the same, with every INT4 and UINT4 constant as INT8 or UINT8 of the same
//! values, which is what dequantising reads; the engine has no 4-bit type. Only where 4 bits are the
//! result, as of QuantizeLinear, does it matter, and that stays refused.

use tract_onnx::pb::{self, tensor_proto::DataType};

/// Widens the constants of the main graph and its subgraphs.
pub(crate) fn widen(model: &mut pb::ModelProto) {
    if let Some(graph) = &mut model.graph {
        graph_constants(graph);
    }
}

fn graph_constants(graph: &mut pb::GraphProto) {
    // The zero point of a QuantizeLinear says what it quantises to.
    let kept: Vec<String> = graph
        .node
        .iter()
        .filter(|n| n.op_type == "QuantizeLinear")
        .filter_map(|n| n.input.get(2).cloned())
        .collect();
    for tensor in &mut graph.initializer {
        if !kept.contains(&tensor.name) {
            widen_tensor(tensor);
        }
    }
    for node in &mut graph.node {
        let keep = node.output.iter().any(|o| kept.contains(o));
        for attribute in &mut node.attribute {
            for tensor in attribute.t.iter_mut().filter(|_| !keep) {
                widen_tensor(tensor);
            }
            for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                graph_constants(graph);
            }
        }
    }
}

/// A tensor whose bytes do not fit its shape is left as it is, and refused later for its type.
fn widen_tensor(tensor: &mut pb::TensorProto) {
    let signed = tensor.data_type == DataType::Int4 as i32;
    if !signed && tensor.data_type != DataType::Uint4 as i32 {
        return;
    }
    let count =
        tensor.dims.iter().try_fold(1usize, |n, d| n.checked_mul(usize::try_from(*d).ok()?));
    let packed: Vec<u8> = if tensor.raw_data.is_empty() {
        tensor.int32_data.iter().map(|v| *v as u8).collect()
    } else {
        tensor.raw_data.to_vec()
    };
    let Some(count) = count.filter(|c| c.div_ceil(2) == packed.len()) else { return };
    let nibbles = packed.iter().flat_map(|byte| [byte & 15, byte >> 4]).take(count);
    // Shifting up and back copies the sign.
    let values = nibbles.map(|n| if signed { ((n as i8) << 4 >> 4) as u8 } else { n });
    tensor.raw_data = values.collect();
    tensor.int32_data.clear();
    tensor.data_type = if signed { DataType::Int8 } else { DataType::Uint8 } as i32;
}
