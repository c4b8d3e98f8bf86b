//! A model file, decoded: the one form in which every later stage sees it.
//!
//! In: the bytes of a file, and of the files beside it that its constants lie in. Out: a [`ModelFile`],
//! which can be inspected, checked and loaded. Functions that the file defines are inlined here.

use bytes::Bytes;
use prost::Message;
use tract_onnx::pb;

use super::carve::Pieces;
use super::external::{self, External};
use super::functions::{self, Defaults};
use super::inspect::Format;
use super::{kinds, tflite};
use crate::error::{Error, ErrorKind, Result};

/// A decoded model file.
pub struct ModelFile {
    pub(super) proto: pb::ModelProto,
    pub(super) format: Format,
    /// Bytes of the file itself.
    pub(super) bytes: usize,
    external: Vec<External>,
}

impl ModelFile {
    /// Decodes the bytes of a file.
    ///
    /// # Errors
    /// `InvalidModel` when they are not a model.
    pub fn decode(bytes: Vec<u8>) -> Result<Self> {
        Self::decode_pieces(vec![bytes])
    }

    /// The same of a file in pieces, each of which is freed as soon as it is read.
    ///
    /// # Errors
    /// As [`ModelFile::decode`]; `OutOfMemory`.
    pub fn decode_pieces(pieces: Vec<Vec<u8>>) -> Result<Self> {
        let file = Pieces::new(pieces);
        let length = file.len();
        let format = if tflite::is(file.start()) { Format::Tflite } else { Format::Onnx };
        let mut proto = match format {
            Format::Tflite => tflite::decode(&file.join()?)?,
            Format::Onnx => parse(file)?,
        };
        let external = external::files(&mut proto)?;
        Ok(Self { proto, format, bytes: length, external })
    }

    /// The files beside it that its constants lie in, as paths relative to its own folder.
    pub fn external(&self) -> impl Iterator<Item = &str> {
        self.external.iter().map(|f| f.location.as_str())
    }

    /// Begins, or begins again, with the bytes of one of them.
    ///
    /// # Errors
    /// `InvalidInput` when the model has no constants there.
    pub fn begin(&mut self, location: &str) -> Result<()> {
        self.file(location)?.begin();
        Ok(())
    }

    /// The next bytes of one of them.
    ///
    /// # Errors
    /// `OutOfMemory`, or `InvalidInput` when the model has no constants there.
    pub fn append(&mut self, location: &str, chunk: &[u8]) -> Result<()> {
        self.file(location)?.append(chunk)
    }

    fn file(&mut self, location: &str) -> Result<&mut External> {
        let file = self.external.iter_mut().find(|f| f.location == location);
        file.ok_or_else(|| {
            let text = format!("the model has no constants in `{location}`");
            Error::new(ErrorKind::InvalidInput, text)
        })
    }

    /// The model with every constant inside.
    pub(super) fn complete(mut self) -> Result<pb::ModelProto> {
        external::complete(&mut self.proto, self.external)?;
        Ok(self.proto)
    }
}

fn parse(file: Pieces) -> Result<pb::ModelProto> {
    if file.len() == 0 {
        return Err(Error::new(ErrorKind::InvalidModel, "the model is empty (0 bytes)"));
    }
    let html = file.start().iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'<');
    let hint = if html { " (it looks like an HTML page: check the URL)" } else { "" };
    let refused =
        || Error::new(ErrorKind::InvalidModel, format!("the bytes are not an ONNX model{hint}"));
    let carved = file.carve()?.ok_or_else(refused)?;
    let bytes = Bytes::from(carved.file);
    let mut proto = pb::ModelProto::decode(bytes.clone()).map_err(|e| refused().with_source(e))?;
    if let Some(graph) = &mut proto.graph {
        carved.weights.put_back(graph);
    }
    if proto.graph.is_none() {
        return Err(Error::new(
            ErrorKind::InvalidModel,
            "the bytes hold no ONNX graph: not an ONNX model, or a truncated one",
        ));
    }
    kinds::mark(&mut proto, bytes.clone());
    if !proto.functions.is_empty() {
        let size = bytes.len();
        let defaults = Defaults::decode(bytes).unwrap_or_default();
        functions::inline(&mut proto, defaults, size)?;
    }
    Ok(proto)
}
