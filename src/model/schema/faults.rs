//! A model -> where it is not as ONNX defines its operators.
//!
//! In: a decoded file. Out: [`Faults`]. ONNX Runtime refuses such a file when it loads it, and so do we: what an operator makes
//! of a type or an attribute that it does not have is anyone's guess, and the engine's importer takes the definitions for
//! granted. The one decision: types follow the nodes in order; what is not known is not judged.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{
    self, AttributeProto, NodeProto, attribute_proto::AttributeType, tensor_proto::DataType,
    type_proto::Value,
};

use super::{Formal, Row, row};
use crate::error::{Error, ErrorKind, Problem, ProblemKind};
use crate::model::Kind;
use crate::model::inspect::{domain_name, node_name};
use crate::model::ops::{at_opset, is_default};
use crate::model::signature::type_name;

/// What is not as defined.
#[derive(Default)]
pub(in crate::model) struct Faults {
    pub(in crate::model) problems: Vec<Problem>,
    /// What the nodes make that have one.
    pub(in crate::model) makes: HashSet<String>,
    /// The element types of the model's outputs, as far as they follow from the nodes.
    outputs: Vec<Option<i32>>,
}

/// The element types by name, of what is known to be a tensor.
type Types<'a> = HashMap<&'a str, i32>;

/// A graph that is nested deeper is refused for that.
const MAX_NESTING: usize = 40;

const ATTRIBUTE: &str =
    "correct the node and export again; ONNX Runtime refuses it too, and onnx.checker says why";

/// All faults of a model, subgraphs included.
pub(in crate::model) fn faults(model: &pb::ModelProto) -> Faults {
    let opsets = model.opset_import.iter().map(|o| (domain_name(&o.domain), o.version)).collect();
    let mut walk = Walk { opsets, faults: Faults::default() };
    if let Some(graph) = &model.graph {
        let types = walk.graph(graph, Types::new(), 0);
        let known = |output: &pb::ValueInfoProto| types.get(output.name.as_str()).copied();
        walk.faults.outputs = graph.output.iter().map(known).collect();
    }
    walk.faults
}

/// Gives outputs the types that follow from the nodes where a file declares none, as ONNX Runtime does.
pub(in crate::model) fn declare(model: &mut pb::ModelProto) {
    let open = |graph: &pb::GraphProto| graph.output.iter().any(|o| declared(o).is_none());
    if !model.graph.as_ref().is_some_and(open) {
        return;
    }
    let outputs = faults(model).outputs;
    let Some(graph) = &mut model.graph else { return };
    for (output, code) in graph.output.iter_mut().zip(outputs) {
        if let Some(code) = code.filter(|_| declared(output).is_none()) {
            let tensor = pb::type_proto::Tensor { elem_type: code, shape: None };
            output.r#type.get_or_insert_default().value = Some(Value::TensorType(tensor));
        }
    }
}

impl Faults {
    /// The error of a model in which the engine lacks `others` besides.
    pub(in crate::model) fn into_error(self, mut others: Vec<Problem>) -> Error {
        if !others.is_empty() {
            others.extend(self.problems);
            return Error::unsupported(others);
        }
        let said = |p: &Problem| format!("{} ({}): {}", p.operator, p.names.join(", "), p.reason);
        let list = self.problems.iter().map(said).collect::<Vec<_>>().join("; ");
        let text = format!("the model is not as ONNX defines its operators: {list}");
        Error::new(ErrorKind::InvalidModel, text)
    }

    fn add(&mut self, node: &NodeProto, kind: ProblemKind, reason: String) {
        self.makes.extend(node.output.iter().filter(|o| !o.is_empty()).cloned());
        let (operator, name) =
            (format!("{}.{}", domain_name(&node.domain), node.op_type), node_name(node));
        let same = |p: &&mut Problem| p.operator == operator && p.reason == reason;
        match self.problems.iter_mut().find(same) {
            Some(problem) if problem.names.contains(&name) => {}
            Some(problem) => problem.names.push(name),
            None => self.problems.push(Problem {
                kind,
                operator,
                names: vec![name],
                reason,
                advice: ATTRIBUTE.to_owned(),
            }),
        }
    }
}

struct Walk {
    opsets: HashMap<String, i64>,
    faults: Faults,
}

impl Walk {
    /// Gives the types that are known behind the last node.
    fn graph<'a>(
        &mut self,
        graph: &'a pb::GraphProto,
        mut types: Types<'a>,
        depth: usize,
    ) -> Types<'a> {
        if depth > MAX_NESTING {
            return types;
        }
        // A name of an outer graph may be another value here.
        let here =
            graph.node.iter().flat_map(|n| &n.output).chain(graph.input.iter().map(|i| &i.name));
        for name in here {
            types.remove(name.as_str());
        }
        let inputs = graph.input.iter().filter(|i| Kind::of(i).is_tensor());
        types.extend(inputs.filter_map(|i| Some((i.name.as_str(), declared(i)?))));
        types.extend(graph.initializer.iter().map(|t| (t.name.as_str(), t.data_type)));
        for node in &graph.node {
            for inner in node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs)) {
                self.graph(inner, types.clone(), depth + 1);
            }
            let of_domain = || self.opsets.get(&domain_name(&node.domain)).copied();
            let opset = at_opset::of(node).filter(|_| is_default(&node.domain)).or_else(of_domain);
            let Some(row) = row(&node.domain, &node.op_type, opset.unwrap_or(i64::MAX)) else {
                continue;
            };
            // ONNX Runtime takes what such a node holds, and looks no further.
            let constant = node.op_type == "Constant" && is_default(&node.domain);
            // Nor does it look at what ONNX did not define yet, and is an operator of its own there.
            let early = opset.is_some_and(|opset| opset < row.since);
            let bound = if constant {
                HashMap::new()
            } else if early {
                self.absent(node, &row.inputs());
                HashMap::new()
            } else {
                self.attributes(node, row);
                self.inputs(node, row, &types)
            };
            self.outputs(node, row, &bound, &mut types);
        }
        types
    }

    fn attributes(&mut self, node: &NodeProto, row: Row) {
        let mut seen = HashSet::new();
        for attribute in &node.attribute {
            let name = attribute.name.as_str();
            // The marks of a rewrite of ours, and of ONNX's own.
            if name.starts_with("nearside.") || name.starts_with("__") {
                continue;
            }
            let fault = match row.attributes().find(|(n, ..)| *n == name) {
                _ if !seen.insert(name) => format!("has the attribute `{name}` twice"),
                None => format!("has the attribute `{name}`, which ONNX does not define for it"),
                Some((_, kind, _)) if kind != letter(attribute) => {
                    format!("has the attribute `{name}` of another type than ONNX defines")
                }
                Some(_) => continue,
            };
            self.faults.add(node, ProblemKind::Attribute, fault);
        }
        for (name, _, required) in row.attributes() {
            if required && !seen.contains(name) {
                let fault = format!("lacks the attribute `{name}`");
                self.faults.add(node, ProblemKind::Attribute, fault);
            }
        }
    }

    /// Inputs that are left out though no operator can do without them.
    fn absent(&mut self, node: &NodeProto, formals: &[Formal]) {
        for at in (0..node.input.len()).filter(|at| node.input[*at].is_empty()) {
            if nth(formals, at).is_some_and(|f| !f.optional && !f.repeats) {
                let fault = format!("lacks its input {at}");
                self.faults.add(node, ProblemKind::Attribute, fault);
            }
        }
    }

    /// What types the inputs give to the row's sets.
    fn inputs(&mut self, node: &NodeProto, row: Row, types: &Types) -> HashMap<usize, i32> {
        let (formals, mut bound) = (row.inputs(), HashMap::new());
        self.count(node, &node.input, &formals, "inputs");
        self.absent(node, &formals);
        for (at, name) in node.input.iter().enumerate() {
            let Some(formal) = nth(&formals, at) else { break };
            if name.is_empty() {
                continue;
            }
            let Some(code) = types.get(name.as_str()).copied() else { continue };
            let allowed = row.set(formal.types);
            if !allowed.contains(char_of(code)) {
                let fault = format!(
                    "has an input {at} of the type {}; ONNX has it for {}",
                    type_name(code),
                    names(allowed)
                );
                self.faults.add(node, ProblemKind::Type, fault);
            } else if formal.same && *bound.entry(formal.types).or_insert(code) != code {
                let other = bound.get(&formal.types).copied().unwrap_or_default();
                let fault = format!(
                    "has an input {at} of the type {} beside one of {}, where ONNX wants the same",
                    type_name(code),
                    type_name(other)
                );
                self.faults.add(node, ProblemKind::Type, fault);
            }
        }
        bound
    }

    fn outputs<'a>(
        &mut self,
        node: &'a NodeProto,
        row: Row,
        bound: &HashMap<usize, i32>,
        types: &mut Types<'a>,
    ) {
        let formals = row.outputs();
        self.count(node, &node.output, &formals, "outputs");
        for (at, name) in node.output.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let Some(formal) = nth(&formals, at).filter(|f| f.same) else { continue };
            let only = || Some(row.set(formal.types)).filter(|set| set.len() == 1 && *set != "#");
            let only = || only().and_then(|set| code_of(set.bytes().next()?));
            let code =
                bound.get(&formal.types).copied().or_else(only).or_else(|| by_attribute(node));
            if let Some(code) = code {
                types.insert(name, code);
            }
        }
    }

    fn count(&mut self, node: &NodeProto, given: &[String], formals: &[Formal], what: &str) {
        let least = formals.iter().rposition(|f| !f.optional && !f.never).map_or(0, |at| at + 1);
        let endless = formals.last().is_some_and(|f| f.repeats);
        let used = given.iter().rposition(|name| !name.is_empty()).map_or(0, |at| at + 1);
        let fault = if given.len() < least {
            format!("has {} {what} and needs {least}", given.len())
        } else if used > formals.len() && !endless {
            format!("has {used} {what}, and ONNX defines {}", formals.len())
        } else {
            return;
        };
        self.faults.add(node, ProblemKind::Attribute, fault);
    }
}

fn nth(formals: &[Formal], at: usize) -> Option<Formal> {
    formals.get(at).or(formals.last().filter(|f| f.repeats)).copied()
}

fn declared(value: &pb::ValueInfoProto) -> Option<i32> {
    match value.r#type.as_ref()?.value.as_ref()? {
        Value::TensorType(tensor) if tensor.elem_type > 0 => Some(tensor.elem_type),
        Value::TensorType(_) => None,
    }
}

/// The type that an operator's attribute names.
fn by_attribute(node: &NodeProto) -> Option<i32> {
    let find = |name: &str| node.attribute.iter().find(|a| a.name == name);
    match node.op_type.as_str() {
        "Cast" => i32::try_from(find("to")?.i).ok(),
        "Constant" => {
            let held = |name: &str, code: DataType| find(name).map(|_| code as i32);
            find("value").and_then(|a| a.t.as_ref()).map(|t| t.data_type).or_else(|| {
                held("value_float", DataType::Float)
                    .or_else(|| held("value_floats", DataType::Float))
                    .or_else(|| held("value_int", DataType::Int64))
                    .or_else(|| held("value_ints", DataType::Int64))
            })
        }
        "ConstantOfShape" => {
            let value = find("value").and_then(|a| a.t.as_ref());
            Some(value.map_or(DataType::Float as i32, |t| t.data_type))
        }
        _ => None,
    }
}

/// The letter of an element type in the table; `#` where it has none.
fn char_of(code: i32) -> char {
    u32::try_from(code).ok().filter(|c| *c > 0).and_then(|c| char::from_u32(64 + c)).unwrap_or('#')
}

fn code_of(letter: u8) -> Option<i32> {
    Some(i32::from(letter.checked_sub(64)?))
}

fn names(set: &str) -> String {
    let name = |c: u8| match c {
        b'#' => "other than tensors".to_owned(),
        c => type_name(code_of(c).unwrap_or_default()),
    };
    set.bytes().map(name).collect::<Vec<_>>().join(", ")
}

/// The letter of an attribute's type in the table.
fn letter(attribute: &AttributeProto) -> &'static str {
    match AttributeType::try_from(attribute.r#type) {
        Ok(AttributeType::Float) => "f",
        Ok(AttributeType::Int) => "i",
        Ok(AttributeType::String) => "s",
        Ok(AttributeType::Tensor) if attribute.t.is_some() => "t",
        Ok(AttributeType::Graph) if attribute.g.is_some() => "g",
        Ok(AttributeType::SparseTensor) => "y",
        Ok(AttributeType::TypeProto) => "p",
        Ok(AttributeType::Floats) => "F",
        Ok(AttributeType::Ints) => "I",
        Ok(AttributeType::Strings) => "S",
        Ok(AttributeType::Tensors) => "T",
        Ok(AttributeType::Graphs) => "G",
        _ => "",
    }
}
