//! Functions that a file defines for itself, inlined.
//!
//! In: a decoded file, and what of its functions the engine's decoder drops. Out: the same file with every
//! call replaced by the function's nodes. The one decision: the file's own definition comes before an
//! operator of ours of the same name. A node keeps the operator set of its function where that is not the
//! model's ([`super::ops::at_opset`]). Calls cost bounded memory: functions that double at each level do not.

use std::collections::HashMap;

use prost::Message;
use tract_onnx::pb::{self, AttributeProto, NodeProto};

use super::inspect::node_name;
use super::ops::at_opset;
use crate::error::{Error, ErrorKind, Result};

/// Calls nest no deeper; a function that calls itself does.
const MAX_NESTING: usize = 32;
/// What the inlined nodes may take in bytes, beside a multiple of the file's own size.
const BUDGET: usize = 64 << 20;
const BUDGET_PER_BYTE: usize = 8;
/// What a node costs beside its text.
const NODE: usize = 256;

/// The defaults of the functions' attributes, which the engine's decoder does not know.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Defaults {
    #[prost(message, repeated, tag = "25")]
    functions: Vec<FunctionDefaults>,
}

#[derive(Clone, PartialEq, Message)]
struct FunctionDefaults {
    #[prost(message, repeated, tag = "11")]
    attributes: Vec<AttributeProto>,
}

struct Function {
    proto: pb::FunctionProto,
    defaults: Vec<AttributeProto>,
    /// Operator set of the default domain, where it is not the model's.
    opset: Option<i64>,
    cost: usize,
}

struct Inliner {
    functions: HashMap<(String, String), Function>,
    budget: usize,
    calls: usize,
}

fn default_opset(list: &[pb::OperatorSetIdProto]) -> Option<i64> {
    list.iter().find(|o| matches!(o.domain.as_str(), "" | "ai.onnx")).map(|o| o.version)
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidModel, message)
}

/// Inlines every call, subgraphs included. `size` is the file's.
pub(super) fn inline(model: &mut pb::ModelProto, defaults: Defaults, size: usize) -> Result<()> {
    let protos = std::mem::take(&mut model.functions);
    let Some(graph) = &mut model.graph else { return Ok(()) };
    if default_opset(&model.opset_import).is_none()
        && let Some(version) = protos.iter().find_map(|f| default_opset(&f.opset_import))
    {
        model.opset_import.push(pb::OperatorSetIdProto { domain: String::new(), version });
    }
    let of_model = default_opset(&model.opset_import);
    let mut defaults = defaults.functions.into_iter().map(|d| d.attributes);
    let mut functions = HashMap::new();
    for proto in protos {
        let key = (proto.domain().to_owned(), proto.name().to_owned());
        let opset = default_opset(&proto.opset_import).filter(|v| Some(*v) != of_model);
        let cost = proto.encoded_len() + NODE * proto.node.len();
        let defaults = defaults.next().unwrap_or_default();
        if functions.insert(key, Function { proto, defaults, opset, cost }).is_some() {
            return Err(invalid("two functions have the same name".to_owned()));
        }
    }
    let budget = size.saturating_mul(BUDGET_PER_BYTE).saturating_add(BUDGET);
    Inliner { functions, budget, calls: 0 }.graph(graph, 0)
}

impl Inliner {
    fn graph(&mut self, graph: &mut pb::GraphProto, depth: usize) -> Result<()> {
        let nodes = std::mem::take(&mut graph.node);
        graph.node = self.nodes(nodes, depth)?;
        Ok(())
    }

    fn nodes(&mut self, nodes: Vec<NodeProto>, depth: usize) -> Result<Vec<NodeProto>> {
        if depth > MAX_NESTING {
            return Err(invalid(format!("functions and graphs nest deeper than {MAX_NESTING}")));
        }
        let mut inlined = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            for attribute in &mut node.attribute {
                for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                    self.graph(graph, depth + 1)?;
                }
            }
            let key = (node.domain.clone(), node.op_type.clone());
            if let Some(function) = self.functions.get(&key) {
                self.calls += 1;
                self.budget = self.budget.checked_sub(function.cost).ok_or_else(|| {
                    let text = "the file's functions, written out, are too large";
                    Error::new(ErrorKind::TooLarge, text)
                })?;
                let body = function.body(&node, self.calls);
                inlined.extend(self.nodes(body, depth + 1)?);
            } else {
                inlined.push(node);
            }
        }
        Ok(inlined)
    }
}

impl Function {
    /// The nodes that stand for one call.
    fn body(&self, call: &NodeProto, number: usize) -> Vec<NodeProto> {
        let prefix = format!("{}.{number}.", node_name(call));
        let mut names: HashMap<&str, String> = HashMap::new();
        for (inner, outer) in self.proto.input.iter().zip(&call.input) {
            names.insert(inner, outer.clone());
        }
        for inner in self.proto.input.iter().skip(call.input.len()) {
            names.insert(inner, String::new());
        }
        let mut passed = vec![];
        for (inner, outer) in self.proto.output.iter().zip(&call.output) {
            if outer.is_empty() {
                continue;
            }
            match names.get(inner.as_str()) {
                Some(input) => passed.push((input.clone(), outer.clone())),
                None => {
                    names.insert(inner, outer.clone());
                }
            }
        }
        let call = Call { function: self, call, prefix, names };
        let mut nodes: Vec<_> = self.proto.node.iter().map(|n| call.node(n)).collect();
        nodes.extend(passed.into_iter().map(|(input, output)| NodeProto {
            op_type: "Identity".to_owned(),
            name: format!("{}{output}", call.prefix),
            input: vec![input],
            output: vec![output],
            ..NodeProto::default()
        }));
        nodes
    }
}

struct Call<'a> {
    function: &'a Function,
    call: &'a NodeProto,
    prefix: String,
    names: HashMap<&'a str, String>,
}

impl Call<'_> {
    fn name(&self, inner: &str) -> String {
        if inner.is_empty() {
            return String::new();
        }
        self.names.get(inner).cloned().unwrap_or_else(|| format!("{}{inner}", self.prefix))
    }

    fn node(&self, from: &NodeProto) -> NodeProto {
        let mut node = from.clone();
        node.name = format!("{}{}", self.prefix, node_name(from));
        for name in node.input.iter_mut().chain(&mut node.output) {
            *name = self.name(name);
        }
        node.attribute = from.attribute.iter().filter_map(|a| self.attribute(a)).collect();
        if let Some(opset) = self.function.opset
            && matches!(node.domain.as_str(), "" | "ai.onnx")
        {
            node.attribute.push(at_opset::mark(opset));
        }
        node
    }

    /// An attribute of the body; one that refers to the call's has its value, or none.
    fn attribute(&self, from: &AttributeProto) -> Option<AttributeProto> {
        let mut attribute = if from.ref_attr_name.is_empty() {
            from.clone()
        } else {
            let mut given = self.call.attribute.iter().chain(&self.function.defaults);
            let mut value = given.find(|a| a.name == from.ref_attr_name)?.clone();
            value.name.clone_from(&from.name);
            return Some(value);
        };
        for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            self.graph(graph);
        }
        Some(attribute)
    }

    fn graph(&self, graph: &mut pb::GraphProto) {
        graph.node = graph.node.iter().map(|n| self.node(n)).collect();
        for value in graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info) {
            value.name = self.name(&value.name);
        }
        for tensor in &mut graph.initializer {
            tensor.name = self.name(&tensor.name);
        }
    }
}
