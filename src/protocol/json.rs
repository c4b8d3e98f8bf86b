//! Tensors as JSON arrays.
//!
//! In: a `data` member with the datatype and shape it claims; or a tensor. Out: the tensor; or text. Elements go straight into the tensor's bytes, nested or flat, and reading stops at the
//! first one too many, so that a body's size bounds what it costs. Integers keep all 64 bits.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};

use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{DType, Tensor};

fn malformed(message: String) -> Error {
    Error::new(ErrorKind::MalformedRequest, message)
}

/// What becomes the data of one input.
pub(crate) struct Sink {
    name: String,
    dtype: DType,
    shape: Vec<usize>,
    count: usize,
    seen: usize,
    /// How deep the elements lie: 1 in a flat array, the rank in a nested one.
    leaf: Option<usize>,
    bytes: Vec<u8>,
    strings: Vec<String>,
}

impl Sink {
    /// For input `name`; the shape's volume fits into memory's address space.
    pub(crate) fn new(name: &str, dtype: DType, shape: Vec<usize>) -> Result<Self> {
        if dtype == DType::Float16 {
            return Err(malformed(format!(
                "input `{name}`: FP16 has no JSON form, send binary data"
            )));
        }
        let count = shape.iter().product();
        let name = name.to_owned();
        Ok(Self { name, dtype, shape, count, seen: 0, leaf: None, bytes: vec![], strings: vec![] })
    }

    /// The tensor, once all its elements were seen.
    pub(crate) fn finish(self) -> Result<Tensor> {
        let Self { name, dtype, shape, count, seen, bytes, strings, .. } = self;
        if seen != count {
            return Err(Error::new(
                ErrorKind::ShapeMismatch,
                format!("input `{name}` has {seen} elements, its shape {shape:?} says {count}"),
            ));
        }
        if dtype == DType::String {
            Tensor::from_strings(&shape, strings)
        } else {
            Tensor::from_bytes(dtype, &shape, &bytes)
        }
    }

    fn say<E: serde::de::Error>(&self, said: &str) -> E {
        E::custom(format_args!("input `{}`: {said}", self.name))
    }

    /// Counts an element found at `depth`.
    fn admit(&mut self, depth: usize) -> Result<(), String> {
        if depth != *self.leaf.get_or_insert(depth) {
            return Err("numbers and arrays are mixed".to_owned());
        }
        if depth != 1 && depth != self.shape.len() {
            return Err(format!("nested {depth} deep, the shape is {:?}", self.shape));
        }
        self.seen += 1;
        if self.seen > self.count {
            return Err(format!("more than the {} elements of its shape", self.count));
        }
        Ok(())
    }

    fn integer(&mut self, value: i128) -> Result<(), String> {
        let bytes = &mut self.bytes;
        macro_rules! push {
            ($t:ty) => {
                match <$t>::try_from(value) {
                    Ok(v) => bytes.extend_from_slice(&v.to_le_bytes()),
                    Err(_) => return Err(format!("{value} is no {}", self.dtype.oip_name())),
                }
            };
        }
        match self.dtype {
            DType::Int8 => push!(i8),
            DType::Int16 => push!(i16),
            DType::Int32 => push!(i32),
            DType::Int64 => push!(i64),
            DType::Uint8 => push!(u8),
            DType::Uint16 => push!(u16),
            DType::Uint32 => push!(u32),
            DType::Uint64 => push!(u64),
            DType::Bool if value == 0 || value == 1 => bytes.push(u8::from(value == 1)),
            // Rounds as the sender's own conversion would.
            DType::Float32 => bytes.extend_from_slice(&(value as f32).to_le_bytes()),
            DType::Float64 => bytes.extend_from_slice(&(value as f64).to_le_bytes()),
            _ => return Err(format!("{value} is no {}", self.dtype.oip_name())),
        }
        Ok(())
    }

    fn float(&mut self, value: f64) -> Result<(), String> {
        match self.dtype {
            DType::Float32 if (value as f32).is_finite() => {
                self.bytes.extend_from_slice(&(value as f32).to_le_bytes());
            }
            DType::Float64 => self.bytes.extend_from_slice(&value.to_le_bytes()),
            _ => return Err(format!("{value} is no {}", self.dtype.oip_name())),
        }
        Ok(())
    }

    fn boolean(&mut self, value: bool) -> Result<(), String> {
        if self.dtype != DType::Bool {
            return Err(format!("{value} is no {}", self.dtype.oip_name()));
        }
        self.bytes.push(u8::from(value));
        Ok(())
    }

    fn string(&mut self, value: &str) -> Result<(), String> {
        if self.dtype != DType::String {
            return Err(format!("a string is no {}", self.dtype.oip_name()));
        }
        self.strings.push(value.to_owned());
        Ok(())
    }

    /// Checks an array at `depth` once its `length` is known.
    fn close(&self, depth: usize, length: usize) -> Result<(), String> {
        let flat = depth == 0 && matches!(self.leaf, None | Some(1));
        match self.shape.get(depth) {
            _ if flat => Ok(()),
            Some(size) if *size == length => Ok(()),
            _ => Err(format!(
                "an array of {length} elements does not fit the shape {:?}",
                self.shape
            )),
        }
    }
}

/// One value of a `data` member, `depth` arrays deep.
pub(crate) struct Level<'a> {
    pub(crate) sink: &'a mut Sink,
    pub(crate) depth: usize,
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth == 0 {
            deserializer.deserialize_seq(self)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

macro_rules! visit {
    ($($method:ident($t:ty) => $to:ident),*) => {$(
        fn $method<E: serde::de::Error>(self, value: $t) -> Result<(), E> {
            let done = self.sink.admit(self.depth).and_then(|()| self.sink.$to(value.into()));
            done.map_err(|said| self.sink.say(&said))
        }
    )*};
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} elements for input `{}`", self.sink.dtype.oip_name(), self.sink.name)
    }

    visit!(visit_u64(u64) => integer, visit_i64(i64) => integer, visit_f64(f64) => float,
           visit_bool(bool) => boolean, visit_str(&str) => string);

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut length = 0;
        while seq.next_element_seed(Level { sink: self.sink, depth: self.depth + 1 })?.is_some() {
            length += 1;
        }
        self.sink.close(self.depth, length).map_err(|said| self.sink.say(&said))
    }
}

/// Writes the elements of output `name` as a flat array.
pub(crate) fn write(name: &str, tensor: &Tensor, out: &mut Vec<u8>) -> Result<()> {
    let bytes = tensor.bytes();
    macro_rules! numbers {
        ($t:ty) => {{
            let (chunks, _) = bytes.as_chunks::<{ size_of::<$t>() }>();
            list(out, chunks.iter().map(|c| <$t>::from_le_bytes(*c)))
        }};
    }
    macro_rules! finite {
        ($t:ty) => {{
            let (chunks, _) = bytes.as_chunks::<{ size_of::<$t>() }>();
            if chunks.iter().any(|c| !<$t>::from_le_bytes(*c).is_finite()) {
                return Err(malformed(format!(
                    "output `{name}` has values that JSON cannot hold (NaN or infinite); ask for binary data"
                )));
            }
            numbers!($t)
        }};
    }
    match tensor.dtype() {
        DType::Float32 => finite!(f32),
        DType::Float64 => finite!(f64),
        DType::Float16 => {
            Err(malformed(format!("output `{name}`: FP16 has no JSON form, ask for binary data")))
        }
        DType::Int8 => numbers!(i8),
        DType::Int16 => numbers!(i16),
        DType::Int32 => numbers!(i32),
        DType::Int64 => numbers!(i64),
        DType::Uint8 => numbers!(u8),
        DType::Uint16 => numbers!(u16),
        DType::Uint32 => numbers!(u32),
        DType::Uint64 => numbers!(u64),
        DType::Bool => list(out, bytes.iter().map(|b| *b != 0)),
        DType::String => list(out, tensor.strings().unwrap_or_default().iter()),
    }
}

fn list<T: serde::Serialize>(out: &mut Vec<u8>, values: impl Iterator<Item = T>) -> Result<()> {
    out.push(b'[');
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, &value)
            .map_err(|e| Error::new(ErrorKind::Internal, "cannot write JSON").with_source(e))?;
    }
    out.push(b']');
    Ok(())
}
