//! A model file, decoded: the one form in which every later stage sees it.
//!
//! In: the bytes of a file, and of the files beside it that its constants lie in. Out: a [`ModelFile`],
//! which can be inspected, checked and loaded. Functions that the file defines are inlined here.

use bytes::Bytes;
use prost::Message;
use tract_onnx::pb;

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
        let length = bytes.len();
        let format = if tflite::is(&bytes) { Format::Tflite } else { Format::Onnx };
        let mut proto = match format {
            Format::Tflite => tflite::decode(&bytes)?,
            Format::Onnx => parse(bytes)?,
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

fn parse(bytes: Vec<u8>) -> Result<pb::ModelProto> {
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
    kinds::mark(&mut proto, bytes.clone());
    if !proto.functions.is_empty() {
        let size = bytes.len();
        let defaults = Defaults::decode(bytes).unwrap_or_default();
        functions::inline(&mut proto, defaults, size)?;
    }
    Ok(proto)
}
