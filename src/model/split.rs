//! A checked file -> its [`Program`]: where control flow and sequences are, and the segments between.
//!
//! In: the graph of a file, nested graphs included. Out: the program, and every segment imported. A
//! node is outside of the segments if its row in [`super::values`] says so, or if what it reads may be
//! no tensor. Nodes go into the fewest segments that their dependencies allow, and a segment holds every
//! constant that it reads, so that the planner sees it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tract_onnx::pb;

use super::program::{Body, Graph, Node, Operator, Program, Step};
use super::{onnx, scope, signature, values};
use crate::error::{Error, ErrorKind, Result};

/// What a nested graph sees of those around it.
#[derive(Clone, Default)]
pub(super) struct Outer<'a> {
    constants: HashMap<&'a str, &'a pb::TensorProto>,
    /// Values that may be no tensors.
    loose: HashSet<&'a str>,
}

pub(super) struct Splitter<'a> {
    model: &'a pb::ModelProto,
    pub(super) opset: i64,
    pub(super) segments: Vec<Graph>,
}

/// The program of `model` and its segments.
pub(super) fn split(model: &pb::ModelProto) -> Result<(Program, Vec<Graph>)> {
    let empty = pb::GraphProto::default();
    let graph = model.graph.as_ref().unwrap_or(&empty);
    let mut splitter = Splitter { model, opset: onnx::opset(model), segments: vec![] };
    let (program, captured) = splitter.graph(graph, &Outer::default())?;
    match captured.first() {
        None => Ok((program, splitter.segments)),
        Some(name) => Err(invalid(format!("nothing produces `{name}`"))),
    }
}

pub(super) fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidModel, message)
}

/// The numbers of a graph's values.
#[derive(Default)]
struct Slots<'a>(HashMap<&'a str, usize>);

impl<'a> Slots<'a> {
    fn of(&mut self, name: &'a str) -> usize {
        let next = self.0.len();
        *self.0.entry(name).or_insert(next)
    }

    fn maybe(&mut self, name: &'a str) -> Option<usize> {
        (!name.is_empty()).then(|| self.of(name))
    }
}

/// A node outside of the segments, as split so far.
struct Special<'a> {
    operator: Operator,
    /// What its nested graphs read, in the order of their captures.
    captured: Vec<Vec<&'a str>>,
}

impl<'a> Splitter<'a> {
    /// The program of a graph, and the outer values that it reads.
    pub(super) fn graph(
        &mut self,
        graph: &'a pb::GraphProto,
        outer: &Outer<'a>,
    ) -> Result<(Program, Vec<&'a str>)> {
        let mut visible = outer.clone();
        for name in scope::own_names(graph) {
            visible.constants.remove(name);
            visible.loose.remove(name);
        }
        visible.constants.extend(graph.initializer.iter().map(|t| (t.name.as_str(), t)));
        let inputs = || graph.input.iter().filter(|i| !visible.constants.contains_key(&*i.name));
        let inputs: Vec<&pb::ValueInfoProto> = inputs().collect();
        // What a nested graph is given may be anything; the main graph says what it is.
        let nested = !std::ptr::eq(graph, self.model.graph.as_ref().unwrap_or(graph));
        let loose = inputs.iter().filter(|i| nested || !super::Kind::of(i).is_tensor());
        visible.loose.extend(loose.map(|i| i.name.as_str()));

        let order = scope::order(graph)?;
        let mut specials: BTreeMap<usize, Special<'a>> = BTreeMap::new();
        let mut reads: HashMap<usize, Vec<&'a str>> = HashMap::new();
        let mut phases: HashMap<&str, usize> = HashMap::new();
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for at in order {
            let node = &graph.node[at];
            let special = values::is_special(node, self.opset, &visible.loose);
            let mut read: Vec<&str> =
                node.input.iter().map(String::as_str).filter(|n| !n.is_empty()).collect();
            if special {
                let (operator, captured) = values::operator(self, node, &visible)?;
                read.extend(captured.iter().flatten());
                specials.insert(at, Special { operator, captured });
                visible.loose.extend(node.output.iter().map(String::as_str));
            } else {
                read.extend(scope::free_of_node(node));
            }
            // Segments have even phases, nodes between them odd ones.
            let ready = read.iter().filter_map(|n| phases.get(n)).max().copied().unwrap_or(0);
            let phase = if (ready % 2 == 1) == special { ready } else { ready + 1 };
            groups.entry(phase).or_default().push(at);
            phases.extend(node.output.iter().map(|o| (o.as_str(), phase)));
            reads.insert(at, read);
        }

        let mut slots = Slots::default();
        let mut program = Program {
            inputs: inputs.iter().map(|i| slots.of(&i.name)).collect(),
            ..Program::default()
        };
        let outputs: Vec<&str> = graph.output.iter().map(|o| o.name.as_str()).collect();
        let declared = signature::declared_types(graph);
        let constants = &visible.constants;
        // Constants that are read outside of segments.
        let outside = specials.keys().filter_map(|at| reads.get(at)).flatten().chain(&outputs);
        let wanted: BTreeSet<&str> =
            outside.filter(|n| constants.contains_key(**n)).copied().collect();
        if !wanted.is_empty() {
            let wanted: Vec<&str> = wanted.into_iter().collect();
            program.steps.push(self.segment(
                &[],
                &wanted,
                constants,
                &declared,
                &mut slots,
                &[],
            )?);
        }
        for (phase, members) in groups {
            if phase % 2 == 1 {
                for at in members {
                    let Some(special) = specials.remove(&at) else { continue };
                    program.steps.push(Step::Node(Box::new(place(
                        &graph.node[at],
                        special,
                        &mut slots,
                    ))));
                }
                continue;
            }
            let inside: HashSet<usize> = members.iter().copied().collect();
            let made: Vec<&str> = names(members.iter().flat_map(|at| &graph.node[*at].output));
            let needed: HashSet<&str> = reads
                .iter()
                .filter(|(at, _)| !inside.contains(at))
                .flat_map(|(_, names)| names)
                .chain(&outputs)
                .copied()
                .collect();
            let given: Vec<&str> = made.iter().copied().filter(|n| needed.contains(n)).collect();
            if given.is_empty() {
                continue;
            }
            let known: HashSet<&str> = made.into_iter().collect();
            let read = members.iter().filter_map(|at| reads.get(at)).flatten().copied();
            let (fixed, fed): (BTreeSet<&str>, BTreeSet<&str>) =
                read.filter(|n| !known.contains(n)).partition(|n| constants.contains_key(n));
            let fixed: HashMap<&str, &pb::TensorProto> =
                fixed.iter().filter_map(|n| Some((*n, *constants.get(n)?))).collect();
            let fed: Vec<&str> = fed.into_iter().collect();
            let nodes: Vec<&pb::NodeProto> = members.iter().map(|at| &graph.node[*at]).collect();
            program.steps.push(self.segment(&nodes, &given, &fixed, &declared, &mut slots, &fed)?);
        }
        program.outputs = outputs.iter().map(|name| slots.of(name)).collect();
        // What is read and not made here comes from outside.
        let own: HashSet<&str> = scope::own_names(graph).collect();
        let mut captured: Vec<&'a str> = slots
            .0
            .keys()
            .copied()
            .filter(|n| !own.contains(n) && !constants.contains_key(n))
            .collect();
        captured.sort_unstable();
        program.captures = captured.iter().map(|name| slots.of(name)).collect();
        program.slots = slots.0.len();
        Ok((program, captured))
    }

    /// A nested graph of a node.
    pub(super) fn body(
        &mut self,
        graph: &'a pb::GraphProto,
        outer: &Outer<'a>,
    ) -> Result<(Body, Vec<&'a str>)> {
        let (program, captured) = self.graph(graph, outer)?;
        Ok((Body { program, captured: vec![] }, captured))
    }

    fn segment(
        &mut self,
        nodes: &[&pb::NodeProto],
        given: &[&'a str],
        constants: &HashMap<&str, &pb::TensorProto>,
        declared: &HashMap<&str, pb::ValueInfoProto>,
        slots: &mut Slots<'a>,
        fed: &[&'a str],
    ) -> Result<Step> {
        let own = |name: &&str| constants.get(name).map(|t| (*t).clone());
        let initializer = if nodes.is_empty() {
            given.iter().filter_map(own).collect()
        } else {
            constants.values().map(|t| (*t).clone()).collect()
        };
        let output = |name: &&str| {
            let undeclared =
                || pb::ValueInfoProto { name: (*name).to_owned(), ..Default::default() };
            declared.get(name).cloned().unwrap_or_else(undeclared)
        };
        let part = pb::GraphProto {
            node: nodes.iter().map(|n| (*n).clone()).collect(),
            initializer,
            output: given.iter().map(output).collect(),
            ..pb::GraphProto::default()
        };
        let outputs = part.output.iter().map(signature::declared_type).collect();
        let part = pb::ModelProto {
            ir_version: self.model.ir_version,
            opset_import: self.model.opset_import.clone(),
            graph: Some(part),
            ..pb::ModelProto::default()
        };
        let (graph, inputs) = onnx::import_part(self.model, &part, fed)?;
        self.segments.push(Graph { graph, outputs, constant: nodes.is_empty() });
        Ok(Step::Segment {
            segment: self.segments.len() - 1,
            inputs: inputs.into_iter().map(|name| slots.of(name)).collect(),
            outputs: given.iter().map(|name| slots.of(name)).collect(),
        })
    }
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    names.map(String::as_str).filter(|n| !n.is_empty()).collect()
}

fn place<'a>(node: &'a pb::NodeProto, special: Special<'a>, slots: &mut Slots<'a>) -> Node {
    let Special { mut operator, captured } = special;
    for (body, names) in operator.bodies_mut().into_iter().zip(captured) {
        body.captured = names.into_iter().map(|name| slots.of(name)).collect();
    }
    Node {
        name: super::inspect::node_name(node),
        op_type: node.op_type.clone(),
        operator,
        inputs: node.input.iter().map(|n| slots.maybe(n)).collect(),
        outputs: node.output.iter().map(|n| slots.maybe(n)).collect(),
    }
}
