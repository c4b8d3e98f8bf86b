//! A decoded file -> [`Model`], through tract's importer.

use tract_onnx::pb;
use tract_onnx::prelude::{Framework, InferenceModel, TractResult};

use super::file::ModelFile;
use super::inspect::Inspection;
use super::program::{Graph, Program, Step};
use super::{check, ops, rewrite, scope, split, validate, values, weights, widen};
use crate::error::{Error, ErrorKind, Result};
use crate::guard::guarded;

/// A model before shapes: facts about it, what to do, and its segments with constants loaded.
pub(crate) struct Model {
    pub(crate) inspection: Inspection,
    pub(crate) program: Program,
    pub(crate) segments: Vec<Graph>,
}

impl Model {
    /// Checks and imports a model file. What the engine lacks for it is one error that lists all.
    pub(crate) fn from_file(file: ModelFile) -> Result<Self> {
        let (bytes, format) = (file.bytes, file.format);
        let mut proto = file.complete()?;
        let problems = prepare(&mut proto)?;
        if !problems.is_empty() {
            rewrite::rewrite(&mut proto);
            return Err(Error::unsupported(check::with_refused(&proto, problems)?));
        }
        let inspection = Inspection::of(&proto, bytes, format)?;
        rewrite::rewrite(&mut proto);
        let opset = opset(&proto);
        if let Some(graph) = proto.graph.as_mut().filter(|g| values::must_split(g, opset)) {
            scope::fold_constants(graph);
            let (program, segments) = split::split(&proto)?;
            return Ok(Self { inspection, program, segments });
        }
        let weights = proto.graph.as_mut().map(weights::take).transpose()?.unwrap_or_default();
        let graph = guarded(ErrorKind::InvalidModel, "importing the model", || {
            let import = || {
                let mut graph = ops::importer().model_for_proto_model(&proto)?;
                weights::put_back(&mut graph, weights)?;
                TractResult::Ok(graph)
            };
            import().map_err(|e| import_error(&proto, e))
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

/// Makes a file ready for the rewrites, and lists what can be seen to be lacking before them.
pub(super) fn prepare(proto: &mut pb::ModelProto) -> Result<Vec<crate::error::Problem>> {
    widen::widen(proto);
    validate::validate(proto)?;
    Ok(check::apparent(proto))
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
    match check::with_refused(proto, vec![]) {
        Ok(problems) if !problems.is_empty() => Error::unsupported(problems),
        _ => Error::new(ErrorKind::InvalidModel, "the graph cannot be imported").with_source(first),
    }
}
