//! Tensors as raw bytes: the binary-tensor extension.
//!
//! In: a slice of a body with the datatype and shape it claims; or a tensor. Out: the tensor; or its
//! bytes. Row-major and little-endian; a string is a 32-bit length and its UTF-8 bytes.

use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{DType, Tensor};

/// Reads input `name`.
pub(crate) fn read(name: &str, dtype: DType, shape: &[usize], bytes: &[u8]) -> Result<Tensor> {
    if dtype != DType::String {
        return Tensor::from_bytes(dtype, shape, bytes)
            .map_err(|e| Error::new(e.kind().clone(), format!("input `{name}`: {}", e.message())));
    }
    let strings = read_strings(name, bytes)?;
    let found = strings.len();
    if shape.iter().product::<usize>() != found {
        return Err(Error::new(
            ErrorKind::ShapeMismatch,
            format!("input `{name}` has {found} strings, its shape is {shape:?}"),
        ));
    }
    Tensor::from_strings(shape, strings)
}

fn read_strings(name: &str, mut bytes: &[u8]) -> Result<Vec<String>> {
    let mut strings = vec![];
    while !bytes.is_empty() {
        let (text, rest) = bytes
            .split_first_chunk::<4>()
            .and_then(|(length, rest)| {
                rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
            })
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::MalformedRequest,
                    format!("input `{name}`: string {} is truncated", strings.len()),
                )
            })?;
        let text = std::str::from_utf8(text).map_err(|e| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("input `{name}`: string {} is not UTF-8", strings.len()),
            )
            .with_source(e)
        })?;
        strings.push(text.to_owned());
        bytes = rest;
    }
    Ok(strings)
}

/// Appends a tensor's bytes and gives how many they are.
pub(crate) fn write(tensor: &Tensor, out: &mut Vec<u8>) -> usize {
    let before = out.len();
    match tensor.strings() {
        Some(strings) if tensor.dtype() == DType::String => {
            for text in strings {
                // A string of 4 GiB does not fit into any answer.
                out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend_from_slice(text.as_bytes());
            }
        }
        _ => out.extend_from_slice(tensor.bytes()),
    }
    out.len() - before
}
