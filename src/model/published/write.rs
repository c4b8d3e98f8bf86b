//! A published form under construction.
//!
//! In: plans and the model itself, with their constants. Out: the file. The same bytes are in it once, and numbers
//! lie in a narrower type where each of them fits it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use prost::Message;
use tract_onnx::pb;
use tract_onnx::prelude::{Arc, DatumType, Tensor, TractResult};
use tract_onnx::tract_core::internal::TVec;

use super::constants::{Entry, Stored};
use super::{ALIGNMENT, Head, MAGIC, StoredPlan, VERSION};
use crate::codec::{Constants, Field, Keep, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Inspection, weights};

/// Constants and plans of a file to be written.
#[derive(Default)]
pub(crate) struct Builder {
    entries: Vec<Entry>,
    numbers: HashMap<Entry, usize>,
    blocks: Vec<Vec<u8>>,
    /// Blocks by a hash of their bytes.
    known: HashMap<u64, Vec<usize>>,
    plans: Vec<StoredPlan>,
}

/// The model itself in its form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Onnx {
    /// Its large constants are constants of the form.
    Beside,
    /// It keeps its constants.
    Whole,
    /// It is left out.
    Without,
}

impl Builder {
    /// Adds a plan whose constants were kept here.
    pub(crate) fn plan(&mut self, plan: StoredPlan) {
        self.plans.push(plan);
    }

    /// How many constants and blocks there are.
    pub(crate) fn mark(&self) -> (usize, usize) {
        (self.entries.len(), self.blocks.len())
    }

    /// Forgets the constants of a plan that came to nothing.
    pub(crate) fn back(&mut self, (entries, blocks): (usize, usize)) {
        self.entries.truncate(entries);
        self.blocks.truncate(blocks);
        self.numbers.retain(|_, number| *number < entries);
        self.known.values_mut().for_each(|same| same.retain(|number| *number < blocks));
    }

    fn block(&mut self, bytes: Vec<u8>) -> usize {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let same = self.known.entry(hasher.finish()).or_default();
        if let Some(number) = same.iter().find(|number| self.blocks[**number] == bytes) {
            return *number;
        }
        same.push(self.blocks.len());
        self.blocks.push(bytes);
        self.blocks.len() - 1
    }

    /// The file, with the model that the plans are of.
    pub(crate) fn finish(
        mut self,
        mut proto: pb::ModelProto,
        inspection: Inspection,
        onnx: Onnx,
    ) -> Result<Vec<u8>> {
        let failed =
            |e| Error::new(ErrorKind::Internal, "the form cannot be written").with_source(e);
        let mut named = vec![];
        if let Some(graph) = proto.graph.as_mut().filter(|_| onnx == Onnx::Beside) {
            for (name, tensor) in weights::take(graph, vec![])? {
                named.push((name, self.keep(tensor.as_tract()).map_err(failed)?));
            }
        }
        let head = Head {
            edition: crate::plan::EDITION,
            inspection,
            plans: self.plans,
            constants: self.entries,
            blocks: self.blocks.iter().map(Vec::len).collect(),
            weights: named,
        };
        let mut to = Writer::new(None);
        head.write(&mut to).map_err(failed)?;
        let mut file = MAGIC.to_vec();
        file.extend(VERSION.to_le_bytes());
        file.extend((to.bytes.len() as u64).to_le_bytes());
        file.extend(to.bytes);
        for block in self.blocks {
            file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
            file.extend(block);
        }
        if onnx != Onnx::Without {
            file.extend(proto.encode_to_vec());
        }
        Ok(file)
    }
}

impl Keep for Builder {
    fn keep(&mut self, tensor: &Arc<Tensor>) -> TractResult<usize> {
        let (stored, bytes) = narrowed(tensor)?;
        let block = self.block(bytes);
        let shape = TVec::from_slice(tensor.shape());
        let entry = Entry { dtype: tensor.datum_type(), shape, block, stored };
        if let Some(number) = self.numbers.get(&entry) {
            return Ok(*number);
        }
        let number = self.entries.len();
        self.numbers.insert(entry.clone(), number);
        self.entries.push(entry);
        Ok(number)
    }
}

/// The constants as they will be read.
impl Constants for Builder {
    fn constant(&self, number: usize) -> TractResult<Arc<Tensor>> {
        use tract_onnx::tract_core::internal::TractErrorContext as _;
        let entry = self.entries.get(number).context("no such constant")?;
        let mut tensor = Tensor::zero_dt(entry.lies_as()?, &entry.shape)?;
        tensor.as_bytes_mut().copy_from_slice(&self.blocks[entry.block]);
        Ok(Arc::new(tensor.cast_to_dt(entry.dtype)?.into_owned()))
    }
}

/// The bytes of a tensor in the narrowest type that gives it back.
fn narrowed(tensor: &Tensor) -> TractResult<(Stored, Vec<u8>)> {
    let candidates: &[(Stored, DatumType)] = match tensor.datum_type() {
        DatumType::F32 => &[(Stored::Half, DatumType::F16)],
        DatumType::I16 => &[(Stored::Signed, DatumType::I8), (Stored::Unsigned, DatumType::U8)],
        _ => &[],
    };
    for (stored, narrow) in candidates {
        let there = tensor.cast_to_dt(*narrow)?;
        if there.cast_to_dt(tensor.datum_type())?.as_bytes() == tensor.as_bytes() {
            return Ok((*stored, there.as_bytes().to_vec()));
        }
    }
    Ok((Stored::AsTheyAre, tensor.as_bytes().to_vec()))
}
