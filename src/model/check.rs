//! Everything in a model that the engine cannot run, in one go.
//!
//! In: a model file. Out: a [`Check`]: every unsupported operator, attribute and type, with the names of
//! the nodes and what to do about it. Loading such a model is an error with the same list.

use std::collections::HashSet;

use serde::Serialize;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb;
use tract_onnx::prelude::InferenceModel;

use super::file::ModelFile;
use super::inspect::{Inspection, domain_name, node_name};
use super::ops::{self, at_opset};
use super::signature::{input_info, output_info};
use super::{onnx, rewrite, tflite, validate};
use crate::error::{ErrorKind, Problem, ProblemKind, Result};
use crate::guard::guarded;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Whether the engine can load the model.
    pub ok: bool,
    /// All that stands in the way.
    pub problems: Vec<Problem>,
}

/// Lists what the engine cannot run in a model.
///
/// # Errors
/// `InvalidModel` when the file is not a model, or its graph is inconsistent.
pub fn check(file: ModelFile) -> Result<Check> {
    let mut proto = file.complete()?;
    let (apparent, faults) = onnx::prepare(&mut proto)?;
    rewrite::rewrite(&mut proto);
    let mut problems = with_refused(&proto, apparent, &faults.makes)?;
    problems.extend(faults.problems);
    Ok(Check { ok: problems.is_empty(), problems })
}

/// Types and operators that are lacking, of a file as it was decoded.
pub(super) fn apparent(proto: &pb::ModelProto) -> Vec<Problem> {
    let mut problems = types(proto);
    for operator in Inspection::operators(proto) {
        let Some(reason) = operator.reason else { continue };
        problems.push(Problem {
            kind: if operator.refused { ProblemKind::Attribute } else { ProblemKind::Operator },
            operator: format!("{}.{}", operator.domain, operator.op_type),
            names: operator.nodes,
            reason,
            advice: advice(&operator.domain, &operator.op_type).to_owned(),
        });
    }
    problems
}

/// The same list with the nodes of a rewritten file that the importer refuses; it is not asked about those that make
/// what is `known` to be faulty.
pub(super) fn with_refused(
    proto: &pb::ModelProto,
    mut problems: Vec<Problem>,
    known: &HashSet<String>,
) -> Result<Vec<Problem>> {
    guarded(ErrorKind::InvalidModel, "checking the operators", move || {
        let Some(graph) = &proto.graph else { return Ok(problems) };
        let ctx = ParsingContext {
            onnx_operator_set_version: onnx::opset(proto),
            framework: ops::importer(),
            model: proto,
            parent_graphs: vec![],
            model_dir: None,
            template: InferenceModel::default(),
        };
        refused_in(graph, &ctx, known, &mut problems);
        Ok(problems)
    })
}

fn refused_in(
    graph: &pb::GraphProto,
    outer: &ParsingContext,
    known: &HashSet<String>,
    problems: &mut Vec<Problem>,
) {
    let mut ctx = outer.clone();
    ctx.parent_graphs.push(graph);
    for node in &graph.node {
        let before = count(problems);
        for inner in node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs)) {
            refused_in(inner, &ctx, known, problems);
        }
        let Some(build) = ctx.framework.op_register.0.get(&node.op_type) else { continue };
        // A node whose subgraph is refused is refused for that.
        if count(problems) > before || node.output.iter().any(|o| known.contains(o)) {
            continue;
        }
        let Err(error) = build(&ctx, node) else { continue };
        // Ours of other domains were renamed to `domain.Type` before import.
        let op_type = at_opset::op_type(node);
        let op_type = op_type.rsplit('.').next().unwrap_or_default();
        let operator = format!("{}.{op_type}", domain_name(&node.domain));
        let reason = error.root_cause().to_string();
        let same = |p: &&mut Problem| {
            p.kind == ProblemKind::Attribute && p.operator == operator && p.reason == reason
        };
        match problems.iter_mut().find(same) {
            Some(problem) => problem.names.push(node_name(node)),
            None => problems.push(Problem {
                kind: ProblemKind::Attribute,
                operator,
                names: vec![node_name(node)],
                reason,
                advice: ATTRIBUTE.to_owned(),
            }),
        }
    }
}

fn count(problems: &[Problem]) -> usize {
    problems.iter().map(|p| p.names.len()).sum()
}

const ATTRIBUTE: &str =
    "export with another operator set (onnx.version_converter), or run the model in the cloud";
const CUSTOM: &str = "export without custom operators, or run the model where they are defined: \
                      in the cloud, on a server that has them";
const LACKING: &str = "export so that the operator is avoided (another operator set, constant folding \
                       with onnxsim), or run the model in the cloud";
const TFLITE: &str = "export to ONNX (tf2onnx), or run the model in the cloud";
const QUANTISED: &str = "quantise in the QDQ form (onnxruntime.quantization, quant_format=QuantFormat.QDQ), \
                         or run the model in the cloud";

fn advice(domain: &str, op_type: &str) -> &'static str {
    match domain {
        "com.microsoft" if op_type.starts_with('Q') => QUANTISED,
        tflite::DOMAIN => TFLITE,
        "ai.onnx" | "ai.onnx.ml" | "com.microsoft" => LACKING,
        _ => CUSTOM,
    }
}

fn types(proto: &pb::ModelProto) -> Vec<Problem> {
    let mut problems: Vec<Problem> = vec![];
    let Some(graph) = &proto.graph else { return problems };
    let mut add = |name: &str, error: crate::Error| {
        let reason = error.message().to_owned();
        let advice = type_advice(&reason).to_owned();
        problems.push(Problem {
            kind: ProblemKind::Type,
            operator: String::new(),
            names: vec![name.to_owned()],
            reason,
            advice,
        });
    };
    let given = |v: &&pb::ValueInfoProto| !graph.initializer.iter().any(|t| t.name == v.name);
    let inputs = graph.input.iter().filter(given).map(|v| (v, input_info(graph, v)));
    let outputs = graph.output.iter().map(|v| (v, output_info(graph, v)));
    for (value, info) in inputs.chain(outputs) {
        if let Err(error) = info {
            add(&value.name, error);
        }
    }
    constants(graph, &mut add);
    problems
}

fn constants(graph: &pb::GraphProto, add: &mut dyn FnMut(&str, crate::Error)) {
    let attributes = || graph.node.iter().flat_map(|n| &n.attribute);
    let inner = attributes().flat_map(|a| a.t.iter().chain(&a.tensors));
    for tensor in graph.initializer.iter().chain(inner) {
        if let Err(error) = validate::constant_type(tensor) {
            add(&tensor.name, error);
        }
    }
    if !graph.sparse_initializer.is_empty() {
        let values = graph.sparse_initializer.iter().filter_map(|s| s.values.as_ref());
        let name = values.map(|v| v.name.as_str()).next().unwrap_or_default();
        add(name, crate::Error::unsupported_type("sparse initializers are not supported"));
    }
    for graph in attributes().flat_map(|a| a.g.iter().chain(&a.graphs)) {
        constants(graph, add);
    }
}

fn type_advice(reason: &str) -> &'static str {
    let any = |words: &[&str]| words.iter().any(|w| reason.contains(w));
    if any(&["not a tensor"]) {
        "export the model with plain tensors, or run it in the cloud"
    } else if any(&["Bfloat16"]) {
        "convert the model to float32 or float16, or run it in the cloud"
    } else if any(&["Float8", "Int4", "Uint4", "Float4", "Int2", "Uint2"]) {
        "quantise to int8 or to com.microsoft.MatMulNBits, or run the model in the cloud"
    } else if any(&["sparse"]) {
        "export dense weights, or run the model in the cloud"
    } else {
        "run the model in the cloud"
    }
}
