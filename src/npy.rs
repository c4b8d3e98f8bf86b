//! NumPy's `.npy` and `.npz` files <-> tensors.
//!
//! In: the bytes of a file, untrusted. Out: a [`Tensor`], or named ones; and the other way round. Both
//! byte orders and both axis orders are read; what is written is little-endian and row-major. Headers are
//! npyz's business; elements are moved as bytes here, so that no type needs a case of its own.

use std::io::{Cursor, Read, Write};

use npyz::{Endianness, NpyHeader, Order, TypeChar, TypeStr, WriterBuilder};

use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{DType, Tensor, volume};

/// What all arrays of one `.npz` may hold together: a small file may claim to unpack to anything.
pub const MAX_UNPACKED: u64 = 4 << 30;
/// NumPy's headers are below 200 bytes, and nest no deeper than a tuple in a dict.
const MAX_HEADER: usize = 1 << 16;
const MAX_BRACKETS: usize = 64;

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

/// Reads one array.
///
/// # Errors
/// `InvalidInput` for anything else than a complete array of numbers, bools or strings.
pub fn read_npy(bytes: &[u8]) -> Result<Tensor> {
    let (header, data) = split(bytes)?;
    let shape =
        header
            .shape()
            .iter()
            .map(|d| usize::try_from(*d))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| invalid(format!("shape {:?} has too many elements", header.shape())))?;
    let count = volume(&shape)?;
    let npyz::DType::Plain(kind) = header.dtype() else {
        return Err(invalid("the array holds records; save each field as an array of its own"));
    };
    let dtype = dtype_of(&kind)?;
    let size = kind.num_bytes().unwrap_or(usize::MAX);
    let wanted = count.checked_mul(size);
    if wanted != Some(data.len()) {
        return Err(invalid(format!(
            "the array of shape {shape:?} needs {} bytes, the file holds {} (is it complete?)",
            wanted.unwrap_or(usize::MAX),
            data.len()
        )));
    }
    let ordered = match header.order() {
        Order::Fortran if shape.len() > 1 && count > 0 => Some(row_major(data, size, &shape)),
        _ => None,
    };
    let mut data = std::borrow::Cow::from(ordered.as_deref().unwrap_or(data));
    // Big-endian strings are of 4-byte characters, whatever their length.
    let swapped = if dtype == DType::String { 4 } else { size };
    if kind.endianness() == Endianness::Big && swapped > 1 && kind.type_char() != TypeChar::ByteStr
    {
        data.to_mut().chunks_exact_mut(swapped).for_each(<[u8]>::reverse);
    }
    if dtype != DType::String {
        return Tensor::from_bytes(dtype, &shape, &data);
    }
    let strings = if size == 0 {
        vec![String::new(); count]
    } else {
        let wide = kind.type_char() == TypeChar::UnicodeStr;
        data.chunks_exact(size).map(|c| string(c, wide)).collect::<Result<_>>()?
    };
    Tensor::from_strings(&shape, strings)
}

/// Reads all arrays of an archive, in its order.
///
/// # Errors
/// `InvalidInput` as for [`read_npy`], naming the array; `TooLarge` over [`MAX_UNPACKED`].
pub fn read_npz(bytes: &[u8]) -> Result<Vec<(String, Tensor)>> {
    let broken = |e: zip::result::ZipError| invalid("the archive cannot be read").with_source(e);
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    let mut left = MAX_UNPACKED;
    let mut arrays = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(broken)?;
        let file = entry.name().map_err(broken)?.into_owned();
        let Some(name) = npyz::npz::array_name_from_file_name(&file).map(str::to_owned) else {
            continue;
        };
        let mut unpacked = vec![];
        // The size that the archive states may be a lie in both directions.
        entry
            .take(left + 1)
            .read_to_end(&mut unpacked)
            .map_err(|e| invalid(format!("array `{name}` cannot be unpacked")).with_source(e))?;
        left = left.checked_sub(unpacked.len() as u64).ok_or_else(|| {
            Error::new(
                ErrorKind::TooLarge,
                format!("the archive unpacks to more than {} GiB", MAX_UNPACKED >> 30),
            )
        })?;
        let tensor = read_npy(&unpacked)
            .map_err(|e| Error::new(e.kind().clone(), format!("array `{name}`: {e}")))?;
        arrays.push((name, tensor));
    }
    Ok(arrays)
}

/// Writes one array; strings as NumPy's fixed-width Unicode.
///
/// # Errors
/// `Internal` only: every tensor has a form.
pub fn write_npy(tensor: &Tensor) -> Result<Vec<u8>> {
    let failed =
        |e: std::io::Error| Error::new(ErrorKind::Internal, "cannot write an array").with_source(e);
    let strings = tensor.strings();
    let width =
        strings.map_or(0, |s| s.iter().map(|s| s.chars().count()).max().unwrap_or(0).max(1));
    let descr = match tensor.dtype() {
        DType::Bool => "|b1".to_owned(),
        DType::Int8 => "|i1".to_owned(),
        DType::Uint8 => "|u1".to_owned(),
        DType::Int16 | DType::Int32 | DType::Int64 => format!("<i{}", tensor.dtype().size()),
        DType::Uint16 | DType::Uint32 | DType::Uint64 => format!("<u{}", tensor.dtype().size()),
        DType::Float16 | DType::Float32 | DType::Float64 => format!("<f{}", tensor.dtype().size()),
        DType::String => format!("<U{width}"),
    };
    let kind: TypeStr = descr
        .parse()
        .map_err(|e| Error::new(ErrorKind::Internal, format!("no array type `{descr}`: {e}")))?;
    let shape: Vec<u64> = tensor.shape().iter().map(|d| *d as u64).collect();
    let mut file = npyz::WriteOptions::new_header_only()
        .dtype(npyz::DType::Plain(kind))
        .shape(&shape)
        .writer(vec![])
        .write_header_only()
        .map_err(failed)?;
    file.extend_from_slice(tensor.bytes());
    for text in strings.unwrap_or_default() {
        let padded = text.chars().chain(std::iter::repeat('\0')).take(width);
        padded.for_each(|c| file.extend_from_slice(&u32::from(c).to_le_bytes()));
    }
    Ok(file)
}

/// Writes named arrays as one archive, uncompressed as `numpy.savez` does.
///
/// # Errors
/// `InvalidInput` when the archive cannot hold a name.
pub fn write_npz(arrays: &[(String, Tensor)]) -> Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(vec![]));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .large_file(true);
    let failed = |e: zip::result::ZipError| invalid("cannot write the archive").with_source(e);
    for (name, tensor) in arrays {
        let file = write_npy(tensor)?;
        archive.start_file(npyz::npz::file_name_from_array_name(name), options).map_err(failed)?;
        archive.write_all(&file).map_err(|e| failed(e.into()))?;
    }
    Ok(archive.finish().map_err(failed)?.into_inner())
}

/// Header and elements.
fn split(bytes: &[u8]) -> Result<(NpyHeader, &[u8])> {
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err(invalid("the file is not a NumPy array (.npy)"));
    }
    let length = match (bytes.get(6), bytes.get(8..10), bytes.get(8..12)) {
        (Some(1), Some(n), _) => 10 + usize::from(u16::from_le_bytes([n[0], n[1]])),
        (Some(_), _, Some(n)) => {
            12usize.saturating_add(u32::from_le_bytes([n[0], n[1], n[2], n[3]]) as usize)
        }
        _ => usize::MAX,
    };
    let (head, data) = bytes
        .split_at_checked(length)
        .ok_or_else(|| invalid("the array's header is cut off: the file is incomplete"))?;
    let brackets = head.iter().filter(|b| matches!(b, b'(' | b'[' | b'{')).count();
    if head.len() > MAX_HEADER || brackets > MAX_BRACKETS {
        return Err(invalid("the array's header is not one that NumPy writes"));
    }
    // npyz multiplies the dimensions unchecked, so the guard; the shape is checked afterwards.
    let header =
        crate::guard::guarded(ErrorKind::InvalidInput, "reading an array's header", || {
            NpyHeader::from_reader(head)
                .map_err(|e| invalid("the array's header cannot be read").with_source(e))
        })?;
    Ok((header, data))
}

fn dtype_of(kind: &TypeStr) -> Result<DType> {
    Ok(match (kind.type_char(), kind.size_field()) {
        (TypeChar::Bool, 1) => DType::Bool,
        (TypeChar::Int, 1) => DType::Int8,
        (TypeChar::Int, 2) => DType::Int16,
        (TypeChar::Int, 4) => DType::Int32,
        (TypeChar::Int, 8) => DType::Int64,
        (TypeChar::Uint, 1) => DType::Uint8,
        (TypeChar::Uint, 2) => DType::Uint16,
        (TypeChar::Uint, 4) => DType::Uint32,
        (TypeChar::Uint, 8) => DType::Uint64,
        (TypeChar::Float, 2) => DType::Float16,
        (TypeChar::Float, 4) => DType::Float32,
        (TypeChar::Float, 8) => DType::Float64,
        (TypeChar::UnicodeStr | TypeChar::ByteStr, _) => DType::String,
        (TypeChar::Object, _) => {
            return Err(invalid(
                "the array holds Python objects, which only Python can read; save strings with \
                 dtype=str, numbers with a numeric dtype",
            ));
        }
        _ => return Err(invalid(format!("no model takes elements of NumPy's type `{kind}`"))),
    })
}

/// Elements of `size` bytes, from first axis fastest to last axis fastest.
fn row_major(data: &[u8], size: usize, shape: &[usize]) -> Vec<u8> {
    let strides: Vec<usize> = shape
        .iter()
        .scan(size, |next, dim| {
            let stride = *next;
            *next *= dim;
            Some(stride)
        })
        .collect();
    let mut out = Vec::with_capacity(data.len());
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    while out.len() < data.len() {
        out.extend_from_slice(&data[at..at + size]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    out
}

/// One fixed-width string, without its padding.
fn string(bytes: &[u8], wide: bool) -> Result<String> {
    let text = if wide {
        let chars = bytes.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]));
        chars.map(char::from_u32).collect::<Option<String>>()
    } else {
        String::from_utf8(bytes.to_vec()).ok()
    };
    let text = text.ok_or_else(|| invalid("the array holds a string that is not Unicode"))?;
    Ok(text.trim_end_matches('\0').to_owned())
}

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;
