//! A file in pieces -> the same file without its weights, and the weights.
//!
//! In: the pieces as they were downloaded. Out: a small file for the decoder, in which large initializers are
//! empty, and their bytes, to be put back into the decoded form. The one decision: what was read is freed at once,
//! so that a model is in memory once while it is decoded; the decoder would copy every weight beside the file.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use tract_onnx::pb;

use crate::error::{Error, ErrorKind, Result};

/// What is smaller stays in the file.
const LEAST_BYTES: usize = 4096;
/// How the values of fields are written.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const BYTES: u64 = 2;
const FIXED_32: u64 = 5;
/// Fields of ONNX's messages: a model's graph, a graph's initializers, a tensor's type, and its data in two forms.
const GRAPH: u64 = 7 << 3 | BYTES;
const INITIALIZER: u64 = 5 << 3 | BYTES;
const DATA_TYPE: u64 = 2 << 3 | VARINT;
const FLOAT_DATA: u64 = 4 << 3 | BYTES;
const RAW_DATA: u64 = 9 << 3 | BYTES;
/// The type whose packed floats are its raw data.
const FLOAT: u64 = 1;

/// A file of which a part was read.
pub(super) struct Pieces {
    /// None is empty.
    rest: VecDeque<Bytes>,
    remaining: usize,
}

/// A file without its weights.
pub(super) struct Carved {
    pub(super) file: Vec<u8>,
    pub(super) weights: Weights,
}

/// By the number of the initializer.
#[derive(Default)]
pub(super) struct Weights(Vec<(usize, Vec<u8>)>);

impl Weights {
    pub(super) fn put_back(self, graph: &mut pb::GraphProto) {
        for (index, data) in self.0 {
            if let Some(tensor) = graph.initializer.get_mut(index) {
                tensor.raw_data = data;
            }
        }
    }
}

/// Why a file cannot be read.
enum Stop {
    /// It ends before what it promises, or is no such file at all.
    Malformed,
    /// There is no memory for so many bytes.
    NoRoom(usize),
}

type Read<T> = std::result::Result<T, Stop>;

impl Pieces {
    pub(super) fn new(pieces: Vec<Vec<u8>>) -> Self {
        let filled = pieces.into_iter().filter(|p| !p.is_empty());
        let rest: VecDeque<_> = filled.map(Bytes::from).collect();
        Self { remaining: rest.iter().map(Bytes::len).sum(), rest }
    }

    pub(super) fn len(&self) -> usize {
        self.remaining
    }

    /// The first bytes, as many as lie together.
    pub(super) fn start(&self) -> &[u8] {
        self.rest.front().map_or(&[], |p| p)
    }

    /// All of it in one.
    pub(super) fn join(mut self) -> Result<Vec<u8>> {
        let mut all = vec![];
        self.take(self.remaining, &mut all)
            .map_or_else(|stop| stop.error().map(|_| vec![]), |()| Ok(all))
    }

    /// The file, and its weights apart; nothing where it is malformed.
    pub(super) fn carve(self) -> Result<Option<Carved>> {
        self.model().map_or_else(Stop::error, |carved| Ok(Some(carved)))
    }

    fn model(mut self) -> Read<Carved> {
        let mut carved = Carved { file: vec![], weights: Weights::default() };
        let mut initializers = 0;
        while self.remaining > 0 {
            let tag = self.varint()?;
            if tag != GRAPH {
                self.copy(tag, &mut carved.file)?;
                continue;
            }
            let end = self.end()?;
            let mut graph = vec![];
            while self.remaining > end {
                let tag = self.varint()?;
                if tag != INITIALIZER {
                    self.copy(tag, &mut graph)?;
                    continue;
                }
                let (tensor, data) = self.tensor()?;
                carved.weights.0.extend(data.map(|d| (initializers, d)));
                initializers += 1;
                message(INITIALIZER, &tensor, &mut graph);
            }
            self.at(end)?;
            message(GRAPH, &graph, &mut carved.file);
        }
        Ok(carved)
    }

    /// A tensor without its data where that is large.
    fn tensor(&mut self) -> Read<(Vec<u8>, Option<Vec<u8>>)> {
        let end = self.end()?;
        let (mut tensor, mut raw, mut floats, mut float) = (vec![], vec![], vec![], false);
        while self.remaining > end {
            match self.varint()? {
                DATA_TYPE => {
                    let value = self.varint()?;
                    float = value == FLOAT;
                    put_varint(DATA_TYPE, &mut tensor);
                    put_varint(value, &mut tensor);
                }
                RAW_DATA => {
                    // Of a field that is there twice the last one counts.
                    raw.clear();
                    self.bytes(&mut raw)?;
                }
                // This one goes on.
                FLOAT_DATA => self.bytes(&mut floats)?,
                tag => self.copy(tag, &mut tensor)?,
            }
        }
        self.at(end)?;
        if raw.is_empty() && float && floats.len() % 4 == 0 {
            raw = std::mem::take(&mut floats);
        }
        if !floats.is_empty() {
            message(FLOAT_DATA, &floats, &mut tensor);
        }
        if raw.len() >= LEAST_BYTES {
            return Ok((tensor, Some(raw)));
        }
        if !raw.is_empty() {
            message(RAW_DATA, &raw, &mut tensor);
        }
        Ok((tensor, None))
    }

    /// Where the message that begins here ends, as what then remains.
    fn end(&mut self) -> Read<usize> {
        let length = self.length()?;
        self.remaining.checked_sub(length).ok_or(Stop::Malformed)
    }

    fn at(&self, end: usize) -> Read<()> {
        if self.remaining == end { Ok(()) } else { Err(Stop::Malformed) }
    }

    /// A field as it is.
    fn copy(&mut self, tag: u64, to: &mut Vec<u8>) -> Read<()> {
        put_varint(tag, to);
        match tag & 7 {
            VARINT => {
                put_varint(self.varint()?, to);
                Ok(())
            }
            FIXED_64 => self.take(8, to),
            FIXED_32 => self.take(4, to),
            BYTES => {
                let length = self.length()?;
                put_varint(length as u64, to);
                self.take(length, to)
            }
            _ => Err(Stop::Malformed),
        }
    }

    fn bytes(&mut self, to: &mut Vec<u8>) -> Read<()> {
        let length = self.length()?;
        self.take(length, to)
    }

    fn length(&mut self) -> Read<usize> {
        usize::try_from(self.varint()?).map_err(|_| Stop::Malformed)
    }

    fn varint(&mut self) -> Read<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.start().first().ok_or(Stop::Malformed)?;
            self.advance(1);
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Stop::Malformed)
    }

    /// Moves the next bytes.
    fn take(&mut self, mut length: usize, to: &mut Vec<u8>) -> Read<()> {
        if length > self.remaining {
            return Err(Stop::Malformed);
        }
        // Weights come in one go, and get exactly their room.
        let room =
            if to.is_empty() { to.try_reserve_exact(length) } else { to.try_reserve(length) };
        room.map_err(|_| Stop::NoRoom(length))?;
        while length > 0 {
            let part = self.start();
            let part = part.get(..length).unwrap_or(part);
            to.extend_from_slice(part);
            let read = part.len();
            length -= read;
            self.advance(read);
        }
        Ok(())
    }

    fn advance(&mut self, count: usize) {
        let Some(first) = self.rest.front_mut() else { return };
        self.remaining -= count;
        first.advance(count);
        if first.is_empty() {
            self.rest.pop_front();
        }
    }
}

impl Stop {
    fn error(self) -> Result<Option<Carved>> {
        match self {
            Self::Malformed => Ok(None),
            Self::NoRoom(length) => Err(Error::new(
                ErrorKind::OutOfMemory,
                format!("no room for {length} bytes of the model"),
            )),
        }
    }
}

fn message(tag: u64, content: &[u8], to: &mut Vec<u8>) {
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
mod tests {
    use prost::Message;

    use super::*;

    fn model() -> pb::ModelProto {
        let tensor = |name: &str, bytes: usize| pb::TensorProto {
            name: name.to_owned(),
            dims: vec![bytes as i64],
            data_type: 2,
            raw_data: (0..bytes).map(|i| i as u8).collect(),
            ..pb::TensorProto::default()
        };
        let initializer = vec![tensor("large", 5000), tensor("small", 3), tensor("larger", 70_000)];
        let node = vec![pb::NodeProto { op_type: "Add".to_owned(), ..pb::NodeProto::default() }];
        pb::ModelProto {
            ir_version: 9,
            producer_name: "test".to_owned(),
            graph: Some(pb::GraphProto { initializer, node, ..pb::GraphProto::default() }),
            ..pb::ModelProto::default()
        }
    }

    #[test]
    fn what_is_put_back_is_what_was_taken() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let model = model();
        let bytes = model.encode_to_vec();
        for piece in [1, 7, 4096, bytes.len()] {
            let pieces = Pieces::new(bytes.chunks(piece).map(<[u8]>::to_vec).collect());
            let carved = pieces.carve()?.ok_or("malformed")?;
            assert!(carved.file.len() < 200, "{}", carved.file.len());
            let mut decoded = pb::ModelProto::decode(&carved.file[..])?;
            let graph = decoded.graph.as_mut().ok_or("no graph")?;
            carved.weights.put_back(graph);
            assert_eq!(decoded, model, "in pieces of {piece}");
        }
        Ok(())
    }

    #[test]
    fn packed_floats_become_raw_data() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let mut model = model();
        let tensor = pb::TensorProto {
            data_type: 1,
            dims: vec![2000],
            float_data: (0..2000u16).map(f32::from).collect(),
            ..pb::TensorProto::default()
        };
        let graph = model.graph.as_mut().ok_or("no graph")?;
        graph.initializer = vec![tensor.clone()];
        let pieces = Pieces::new(vec![model.encode_to_vec()]);
        let carved = pieces.carve()?.ok_or("malformed")?;
        let mut decoded = pb::ModelProto::decode(&carved.file[..])?;
        let graph = decoded.graph.as_mut().ok_or("no graph")?;
        carved.weights.put_back(graph);
        let made = graph.initializer.first().ok_or("no tensor")?;
        let bytes: Vec<u8> = tensor.float_data.iter().flat_map(|f| f.to_le_bytes()).collect();
        assert!(made.float_data.is_empty() && made.raw_data == bytes && made.dims == [2000]);
        Ok(())
    }

    #[test]
    fn what_is_cut_off_is_malformed() -> Result<()> {
        let bytes = model().encode_to_vec();
        for length in (1..bytes.len()).step_by(997) {
            let carved = Pieces::new(vec![bytes[..length].to_vec()]).carve()?;
            // A file may end between two fields.
            assert!(carved.is_none_or(|c| c.file.len() <= length), "{length}");
        }
        assert!(Pieces::new(vec![vec![0xff; 40]]).carve()?.is_none());
        Ok(())
    }
}
