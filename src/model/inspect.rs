//! What a model is made of, without loading it into the engine.
//!
//! In: a decoded file. Out: an [`Inspection`]: the same facts for `nearside inspect`, the demo's
//! table and the check before loading, from one walk over the graph and its subgraphs.

use std::collections::BTreeMap;

use serde::Serialize;
use tract_onnx::pb;
use tract_onnx::prelude::TractResult;

use super::file::{Content, ModelFile};
use super::ops::{self, DEFAULT_DOMAIN};
use super::tflite;
use crate::codec::{Field, Reader, choices, fields};
use crate::error::Result;
use crate::model::Signature;

/// How often a model uses one operator, and whether the engine has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperatorUse {
    /// ONNX domain, `ai.onnx` for the default one.
    pub domain: String,
    /// ONNX operator type.
    #[serde(rename = "type")]
    pub op_type: String,
    /// Number of nodes, subgraphs included.
    pub count: usize,
    /// Whether the engine has it.
    pub supported: bool,
    /// Why not, where it has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it is this form of it that the engine lacks.
    #[serde(skip)]
    pub(crate) refused: bool,
    /// The nodes' names.
    #[serde(skip)]
    pub nodes: Vec<String>,
}

/// The format of a model file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// ONNX.
    Onnx,
    /// TensorFlow Lite, read as the ONNX model that computes the same.
    Tflite,
    /// A published form, of either.
    Nearside,
}

/// Facts about a model file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The file's format.
    pub format: Format,
    /// Version of the file format.
    pub ir_version: i64,
    /// Operator set version by domain.
    pub opsets: BTreeMap<String, i64>,
    /// The exporter.
    pub producer: String,
    /// Bytes of the file.
    pub bytes: usize,
    /// Number of constant elements.
    pub parameters: u64,
    /// Number of nodes, subgraphs included.
    pub nodes: usize,
    /// The operators, most frequent first.
    pub operators: Vec<OperatorUse>,
    /// For a published form: the shapes of the inputs, in order, that it has plans for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<Vec<Vec<usize>>>,
    /// What it takes and gives.
    #[serde(flatten)]
    pub signature: Signature,
}

/// Facts about a model file, also of one that the engine cannot run.
///
/// # Errors
/// `UnsupportedType` when its signature cannot be told.
pub fn inspect(file: &ModelFile) -> Result<Inspection> {
    match &file.content {
        Content::Proto(decoded) => Inspection::of(&decoded.proto, file.bytes, decoded.format),
        Content::Published(published) => Ok(published.inspection.clone()),
    }
}

choices! { Format { 0 => Onnx, 1 => Tflite, 2 => Nearside } }
fields! { Inspection { format, ir_version, opsets, producer, bytes, parameters, nodes, operators, plans, signature } }

/// Without the nodes' names, which only errors of import tell.
impl Field for OperatorUse {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut crate::codec::Writer) -> TractResult<()> {
        self.domain.write(to)?;
        self.op_type.write(to)?;
        self.count.write(to)?;
        self.supported.write(to)?;
        self.reason.write(to)
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        Ok(Self {
            domain: Field::read(from)?,
            op_type: Field::read(from)?,
            count: Field::read(from)?,
            supported: Field::read(from)?,
            reason: Field::read(from)?,
            refused: false,
            nodes: vec![],
        })
    }
}

impl Inspection {
    pub(crate) fn of(model: &pb::ModelProto, bytes: usize, format: Format) -> Result<Self> {
        let empty = pb::GraphProto::default();
        let graph = model.graph.as_ref().unwrap_or(&empty);
        let (operators, parameters) = Self::walk(graph);
        let producer = format!("{} {}", model.producer_name, model.producer_version);
        Ok(Self {
            format,
            ir_version: model.ir_version,
            opsets: model
                .opset_import
                .iter()
                .map(|o| (domain_name(&o.domain), o.version))
                .collect(),
            producer: producer.trim().to_owned(),
            bytes,
            parameters,
            nodes: operators.iter().map(|o| o.count).sum(),
            operators,
            plans: vec![],
            signature: Signature::of(graph)?,
        })
    }

    /// The operators alone, which needs no signature that the engine understands.
    pub(crate) fn operators(model: &pb::ModelProto) -> Vec<OperatorUse> {
        model.graph.as_ref().map(|g| Self::walk(g).0).unwrap_or_default()
    }

    fn walk(graph: &pb::GraphProto) -> (Vec<OperatorUse>, u64) {
        let mut walk = Walk::default();
        walk.graph(graph);
        let mut operators: Vec<OperatorUse> = walk
            .operators
            .into_iter()
            .map(|((domain, op_type, refused), nodes)| {
                let reason = Some(refused.clone()).filter(|r| !r.is_empty());
                let reason = reason.or_else(|| ops::unsupported_reason(&domain, &op_type));
                OperatorUse {
                    domain,
                    op_type,
                    count: nodes.len(),
                    supported: reason.is_none(),
                    reason,
                    refused: !refused.is_empty(),
                    nodes,
                }
            })
            .collect();
        operators.sort_by_key(|o| std::cmp::Reverse(o.count));
        (operators, walk.parameters)
    }
}

pub(crate) fn domain_name(domain: &str) -> String {
    if domain.is_empty() { DEFAULT_DOMAIN.to_owned() } else { domain.to_owned() }
}

/// A node's name, or the name of what it makes.
pub(super) fn node_name(node: &pb::NodeProto) -> String {
    let output = || node.output.first().cloned().unwrap_or_default();
    if node.name.is_empty() { output() } else { node.name.clone() }
}

#[derive(Default)]
struct Walk {
    /// By domain, type, and why a form of it is refused already.
    operators: BTreeMap<(String, String, String), Vec<String>>,
    parameters: u64,
}

impl Walk {
    fn graph(&mut self, graph: &pb::GraphProto) {
        for tensor in &graph.initializer {
            self.tensor(tensor);
        }
        for node in &graph.node {
            let name = node_name(node);
            // A translation leaves what it cannot translate, and says why.
            let left = node.domain == tflite::DOMAIN;
            let refused = if left { node.doc_string.clone() } else { String::new() };
            let key = (domain_name(&node.domain), node.op_type.clone(), refused);
            self.operators.entry(key).or_default().push(name);
            for attribute in &node.attribute {
                for tensor in attribute.t.iter().chain(&attribute.tensors) {
                    self.tensor(tensor);
                }
                for graph in attribute.g.iter().chain(&attribute.graphs) {
                    self.graph(graph);
                }
            }
        }
    }

    fn tensor(&mut self, tensor: &pb::TensorProto) {
        let count = tensor.dims.iter().try_fold(1i64, |n, d| n.checked_mul(*d)).unwrap_or(0);
        self.parameters = self.parameters.saturating_add(u64::try_from(count).unwrap_or(0));
    }
}
