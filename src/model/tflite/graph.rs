//! The ONNX graph while it is made.
//!
//! In: operators in the order of the file. Out: nodes and constants. Every tensor has one name under which
//! operators read it: of a quantised one that of its float32 numbers.

use std::collections::HashMap;

use tract_onnx::pb::{
    self, NodeProto, ValueInfoProto,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};

use super::flat::Table;
use super::nodes::Operator;
use super::tensor::TensorInfo;
use super::{DOMAIN, File, names, ops};

/// Why a form of an operator cannot be translated.
pub(super) type Refused<T = ()> = Result<T, String>;

pub(super) struct Graph<'a> {
    pub(super) file: &'a File<'a>,
    pub(super) tensors: Vec<TensorInfo<'a>>,
    pub(super) inputs: Vec<usize>,
    outputs: Vec<usize>,
    operators: Vec<Table<'a>>,
    pub(super) graph: pb::GraphProto,
    /// The name to read a tensor under, once it is made.
    pub(super) values: HashMap<usize, String>,
    /// The name of a quantised tensor's integers, once they are made.
    pub(super) integers: HashMap<usize, String>,
    /// Constants that were made while the file was read, by the operator that made them.
    pub(super) folded: HashMap<usize, Vec<f32>>,
    /// Weights with their axes in another order.
    pub(super) turned: HashMap<(usize, Vec<i64>), String>,
    /// How many graphs are around it.
    depth: usize,
}

/// Graphs of real files nest through `IF` and `WHILE` no deeper; one that holds itself does.
const MAX_NESTING: usize = 8;
/// Most operators, those of a graph counted as often as it is used.
const MAX_OPERATORS: usize = 200_000;

impl<'a> Graph<'a> {
    /// The main graph.
    pub(super) fn main(file: &'a File<'a>) -> Refused<Self> {
        let table = file.subgraphs.first().ok_or("has no graph")?;
        let mut graph = Self::new(file, table)?;
        for at in graph.inputs.clone() {
            let name = graph.tensors[at].name.clone();
            let info = graph.info(at);
            graph.graph.input.push(info);
            graph.made(at, name);
        }
        Ok(graph)
    }

    fn new(file: &'a File<'a>, table: &Table<'a>) -> Refused<Self> {
        let tensors = table.tables(0);
        let tensors = tensors.iter().map(|t| -> Refused<TensorInfo<'a>> {
            let tensor = TensorInfo::read(t, &file.buffers)?;
            file.spend(tensor.unpacked())?;
            Ok(tensor)
        });
        let mut tensors: Vec<TensorInfo> = tensors.collect::<Refused<_>>()?;
        let indices = |number: usize| -> Refused<Vec<usize>> {
            let known = |i: i32| usize::try_from(i).ok().filter(|i| *i < tensors.len());
            let list = table.ints(number).into_iter().map(known).collect::<Option<_>>();
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
        Ok(Self {
            file,
            tensors,
            inputs,
            outputs,
            operators: table.tables(3),
            graph: pb::GraphProto::default(),
            values: HashMap::new(),
            integers: HashMap::new(),
            folded: HashMap::new(),
            turned: HashMap::new(),
            depth: 0,
        })
    }

    /// A graph of the file by its number, to be used inside of this one, that reads `given` for its inputs.
    pub(super) fn inner(&self, number: i32, given: &[String]) -> Refused<Self> {
        let known = usize::try_from(number).ok().and_then(|n| self.file.subgraphs.get(n));
        let table = known.ok_or_else(|| format!("of graph {number}, which there is not"))?;
        let mut inner = Self::new(self.file, table)?;
        inner.depth = self.depth + 1;
        if inner.depth > MAX_NESTING {
            return Err(format!("of graphs nested deeper than {MAX_NESTING}"));
        }
        if inner.inputs.len() != given.len() {
            return Err(format!("of a graph of {} inputs for {}", inner.inputs.len(), given.len()));
        }
        inner.values = inner.inputs.iter().copied().zip(given.iter().cloned()).collect();
        inner.translate()?;
        Ok(inner)
    }

    /// The names of its outputs, as they come out of float32 arithmetic.
    pub(super) fn results(&mut self) -> Refused<Vec<String>> {
        self.outputs.clone().into_iter().map(|at| self.value(at)).collect()
    }

    /// Its nodes and constants, and [`Self::results`].
    pub(super) fn into_parts(mut self) -> Refused<(pb::GraphProto, Vec<String>)> {
        let outputs = self.results()?;
        Ok((self.graph, outputs))
    }

    /// Does what a graph does, here.
    pub(super) fn inline(&mut self, parts: pb::GraphProto) {
        self.graph.node.extend(parts.node);
        self.graph.initializer.extend(parts.initializer);
    }

    /// Translates the operators in the order of the file.
    pub(super) fn translate(&mut self) -> Refused {
        for operator in self.operators.clone() {
            let spent = self.file.spent.get() + 1;
            self.file.spent.set(spent);
            if spent > MAX_OPERATORS {
                return Err(format!("of more than {MAX_OPERATORS} operators"));
            }
            self.file.spend(0)?;
            let index = usize::try_from(operator.int(0, 0)).ok();
            let code = index.and_then(|index| self.file.codes.get(index));
            let (code, custom) = code.ok_or("has an operator without a type")?;
            self.operator(*code, custom, &operator)?;
        }
        Ok(())
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

    fn operator(&mut self, code: i32, custom: &str, table: &Table<'a>) -> Refused {
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
            self.push("", "Identity", &[&value], vec![name], vec![]);
            self.graph.output.push(info);
        }
        Ok(self.graph)
    }
}
