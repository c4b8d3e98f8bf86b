//! The constants of a published form.
//!
//! In: the rest of the file, from the end of its head. Out: tensors by number. Blocks are read in the order in which
//! they lie, as far as a constant asks for, straight into tensors. Several constants may be of one block: the same
//! weights in a plan and in the model, or numbers that were stored in a narrower type because each of them fits.

use tract_onnx::prelude::{Arc, DatumType, IntoArcTensor, Tensor, TractResult};
use tract_onnx::tract_core::internal::{TVec, TractErrorContext as _, bail, ensure};

use super::ALIGNMENT;
use crate::codec::{choices, fields};
use crate::error::Result;
use crate::tensor::{DType, Filling};

/// How often the bytes of a block may become another constant: weights of two layouts do.
const MAX_COPIES: usize = 4;

/// How the elements of a constant lie in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stored {
    AsTheyAre,
    /// float32 as float16.
    Half,
    /// int16 as int8.
    Signed,
    /// int16 as uint8.
    Unsigned,
}

choices! { Stored { 0 => AsTheyAre, 1 => Half, 2 => Signed, 3 => Unsigned } }

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) dtype: DatumType,
    pub(super) shape: TVec<usize>,
    pub(super) block: usize,
    pub(super) stored: Stored,
}

fields! { Entry { dtype, shape, block, stored } }

impl Entry {
    /// The type of the bytes in the file.
    pub(super) fn lies_as(&self) -> TractResult<DatumType> {
        Ok(match (self.stored, self.dtype) {
            (Stored::AsTheyAre, DatumType::TDim | DatumType::String) => {
                bail!("a block of {:?}", self.dtype)
            }
            (Stored::AsTheyAre, dtype) => dtype,
            (Stored::Half, DatumType::F32) => DatumType::F16,
            (Stored::Signed, DatumType::I16) => DatumType::I8,
            (Stored::Unsigned, DatumType::I16) => DatumType::U8,
            (stored, dtype) => bail!("{dtype:?} {stored:?}"),
        })
    }
}

/// A block, once it has come, as the first constant of it lies.
struct Block {
    length: usize,
    first: Option<usize>,
    read: Option<Arc<Tensor>>,
}

pub(super) struct Store {
    entries: Vec<Entry>,
    blocks: Vec<Block>,
    /// How many of them have come.
    done: usize,
    /// The next of them, of which a part has come.
    filling: Option<Filling>,
    /// Bytes of the file that have come.
    position: usize,
    expected: usize,
    /// Bytes of blocks that have come, and bytes that were copied out of them.
    came: usize,
    copied: usize,
    /// What lies behind all blocks, and what there is no room for yet.
    rest: Vec<u8>,
}

impl Store {
    /// For blocks that begin behind `position`.
    pub(super) fn new(
        entries: Vec<Entry>,
        lengths: Vec<usize>,
        position: usize,
        expected: usize,
    ) -> TractResult<Self> {
        let mut blocks: Vec<Block> =
            lengths.into_iter().map(|length| Block { length, first: None, read: None }).collect();
        for (number, entry) in entries.iter().enumerate() {
            let block = blocks.get_mut(entry.block).context("a constant without a block")?;
            let count = entry.shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
            let length = count.and_then(|n| n.checked_mul(entry.lies_as().ok()?.size_of()));
            ensure!(length == Some(block.length), "a constant that does not fill its block");
            block.first.get_or_insert(number);
        }
        ensure!(blocks.iter().all(|b| b.first.is_some()), "a block that nobody names");
        Ok(Self {
            entries,
            blocks,
            done: 0,
            filling: None,
            position,
            expected,
            came: 0,
            copied: 0,
            rest: vec![],
        })
    }

    /// The next bytes of the file.
    pub(super) fn append(&mut self, mut chunk: &[u8]) -> TractResult<()> {
        while !chunk.is_empty() {
            let Some(length) = self.blocks.get(self.done).map(|b| b.length) else {
                self.rest.try_reserve(chunk.len())?;
                self.rest.extend_from_slice(chunk);
                return Ok(());
            };
            if self.filling.is_none() {
                let padding = self.position.wrapping_neg() % ALIGNMENT;
                let (passed, rest) = chunk.split_at(padding.min(chunk.len()));
                self.position += passed.len();
                chunk = rest;
                if passed.len() < padding {
                    return Ok(());
                }
                self.filling = self.begin(length)?;
            }
            let Some(filling) = &mut self.filling else {
                // Nobody said how much there is to come: it must be here first.
                return self.wait(chunk, length);
            };
            let (now, later) = chunk.split_at(filling.left().min(chunk.len()));
            filling.put(now);
            self.position += now.len();
            chunk = later;
            if filling.left() == 0 {
                self.close()?;
            }
        }
        Ok(())
    }

    /// Room for the next block, where it can be that large.
    fn begin(&self, length: usize) -> TractResult<Option<Filling>> {
        let end = self.position.saturating_add(length);
        if end > self.expected.max(self.position.saturating_add(self.rest.len())) {
            return Ok(None);
        }
        let entry = self.blocks.get(self.done).and_then(|b| self.entries.get(b.first?));
        let entry = entry.context("a block that nobody names")?;
        let dtype = DType::from_datum(entry.lies_as()?).context("a block of the engine's own")?;
        Ok(Some(Filling::new(dtype, &entry.shape)?))
    }

    fn wait(&mut self, chunk: &[u8], length: usize) -> TractResult<()> {
        self.rest.try_reserve(chunk.len())?;
        self.rest.extend_from_slice(chunk);
        if self.rest.len() < length {
            return Ok(());
        }
        let here = std::mem::take(&mut self.rest);
        self.expected = self.expected.max(self.position.saturating_add(here.len()));
        self.append(&here)
    }

    fn close(&mut self) -> TractResult<()> {
        let (Some(filling), Some(block)) = (self.filling.take(), self.blocks.get_mut(self.done))
        else {
            return Ok(());
        };
        let tensor = Arc::clone(filling.done().as_tract());
        let truth = tensor.datum_type() != DatumType::Bool
            || tensor.len() == 0
            || tensor.as_bytes().iter().all(|b| *b < 2);
        ensure!(truth, "truth values that are none");
        self.came += block.length;
        block.read = Some(tensor);
        self.done += 1;
        Ok(())
    }

    pub(super) fn constant(&mut self, number: usize) -> TractResult<Arc<Tensor>> {
        let entry = self.entries.get(number).cloned().context("no such constant")?;
        let block = self.blocks.get(entry.block).and_then(|b| b.read.as_ref());
        let block = block.context("the file ends within its constants")?;
        if entry.stored == Stored::AsTheyAre
            && block.datum_type() == entry.dtype
            && block.shape() == &*entry.shape
        {
            return Ok(Arc::clone(block));
        }
        let size = block.len() * entry.dtype.size_of();
        self.copied += size;
        ensure!(
            self.copied <= self.came.saturating_mul(MAX_COPIES),
            "constants are made too often"
        );
        let mut tensor = Tensor::zero_dt(entry.lies_as()?, &entry.shape)?;
        if size > 0 {
            tensor.as_bytes_mut().copy_from_slice(block.as_bytes());
        }
        Ok(tensor.cast_to_dt(entry.dtype)?.into_owned().into_arc_tensor())
    }

    pub(super) fn forget(&mut self) {
        (self.entries, self.blocks, self.rest) = (vec![], vec![], vec![]);
    }

    /// What comes after all constants; nothing where the file ended before.
    pub(super) fn tail(&mut self) -> Result<Vec<u8>> {
        let whole = self.done == self.blocks.len();
        Ok(if whole { self.rest.clone() } else { vec![] })
    }
}
