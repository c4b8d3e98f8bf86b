//! The JSON at the head of an inference request, as it is written on the wire.
//!
//! In: bytes. Out: these types, then the elements of the tensors. It is read twice: what elements mean
//! depends on a datatype and a shape that may come after them.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::json::{Level, Sink};

#[derive(Deserialize)]
pub(crate) struct RequestHead {
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) parameters: RequestParameters,
    pub(crate) inputs: Vec<InputHead>,
    #[serde(default)]
    pub(crate) outputs: Vec<OutputHead>,
}

#[derive(Default, Deserialize)]
pub(crate) struct RequestParameters {
    #[serde(default)]
    pub(crate) binary_data_output: bool,
}

#[derive(Deserialize)]
pub(crate) struct InputHead {
    pub(crate) name: String,
    pub(crate) datatype: String,
    pub(crate) shape: Vec<i64>,
    #[serde(default)]
    pub(crate) parameters: InputParameters,
    pub(crate) data: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
pub(crate) struct InputParameters {
    pub(crate) binary_data_size: Option<u64>,
    pub(crate) shared_memory_region: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(crate) struct OutputHead {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) parameters: OutputParameters,
}

#[derive(Default, Deserialize)]
pub(crate) struct OutputParameters {
    pub(crate) binary_data: Option<bool>,
    pub(crate) classification: Option<IgnoredAny>,
    pub(crate) shared_memory_region: Option<IgnoredAny>,
}

impl RequestHead {
    pub(crate) fn parse(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(|e| malformed(&e))
    }
}

fn malformed(error: &serde_json::Error) -> Error {
    let what = match error.classify() {
        serde_json::error::Category::Data => "the request's JSON is no inference request",
        _ => "the request is not JSON",
    };
    Error::new(ErrorKind::MalformedRequest, format!("{what}: {error}"))
}

/// Reads the elements of each input that has a sink, in the order of `inputs`.
pub(crate) fn read_data(json: &[u8], sinks: &mut [Option<Sink>]) -> Result<()> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    Walk { at: At::Request, sinks }.deserialize(&mut reader).map_err(|e| malformed(&e))
}

/// Where in a request that is known to have the right form.
#[derive(Clone, Copy)]
enum At {
    Request,
    Inputs,
    Input,
}

struct Walk<'a> {
    at: At,
    sinks: &'a mut [Option<Sink>],
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.at {
            At::Inputs => deserializer.deserialize_seq(self),
            At::Request | At::Input => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an inference request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match (self.at, key.as_str(), self.sinks.first_mut()) {
                (At::Request, "inputs", _) => {
                    map.next_value_seed(Walk { at: At::Inputs, sinks: self.sinks })?;
                }
                (At::Input, "data", Some(Some(sink))) => {
                    map.next_value_seed(Level { sink, depth: 0 })?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for sink in self.sinks.chunks_mut(1) {
            seq.next_element_seed(Walk { at: At::Input, sinks: sink })?;
        }
        // The end of the array has to be read, too.
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}
