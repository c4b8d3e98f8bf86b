//! The window attributes of convolutions and poolings, checked before import.
//!
//! In: a node. Out: nothing, or what is wrong. The engine asserts that the lengths fit each other and
//! divides by strides.

use tract_onnx::pb;

use crate::error::{Error, ErrorKind, Result};

/// Operators that slide a window over their input.
const WINDOWED: &[&str] = &[
    "AveragePool",
    "Conv",
    "ConvInteger",
    "ConvTranspose",
    "ConvTransposeWithDynamicPads",
    "FusedConv",
    "LpPool",
    "MaxPool",
    "MaxUnpool",
    "NhwcMaxPool",
    "QLinearAveragePool",
    "QLinearConv",
];

/// (attribute, smallest value, entries for each spatial axis)
const ATTRIBUTES: &[(&str, i64, usize)] = &[
    ("kernel_shape", 1, 1),
    ("strides", 1, 1),
    ("dilations", 1, 1),
    ("pads", 0, 2),
    ("output_padding", 0, 1),
];

pub(super) fn check(node: &pb::NodeProto) -> Result<()> {
    if !WINDOWED.contains(&node.op_type.as_str()) {
        return Ok(());
    }
    let mut axes = None;
    for (name, least, per_axis) in ATTRIBUTES {
        let Some(attribute) = node.attribute.iter().find(|a| a.name == *name) else { continue };
        let values = &attribute.ints;
        let fits = values.len() % per_axis == 0
            && values.iter().all(|v| (*least..=i64::from(i32::MAX)).contains(v))
            && *axes.get_or_insert(values.len() / per_axis) == values.len() / per_axis;
        if !fits {
            return Err(Error::new(
                ErrorKind::InvalidModel,
                format!("node `{}` ({}) has {name} {values:?}", node.name, node.op_type),
            ));
        }
    }
    match node.attribute.iter().find(|a| a.name == "group") {
        Some(group) if !(1..=i64::from(i32::MAX)).contains(&group.i) => Err(Error::new(
            ErrorKind::InvalidModel,
            format!("node `{}` ({}) has group {}", node.name, node.op_type, group.i),
        )),
        _ => Ok(()),
    }
}
