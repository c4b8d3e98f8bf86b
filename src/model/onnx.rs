//! A decoded file -> [`Model`], through tract's importer.

use std::collections::HashSet;

use tract_onnx::pb;
use tract_onnx::prelude::{Framework, InferenceModel, TractResult};

use super::file::{Content, ModelFile};
use super::inspect::Inspection;
use super::program::{Graph, Program, Source, Step};
use super::schema::{self, Faults};
use super::weights::{Held, Weights};
use super::{check, ops, repeats, rewrite, scope, split, validate, values, weights, widen, words};
use crate::error::{Error, ErrorKind, Problem, Result};
use crate::guard::guarded;

/// A model before shapes: facts about it, what to do, and its segments with constants loaded.
pub(crate) struct Model {
    pub(crate) inspection: Inspection,
    pub(crate) program: Program,
    pub(crate) segments: Vec<Source>,
}

impl Model {
    /// Checks and imports a model file; a published form that has plans is not imported before a run needs it. What
    /// the engine lacks for a model is one error that lists all.
    pub(crate) fn from_file(file: ModelFile) -> Result<Self> {
        match file.content {
            Content::Published(published) if published.has_plans() => {
                Ok(Self::one_segment(published.inspection.clone(), Source::Published(published)))
            }
            Content::Published(published) => published.import(),
            Content::Proto(decoded) => {
                let format = decoded.format;
                let inspect = |proto: &_| Inspection::of(proto, file.bytes, format);
                let (proto, held) = decoded.complete()?;
                Self::import(proto, held, vec![], inspect)
            }
        }
    }

    /// Checks and imports what [`ModelFile::parts`] gave.
    #[cfg(feature = "native")]
    pub(crate) fn of_parts(proto: pb::ModelProto, inspection: Inspection) -> Result<Self> {
        Self::import(proto, vec![], vec![], |_| Ok(inspection))
    }

    /// Checks and imports a decoded file, of which some constants are `held`, and some `given` beside it; `inspect` tells what it is
    /// made of.
    pub(super) fn import(
        mut proto: pb::ModelProto,
        held: Held,
        given: Weights,
        inspect: impl FnOnce(&pb::ModelProto) -> Result<Inspection>,
    ) -> Result<Self> {
        if let Some(graph) = &mut proto.graph {
            weights::declare(graph, &given);
        }
        let (problems, faults) = prepare(&mut proto)?;
        if !problems.is_empty() || !faults.problems.is_empty() {
            rewrite::rewrite(&mut proto);
            let problems = check::with_refused(&proto, problems, &faults.makes)?;
            return Err(faults.into_error(problems));
        }
        let inspection = inspect(&proto)?;
        rewrite::rewrite(&mut proto);
        let opset = opset(&proto);
        if let Some(graph) = proto.graph.as_mut().filter(|g| values::must_split(g, opset)) {
            weights::release(graph, held);
            scope::fold_constants(graph);
            let (program, segments) = split::split(&proto)?;
            told(&inspection, program.inputs.len(), program.outputs.len())?;
            let segments = segments.into_iter().map(Source::Graph).collect();
            return Ok(Self { inspection, program, segments });
        }
        let mut weights =
            proto.graph.as_mut().map(|g| weights::take(g, held)).transpose()?.unwrap_or_default();
        weights.extend(given);
        let graph = guarded(ErrorKind::InvalidModel, "importing the model", || {
            let import = || {
                let mut graph = ops::importer().model_for_proto_model(&proto)?;
                weights::put_back(&mut graph, weights)?;
                TractResult::Ok(graph)
            };
            import().map_err(|e| import_error(&proto, e))
        })?;
        told(&inspection, graph.inputs.len(), graph.outputs.len())?;
        let outputs = inspection.signature.outputs.iter().map(|o| Some(o.dtype)).collect();
        let graph = Graph { graph, outputs, constant: false };
        Ok(Self::one_segment(inspection, Source::Graph(graph)))
    }

    /// The graph of a model that is one segment.
    pub(super) fn only_graph(self) -> Option<Graph> {
        let alone = self.program.is_one_segment();
        self.segments.into_iter().next().filter(|_| alone).and_then(|source| match source {
            Source::Graph(graph) => Some(graph),
            Source::Published(_) => None,
        })
    }

    /// A model that is one segment.
    fn one_segment(inspection: Inspection, source: Source) -> Self {
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
        Self { inspection, program, segments: vec![source] }
    }
}

/// A graph has the ends that are told of it, which may be by another file's head.
fn told(inspection: &Inspection, inputs: usize, outputs: usize) -> Result<()> {
    let signature = &inspection.signature;
    if inputs >= signature.inputs.len() && outputs >= signature.outputs.len() {
        return Ok(());
    }
    let text = "the graph has fewer inputs or outputs than the file says";
    Err(Error::new(ErrorKind::InvalidModel, text))
}

/// Makes a file ready for the rewrites, and lists what can be seen before them: what is lacking, and what is not as ONNX
/// defines it.
pub(super) fn prepare(proto: &mut pb::ModelProto) -> Result<(Vec<Problem>, Faults)> {
    let faults = schema::faults(proto);
    if let Some(graph) = &mut proto.graph {
        words::as_bytes(graph);
    }
    widen::widen(proto);
    repeats::last_alone(proto);
    validate::validate(proto)?;
    Ok((check::apparent(proto), faults))
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
    match check::with_refused(proto, vec![], &HashSet::new()) {
        Ok(problems) if !problems.is_empty() => Error::unsupported(problems),
        _ => Error::new(ErrorKind::InvalidModel, "the graph cannot be imported").with_source(first),
    }
}
