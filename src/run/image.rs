//! `ImageDecoder`: the bytes of an image file -> its pixels.
//!
//! In: bytes of a BMP, JPEG, PNG, PNM or WebP file, where the build has them (`all-images`) also of a TIFF or JPEG 2000
//! file. Out: `[height, width, channels]` of bytes. What is no image, or a damaged one, is an empty matrix, as ONNX
//! says; a format that ONNX names and this build lacks, and an image beyond the limits, are errors.
//!
//! Threat model: the bytes are a stranger's. Sizes are read and judged before pixels are made room for.

use std::io::Cursor;

use image::{ColorType, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::refused;
use crate::error::{Error, ErrorKind, Result};
use crate::guard::guarded;
use crate::model::Pixels;
use crate::tensor::{DType, Tensor};

/// Most pixels of an image; a decoder may hold each in 16 bytes.
const MAX_PIXELS: u64 = 1 << 26;
/// Most bytes that a decoder may take for itself.
const MAX_SCRATCH: u64 = 1 << 30;

/// An image as its file has it: samples of `channels` for each pixel, row by row.
struct Picture {
    width: usize,
    height: usize,
    channels: usize,
    samples: Vec<u8>,
}

/// Decodes a one-dimensional uint8 tensor; `limit` bounds the bytes of the answer.
pub(super) fn decode(file: &Tensor, pixels: Pixels, limit: u64) -> Result<Tensor> {
    if file.dtype() != DType::Uint8 {
        return Err(refused(format!("an image is bytes, not {}", file.dtype().name())));
    }
    let channels = if pixels == Pixels::Grey { 1 } else { 3 };
    let read = || read(file.bytes(), limit);
    let Some(picture) = guarded(ErrorKind::InvalidInput, "decoding an image", read)? else {
        return Tensor::from_bytes(DType::Uint8, &[0, 0, channels], &[]);
    };
    let each = picture.channels;
    let from = picture.samples.chunks_exact(each);
    let colour = |at: &[u8]| if each < 3 { [at[0]; 3] } else { [at[0], at[1], at[2]] };
    let mut made = Vec::with_capacity(from.len() * channels);
    for pixel in from {
        let [red, green, blue] = colour(pixel);
        match pixels {
            Pixels::Rgb => made.extend([red, green, blue]),
            Pixels::Bgr => made.extend([blue, green, red]),
            Pixels::Grey => made.push(luma(red, green, blue)),
        }
    }
    Tensor::from_bytes(DType::Uint8, &[picture.height, picture.width, channels], &made)
}

/// ITU-R 601-2 in 16 bits of fraction, as Pillow has it, which made ONNX's reference.
fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 19595 * u32::from(red) + 38470 * u32::from(green) + 7471 * u32::from(blue);
    ((sum + 0x8000) >> 16) as u8
}

/// The samples as bytes; none where it cannot be decoded.
fn read(bytes: &[u8], limit: u64) -> Result<Option<Picture>> {
    if is_jpeg2000(bytes) {
        return jpeg2000(bytes, limit);
    }
    let Ok(mut reader) = ImageReader::new(Cursor::new(bytes)).with_guessed_format() else {
        return Ok(None);
    };
    match reader.format() {
        None => return Ok(None),
        Some(ImageFormat::Tiff) if cfg!(not(feature = "all-images")) => {
            return Err(lacking("TIFF"));
        }
        Some(_) => {}
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_SCRATCH);
    reader.limits(limits);
    let Ok(decoder) = reader.into_decoder() else { return Ok(None) };
    let (width, height) = decoder.dimensions();
    check_size(width, height, limit)?;
    let colour = decoder.color_type();
    let Ok(length) = usize::try_from(decoder.total_bytes()) else { return Ok(None) };
    let mut raw = vec![0; length];
    if decoder.read_image(&mut raw).is_err() {
        return Ok(None);
    }
    let channels = usize::from(colour.channel_count());
    let samples = match colour {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => raw,
        ColorType::Rgb32F | ColorType::Rgba32F => {
            let sample = |b: &[u8; 4]| (f32::from_ne_bytes(*b).clamp(0., 1.) * 255.).round() as u8;
            raw.as_chunks().0.iter().map(sample).collect()
        }
        // 16 bits: the upper eight.
        _ => raw.as_chunks().0.iter().map(|b| (u16::from_ne_bytes(*b) >> 8) as u8).collect(),
    };
    Ok(Some(Picture { width: width as usize, height: height as usize, channels, samples }))
}

fn check_size(width: u32, height: u32, limit: u64) -> Result<()> {
    let count = u64::from(width) * u64::from(height);
    if count <= MAX_PIXELS && count * 3 <= limit {
        return Ok(());
    }
    let text = format!("an image of {width} x {height} pixels is over the limit");
    Err(Error::new(ErrorKind::OutOfMemory, text))
}

fn lacking(format: &str) -> Error {
    let text = "images are not decoded in this build of the engine; decode the image before, or run \
                the model in the cloud";
    refused(format!("{format} {text}"))
}

/// A JP2 file's first box, or a codestream's first two markers.
fn is_jpeg2000(bytes: &[u8]) -> bool {
    [&b"\0\0\0\x0cjP  "[..], b"\xff\x4f\xff\x51"].iter().any(|start| bytes.starts_with(start))
}

#[cfg(not(feature = "all-images"))]
fn jpeg2000(_: &[u8], _: u64) -> Result<Option<Picture>> {
    Err(lacking("JPEG 2000"))
}

#[cfg(feature = "all-images")]
fn jpeg2000(bytes: &[u8], limit: u64) -> Result<Option<Picture>> {
    use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

    let Ok(image) = Image::new(bytes, &DecodeSettings::default()) else { return Ok(None) };
    let (width, height) = (image.width(), image.height());
    check_size(width, height, limit)?;
    let mut context = DecoderContext::default();
    let Ok(decoded) = image.decode(&mut context) else { return Ok(None) };
    let channels = decoded.components().len();
    let (width, height) = (width as usize, height as usize);
    let samples = decoded.data_u8();
    let whole = channels > 0 && samples.len() == width * height * channels;
    Ok(whole.then_some(Picture { width, height, channels, samples }))
}
