//! Constants that lie in files beside the model.
//!
//! In: a decoded file, then those files' bytes, in chunks. Out: the file with every constant inside. The
//! one decision: bytes go straight from a chunk into the constants that they belong to, so that a weight
//! file is never held as a whole beside them.
//!
//! Threat model: a location is a relative path that stays below the model's folder, and constants may
//! share bytes, but not so that a small file becomes a large model.

use tract_onnx::pb::{self, tensor_proto::DataLocation, tensor_proto::DataType};

use super::sha1::Sha1;
use super::signature::dtype_of;
use crate::error::{Error, ErrorKind, Result};

/// How often the bytes of a file may be used: tied weights are.
const MAX_SHARING: u64 = 4;

/// A file beside the model, with the constants in it.
pub(super) struct External {
    pub(super) location: String,
    /// By offset.
    pieces: Vec<Piece>,
    /// Where the next chunk begins; none before the first one.
    position: Option<u64>,
    /// Pieces before this one are full.
    first: usize,
    /// What the file's digest must be, where the model says it.
    checksum: Option<String>,
    digest: Sha1,
}

struct Piece {
    /// Which of the model's external constants.
    index: usize,
    name: String,
    offset: u64,
    length: u64,
    data: Vec<u8>,
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidModel, message)
}

fn is_external(tensor: &pb::TensorProto) -> bool {
    tensor.data_location == Some(DataLocation::External as i32)
}

/// Every constant of a graph and its subgraphs.
fn constants(
    graph: &mut pb::GraphProto,
    each: &mut dyn FnMut(&mut pb::TensorProto) -> Result<()>,
) -> Result<()> {
    for tensor in &mut graph.initializer {
        each(tensor)?;
    }
    for attribute in graph.node.iter_mut().flat_map(|n| &mut n.attribute) {
        for tensor in attribute.t.iter_mut().chain(&mut attribute.tensors) {
            each(tensor)?;
        }
        for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            constants(graph, each)?;
        }
    }
    Ok(())
}

/// The files that a model needs, in the order of their first use.
pub(super) fn files(model: &mut pb::ModelProto) -> Result<Vec<External>> {
    let mut files: Vec<External> = vec![];
    let mut index = 0;
    let Some(graph) = &mut model.graph else { return Ok(files) };
    constants(graph, &mut |tensor| {
        if !is_external(tensor) {
            // Elsewhere is here; other words are ours.
            tensor.data_location = None;
            return Ok(());
        }
        let (location, piece) = piece(tensor, index)?;
        index += 1;
        let known = files.iter().position(|f| f.location == location);
        let at = known.unwrap_or_else(|| {
            files.push(External::new(location));
            files.len() - 1
        });
        let checksum = tensor.external_data.iter().find(|e| e.key == "checksum");
        if let Some(file) = files.get_mut(at) {
            file.pieces.push(piece);
            file.checksum = file.checksum.take().or_else(|| Some(checksum?.value.clone()));
        }
        Ok(())
    })?;
    for file in &mut files {
        file.pieces.sort_by_key(|p| p.offset);
        let total = file.pieces.iter().fold(0u64, |n, p| n.saturating_add(p.length));
        if total > file.extent().saturating_mul(MAX_SHARING) {
            return Err(invalid(format!("the constants in `{}` overlap", file.location)));
        }
    }
    Ok(files)
}

fn piece(tensor: &pb::TensorProto, index: usize) -> Result<(String, Piece)> {
    let name = tensor.name.clone();
    let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| &e.value);
    let number = |key: &str| -> Result<Option<u64>> {
        let parsed = entry(key).map(|text| text.trim().parse::<u64>());
        parsed.transpose().map_err(|_| invalid(format!("constant `{name}` has a bad {key}")))
    };
    let location = entry("location")
        .ok_or_else(|| invalid(format!("constant `{name}` lies in a file that is not named")))?;
    let location = confined(location).ok_or_else(|| {
        invalid(format!(
            "constant `{name}` lies in {location:?}, which is no path below the model's folder"
        ))
    })?;
    let (offset, declared) = (number("offset")?.unwrap_or(0), number("length")?);
    let length = match size(tensor)? {
        Some(needed) if declared.is_some_and(|d| d != needed) => {
            return Err(invalid(format!(
                "constant `{name}` needs {needed} bytes of `{location}`, and its length says {}",
                declared.unwrap_or(0)
            )));
        }
        Some(needed) => needed,
        // Of a type that the engine lacks: it is refused for that, with or without its bytes.
        None => 0,
    };
    if offset.checked_add(length).is_none() {
        return Err(invalid(format!("constant `{name}` has a bad offset")));
    }
    Ok((location, Piece { index, name, offset, length, data: vec![] }))
}

/// Bytes of a constant; none of a type that the engine lacks.
fn size(tensor: &pb::TensorProto) -> Result<Option<u64>> {
    let bad = || invalid(format!("constant `{}` has bad dimensions", tensor.name));
    let count = tensor
        .dims
        .iter()
        .try_fold(1u64, |n, d| n.checked_mul(u64::try_from(*d).ok()?))
        .ok_or_else(bad)?;
    if matches!(DataType::try_from(tensor.data_type), Ok(DataType::Int4 | DataType::Uint4)) {
        return Ok(Some(count.div_ceil(2)));
    }
    match dtype_of(tensor.data_type).map(|t| t.size() as u64) {
        Some(0) => Err(invalid(format!("constant `{}` holds strings as raw data", tensor.name))),
        Some(size) => count.checked_mul(size).ok_or_else(bad).map(Some),
        None => Ok(None),
    }
}

/// A location as a plain relative path, or none where it leaves the model's folder or is no path.
pub(super) fn confined(location: &str) -> Option<String> {
    let parts: Vec<_> = location.split('/').filter(|p| *p != ".").collect();
    let plain = |p: &&str| {
        !p.is_empty() && *p != ".." && !p.chars().any(|c| c.is_control() || matches!(c, '\\' | ':'))
    };
    (!parts.is_empty() && location.len() <= 1024 && parts.iter().all(plain))
        .then(|| parts.join("/"))
}

impl External {
    fn new(location: String) -> Self {
        let digest = Sha1::default();
        Self { location, pieces: vec![], position: None, first: 0, checksum: None, digest }
    }

    /// Bytes that the constants reach.
    fn extent(&self) -> u64 {
        self.pieces.iter().map(|p| p.offset + p.length).max().unwrap_or(0)
    }

    /// Begins, or begins again.
    pub(super) fn begin(&mut self) {
        (self.position, self.first) = (Some(0), 0);
        self.digest = Sha1::default();
        for piece in &mut self.pieces {
            piece.data.clear();
        }
    }

    pub(super) fn append(&mut self, chunk: &[u8]) -> Result<()> {
        let from = self.position.unwrap_or(0);
        let to = from + chunk.len() as u64;
        self.position = Some(to);
        if self.checksum.is_some() {
            self.digest.update(chunk);
        }
        for piece in &mut self.pieces[self.first..] {
            if piece.offset >= to {
                break;
            }
            let (start, end) = (piece.offset.max(from), (piece.offset + piece.length).min(to));
            if start >= end {
                continue;
            }
            if piece.data.capacity() == 0 {
                let room = usize::try_from(piece.length).ok();
                let room = room.and_then(|n| piece.data.try_reserve_exact(n).ok());
                room.ok_or_else(|| {
                    let text = format!("no room for {} bytes of constants", piece.length);
                    Error::new(ErrorKind::OutOfMemory, text)
                })?;
            }
            let part = (start - from) as usize..(end - from) as usize;
            piece.data.extend_from_slice(chunk.get(part).unwrap_or_default());
        }
        while self.pieces.get(self.first).is_some_and(|p| p.offset + p.length <= to) {
            self.first += 1;
        }
        Ok(())
    }

    /// The constants with their bytes, when all are there and right.
    fn finish(self) -> Result<Vec<Piece>> {
        let location = &self.location;
        let Some(position) = self.position else {
            return Err(invalid(format!(
                "the model keeps constants in the file `{location}`, which was not given"
            )));
        };
        if let Some(piece) = self.pieces.iter().find(|p| (p.data.len() as u64) < p.length) {
            return Err(invalid(format!(
                "`{location}` has {position} bytes, constant `{}` ends at {}",
                piece.name,
                piece.offset + piece.length
            )));
        }
        if let Some(wanted) = &self.checksum {
            let found = self.digest.digest();
            if !found.eq_ignore_ascii_case(wanted.trim()) {
                let text = format!("`{location}` is damaged: its SHA-1 is {found}, not {wanted}");
                return Err(invalid(text));
            }
        }
        Ok(self.pieces)
    }
}

/// Puts the bytes of all files into the model.
pub(super) fn complete(model: &mut pb::ModelProto, files: Vec<External>) -> Result<()> {
    let mut data: Vec<(usize, Vec<u8>)> = vec![];
    for file in files {
        data.extend(file.finish()?.into_iter().map(|p| (p.index, p.data)));
    }
    data.sort_unstable_by_key(|(index, _)| *index);
    let mut data = data.into_iter().map(|(_, data)| data);
    let Some(graph) = &mut model.graph else { return Ok(()) };
    constants(graph, &mut |tensor| {
        if is_external(tensor) {
            tensor.raw_data = data.next().unwrap_or_default();
            tensor.data_location = None;
            tensor.external_data.clear();
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_stay_below_the_folder() {
        for good in ["weights.bin", "./weights.bin", "a/b.data", "a b.bin", "..data"] {
            assert!(confined(good).is_some(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "../w",
            "a/../../w",
            "/etc/passwd",
            "a//b",
            "C:\\w",
            "a\\..\\w",
            "https://x/y",
            "a\0b",
        ] {
            assert!(confined(bad).is_none(), "{bad}");
        }
    }
}
