//! Bytes -> [`Model`], through tract's importer.

use bytes::Bytes;
use prost::Message;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb;
use tract_onnx::prelude::{Framework, InferenceModel};

use super::inspect::{Inspection, domain_name, node_name};
use super::program::{Graph, Program, Step};
use super::{kinds, nibbles, ops, rewrite, scope, split, validate, values};
use crate::error::{Error, ErrorKind, Result, UnsupportedOperator};
use crate::guard::guarded;

/// A model before shapes: facts about it, what to do, and its segments with constants loaded.
pub(crate) struct Model {
    pub(crate) inspection: Inspection,
    pub(crate) program: Program,
    pub(crate) segments: Vec<Graph>,
}

impl Model {
    /// Decodes, checks and imports a model file.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let (mut proto, inspection) = decode(bytes)?;
        nibbles::widen(&mut proto);
        validate::validate(&proto)?;
        inspection.require_supported()?;
        rewrite::rewrite(&mut proto);
        let opset = opset(&proto);
        if let Some(graph) = proto.graph.as_mut().filter(|g| values::must_split(g, opset)) {
            scope::fold_constants(graph);
            let (program, segments) = split::split(&proto)?;
            return Ok(Self { inspection, program, segments });
        }
        let graph = guarded(ErrorKind::InvalidModel, "importing the model", || {
            ops::importer().model_for_proto_model(&proto).map_err(|e| import_error(&proto, e))
        })?;
        Ok(Self::of_graph(inspection, graph))
    }

    /// A model that is one segment.
    pub(crate) fn of_graph(inspection: Inspection, graph: InferenceModel) -> Self {
        let signature = &inspection.signature;
        let inputs: Vec<usize> = (0..signature.inputs.len()).collect();
        let outputs = (inputs.len()..).take(signature.outputs.len()).collect::<Vec<_>>();
        let program = Program {
            slots: inputs.len() + outputs.len(),
            inputs: inputs.clone(),
            captures: vec![],
            steps: vec![Step::Segment { segment: 0, inputs, outputs: outputs.clone() }],
            outputs,
        };
        let outputs = signature.outputs.iter().map(|o| Some(o.dtype)).collect();
        let segments = vec![Graph { graph, outputs, constant: false }];
        Self { inspection, program, segments }
    }
}

/// Facts about a model file, also of one whose operators the engine lacks.
pub fn inspect(bytes: Vec<u8>) -> Result<Inspection> {
    Ok(decode(bytes)?.1)
}

fn decode(bytes: Vec<u8>) -> Result<(pb::ModelProto, Inspection)> {
    let length = bytes.len();
    let proto = parse(bytes)?;
    let inspection = Inspection::of(&proto, length)?;
    Ok((proto, inspection))
}

/// The file as it is, not yet checked.
pub(super) fn parse(bytes: Vec<u8>) -> Result<pb::ModelProto> {
    if bytes.is_empty() {
        return Err(Error::new(ErrorKind::InvalidModel, "the model is empty (0 bytes)"));
    }
    let html = bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'<');
    let bytes = Bytes::from(bytes);
    let mut proto = pb::ModelProto::decode(bytes.clone()).map_err(|e| {
        let hint = if html { " (it looks like an HTML page: check the URL)" } else { "" };
        Error::new(ErrorKind::InvalidModel, format!("the bytes are not an ONNX model{hint}"))
            .with_source(e)
    })?;
    if proto.graph.is_none() {
        return Err(Error::new(
            ErrorKind::InvalidModel,
            "the bytes hold no ONNX graph: not an ONNX model, or a truncated one",
        ));
    }
    kinds::mark(&mut proto, bytes);
    Ok(proto)
}

/// The operator set of ONNX's own domain.
pub(super) fn opset(proto: &pb::ModelProto) -> i64 {
    let version = |o: &&pb::OperatorSetIdProto| matches!(o.domain.as_str(), "" | "ai.onnx");
    proto.opset_import.iter().find(version).map_or(0, |o| o.version)
}

/// Imports a `part` of a model, which is fed `names`; gives those that it reads, in the order of its
/// inputs.
pub(super) fn import_part<'a>(
    whole: &pb::ModelProto,
    part: &pb::ModelProto,
    names: &[&'a str],
) -> Result<(InferenceModel, Vec<&'a str>)> {
    guarded(ErrorKind::InvalidModel, "importing the model", || {
        let mut parsed = ops::importer().parse(part, None).map_err(|e| import_error(whole, e))?;
        let outlet = |name: &&'a str| Some((*name, *parsed.outlets_by_name.get(*name)?));
        let (names, outlets): (Vec<_>, Vec<_>) = names.iter().filter_map(outlet).unzip();
        let odd = parsed.unresolved_inputs.iter().find(|n| !names.contains(&n.as_str()));
        if let Some(name) = odd {
            return Err(split::invalid(format!("nothing produces `{name}`")));
        }
        parsed.model.set_input_outlets(&outlets).map_err(|e| import_error(whole, e))?;
        Ok((parsed.model, names))
    })
}

/// Turns the importer's first complaint into the list of all nodes that it refuses.
fn import_error(proto: &pb::ModelProto, first: tract_onnx::prelude::TractError) -> Error {
    let refused = refused_nodes(proto);
    if refused.is_empty() {
        Error::new(ErrorKind::InvalidModel, "the graph cannot be imported").with_source(first)
    } else {
        Error::unsupported(refused)
    }
}

/// Every node that the importer refuses, subgraphs included.
pub(super) fn refused_nodes(proto: &pb::ModelProto) -> Vec<UnsupportedOperator> {
    let Some(graph) = &proto.graph else { return vec![] };
    let ctx = ParsingContext {
        onnx_operator_set_version: opset(proto),
        framework: ops::importer(),
        model: proto,
        parent_graphs: vec![],
        model_dir: None,
        template: InferenceModel::default(),
    };
    let mut refused = vec![];
    refused_in(graph, &ctx, &mut refused);
    refused
}

fn refused_in(
    graph: &pb::GraphProto,
    outer: &ParsingContext,
    refused: &mut Vec<UnsupportedOperator>,
) {
    let mut ctx = outer.clone();
    ctx.parent_graphs.push(graph);
    for node in &graph.node {
        let before = refused.len();
        for inner in node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs)) {
            refused_in(inner, &ctx, refused);
        }
        let Some(build) = ctx.framework.op_register.0.get(&node.op_type) else { continue };
        // A node whose subgraph is refused is refused for that.
        if refused.len() > before {
            continue;
        }
        if let Err(error) = build(&ctx, node) {
            let (domain, reason) = (domain_name(&node.domain), error.root_cause().to_string());
            // Ours of other domains were renamed to `domain.Type` before import.
            let op_type = node.op_type.rsplit('.').next().unwrap_or_default().to_owned();
            let name = node_name(node);
            let same = |o: &&mut UnsupportedOperator| {
                o.op_type == op_type && o.domain == domain && o.reason == reason
            };
            match refused.iter_mut().find(same) {
                Some(entry) => entry.nodes.push(name),
                None => {
                    refused.push(UnsupportedOperator {
                        domain,
                        op_type,
                        nodes: vec![name],
                        reason,
                    });
                }
            }
        }
    }
}
