//! A model and its inputs -> the same with one to three mistakes in it, as exporters and attackers make them.
//!
//! In: a decoded node test and a source of numbers. Out: the broken file and inputs that fit what it declares, or do not. Each
//! kind of mistake is one row; those of names, nested graphs and bytes are in `misname.rs`.

use prost::Message;
use tract_onnx::pb::{
    self, AttributeProto, TensorProto,
    attribute_proto::AttributeType,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto::Value,
};

use super::misname;

/// A linear congruential generator: the same mistakes in every run (Knuth's MMIX constants).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        let mut numbers = Self(seed ^ 0x9e37_79b9_7f4a_7c15);
        for _ in 0..4 {
            numbers.below(2);
        }
        numbers
    }

    pub(crate) fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % below.max(1)
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// A node test under mutation.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) model: pb::ModelProto,
    pub(crate) feeds: Vec<TensorProto>,
    /// The file itself, where it is not the model: another format, or damaged.
    pub(crate) file: Option<Vec<u8>>,
}

impl Subject {
    /// Nothing where an input is no tensor.
    pub(crate) fn read(model: &[u8], feeds: &[Vec<u8>]) -> Option<Self> {
        let model = pb::ModelProto::decode(model).ok()?;
        let feeds = feeds.iter().map(|f| TensorProto::decode(&f[..]).ok());
        let feeds = feeds.collect::<Option<Vec<_>>>()?;
        let graph = model.graph.as_ref()?;
        let plain = graph.input.iter().all(|i| {
            matches!(i.r#type.as_ref().and_then(|t| t.value.as_ref()), Some(Value::TensorType(_)))
        });
        (plain && graph.input.len() == feeds.len() && !graph.node.is_empty()).then_some(Self {
            model,
            feeds,
            file: None,
        })
    }

    /// A file of another format, which is damaged byte by byte.
    pub(crate) fn of_file(file: Vec<u8>, feeds: Vec<TensorProto>) -> Self {
        Self { model: pb::ModelProto::default(), feeds, file: Some(file) }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.file.clone().unwrap_or_else(|| self.model.encode_to_vec())
    }

    pub(crate) fn graph(&mut self) -> &mut pb::GraphProto {
        self.model.graph.get_or_insert_default()
    }

    /// A node, now and then of a nested graph.
    pub(crate) fn node(&mut self, numbers: &mut Numbers) -> &mut pb::NodeProto {
        nested(self.graph(), numbers)
    }

    /// Makes `count` mistakes; says which.
    pub(crate) fn spoil(&mut self, count: usize, numbers: &mut Numbers) -> String {
        if let Some(file) = &mut self.file {
            return misname::damage(file, numbers);
        }
        // What a file holds is planned with its values.
        while numbers.below(3) == 0 && !self.feeds.is_empty() {
            let at = numbers.below(self.feeds.len());
            self.hold(at);
        }
        let mut said = vec![];
        for _ in 0..count {
            let (name, spoil) = numbers.pick(MISTAKES);
            let what = spoil(self, numbers);
            said.push(format!("{name}: {what}"));
        }
        if numbers.below(40) == 0 {
            let mut file = self.bytes();
            said.push(misname::damage(&mut file, numbers));
            self.file = Some(file);
        }
        said.join("; ")
    }

    /// Makes an input a constant.
    fn hold(&mut self, at: usize) {
        let mut tensor = self.feeds.remove(at);
        let graph = self.graph();
        tensor.name = graph.input.remove(at).name;
        graph.initializer.push(tensor);
    }
}

fn nested<'a>(graph: &'a mut pb::GraphProto, numbers: &mut Numbers) -> &'a mut pb::NodeProto {
    let at = numbers.below(graph.node.len());
    let inner = |n: &pb::NodeProto| {
        n.attribute.iter().position(|a| a.g.as_ref().is_some_and(|g| !g.node.is_empty()))
    };
    let node = &mut graph.node[at];
    match inner(node) {
        Some(which) if numbers.below(4) > 0 => {
            nested(node.attribute[which].g.get_or_insert_default(), numbers)
        }
        _ => node,
    }
}

type Mistake = fn(&mut Subject, &mut Numbers) -> String;

const MISTAKES: &[(&str, Mistake)] = &[
    ("type", retype),
    ("type", retype),
    ("shape", reshape),
    ("shape", reshape),
    ("shape", reshape),
    ("values", revalue),
    ("values", revalue),
    ("attribute", attribute),
    ("attribute", attribute),
    ("attribute", attribute),
    ("attribute type", attribute_type),
    ("attribute gone", without_attribute),
    ("input gone", without_input),
    ("input gone", without_input),
    ("input more", more_input),
    ("inputs swapped", swapped),
    ("output", output),
    ("operator set", operator_set),
    ("operator", operator),
    ("feed", feed),
    ("feed", feed),
    ("feed", feed),
    ("name", misname::name),
    ("name", misname::name),
    ("constant", misname::constant),
    ("nested", misname::of_nested),
    ("output of the graph", misname::graph_output),
];

const TYPES: &[DataType] = &[
    DataType::Float,
    DataType::Float,
    DataType::Double,
    DataType::Float16,
    DataType::Int64,
    DataType::Int64,
    DataType::Int32,
    DataType::Int8,
    DataType::Uint8,
    DataType::Uint16,
    DataType::Uint64,
    DataType::Bool,
    DataType::String,
];

/// What indices, axes, lengths and counts should not be, and sometimes may.
pub(crate) const ODD: &[i64] = &[
    0,
    -1,
    1,
    2,
    3,
    5,
    -2,
    -3,
    7,
    64,
    100_000,
    i32::MAX as i64,
    i32::MIN as i64,
    i64::MAX,
    i64::MIN,
    1 << 33,
];

const REAL: &[f32] =
    &[0., -1., 1., 0.5, 1e30, -1e30, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-30, 1e9];

/// A tensor of this type and shape, of small numbers; nothing where it would be large.
fn fresh(data_type: DataType, dims: &[i64], numbers: &mut Numbers) -> Option<TensorProto> {
    let count = dims.iter().try_fold(1i64, |n, d| n.checked_mul(*d))?;
    if !(0..=1 << 16).contains(&count) {
        return None;
    }
    let mut tensor =
        TensorProto { dims: dims.to_vec(), data_type: data_type as i32, ..TensorProto::default() };
    for _ in 0..count {
        let value = numbers.below(4) as u8;
        match data_type {
            DataType::String => tensor.string_data.push(value.to_string().into_bytes()),
            DataType::Float => {
                tensor.raw_data.extend((f32::from(value) / 2.).to_le_bytes());
            }
            DataType::Double => tensor.raw_data.extend((f64::from(value) / 2.).to_le_bytes()),
            DataType::Float16 => {
                tensor.raw_data.extend(half::f16::from_f32(f32::from(value)).to_le_bytes());
            }
            DataType::Bool => tensor.raw_data.push(value & 1),
            DataType::Int8 | DataType::Uint8 => tensor.raw_data.push(value),
            DataType::Uint16 | DataType::Int16 => tensor.raw_data.extend([value, 0]),
            DataType::Int32 | DataType::Uint32 => tensor.raw_data.extend([value, 0, 0, 0]),
            _ => tensor.raw_data.extend([value, 0, 0, 0, 0, 0, 0, 0]),
        }
    }
    Some(tensor)
}

/// A tensor of the subject: an input or a constant.
enum At {
    Input(usize),
    Constant(usize),
}

fn any(subject: &mut Subject, numbers: &mut Numbers) -> Option<At> {
    let (inputs, constants) = (subject.feeds.len(), subject.graph().initializer.len());
    match numbers.below(inputs + constants) {
        _ if inputs + constants == 0 => None,
        at if at < inputs => Some(At::Input(at)),
        at => Some(At::Constant(at - inputs)),
    }
}

fn put(subject: &mut Subject, at: At, mut tensor: TensorProto) -> String {
    let said = format!("{} {:?}", tensor.data_type, tensor.dims);
    match at {
        At::Constant(at) => {
            let old = &mut subject.graph().initializer[at];
            tensor.name = std::mem::take(&mut old.name);
            *old = tensor;
        }
        At::Input(at) => {
            let dims = tensor.dims.iter().map(|d| Dimension {
                value: Some(dimension::Value::DimValue(*d)),
                ..Dimension::default()
            });
            let shape = pb::TensorShapeProto { dim: dims.collect() };
            let info = &mut subject.graph().input[at];
            info.r#type = Some(pb::TypeProto {
                value: Some(Value::TensorType(pb::type_proto::Tensor {
                    elem_type: tensor.data_type,
                    shape: Some(shape),
                })),
                ..pb::TypeProto::default()
            });
            subject.feeds[at] = tensor;
        }
    }
    said
}

fn there<'a>(subject: &'a mut Subject, at: &At) -> &'a mut TensorProto {
    match at {
        At::Input(at) => &mut subject.feeds[*at],
        At::Constant(at) => &mut subject.graph().initializer[*at],
    }
}

fn retype(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let Some(at) = any(subject, numbers) else { return "none".into() };
    let dims = there(subject, &at).dims.clone();
    match fresh(numbers.pick(TYPES), &dims, numbers) {
        Some(tensor) => put(subject, at, tensor),
        None => "none".into(),
    }
}

fn reshape(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let Some(at) = any(subject, numbers) else { return "none".into() };
    let old = there(subject, &at).clone();
    let mut dims = old.dims.clone();
    match numbers.below(7) {
        0 => drop(dims.pop()),
        1 => dims.push(numbers.pick(&[1, 2, 0])),
        2 => dims.clear(),
        3 => dims.insert(0, 1),
        4 => dims = vec![2; numbers.below(7)],
        5 if !dims.is_empty() => drop(dims.remove(0)),
        _ if !dims.is_empty() => {
            let place = numbers.below(dims.len());
            dims[place] = numbers.pick(&[0, 1, 2, 3, 5, 9]);
        }
        _ => {}
    }
    let Some(data_type) = DataType::try_from(old.data_type).ok() else { return "none".into() };
    match fresh(data_type, &dims, numbers) {
        Some(tensor) => put(subject, at, tensor),
        None => "none".into(),
    }
}

/// What a run gives is not what the file shows: extents that it leaves open, another rank, odd numbers.
fn feed(subject: &mut Subject, numbers: &mut Numbers) -> String {
    if subject.feeds.is_empty() {
        return "none".into();
    }
    let at = numbers.below(subject.feeds.len());
    let how = numbers.below(4);
    let info = &mut subject.graph().input[at];
    if let Some(Value::TensorType(tensor)) = info.r#type.as_mut().and_then(|t| t.value.as_mut()) {
        let dims = tensor.shape.iter_mut().flat_map(|s| &mut s.dim);
        match how {
            0 => tensor.shape = None,
            1 => dims.for_each(|dim| dim.value = None),
            _ => dims.enumerate().for_each(|(axis, dim)| {
                dim.value = Some(dimension::Value::DimParam(format!("d{}", axis % how)));
            }),
        }
    }
    let old = subject.feeds[at].clone();
    let mut dims = old.dims.clone();
    match numbers.below(6) {
        0 => drop(dims.pop()),
        1 => dims.push(1),
        2 => {}
        _ if !dims.is_empty() => {
            let place = numbers.below(dims.len());
            dims[place] = numbers.pick(&[0, 0, 1, 2, 3, 17]);
        }
        _ => {}
    }
    if dims == old.dims {
        return format!("open {how}; {}", odd(&mut subject.feeds[at], numbers));
    }
    let made = DataType::try_from(old.data_type).ok().and_then(|t| fresh(t, &dims, numbers));
    if let Some(tensor) = made {
        subject.feeds[at] = tensor;
    }
    format!("open {how}; {dims:?}")
}

/// Puts odd numbers into a small tensor.
fn revalue(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let Some(at) = any(subject, numbers) else { return "none".into() };
    odd(there(subject, &at), numbers)
}

fn odd(tensor: &mut TensorProto, numbers: &mut Numbers) -> String {
    let count = tensor.dims.iter().product::<i64>();
    if !(1..=64).contains(&count) {
        return "none".into();
    }
    let real: Vec<f32> = (0..count).map(|_| numbers.pick(REAL)).collect();
    let whole: Vec<i64> = (0..count).map(|_| numbers.pick(ODD)).collect();
    let raw: Vec<u8> = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float) => real.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Ok(DataType::Double) => real.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect(),
        Ok(DataType::Int64) => whole.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Ok(DataType::Int32) => whole.iter().flat_map(|v| (*v as i32).to_le_bytes()).collect(),
        Ok(DataType::Int8 | DataType::Uint8) => whole.iter().map(|v| *v as u8).collect(),
        _ => return "none".into(),
    };
    *tensor = TensorProto {
        name: tensor.name.clone(),
        dims: tensor.dims.clone(),
        data_type: tensor.data_type,
        raw_data: raw,
        ..TensorProto::default()
    };
    format!("{whole:?}")
}

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

fn attribute(subject: &mut Subject, numbers: &mut Numbers) -> String {
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

fn attribute_type(subject: &mut Subject, numbers: &mut Numbers) -> String {
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

fn without_attribute(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let node = subject.node(numbers);
    if node.attribute.is_empty() {
        return "none".into();
    }
    let at = numbers.below(node.attribute.len());
    node.attribute.remove(at).name
}

fn without_input(subject: &mut Subject, numbers: &mut Numbers) -> String {
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

fn more_input(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let names: Vec<String> = subject.graph().input.iter().map(|i| i.name.clone()).collect();
    let node = subject.node(numbers);
    for _ in 0..=numbers.below(3) {
        if let Some(name) = names.get(numbers.below(names.len())) {
            node.input.push(name.clone());
        }
    }
    format!("{}", node.input.len())
}

fn swapped(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let node = subject.node(numbers);
    if node.input.len() < 2 {
        return "none".into();
    }
    let (a, b) = (numbers.below(node.input.len()), numbers.below(node.input.len()));
    node.input.swap(a, b);
    format!("{a} {b}")
}

fn output(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let node = subject.node(numbers);
    match numbers.below(3) {
        0 => node.output.push("more".into()),
        1 => node.output.extend(["more".into(), "and more".into(), String::new()]),
        _ => node.output.insert(0, String::new()),
    }
    format!("{:?}", node.output)
}

fn operator_set(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let version =
        numbers.pick(&[0, 1, 6, 7, 9, 10, 11, 12, 13, 15, 17, 18, 20, 21, 23, 26, i64::MAX]);
    for set in &mut subject.model.opset_import {
        set.version = version;
    }
    version.to_string()
}

/// Another operator on the same inputs.
fn operator(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let name = numbers.pick(crate::OPERATORS);
    let node = subject.node(numbers);
    node.op_type = name.to_owned();
    node.domain.clear();
    name.to_owned()
}
