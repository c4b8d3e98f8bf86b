//! A model file as it comes: from a network, from a disk, or all at once.
//!
//! In: chunks of any size. Out: a [`ModelFile`]. The one decision: what a file is shows in its first bytes, and from
//! then on each chunk goes straight where it belongs, so that there is never a second copy of the weights.

use super::carve::Carver;
use super::file::ModelFile;
use super::published::{self, Receiver};
use super::tflite;
use crate::error::{Error, ErrorKind, Result};

/// Enough to tell what a file is, and whether it is a page about an error.
const START: usize = 256;

/// A model file of which a part has come.
pub struct ModelStream {
    start: Vec<u8>,
    length: usize,
    expected: usize,
    state: State,
}

enum State {
    /// Too little has come to tell.
    Start,
    Onnx(Box<Carver>),
    Published(Box<Receiver>),
    /// Decoded from all of its bytes.
    Lite(Vec<u8>),
}

impl ModelStream {
    /// For a file of about `expected` bytes, 0 where that is not known: no more room is taken before bytes are there.
    pub fn new(expected: usize) -> Self {
        // What stays for good is made before the model's bytes: behind them it would cut in two the memory that they leave.
        super::ops::importer();
        super::schema::rows();
        Self { start: vec![], length: 0, expected, state: State::Start }
    }

    /// The next bytes. That they are no model shows at the end.
    ///
    /// # Errors
    /// `OutOfMemory`; `InvalidModel` of a published form.
    pub fn append(&mut self, chunk: &[u8]) -> Result<()> {
        let missing = START.saturating_sub(self.start.len());
        let (head, _) = chunk.split_at(chunk.len().min(missing));
        self.start.extend_from_slice(head);
        self.length += chunk.len();
        if matches!(self.state, State::Start) {
            if self.length < START {
                return Ok(());
            }
            self.begin(&chunk[head.len()..])
        } else {
            self.state.append(chunk)
        }
    }

    /// Tells what it is; `rest` is what has come beside the start.
    fn begin(&mut self, rest: &[u8]) -> Result<()> {
        self.state = if published::is(&self.start) {
            State::Published(Box::new(Receiver::new(self.expected)))
        } else if tflite::is(&self.start) {
            State::Lite(vec![])
        } else {
            State::Onnx(Box::new(Carver::new(self.expected)))
        };
        self.state.append(&self.start)?;
        self.state.append(rest)
    }

    /// The model, when all of it has come.
    ///
    /// # Errors
    /// `InvalidModel` when it is none; `OutOfMemory`.
    pub fn finish(mut self) -> Result<ModelFile> {
        if matches!(self.state, State::Start) {
            self.begin(&[])?;
        }
        let length = self.length;
        match self.state {
            State::Onnx(carver) => ModelFile::of_onnx(carver.finish(), &self.start, length),
            State::Published(receiver) => {
                Ok(ModelFile::of_published(receiver.finish(length)?, length))
            }
            State::Lite(file) => ModelFile::of_lite(&file),
            State::Start => Err(Error::new(ErrorKind::Internal, "a file that did not begin")),
        }
    }
}

impl State {
    fn append(&mut self, chunk: &[u8]) -> Result<()> {
        match self {
            Self::Start => Ok(()),
            Self::Onnx(carver) => carver.append(chunk),
            Self::Published(receiver) => receiver.append(chunk),
            Self::Lite(file) => {
                let lacking = |_| Error::new(ErrorKind::OutOfMemory, "no room for the model");
                file.try_reserve(chunk.len()).map_err(lacking)?;
                file.extend_from_slice(chunk);
                Ok(())
            }
        }
    }
}
