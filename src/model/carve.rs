//! A file as it comes -> the same file without its weights, and the weights.
//!
//! In: the file's bytes, in chunks of any size. Out: a small file for the decoder, in which large initializers are
//! empty, and those as tensors. The one decision: a chunk goes straight into the tensor that it belongs to, so that a
//! model is in memory once while it is downloaded and decoded.

use prost::encoding::decode_varint;

use super::narrow::narrow;
use super::signature::dtype_of;
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{DType, Filling, Tensor};

/// What is smaller stays in the file.
const LEAST_BYTES: usize = 4096;
/// A tag and a length of 64 bits each.
const LONGEST_HEAD: usize = 20;
/// How the values of fields are written.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const BYTES: u64 = 2;
const FIXED_32: u64 = 5;
/// Fields of ONNX's messages: a model's graph, a graph's initializers, a tensor's dimensions, its type, and its data in
/// two forms.
const GRAPH: u64 = 7 << 3 | BYTES;
const INITIALIZER: u64 = 5 << 3 | BYTES;
const DIM: u64 = 1 << 3 | VARINT;
/// The same all at once, as newer encoders write them.
const DIMS: u64 = 1 << 3 | BYTES;
/// More bytes of dimensions than these are not looked at.
const MOST_DIMS: usize = 256;
const DATA_TYPE: u64 = 2 << 3 | VARINT;
const FLOAT_DATA: u64 = 4 << 3 | BYTES;
const RAW_DATA: u64 = 9 << 3 | BYTES;
/// The type whose packed floats are its raw data.
const FLOAT: u64 = 1;

/// The data of an initializer.
pub(super) enum Data {
    /// Where its type and shape were told before.
    Tensor(Tensor),
    Bytes(Vec<u8>),
}

/// By the number of the initializer.
pub(super) type Weights = Vec<(usize, Data)>;

/// A file without its weights.
#[derive(Default)]
pub(super) struct Carved {
    pub(super) file: Vec<u8>,
    pub(super) weights: Weights,
}

/// Where a file is being read.
#[derive(Default)]
enum Level {
    #[default]
    Model,
    /// How many bytes of the graph are left.
    Graph(usize),
    /// How many bytes of the graph and of its initializer are left.
    Tensor(usize, usize),
}

/// Bytes on their way.
enum Way {
    /// To the small file, at the present level.
    Copied,
    /// As `Copied`, and read at the end: the dimensions of an initializer.
    Dims(Vec<u8>),
    Raw(Room),
    Floats(Room),
}

/// Room for the data of an initializer.
enum Room {
    Tensor(Filling),
    Bytes(Vec<u8>),
}

/// An initializer of which a part was read.
#[derive(Default)]
struct Partial {
    /// Its message, without its data.
    message: Vec<u8>,
    dims: Vec<usize>,
    data_type: Option<u64>,
    raw: Option<Data>,
    floats: Option<Data>,
}

/// A file of which a part was read.
#[derive(Default)]
pub(super) struct Carver {
    /// Bytes that do not make a whole field yet.
    pending: Vec<u8>,
    level: Level,
    /// What the next bytes are, and how many.
    way: Option<(Way, usize)>,
    carved: Carved,
    graph: Vec<u8>,
    tensor: Partial,
    initializers: usize,
    /// It is no such file.
    malformed: bool,
    /// The most bytes that may be asked for before they are there.
    expected: usize,
}

/// A field's tag, its length or value, and how many bytes both take.
struct Head {
    tag: u64,
    value: u64,
    size: usize,
}

impl Carver {
    /// For a file of about so many bytes.
    pub(super) fn new(expected: usize) -> Self {
        Self { expected, ..Self::default() }
    }

    /// The next bytes.
    pub(super) fn append(&mut self, mut chunk: &[u8]) -> Result<()> {
        while !chunk.is_empty() && !self.malformed {
            let taken = match self.way.take() {
                Some(way) => {
                    let count = chunk.len().min(way.1);
                    self.put(way, &chunk[..count]);
                    count
                }
                None => {
                    // As many bytes as surely end a head; those that are not of it are given back.
                    let before = self.pending.len();
                    let count = chunk.len().min(LONGEST_HEAD.saturating_sub(before).max(1));
                    self.pending.extend_from_slice(&chunk[..count]);
                    match self.head()? {
                        Some(used) => {
                            self.pending.clear();
                            used.saturating_sub(before)
                        }
                        None => count,
                    }
                }
            };
            chunk = chunk.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// The file, and its weights apart; nothing where it is malformed.
    pub(super) fn finish(mut self) -> Option<Carved> {
        self.ended();
        let whole =
            self.pending.is_empty() && self.way.is_none() && matches!(self.level, Level::Model);
        (whole && !self.malformed).then_some(self.carved)
    }

    /// Reads the head of a field; how many of the pending bytes it took, or nothing while it is not there yet.
    fn head(&mut self) -> Result<Option<usize>> {
        self.ended();
        let head = match read_head(&self.pending) {
            Ok(Some(head)) => head,
            Ok(None) if self.pending.len() < LONGEST_HEAD => return Ok(None),
            _ => {
                self.malformed = true;
                return Ok(Some(0));
            }
        };
        let length = if head.tag & 7 == BYTES { usize::try_from(head.value).ok() } else { Some(0) };
        let inside = match (&mut self.level, length.and_then(|l| l.checked_add(head.size))) {
            (_, None) => false,
            (Level::Model, Some(_)) => true,
            (Level::Graph(left), Some(size)) => take(left, size),
            (Level::Tensor(graph, left), Some(size)) => take(left, size) && take(graph, size),
        };
        self.malformed |= !inside;
        if !self.malformed {
            self.field(&head, length.unwrap_or_default())?;
        }
        Ok(Some(head.size))
    }

    fn field(&mut self, head: &Head, length: usize) -> Result<()> {
        match (&self.level, head.tag) {
            (Level::Model, GRAPH) => self.level = Level::Graph(length),
            (Level::Graph(left), INITIALIZER) => {
                // What was taken for the initializer is still of the graph.
                self.level = Level::Tensor(left.saturating_add(length), length);
                self.tensor = Partial::default();
            }
            (Level::Tensor(..), RAW_DATA) => {
                let room = self.tensor.room(length, self.expected)?;
                self.put((Way::Raw(room), length), &[]);
            }
            (Level::Tensor(..), FLOAT_DATA) => {
                let room = self.tensor.room(length, self.expected)?;
                self.put((Way::Floats(room), length), &[]);
            }
            _ => {
                if let Level::Tensor(..) = self.level {
                    self.tensor.note(head);
                }
                let to = self.target();
                put_varint(head.tag, to);
                match head.tag & 7 {
                    VARINT => put_varint(head.value, to),
                    FIXED_64 => to.extend_from_slice(&head.value.to_le_bytes()),
                    FIXED_32 => to.extend_from_slice(&(head.value as u32).to_le_bytes()),
                    _ => {
                        put_varint(head.value, to);
                        let inside = matches!(self.level, Level::Tensor(..));
                        let way = match head.tag {
                            DIMS if inside && length <= MOST_DIMS => Way::Dims(vec![]),
                            _ => Way::Copied,
                        };
                        self.put((way, length), &[]);
                    }
                }
            }
        }
        Ok(())
    }

    /// Where fields go that stay as they are.
    fn target(&mut self) -> &mut Vec<u8> {
        match self.level {
            Level::Model => &mut self.carved.file,
            Level::Graph(_) => &mut self.graph,
            Level::Tensor(..) => &mut self.tensor.message,
        }
    }

    /// Moves bytes on their way.
    fn put(&mut self, (mut way, left): (Way, usize), bytes: &[u8]) {
        match &mut way {
            Way::Copied => self.target().extend_from_slice(bytes),
            Way::Dims(dims) => {
                dims.extend_from_slice(bytes);
                self.target().extend_from_slice(bytes);
            }
            Way::Raw(room) | Way::Floats(room) => room.put(bytes),
        }
        let left = left.saturating_sub(bytes.len());
        if left > 0 {
            self.way = Some((way, left));
            return;
        }
        match way {
            Way::Copied => {}
            Way::Dims(dims) => self.tensor.note_dims(&dims),
            // Of a field that is there twice the last one counts.
            Way::Raw(room) => self.tensor.raw = Some(room.data()),
            // This one goes on.
            Way::Floats(room) => self.tensor.go_on(room.data()),
        }
    }

    /// Closes what has no bytes left.
    fn ended(&mut self) {
        if self.way.is_some() {
            return;
        }
        if let Level::Tensor(graph, 0) = self.level {
            let tensor = std::mem::take(&mut self.tensor);
            let (message, data) = tensor.finish();
            self.carved.weights.extend(data.map(|data| (self.initializers, data)));
            self.initializers += 1;
            put_message(INITIALIZER, &message, &mut self.graph);
            self.level = Level::Graph(graph);
        }
        if let Level::Graph(0) = self.level {
            let graph = std::mem::take(&mut self.graph);
            put_message(GRAPH, &graph, &mut self.carved.file);
            self.level = Level::Model;
        }
    }
}

fn take(left: &mut usize, size: usize) -> bool {
    match left.checked_sub(size) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}

impl Partial {
    fn note(&mut self, head: &Head) {
        match head.tag {
            DATA_TYPE => self.data_type = Some(head.value),
            DIM => self.dims.push(usize::try_from(head.value).unwrap_or(usize::MAX)),
            _ => {}
        }
    }

    fn note_dims(&mut self, mut packed: &[u8]) {
        while let (false, Ok(dim)) = (packed.is_empty(), decode_varint(&mut packed)) {
            self.dims.push(usize::try_from(dim).unwrap_or(usize::MAX));
        }
    }

    /// Room for data: a tensor where type and shape are known and promise no more than there can be.
    fn room(&self, length: usize, expected: usize) -> Result<Room> {
        let code = self.data_type.and_then(|code| i32::try_from(code).ok());
        let plain = code.filter(|code| narrow(*code).is_none()).and_then(dtype_of);
        let plain = plain.filter(|dtype| !matches!(dtype, DType::Bool | DType::String));
        let size = plain
            .and_then(|dtype| self.dims.iter().try_fold(dtype.size(), |n, d| n.checked_mul(*d)));
        match plain {
            Some(dtype) if size == Some(length) && (LEAST_BYTES..=expected).contains(&length) => {
                Filling::new(dtype, &self.dims).map(Room::Tensor)
            }
            _ => {
                let mut room = vec![];
                let least = length.min(expected);
                room.try_reserve_exact(least).map_err(|_| no_room(length))?;
                Ok(Room::Bytes(room))
            }
        }
    }

    fn go_on(&mut self, more: Data) {
        self.floats = Some(match self.floats.take() {
            None => more,
            Some(data) => {
                let mut bytes = data.into_bytes();
                bytes.extend(more.into_bytes());
                Data::Bytes(bytes)
            }
        });
    }

    /// The message, and the data apart where it is large.
    fn finish(mut self) -> (Vec<u8>, Option<Data>) {
        let (raw, mut floats) = (self.raw.take().filter(|d| d.len() > 0), self.floats.take());
        let is_raw = |d: &Data| self.data_type == Some(FLOAT) && d.len().is_multiple_of(4);
        let raw =
            if raw.is_none() && floats.as_ref().is_some_and(is_raw) { floats.take() } else { raw };
        if let Some(floats) = floats.filter(|d| d.len() > 0) {
            put_message(FLOAT_DATA, &floats.into_bytes(), &mut self.message);
        }
        match raw {
            Some(data) if data.len() >= LEAST_BYTES => (self.message, Some(data)),
            Some(data) => {
                put_message(RAW_DATA, &data.into_bytes(), &mut self.message);
                (self.message, None)
            }
            None => (self.message, None),
        }
    }
}

impl Room {
    fn put(&mut self, bytes: &[u8]) {
        match self {
            Self::Tensor(filling) => filling.put(bytes),
            Self::Bytes(room) => room.extend_from_slice(bytes),
        }
    }

    fn data(self) -> Data {
        match self {
            Self::Tensor(filling) => Data::Tensor(filling.done()),
            Self::Bytes(bytes) => Data::Bytes(bytes),
        }
    }
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Self::Tensor(tensor) => tensor.bytes().len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Tensor(tensor) => tensor.bytes().to_vec(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

fn no_room(length: usize) -> Error {
    Error::new(ErrorKind::OutOfMemory, format!("no room for {length} bytes of the model"))
}

/// A head, or nothing where it does not end yet.
fn read_head(bytes: &[u8]) -> std::result::Result<Option<Head>, ()> {
    let Some((tag, at)) = read_varint(bytes)? else { return Ok(None) };
    let rest = bytes.get(at..).unwrap_or_default();
    let fixed = |size: usize| {
        let value = rest.get(..size)?.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
        Some((value, size))
    };
    let value = match tag & 7 {
        VARINT | BYTES => read_varint(rest)?,
        FIXED_64 => fixed(8),
        FIXED_32 => fixed(4),
        _ => return Err(()),
    };
    Ok(value.map(|(value, size)| Head { tag, value, size: at + size }))
}

fn read_varint(bytes: &[u8]) -> std::result::Result<Option<(u64, usize)>, ()> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            return Ok(Some((value, at + 1)));
        }
    }
    if bytes.len() < 10 { Ok(None) } else { Err(()) }
}

fn put_message(tag: u64, content: &[u8], to: &mut Vec<u8>) {
    put_varint(tag, to);
    put_varint(content.len() as u64, to);
    to.extend_from_slice(content);
}

fn put_varint(mut value: u64, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

#[cfg(test)]
#[path = "carve_tests.rs"]
mod tests;
