//! The ONNX graph while it is made.
//!
//! In: operators in the order of the file. Out: nodes and constants. Every tensor has one name under which
//! operators read it: of a quantised one that of its float32 numbers.

use std::collections::HashMap;

use tract_onnx::pb::{
    self, AttributeProto, NodeProto, TensorProto, ValueInfoProto,
    attribute_proto::AttributeType,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};

use super::flat::Table;
use super::tensor::{Quantisation, TensorInfo};
use super::{DOMAIN, names, ops};

/// Why a form of an operator cannot be translated.
pub(super) type Refused<T = ()> = Result<T, String>;

pub(super) struct Graph<'a> {
    pub(super) tensors: Vec<TensorInfo<'a>>,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
    graph: pb::GraphProto,
    /// The name to read a tensor under, once it is made.
    values: HashMap<usize, String>,
    /// The name of a quantised tensor's integers, once they are made.
    integers: HashMap<usize, String>,
    /// Constants that were made while the file was read, by the operator that made them.
    folded: HashMap<usize, Vec<f32>>,
    /// Weights with their axes in another order.
    turned: HashMap<(usize, Vec<i64>), String>,
    next: usize,
}

/// An operator of the file.
pub(super) struct Operator<'a> {
    pub(super) name: String,
    pub(super) inputs: Vec<Option<usize>>,
    pub(super) outputs: Vec<usize>,
    pub(super) options: Option<Table<'a>>,
    pub(super) custom: Vec<u8>,
}

impl Operator<'_> {
    /// A whole number of the options.
    pub(super) fn int(&self, number: usize) -> i32 {
        self.options.map_or(0, |o| o.int(number, 0))
    }

    pub(super) fn byte(&self, number: usize) -> i8 {
        self.options.map_or(0, |o| o.int8(number))
    }

    pub(super) fn flag(&self, number: usize) -> bool {
        self.byte(number) != 0
    }

    pub(super) fn input(&self, at: usize) -> Refused<usize> {
        self.inputs.get(at).copied().flatten().ok_or_else(|| format!("input {at} is missing"))
    }
}

pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..AttributeProto::default()
    }
}

pub(super) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Ints as i32,
        ints: values.to_vec(),
        ..AttributeProto::default()
    }
}

pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Float as i32,
        f: value,
        ..AttributeProto::default()
    }
}

pub(super) fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::String as i32,
        s: value.as_bytes().to_vec(),
        ..AttributeProto::default()
    }
}

impl<'a> Graph<'a> {
    pub(super) fn new(model: &Table<'a>, main: &Table<'a>) -> Refused<Self> {
        let buffers = model.tables(4);
        let tensors = main.tables(0);
        let tensors = tensors.iter().map(|t| TensorInfo::read(t, &buffers));
        let mut tensors: Vec<TensorInfo> = tensors.collect::<Refused<_>>()?;
        let indices = |number: usize| -> Refused<Vec<usize>> {
            let known = |i: i32| usize::try_from(i).ok().filter(|i| *i < tensors.len());
            let list = main.ints(number).into_iter().map(known).collect::<Option<_>>();
            list.ok_or_else(|| "names a tensor that it does not have".to_owned())
        };
        let (inputs, outputs) = (indices(1)?, indices(2)?);
        let mut seen = HashMap::new();
        for (at, tensor) in tensors.iter_mut().enumerate() {
            let times = seen.entry(tensor.name.clone()).or_insert(0);
            *times += 1;
            if *times > 1 || tensor.name.is_empty() {
                tensor.name = format!("{}#{at}", tensor.name);
            }
        }
        let mut graph = Self {
            tensors,
            inputs,
            outputs,
            graph: pb::GraphProto::default(),
            values: HashMap::new(),
            integers: HashMap::new(),
            folded: HashMap::new(),
            turned: HashMap::new(),
            next: 0,
        };
        for at in graph.inputs.clone() {
            let name = graph.tensors[at].name.clone();
            let info = graph.info(at);
            graph.graph.input.push(info);
            graph.made(at, name);
        }
        Ok(graph)
    }

    /// Declares an end of the graph.
    fn info(&self, at: usize) -> ValueInfoProto {
        let tensor = &self.tensors[at];
        let dim = |d: &i32| Dimension {
            value: (*d >= 0).then(|| dimension::Value::DimValue(i64::from(*d))),
            ..Dimension::default()
        };
        let shape = pb::TensorShapeProto { dim: tensor.declared.iter().map(dim).collect() };
        let tensor_type = type_proto::Tensor { elem_type: tensor.dtype as i32, shape: Some(shape) };
        ValueInfoProto {
            name: tensor.name.clone(),
            r#type: Some(pb::TypeProto {
                value: Some(type_proto::Value::TensorType(tensor_type)),
                ..pb::TypeProto::default()
            }),
            ..ValueInfoProto::default()
        }
    }

    /// A tensor is there as the file stores it, under `name`.
    fn made(&mut self, at: usize, name: String) {
        match self.tensors[at].quantisation.clone() {
            None => {
                self.values.insert(at, name);
            }
            Some(q) => {
                let value = self.quantised("DequantizeLinear", &name, &q, at);
                self.integers.insert(at, name);
                self.values.insert(at, value);
            }
        }
    }

    fn quantised(&mut self, op_type: &str, input: &str, q: &Quantisation, at: usize) -> String {
        let dtype = self.tensors[at].dtype;
        let dims: &[usize] = if q.scale.len() > 1 { &[q.scale.len()] } else { &[] };
        let scale = self.floats(&q.scale.clone(), dims);
        let zero = |i: usize| q.zero.get(i).or(q.zero.first()).copied().unwrap_or(0);
        let zeros = (0..q.scale.len()).map(zero);
        let bytes = zeros.flat_map(|z| match dtype {
            DataType::Int16 => (z as i16).to_le_bytes().to_vec(),
            DataType::Int32 => (z as i32).to_le_bytes().to_vec(),
            _ => vec![z as u8],
        });
        let zero = self.raw(dtype, dims, bytes.collect());
        self.node(op_type, &[input, &scale, &zero], vec![int("axis", q.axis as i64)])
    }

    pub(super) fn raw(&mut self, dtype: DataType, dims: &[usize], raw_data: Vec<u8>) -> String {
        let name = self.fresh("constant");
        self.graph.initializer.push(TensorProto {
            name: name.clone(),
            dims: dims.iter().map(|d| *d as i64).collect(),
            data_type: dtype as i32,
            raw_data,
            ..TensorProto::default()
        });
        name
    }

    pub(super) fn floats(&mut self, values: &[f32], dims: &[usize]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.raw(DataType::Float, dims, bytes)
    }

    pub(super) fn longs(&mut self, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.raw(DataType::Int64, &[values.len()], bytes)
    }

    fn fresh(&mut self, what: &str) -> String {
        self.next += 1;
        // No name of a file's tensor has this form: their duplicates end in `#index`.
        format!("nearside.{what}.{}", self.next)
    }

    /// A node with one output; gives its name.
    pub(super) fn node(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> String {
        let output = self.fresh(op_type);
        self.push(op_type, inputs, vec![output.clone()], attribute);
        output
    }

    pub(super) fn nodes(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        count: usize,
        attribute: Vec<AttributeProto>,
    ) -> Vec<String> {
        let outputs: Vec<_> = (0..count).map(|_| self.fresh(op_type)).collect();
        self.push(op_type, inputs, outputs.clone(), attribute);
        outputs
    }

    fn push(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        output: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) {
        self.graph.node.push(NodeProto {
            name: output.first().cloned().unwrap_or_default(),
            op_type: op_type.to_owned(),
            input: inputs.iter().map(|i| (*i).to_owned()).collect(),
            output,
            attribute,
            ..NodeProto::default()
        });
    }

    /// The name to read a tensor under.
    pub(super) fn value(&mut self, at: usize) -> Refused<String> {
        if let Some(name) = self.values.get(&at) {
            return Ok(name.clone());
        }
        let tensor = self.tensors[at].clone();
        if let Some(floats) = self.folded.get(&at).cloned() {
            let name = self.floats(&floats, &tensor.shape);
            self.values.insert(at, name.clone());
            return Ok(name);
        }
        if tensor.sparse {
            return Err(format!("`{}` is sparse", tensor.name));
        }
        let name = if tensor.is_quantised() {
            let floats = tensor.floats();
            let floats = floats.ok_or_else(|| format!("nothing makes `{}`", tensor.name))?;
            self.floats(&floats, &tensor.shape)
        } else {
            let data = tensor.constant().map(<[u8]>::to_vec);
            let empty = || (tensor.count() == Some(0)).then(Vec::new);
            let data = data.or_else(empty);
            let data = data.ok_or_else(|| format!("nothing makes `{}`", tensor.name))?;
            self.raw(tensor.dtype, &tensor.shape, data)
        };
        self.values.insert(at, name.clone());
        Ok(name)
    }

    /// A constant that is made while the file is read takes the place of an operator's output.
    pub(super) fn constant(&mut self, at: usize, data: Vec<f32>) {
        self.folded.insert(at, data);
    }

    /// An operator's result, as it comes out of float32 arithmetic.
    pub(super) fn give(&mut self, at: usize, value: String) {
        let Some(q) = self.tensors[at].quantisation.clone() else {
            self.values.insert(at, value);
            return;
        };
        let integers = self.quantised("QuantizeLinear", &value, &q, at);
        self.made(at, integers);
    }

    pub(super) fn operator(&mut self, code: i32, custom: &str, table: &Table<'a>) -> Refused {
        let bad = || "has an operator with a tensor that it does not have".to_owned();
        let known = |i: i32| usize::try_from(i).ok().filter(|i| *i < self.tensors.len());
        let inputs = table.ints(1).into_iter();
        let inputs = inputs.map(|i| if i == -1 { Some(None) } else { known(i).map(Some) });
        let inputs: Vec<_> = inputs.collect::<Option<_>>().ok_or_else(bad)?;
        let outputs: Vec<_> =
            table.ints(2).into_iter().map(known).collect::<Option<_>>().ok_or_else(bad)?;
        let name = if custom.is_empty() { names::of(code) } else { custom.to_owned() };
        let custom = table.bytes(5).unwrap_or_default().to_vec();
        let op = Operator { name, inputs, outputs, options: table.table(4), custom };
        if let Err(refused) = ops::translate(self, code, &op) {
            self.leave(&op, refused);
        }
        Ok(())
    }

    /// Leaves an operator as it is, for the check to find.
    fn leave(&mut self, op: &Operator, refused: String) {
        let read = |at: &Option<usize>| at.and_then(|at| self.values.get(&at).cloned());
        let input = op.inputs.iter().filter_map(read).collect();
        let output: Vec<_> = op.outputs.iter().map(|_| self.fresh("left")).collect();
        for (at, name) in op.outputs.iter().zip(&output) {
            self.values.insert(*at, name.clone());
            self.integers.insert(*at, name.clone());
        }
        self.graph.node.push(NodeProto {
            name: op.outputs.first().map(|at| self.tensors[*at].name.clone()).unwrap_or_default(),
            domain: DOMAIN.to_owned(),
            op_type: op.name.clone(),
            doc_string: refused,
            input,
            output,
            ..NodeProto::default()
        });
    }

    /// The whole graph, with its outputs under the file's names.
    pub(super) fn finish(mut self) -> Refused<pb::GraphProto> {
        for at in self.outputs.clone() {
            let value = match self.integers.get(&at) {
                Some(name) => name.clone(),
                None => self.value(at)?,
            };
            let info = self.info(at);
            if self.inputs.contains(&at) {
                self.graph.output.push(info);
                continue;
            }
            let name = self.tensors[at].name.clone();
            self.push("Identity", &[&value], vec![name], vec![]);
            self.graph.output.push(info);
        }
        Ok(self.graph)
    }
}

impl Graph<'_> {
    /// Weights with their axes in another order, turned here where they are constants.
    pub(super) fn turned_weights(&mut self, at: usize, order: &[i64]) -> Refused<String> {
        let key = (at, order.to_vec());
        if let Some(name) = self.turned.get(&key) {
            return Ok(name.clone());
        }
        let name = match self.folded.get(&at).cloned().or_else(|| self.tensors[at].floats()) {
            Some(floats) => {
                let axes: Vec<usize> = order.iter().map(|a| *a as usize).collect();
                let (turned, shape) = turn(&floats, &self.tensors[at].shape, &axes);
                self.floats(&turned, &shape)
            }
            None => {
                let value = self.value(at)?;
                self.node("Transpose", &[&value], vec![ints("perm", order)])
            }
        };
        self.turned.insert(key, name.clone());
        Ok(name)
    }
}

/// Elements with their axes in another order.
fn turn(from: &[f32], shape: &[usize], axes: &[usize]) -> (Vec<f32>, Vec<usize>) {
    let stride = |axis: usize| shape[axis + 1..].iter().product::<usize>();
    let strides: Vec<usize> = axes.iter().map(|a| stride(*a)).collect();
    let sizes: Vec<usize> = axes.iter().map(|a| shape[*a]).collect();
    let mut index = vec![0; axes.len()];
    let mut turned = Vec::with_capacity(from.len());
    for _ in 0..from.len() {
        let at: usize = index.iter().zip(&strides).map(|(i, s)| i * s).sum();
        turned.push(from.get(at).copied().unwrap_or_default());
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            if index[axis] < sizes[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    (turned, sizes)
}
