//! The published form: a model that was imported, rewritten and decluttered once, when it was published.
//!
//! In: a file that `nearside optimize` made. Out: what is known of the model, its plans, and, for shapes that it was
//! not planned for, the model as it was. The file is
//!
//! ```text
//! "NEARSIDE" | version u32 | length of the head u64 | head | constants, each at a multiple of 64 | ONNX without them
//! ```
//!
//! with numbers in little-endian order. The head names everything; constants of all plans and of the model itself are
//! in the file once, those of plans first, so that a model of one fixed shape is ready before the end is read.
//!
//! Threat model: as of any model file; besides, plans are held against their own facts as they are read, and a small
//! file makes no large constants.

mod constants;
#[cfg(feature = "native")]
mod write;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tract_onnx::prelude::{Arc, Tensor, TractResult};
use tract_onnx::tract_core::internal::TractError;

use super::carve::Carver;
use super::file;
use super::inspect::{Format, Inspection};
use super::onnx::Model;
use super::program::Graph;
use super::weights::{self, Weights};
use crate::codec::{Constants, Field, NoConstants, Reader, fields};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{self, DType};
use constants::{Entry, Store};
#[cfg(feature = "native")]
pub(crate) use write::{Builder, Onnx};

const MAGIC: &[u8] = b"NEARSIDE";
/// Of the file's layout; what plans mean has an edition of its own.
const VERSION: u32 = 1;
/// Constants begin at multiples of this.
const ALIGNMENT: usize = 64;

/// A plan as it lies in the file.
pub(crate) struct StoredPlan {
    /// Type and shape of each input.
    pub(crate) inputs: Vec<(DType, Vec<usize>)>,
    /// The types of the outputs as the model declares them.
    pub(crate) outputs: Vec<DType>,
    /// For [`crate::plan::Plan::read`].
    pub(crate) graph: Vec<u8>,
}

struct Head {
    /// What the plans mean: see [`crate::plan::EDITION`].
    edition: u64,
    inspection: Inspection,
    plans: Vec<StoredPlan>,
    constants: Vec<Entry>,
    /// Bytes of each block of constants.
    blocks: Vec<usize>,
    /// Initializers of the ONNX model that are constants of the file.
    weights: Vec<(String, usize)>,
}

fields! { Head { edition, inspection, plans, constants, blocks, weights } }

impl Field for StoredPlan {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut crate::codec::Writer) -> TractResult<()> {
        self.inputs.write(to)?;
        self.outputs.write(to)?;
        self.graph.len().write(to)?;
        to.bytes.extend(&self.graph);
        Ok(())
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        let (inputs, outputs) = (Field::read(from)?, Field::read(from)?);
        let length = usize::read(from)?;
        Ok(Self { inputs, outputs, graph: from.take(length)?.to_vec() })
    }
}

/// Whether a file says that it is one.
pub(super) fn is(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// A decoded file.
pub(crate) struct Published {
    pub(crate) inspection: Inspection,
    plans: Vec<StoredPlan>,
    weights: Vec<(String, usize)>,
    rest: Mutex<Store>,
    /// The model itself, once a run needed it.
    graph: OnceLock<std::result::Result<Graph, (ErrorKind, String)>>,
}

fn damaged(error: TractError) -> Error {
    let text = "the published form is damaged: make it again with `nearside optimize`";
    Error::new(ErrorKind::InvalidModel, text).with_source(error)
}

/// A file of which a part has come.
pub(super) struct Receiver {
    /// Until the head is there.
    start: Vec<u8>,
    expected: usize,
    published: Option<Published>,
}

/// Bytes before the head.
const BEFORE: usize = MAGIC.len() + 4 + 8;

impl Receiver {
    pub(super) fn new(expected: usize) -> Self {
        Self { start: vec![], expected, published: None }
    }

    pub(super) fn append(&mut self, chunk: &[u8]) -> Result<()> {
        if let Some(published) = &mut self.published {
            return published.append(chunk);
        }
        self.start.extend_from_slice(chunk);
        let Some(length) = head_length(&self.start)? else { return Ok(()) };
        let end = BEFORE.saturating_add(length);
        let Some(head) = self.start.get(BEFORE..end) else { return Ok(()) };
        let mut published = Published::decode(head, end, self.expected)?;
        published.append(&self.start[end..])?;
        self.start = vec![];
        self.published = Some(published);
        Ok(())
    }

    /// The model, of so many bytes, when all has come.
    pub(super) fn finish(self, bytes: usize) -> Result<Published> {
        let cut = || Error::new(ErrorKind::InvalidModel, "the published form ends too soon");
        let mut published = self.published.ok_or_else(cut)?;
        published.inspection.bytes = bytes;
        Ok(published)
    }
}

/// Bytes of the head, once that is told.
fn head_length(start: &[u8]) -> Result<Option<usize>> {
    let Some(before) = start.get(MAGIC.len()..BEFORE) else { return Ok(None) };
    let (version, length) = before.split_at(4);
    let version = number(version);
    if version != u64::from(VERSION) {
        let text = format!(
            "the published form is of version {version}, this engine reads version {VERSION}: publish the model \
                 again with the `nearside optimize` of this version"
        );
        return Err(Error::new(ErrorKind::InvalidModel, text));
    }
    Ok(Some(usize::try_from(number(length)).unwrap_or(usize::MAX)))
}

impl Published {
    /// From its head, which ends at `end`, before its constants have come.
    fn decode(head: &[u8], end: usize, expected: usize) -> Result<Self> {
        let mut from = Reader::new(head, &NoConstants);
        let head = Head::read(&mut from).map_err(damaged)?;
        let Head { edition, mut inspection, mut plans, constants, blocks, weights } = head;
        inspection.format = Format::Nearside;
        if edition != crate::plan::EDITION {
            // Another engine's: the model itself is there too.
            plans.clear();
        }
        inspection.plans = plans
            .iter()
            .map(|plan| plan.inputs.iter().map(|(_, shape)| shape.clone()).collect())
            .collect();
        let signature = &inspection.signature;
        let counts = (signature.inputs.len(), signature.outputs.len());
        if plans.iter().any(|plan| (plan.inputs.len(), plan.outputs.len()) != counts) {
            return Err(damaged(TractError::msg("a plan of other inputs or outputs")));
        }
        let rest = Store::new(constants, blocks, end, expected).map_err(damaged)?;
        Ok(Self { inspection, plans, weights, rest: Mutex::new(rest), graph: OnceLock::new() })
    }

    fn append(&mut self, chunk: &[u8]) -> Result<()> {
        let store = self.rest.get_mut().unwrap_or_else(PoisonError::into_inner);
        store.append(chunk).map_err(damaged)
    }

    /// Whether there is anything to gain from it.
    pub(super) fn has_plans(&self) -> bool {
        !self.plans.is_empty()
    }

    /// The plan for inputs of these types and shapes.
    pub(crate) fn plan<'a>(
        &self,
        inputs: impl ExactSizeIterator<Item = (DType, &'a [usize])> + Clone,
    ) -> Option<&StoredPlan> {
        self.plans.iter().find(|plan| {
            plan.inputs.len() == inputs.len()
                && plan
                    .inputs
                    .iter()
                    .zip(inputs.clone())
                    .all(|((dtype, shape), (of, given))| *dtype == of && shape == given)
        })
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of all constants.
    pub(crate) fn forget(&self) {
        self.store().forget();
    }

    /// The ONNX model without the constants that the form has, and those.
    fn onnx(&self) -> Result<(tract_onnx::pb::ModelProto, Weights)> {
        let mut store = self.store();
        let tail = store.tail()?;
        if tail.is_empty() {
            let planned: Vec<_> = self.inspection.plans.iter().map(|p| format!("{p:?}")).collect();
            let text = format!(
                "the published form has plans alone, for inputs of shape {}: publish the model again, with the plan \
                 that is needed or without --plans-only",
                planned.join(" or ")
            );
            return Err(Error::new(ErrorKind::CannotPlan, text));
        }
        let refused = || {
            Error::new(
                ErrorKind::InvalidModel,
                "the published form holds no ONNX model: it is damaged",
            )
        };
        let mut carver = Carver::new(tail.len());
        carver.append(&tail)?;
        drop(tail);
        let (mut proto, held, _) = file::whole(carver.finish().ok_or_else(refused)?, refused)?;
        if let Some(graph) = &mut proto.graph {
            weights::release(graph, held);
        }
        let given = self.weights.iter().map(|(name, number)| {
            let tensor = store.constant(*number).map_err(damaged)?;
            Ok((name.clone(), tensor::Tensor::from_arc(tensor)?))
        });
        Ok((proto, given.collect::<Result<_>>()?))
    }

    /// The model, imported.
    pub(super) fn import(&self) -> Result<Model> {
        let (proto, given) = self.onnx()?;
        Model::import(proto, vec![], given, |_| Ok(self.inspection.clone()))
    }

    /// The one graph of the model, imported at its first use.
    pub(crate) fn graph(&self) -> Result<Graph> {
        let import = || {
            let model = self.import().map_err(|e| (e.kind().clone(), e.to_string()))?;
            model.only_graph().ok_or_else(|| {
                (
                    ErrorKind::InvalidModel,
                    "the published form has plans of another model".to_owned(),
                )
            })
        };
        let graph = self.graph.get_or_init(import).clone();
        graph.map_err(|(kind, message)| Error::new(kind, message))
    }

    /// The same, for good.
    pub(crate) fn into_graph(self) -> Result<Graph> {
        self.graph()?;
        let graph = self.graph.into_inner();
        let lost = || Error::new(ErrorKind::Internal, "the published graph is lost");
        graph.and_then(std::result::Result::ok).ok_or_else(lost)
    }

    /// The ONNX model as it was.
    pub(super) fn restored(&self) -> Result<tract_onnx::pb::ModelProto> {
        let (mut proto, given) = self.onnx()?;
        if let Some(graph) = &mut proto.graph {
            weights::restore(graph, given);
        }
        Ok(proto)
    }
}

impl Constants for Published {
    fn constant(&self, number: usize) -> TractResult<Arc<Tensor>> {
        self.store().constant(number)
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
