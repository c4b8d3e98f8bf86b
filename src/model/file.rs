//! A model file, decoded: the one form in which every later stage sees it.
//!
//! In: the bytes of a file, and of the files beside it that its constants lie in. Out: a [`ModelFile`],
//! which can be inspected, checked and loaded. Functions that the file defines are inlined here.

use bytes::Bytes;
use prost::Message;
use tract_onnx::pb;

use super::carve::{Carved, Data};
use super::external::{self, External};
use super::functions::{self, Defaults};
use super::inspect::Format;
use super::published::Published;
use super::stream::ModelStream;
use super::weights::{self, Held};
use super::{kinds, schema, signature, sparse, tflite};
use crate::error::{Error, ErrorKind, Result};

/// A decoded model file.
pub struct ModelFile {
    pub(super) content: Content,
    /// Bytes of the file itself.
    pub(super) bytes: usize,
}

pub(super) enum Content {
    Proto(Box<Decoded>),
    Published(Box<Published>),
}

/// An ONNX file, or one that was translated to ONNX.
pub(super) struct Decoded {
    pub(super) proto: pb::ModelProto,
    pub(super) format: Format,
    external: Vec<External>,
    held: Held,
}

impl ModelFile {
    /// Decodes the bytes of a file.
    ///
    /// # Errors
    /// `InvalidModel` when they are not a model; `OutOfMemory`.
    pub fn decode(bytes: Vec<u8>) -> Result<Self> {
        let mut stream = ModelStream::new(bytes.len());
        stream.append(&bytes)?;
        drop(bytes);
        stream.finish()
    }

    pub(super) fn of_published(published: Published, bytes: usize) -> Self {
        Self { content: Content::Published(Box::new(published)), bytes }
    }

    pub(super) fn of_lite(file: &[u8]) -> Result<Self> {
        let proto = tflite::decode(file)?;
        Self::of_proto(proto, Format::Tflite, vec![], file.len())
    }

    /// `start`: the first bytes of the file, as it came; `length`: of all of it.
    pub(super) fn of_onnx(carved: Option<Carved>, start: &[u8], length: usize) -> Result<Self> {
        if length == 0 {
            return Err(Error::new(ErrorKind::InvalidModel, "the model is empty (0 bytes)"));
        }
        let html = start.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'<');
        let hint = if html { " (it looks like an HTML page: check the URL)" } else { "" };
        let refused = || {
            Error::new(ErrorKind::InvalidModel, format!("the bytes are not an ONNX model{hint}"))
        };
        let (mut proto, held, bytes) = whole(carved.ok_or_else(refused)?, refused)?;
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
        if let Some(graph) = &mut proto.graph {
            sparse::densify(graph);
            signature::tell_once(graph);
        }
        schema::declare(&mut proto);
        Self::of_proto(proto, Format::Onnx, held, length)
    }

    fn of_proto(
        mut proto: pb::ModelProto,
        format: Format,
        held: Held,
        bytes: usize,
    ) -> Result<Self> {
        let external = external::files(&mut proto)?;
        if let Some(graph) = &mut proto.graph {
            weights::hold(graph, &held);
        }
        let decoded = Box::new(Decoded { proto, format, external, held });
        Ok(Self { content: Content::Proto(decoded), bytes })
    }

    /// The files beside it that its constants lie in, as paths relative to its own folder.
    pub fn external(&self) -> impl Iterator<Item = &str> {
        let external = match &self.content {
            Content::Proto(decoded) => &decoded.external[..],
            Content::Published(_) => &[],
        };
        external.iter().map(|f| f.location.as_str())
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
        let external = match &mut self.content {
            Content::Proto(decoded) => &mut decoded.external[..],
            Content::Published(_) => &mut [],
        };
        external.iter_mut().find(|f| f.location == location).ok_or_else(|| {
            let text = format!("the model has no constants in `{location}`");
            Error::new(ErrorKind::InvalidInput, text)
        })
    }

    /// The model with every constant inside, and what is known of it.
    #[cfg(feature = "native")]
    pub(crate) fn parts(self) -> Result<(pb::ModelProto, super::Inspection)> {
        let inspection = super::inspect(&self)?;
        Ok((self.complete()?, inspection))
    }

    /// The model with every constant inside.
    pub(super) fn complete(self) -> Result<pb::ModelProto> {
        match self.content {
            Content::Proto(decoded) => {
                let (mut proto, held) = decoded.complete()?;
                if let Some(graph) = &mut proto.graph {
                    weights::release(graph, held);
                }
                Ok(proto)
            }
            Content::Published(published) => published.restored(),
        }
    }
}

impl Decoded {
    /// The model with the constants of files beside it inside, and those that are held.
    pub(super) fn complete(mut self) -> Result<(pb::ModelProto, Held)> {
        external::complete(&mut self.proto, self.external)?;
        Ok((self.proto, self.held))
    }
}

/// What was carved, decoded: the model, the constants that came as tensors, and the bytes without weights.
pub(super) fn whole(
    carved: Carved,
    refused: impl Fn() -> Error,
) -> Result<(pb::ModelProto, Held, Bytes)> {
    let bytes = Bytes::from(carved.file);
    let mut proto = pb::ModelProto::decode(bytes.clone()).map_err(|e| refused().with_source(e))?;
    let mut held = vec![];
    for (index, data) in carved.weights {
        let tensor = proto.graph.as_mut().and_then(|g| g.initializer.get_mut(index));
        match (tensor, data) {
            (Some(_), Data::Tensor(data)) => held.push((index, data)),
            (Some(tensor), Data::Bytes(data)) => tensor.raw_data = data,
            (None, _) => {}
        }
    }
    Ok((proto, held, bytes))
}
