//! `--input` arguments -> feeds.
//!
//! In: `[NAME=]VALUE` arguments and the model's signature. Out: named tensors. What a file is, its first
//! bytes say, not its name. The engine checks names, types and shapes; here only what a value needs to
//! become a tensor is looked at.

mod fill;
mod image;
mod json;

use std::path::Path;

use nearside::{Dim, ErrorKind, Signature, Tensor, ValueInfo, npy};

#[cfg(feature = "gpu")]
pub(crate) use fill::zeros;
pub(crate) use fill::{Fill, FillOptions, parse_dim};
pub(crate) use image::ImageOptions;

use crate::failure::Failure;
use crate::read::Reader;

const KINDS: &str =
    "a value is a file, a JSON literal such as 16000 or [1,2,3], or zeros, ones or random";

/// Everything that turns arguments into feeds.
pub(crate) struct Feeder<'a> {
    pub(crate) signature: &'a Signature,
    pub(crate) reader: Reader,
    pub(crate) images: &'a ImageOptions,
    pub(crate) fills: &'a FillOptions,
}

type Feeds = Vec<(String, Tensor)>;

impl Feeder<'_> {
    /// The feeds of all arguments, and the named dimensions that nothing gave a size.
    pub(crate) fn feeds(&self, arguments: &[String]) -> Result<(Feeds, Vec<String>), Failure> {
        let mut feeds = vec![];
        let mut fills = vec![];
        for argument in arguments {
            let (info, value) = self.split(argument)?;
            if let Some(fill) = Fill::parse(value)? {
                let info = self.required(info, value)?;
                fills.push((info, fill));
            } else {
                self.value(info, value, &mut feeds)?;
            }
        }
        if let Some(fill) = &self.fills.fill {
            let given = |i: &&ValueInfo| {
                !feeds.iter().any(|(n, _)| *n == i.name)
                    && !fills.iter().any(|(f, _)| f.name == i.name)
            };
            let rest: Vec<_> = self.signature.inputs.iter().filter(given).collect();
            fills.extend(rest.into_iter().map(|i| (i, fill.clone())));
        }
        // Made-up tensors come last: a named dimension has the size that the real ones give it.
        let bound = self.bound(&feeds);
        let mut assumed: Vec<String> = vec![];
        for (index, (info, fill)) in fills.into_iter().enumerate() {
            for dim in fill.assumed(info, &bound) {
                if !assumed.iter().any(|d| d == dim) {
                    assumed.push(dim.to_owned());
                }
            }
            let tensor = fill.tensor(info, &bound, self.fills.seed.wrapping_add(index as u64))?;
            feeds.push((info.name.clone(), tensor));
        }
        self.complete(&feeds)?;
        Ok((feeds, assumed))
    }

    fn complete(&self, feeds: &Feeds) -> Result<(), Failure> {
        let missing = |i: &&ValueInfo| !feeds.iter().any(|(name, _)| *name == i.name);
        let missing: Vec<_> = self.signature.inputs.iter().filter(missing).collect();
        let Some(first) = missing.first() else { return Ok(()) };
        let names: Vec<_> = missing.iter().map(|i| format!("`{}`", i.name)).collect();
        let verb = if names.len() == 1 { "input {} is" } else { "inputs {} are" };
        let text = format!("{} missing", verb.replace("{}", &names.join(", ")));
        Err(Failure::new(ErrorKind::InvalidInput, text)
            .help(format!("feed --input {}=FILE, or make it up with --fill zeros", first.name)))
    }

    /// An argument's input, where it names one, and its value.
    fn split<'b>(&self, argument: &'b str) -> Result<(Option<&ValueInfo>, &'b str), Failure> {
        // The longest name that fits: names may hold `=` themselves.
        let named =
            self.signature.inputs.iter().filter_map(|info| {
                Some((info, argument.strip_prefix(&info.name)?.strip_prefix('=')?))
            });
        if let Some((info, value)) = named.max_by_key(|(info, _)| info.name.len()) {
            return Ok((Some(info), value));
        }
        match argument.split_once('=') {
            Some((name, _)) if !Path::new(argument).exists() && !json::is_literal(argument) => {
                Err(self.unknown(name))
            }
            _ => Ok((None, argument)),
        }
    }

    fn unknown(&self, name: &str) -> Failure {
        let text = format!("unknown input `{name}`; the inputs are: {}", self.names());
        Failure::new(ErrorKind::InvalidInput, text)
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.signature.inputs.iter().map(|i| i.name.as_str()).collect();
        names.join(", ")
    }

    /// The named input, or the only one.
    fn required<'b>(
        &'b self,
        info: Option<&'b ValueInfo>,
        value: &str,
    ) -> Result<&'b ValueInfo, Failure> {
        match (info, &self.signature.inputs[..]) {
            (Some(info), _) | (None, [info]) => Ok(info),
            _ => Err(Failure::new(
                ErrorKind::InvalidInput,
                format!("which input is {value} for? the inputs are: {}", self.names()),
            )
            .help(format!("write --input NAME={value}"))),
        }
    }

    fn value(
        &self,
        info: Option<&ValueInfo>,
        value: &str,
        feeds: &mut Feeds,
    ) -> Result<(), Failure> {
        if let Some(literal) = json::literal(value) {
            return self.json(info, value, &literal, feeds);
        }
        if value.is_empty() {
            let text = "an --input has an empty value";
            return Err(Failure::new(ErrorKind::InvalidInput, text).help(KINDS));
        }
        let bytes = self.reader.file(value).map_err(|f| f.help(KINDS))?;
        let of_file =
            |e: nearside::Error| Failure::new(e.kind().clone(), format!("{value}: {e}")).no_help();
        match bytes.get(..4).unwrap_or_default() {
            b"\x93NUM" => {
                let info = self.required(info, value)?;
                feeds.push((info.name.clone(), npy::read_npy(&bytes).map_err(of_file)?));
            }
            b"PK\x03\x04" | b"PK\x05\x06" => {
                self.archive(info, value, npy::read_npz(&bytes).map_err(of_file)?, feeds)?;
            }
            _ if image::is_image(&bytes) => {
                let info = self.required(info, value)?;
                let tensor = image::tensor(&bytes, info, self.images).map_err(of_file)?;
                feeds.push((info.name.clone(), tensor));
            }
            _ => {
                let literal =
                    serde_json::from_slice(&bytes).map_err(|e| unknown(value, &bytes, &e))?;
                self.json(info, value, &literal, feeds)?;
            }
        }
        Ok(())
    }

    fn json(
        &self,
        info: Option<&ValueInfo>,
        value: &str,
        literal: &serde_json::Value,
        feeds: &mut Feeds,
    ) -> Result<(), Failure> {
        match (info, literal) {
            (None, serde_json::Value::Object(inputs)) => {
                for (name, literal) in inputs {
                    let info = self.signature.inputs.iter().find(|i| i.name == *name);
                    let info = info.ok_or_else(|| self.unknown(name))?;
                    feeds.push((name.clone(), json::tensor(info, literal)?));
                }
            }
            _ => {
                let info = self.required(info, value)?;
                feeds.push((info.name.clone(), json::tensor(info, literal)?));
            }
        }
        Ok(())
    }

    /// All arrays by name; for a named input its own array, or the only one.
    fn archive(
        &self,
        info: Option<&ValueInfo>,
        file: &str,
        mut arrays: Feeds,
        feeds: &mut Feeds,
    ) -> Result<(), Failure> {
        let Some(info) = info else {
            // Said before what is missing: the one explains the other.
            let known = |name: &String| self.signature.inputs.iter().any(|i| i.name == *name);
            if let Some((name, _)) = arrays.iter().find(|(name, _)| !known(name)) {
                return Err(self.unknown(name));
            }
            feeds.append(&mut arrays);
            return Ok(());
        };
        let found = match arrays.iter().position(|(name, _)| *name == info.name) {
            None if arrays.len() == 1 => Some(0),
            found => found,
        };
        let names: Vec<_> = arrays.iter().map(|(n, _)| n.clone()).collect();
        match found {
            Some(at) => {
                feeds.push((info.name.clone(), arrays.swap_remove(at).1));
                Ok(())
            }
            None => Err(Failure::new(
                ErrorKind::InvalidInput,
                format!("{file} has no array `{}`; it has: {}", info.name, names.join(", ")),
            )),
        }
    }

    /// The sizes of named dimensions, by the caller and by the feeds.
    fn bound(&self, feeds: &[(String, Tensor)]) -> Vec<(String, usize)> {
        let mut bound = self.fills.dims.clone();
        for (name, tensor) in feeds {
            let info = self.signature.inputs.iter().find(|i| i.name == *name);
            for (dim, size) in info.iter().flat_map(|i| &i.shape).zip(tensor.shape()) {
                if let Dim::Symbol(symbol) = dim {
                    bound.push((symbol.clone(), *size));
                }
            }
        }
        bound
    }
}

/// A file that is none of what we read.
fn unknown(file: &str, bytes: &[u8], error: &serde_json::Error) -> Failure {
    let json = bytes.iter().find(|b| !b.is_ascii_whitespace()).is_some_and(|b| b"[{".contains(b));
    let message = match bytes {
        [] => format!("{file} is empty"),
        _ if json => format!("{file} is not valid JSON: {error}"),
        _ => format!("{file} is none of the files that can be read"),
    };
    Failure::new(ErrorKind::InvalidInput, message)
        .help("inputs are .npy, .npz, .png, .jpg and .json files")
}
