//! An operator of the file, and the nodes and constants that it becomes.

use tract_onnx::pb::{
    AttributeProto, GraphProto, NodeProto, TensorProto, attribute_proto::AttributeType,
    tensor_proto::DataType,
};

use super::flat::Table;
use super::graph::{Graph, Refused};

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

    pub(super) fn real(&self, number: usize) -> f32 {
        self.options.map_or(0.0, |o| o.float(number))
    }

    pub(super) fn input(&self, at: usize) -> Refused<usize> {
        self.maybe(at).ok_or_else(|| format!("input {at} is missing"))
    }

    /// An input that may be left out.
    pub(super) fn maybe(&self, at: usize) -> Option<usize> {
        self.inputs.get(at).copied().flatten()
    }

    pub(super) fn output(&self, at: usize) -> Refused<usize> {
        self.outputs.get(at).copied().ok_or_else(|| format!("output {at} is missing"))
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

pub(super) fn graph(name: &str, value: GraphProto) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Graph as i32,
        g: Some(value),
        ..AttributeProto::default()
    }
}

impl Graph<'_> {
    pub(super) fn raw(&mut self, dtype: DataType, dims: &[usize], raw_data: Vec<u8>) -> String {
        let name = self.fresh("constant");
        // Too much is refused before the next operator.
        let _ = self.file.spend(raw_data.len());
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

    /// A scalar.
    pub(super) fn long(&mut self, value: i64) -> String {
        self.raw(DataType::Int64, &[], value.to_le_bytes().to_vec())
    }

    pub(super) fn longs(&mut self, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.raw(DataType::Int64, &[values.len()], bytes)
    }

    pub(super) fn fresh(&self, what: &str) -> String {
        let next = self.file.next.get() + 1;
        self.file.next.set(next);
        // No name of a file's tensor has this form: their duplicates end in `#index`.
        format!("nearside.{what}.{next}")
    }

    /// A node with one output; gives its name.
    pub(super) fn node(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> String {
        let output = self.fresh(op_type);
        self.push("", op_type, inputs, vec![output.clone()], attribute);
        output
    }

    pub(super) fn nodes(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        count: usize,
        attribute: Vec<AttributeProto>,
    ) -> Vec<String> {
        self.nodes_of("", op_type, inputs, count, attribute)
    }

    /// The same of another domain than ONNX's own.
    pub(super) fn nodes_of(
        &mut self,
        domain: &str,
        op_type: &str,
        inputs: &[&str],
        count: usize,
        attribute: Vec<AttributeProto>,
    ) -> Vec<String> {
        let outputs: Vec<_> = (0..count).map(|_| self.fresh(op_type)).collect();
        self.push(domain, op_type, inputs, outputs.clone(), attribute);
        outputs
    }

    pub(super) fn push(
        &mut self,
        domain: &str,
        op_type: &str,
        inputs: &[&str],
        output: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) {
        self.graph.node.push(NodeProto {
            name: output.first().cloned().unwrap_or_default(),
            domain: domain.to_owned(),
            op_type: op_type.to_owned(),
            input: inputs.iter().map(|i| (*i).to_owned()).collect(),
            output,
            attribute,
            ..NodeProto::default()
        });
    }
}
