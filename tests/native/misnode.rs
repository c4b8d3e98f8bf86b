//! Mistakes of nodes: attributes, how many inputs and outputs, the operator and its set.
//!
//! In: a subject and a source of numbers. Out: what was done to it, in words.

use tract_onnx::pb::{AttributeProto, attribute_proto::AttributeType};

use super::misvalue::{TYPES, fresh};
use super::mutate::{Numbers, ODD, REAL, Subject};

/// Names and values that operators have, so that one may be where it was not.
const NAMED: &[&str] = &[
    "axis",
    "axes",
    "group",
    "kernel_shape",
    "strides",
    "pads",
    "dilations",
    "keepdims",
    "perm",
    "to",
    "mode",
    "auto_pad",
    "blocksize",
    "hidden_size",
    "direction",
    "epsilon",
    "num_outputs",
    "split",
    "alpha",
    "transA",
    "transB",
    "num_heads",
    "kv_num_heads",
    "batch_dims",
    "output_shape",
    "ceil_mode",
    "storage_order",
    "largest",
    "sorted",
    "k",
    "seq_length",
    "block_size",
    "bits",
    "layout",
    "clip",
    "linear_before_reset",
    "reduction",
    "equation",
    "size",
    "scale",
    "value",
];

pub(crate) fn attribute(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let node = subject.node(numbers);
    if node.attribute.is_empty() || numbers.below(6) == 0 {
        let name = numbers.pick(NAMED).to_owned();
        node.attribute.retain(|a| a.name != name);
        let mut made = AttributeProto { name: name.clone(), ..AttributeProto::default() };
        random_type(&mut made, numbers);
        node.attribute.push(made);
        return name;
    }
    let at = numbers.below(node.attribute.len());
    let attribute = &mut node.attribute[at];
    match AttributeType::try_from(attribute.r#type) {
        Ok(AttributeType::Int) => attribute.i = numbers.pick(ODD),
        Ok(AttributeType::Float) => attribute.f = numbers.pick(REAL),
        Ok(AttributeType::String) => {
            attribute.s = numbers
                .pick(&[&b""[..], b"garbage", b"\xff\xfe", b"SAME_UPPER", b"linear"])
                .to_vec();
        }
        Ok(AttributeType::Ints) => match numbers.below(4) {
            0 => drop(attribute.ints.pop()),
            1 => attribute.ints.push(numbers.pick(ODD)),
            _ if !attribute.ints.is_empty() => {
                let place = numbers.below(attribute.ints.len());
                attribute.ints[place] = numbers.pick(ODD);
            }
            _ => attribute.ints.push(numbers.pick(ODD)),
        },
        Ok(AttributeType::Floats) => match numbers.below(3) {
            0 => drop(attribute.floats.pop()),
            1 => attribute.floats.push(numbers.pick(REAL)),
            _ => attribute.floats.iter_mut().for_each(|v| *v = numbers.pick(REAL)),
        },
        Ok(AttributeType::Strings) => match numbers.below(3) {
            0 => drop(attribute.strings.pop()),
            1 => attribute.strings.push(b"garbage".to_vec()),
            _ => attribute.strings.iter_mut().for_each(|v| *v = b"garbage".to_vec()),
        },
        Ok(AttributeType::Tensor) => {
            let dims: Vec<i64> =
                (0..numbers.below(4)).map(|_| numbers.pick(&[0, 1, 2, 3])).collect();
            attribute.t = fresh(numbers.pick(TYPES), &dims, numbers);
        }
        _ => attribute.g = None,
    }
    attribute.name.clone()
}

fn random_type(attribute: &mut AttributeProto, numbers: &mut Numbers) {
    let kind = numbers.pick(&[
        AttributeType::Int,
        AttributeType::Float,
        AttributeType::String,
        AttributeType::Ints,
        AttributeType::Floats,
    ]);
    attribute.r#type = kind as i32;
    match kind {
        AttributeType::Int => attribute.i = numbers.pick(ODD),
        AttributeType::Float => attribute.f = numbers.pick(REAL),
        AttributeType::String => attribute.s = b"garbage".to_vec(),
        AttributeType::Ints => {
            attribute.ints = (0..numbers.below(5)).map(|_| numbers.pick(ODD)).collect();
        }
        _ => attribute.floats = (0..numbers.below(5)).map(|_| numbers.pick(REAL)).collect(),
    }
}

pub(crate) fn attribute_type(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let node = subject.node(numbers);
    if node.attribute.is_empty() {
        return "none".into();
    }
    let at = numbers.below(node.attribute.len());
    let name = node.attribute[at].name.clone();
    node.attribute[at] = AttributeProto { name: name.clone(), ..AttributeProto::default() };
    random_type(&mut node.attribute[at], numbers);
    name
}

pub(crate) fn without_attribute(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let node = subject.node(numbers);
    if node.attribute.is_empty() {
        return "none".into();
    }
    let at = numbers.below(node.attribute.len());
    node.attribute.remove(at).name
}

pub(crate) fn without_input(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let node = subject.node(numbers);
    if node.input.is_empty() {
        return "none".into();
    }
    let at = numbers.below(node.input.len());
    if numbers.below(2) == 0 {
        node.input[at].clear();
    } else {
        node.input.truncate(at);
    }
    format!("{at}")
}

pub(crate) fn more_input(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let names: Vec<String> = subject.graph().input.iter().map(|i| i.name.clone()).collect();
    let node = subject.node(numbers);
    for _ in 0..=numbers.below(3) {
        if let Some(name) = names.get(numbers.below(names.len())) {
            node.input.push(name.clone());
        }
    }
    format!("{}", node.input.len())
}

pub(crate) fn swapped(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let node = subject.node(numbers);
    if node.input.len() < 2 {
        return "none".into();
    }
    let (a, b) = (numbers.below(node.input.len()), numbers.below(node.input.len()));
    node.input.swap(a, b);
    format!("{a} {b}")
}

pub(crate) fn output(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let node = subject.node(numbers);
    match numbers.below(3) {
        0 => node.output.push("more".into()),
        1 => node.output.extend(["more".into(), "and more".into(), String::new()]),
        _ => node.output.insert(0, String::new()),
    }
    format!("{:?}", node.output)
}

pub(crate) fn operator_set(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let version =
        numbers.pick(&[0, 1, 6, 7, 9, 10, 11, 12, 13, 15, 17, 18, 20, 21, 23, 26, i64::MAX]);
    for set in &mut subject.model.opset_import {
        set.version = version;
    }
    version.to_string()
}

/// Another operator on the same inputs.
pub(crate) fn operator(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let name = numbers.pick(crate::OPERATORS);
    let node = subject.node(numbers);
    node.op_type = name.to_owned();
    node.domain.clear();
    name.to_owned()
}
