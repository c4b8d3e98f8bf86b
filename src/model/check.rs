//! Everything in a model that the engine cannot run, in one go.
//!
//! In: the bytes of a file. Out: a [`Check`]: every unsupported operator, attribute and type, with the
//! names of the nodes and what to do about it. Loading stops at the first stage that fails; this goes on.

use serde::Serialize;
use tract_onnx::pb;

use super::onnx::{parse, refused_nodes};
use super::signature::{input_info, output_info};
use super::{Inspection, rewrite, validate};
use crate::error::{ErrorKind, Result};
use crate::guard::guarded;

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProblemKind {
    /// The engine lacks the operator.
    Operator,
    /// The engine has the operator, but not with this attribute or form.
    Attribute,
    /// An input, output or constant is of a type that the engine lacks.
    Type,
}

/// One reason why a model cannot run, with everything that it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What stands in the way.
    pub kind: ProblemKind,
    /// `domain.Type` of the operator; empty for a type.
    pub operator: String,
    /// The nodes, or for a type the values, by name.
    pub names: Vec<String>,
    /// Why it cannot run.
    pub reason: String,
    /// What to do.
    pub advice: String,
}

/// What a check found; nothing when the engine can load the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Check {
    /// All of them.
    pub problems: Vec<Problem>,
}

/// Lists what the engine cannot run in a model.
///
/// # Errors
/// `InvalidModel` when the bytes are not a model, or its graph is inconsistent.
pub fn check(bytes: Vec<u8>) -> Result<Check> {
    let mut proto = parse(bytes)?;
    let mut problems = types(&proto);
    match validate::validate(&proto) {
        // Those are in the list already.
        Err(error) if *error.kind() != ErrorKind::UnsupportedType => return Err(error),
        _ => {}
    }
    for operator in Inspection::operators(&proto) {
        let Some(reason) = operator.reason else { continue };
        problems.push(Problem {
            kind: ProblemKind::Operator,
            operator: format!("{}.{}", operator.domain, operator.op_type),
            names: operator.nodes,
            reason,
            advice: advice(&operator.domain, &operator.op_type).to_owned(),
        });
    }
    rewrite::rewrite(&mut proto);
    let refused =
        guarded(ErrorKind::InvalidModel, "checking the operators", || Ok(refused_nodes(&proto)))?;
    problems.extend(refused.into_iter().map(|r| Problem {
        kind: ProblemKind::Attribute,
        operator: format!("{}.{}", r.domain, r.op_type),
        names: r.nodes,
        reason: r.reason,
        advice: ATTRIBUTE.to_owned(),
    }));
    Ok(Check { problems })
}

const ATTRIBUTE: &str =
    "export with another operator set (onnx.version_converter), or run the model in the cloud";
const CUSTOM: &str = "export without custom operators, or run the model where they are defined: \
                      in the cloud, on a server that has them";
const LACKING: &str = "export so that the operator is avoided (another operator set, constant folding \
                       with onnxsim), or run the model in the cloud";
const QUANTISED: &str = "quantise in the QDQ form (onnxruntime.quantization, quant_format=QuantFormat.QDQ), \
                         or run the model in the cloud";

fn advice(domain: &str, op_type: &str) -> &'static str {
    match domain {
        "com.microsoft" if op_type.starts_with('Q') => QUANTISED,
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
    let inputs = graph.input.iter().map(|v| (v, input_info(graph, v)));
    let outputs = graph.output.iter().map(|v| (v, output_info(graph, v)));
    for (value, info) in inputs.chain(outputs) {
        if let Err(error) = info {
            add(&value.name, error);
        }
    }
    constants(graph, &mut |tensor| {
        if let Err(error) = validate::check_tensor(tensor)
            && *error.kind() == ErrorKind::UnsupportedType
        {
            add(&tensor.name, error);
        }
    });
    problems
}

fn constants(graph: &pb::GraphProto, each: &mut dyn FnMut(&pb::TensorProto)) {
    graph.initializer.iter().for_each(&mut *each);
    for attribute in graph.node.iter().flat_map(|n| &n.attribute) {
        attribute.t.iter().chain(&attribute.tensors).for_each(&mut *each);
        for graph in attribute.g.iter().chain(&attribute.graphs) {
            constants(graph, each);
        }
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
    } else if any(&["external data"]) {
        "save the model as one file (onnx.save without save_as_external_data)"
    } else {
        "run the model in the cloud"
    }
}
