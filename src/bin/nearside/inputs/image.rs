//! A picture (PNG, JPEG, WebP, BMP, TIFF, PNM) -> tensor in an input's layout, size and type.
//!
//! In: a file's bytes, the input's signature, options. Out: `(pixel × scale − mean) / std` for each channel,
//! in the order that the signature asks for. What the signature leaves open, the options or the image say.

use std::io::Cursor;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader};
use nearside::{Dim, Error, ErrorKind, Result, Tensor, ValueInfo};

use crate::values::{is_float, push};

/// As float64 in four channels, 8 GiB.
const MAX_PIXELS: u64 = 1 << 28;

/// How images become tensors.
#[derive(clap::Args)]
#[command(next_help_heading = "Images (PNG, JPEG, WebP, BMP, TIFF, PNM)")]
pub(crate) struct ImageOptions {
    /// The order of an image input's dimensions [default: by where the model has 1, 3 or 4]
    #[arg(long, value_enum)]
    layout: Option<Layout>,
    /// Width and height where the model leaves them open [default: the image's own]
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    size: Option<(u32, u32)>,
    /// Another shape is stretched, or filled and cropped evenly, or put on black (stretch, crop, pad)
    #[arg(long, value_enum, default_value_t = Fit::Stretch, hide_possible_values = true)]
    fit: Fit,
    /// Pixels are 0 to 255 and multiplied by this [default: 1/255 for float inputs, 1 for integers]
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    scale: Option<f64>,
    /// Subtracted after scaling; one number, or one a channel
    #[arg(
        long,
        value_name = "X,…",
        value_delimiter = ',',
        default_value = "0",
        allow_hyphen_values = true
    )]
    mean: Vec<f64>,
    /// Divided by after that; one number, or one a channel
    #[arg(long, value_name = "X,…", value_delimiter = ',', default_value = "1")]
    std: Vec<f64>,
    /// Blue first, as OpenCV has it
    #[arg(long)]
    bgr: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
enum Layout {
    Nchw,
    Nhwc,
}

#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
enum Fit {
    Stretch,
    Crop,
    Pad,
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let side = |s: &str| s.parse().ok().filter(|n| (1..=1 << 15).contains(n));
    text.split_once('x')
        .and_then(|(w, h)| Some((side(w)?, side(h)?)))
        .ok_or_else(|| "a size looks like 640x480".to_owned())
}

/// By the first bytes.
pub(crate) fn is_image(bytes: &[u8]) -> bool {
    image::guess_format(bytes).is_ok()
}

/// What an input wants; 0 where it leaves a side open.
struct Wanted {
    layout: Layout,
    rank: usize,
    channels: usize,
    height: u32,
    width: u32,
}

/// The tensor of an image for an input.
pub(crate) fn tensor(bytes: &[u8], info: &ValueInfo, options: &ImageOptions) -> Result<Tensor> {
    let wanted = wanted(info, options)?;
    let picture = decode(bytes)?;
    let (own_width, own_height) = options.size.unwrap_or((picture.width(), picture.height()));
    let or = |wanted: u32, own: u32| if wanted == 0 { own } else { wanted };
    let (width, height) = (or(wanted.width, own_width), or(wanted.height, own_height));
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        let text = format!("a picture of {width} x {height} pixels is too large");
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    let picture = fit(picture, width, height, options.fit);
    let pixels = pixels(&picture, wanted.channels, options.bgr);
    let scale = options.scale.unwrap_or(if is_float(info.dtype) { 1.0 / 255.0 } else { 1.0 });
    let mean = per_channel("mean", &options.mean, wanted.channels)?;
    let std = per_channel("std", &options.std, wanted.channels)?;
    let count = (width * height) as usize;
    let channels = wanted.channels;
    let mut data = Vec::with_capacity(pixels.len() * info.dtype.size());
    let mut put = |pixel: usize, channel: usize| {
        let value = f64::from(pixels[pixel * channels + channel]);
        push(info.dtype, (value * scale - mean[channel]) / std[channel], &mut data);
    };
    match wanted.layout {
        Layout::Nchw => (0..channels).for_each(|c| (0..count).for_each(|p| put(p, c))),
        Layout::Nhwc => (0..count).for_each(|p| (0..channels).for_each(|c| put(p, c))),
    }
    let (h, w) = (height as usize, width as usize);
    let full = match wanted.layout {
        Layout::Nchw => [1, channels, h, w],
        Layout::Nhwc => [1, h, w, channels],
    };
    let shape = if wanted.rank == 2 { vec![h, w] } else { full[4 - wanted.rank..].to_vec() };
    Tensor::from_bytes(info.dtype, &shape, &data)
}

fn wanted(info: &ValueInfo, options: &ImageOptions) -> Result<Wanted> {
    let refuse = |why: &str| {
        let dims = crate::summary::shape(&info.shape);
        let text = format!("input `{}` {dims} does not look like an image: {why}", info.name);
        Err(Error::new(ErrorKind::ShapeMismatch, text))
    };
    if info.dtype.size() == 0 || info.dtype == nearside::DType::Bool {
        let text = format!("input `{}` takes {}, not pixels", info.name, info.dtype.name());
        return Err(Error::new(ErrorKind::TypeMismatch, text));
    }
    let rank = if info.ranked { info.shape.len() } else { 4 };
    let size = |index: usize| match info.shape.get(index) {
        Some(Dim::Known(n)) => *n,
        _ => 0,
    };
    let first = match rank {
        2 | 3 => 0,
        4 if size(0) <= 1 => 1,
        4 => return refuse("it takes several at once"),
        _ => return refuse("it has not 2 to 4 dimensions"),
    };
    let side = |index: usize| u32::try_from(size(index)).unwrap_or(u32::MAX);
    if rank == 2 {
        let (height, width) = (side(0), side(1));
        return Ok(Wanted { layout: Layout::Nhwc, rank, channels: 1, height, width });
    }
    let is_channels = |n: usize| matches!(n, 1 | 3 | 4);
    let layout = options.layout.unwrap_or(match (size(first), size(first + 2)) {
        (c, _) if is_channels(c) => Layout::Nchw,
        (_, c) if is_channels(c) => Layout::Nhwc,
        (c, 0) if c != 0 => Layout::Nhwc,
        _ => Layout::Nchw,
    });
    let (channels, height, width) = match layout {
        Layout::Nchw => (size(first), side(first + 1), side(first + 2)),
        Layout::Nhwc => (size(first + 2), side(first), side(first + 1)),
    };
    let channels = if channels == 0 { 3 } else { channels };
    if !is_channels(channels) {
        return refuse("no dimension is 1, 3 or 4 channels");
    }
    if height > 1 << 15 || width > 1 << 15 {
        return refuse("it is too large");
    }
    Ok(Wanted { layout, rank, channels, height, width })
}

fn decode(bytes: &[u8]) -> Result<DynamicImage> {
    let failed = |e: image::ImageError| {
        Error::new(ErrorKind::InvalidInput, "the image cannot be read").with_source(e)
    };
    let reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|e| failed(image::ImageError::IoError(e)))?;
    let mut decoder = reader.into_decoder().map_err(failed)?;
    // Cameras store how they were held instead of turning the pixels.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn fit(picture: DynamicImage, width: u32, height: u32, fit: Fit) -> DynamicImage {
    if (picture.width(), picture.height()) == (width, height) {
        return picture;
    }
    match fit {
        Fit::Stretch => picture.resize_exact(width, height, FilterType::Triangle),
        Fit::Crop => picture.resize_to_fill(width, height, FilterType::Triangle),
        Fit::Pad => {
            let inner = picture.resize(width, height, FilterType::Triangle);
            let mut canvas = DynamicImage::new(width, height, inner.color());
            let at = |outer: u32, inner: u32| i64::from((outer - inner.min(outer)) / 2);
            let (x, y) = (at(width, inner.width()), at(height, inner.height()));
            image::imageops::replace(&mut canvas, &inner, x, y);
            canvas
        }
    }
}

/// Interleaved channels, 0 to 255. Transparency is dropped where the model has no channel for it.
fn pixels(picture: &DynamicImage, channels: usize, bgr: bool) -> Vec<u8> {
    match channels {
        1 => picture
            .to_rgb8()
            .pixels()
            .map(|p| {
                // ITU-R 601, in the fixed point that Pillow's mode L uses.
                let [r, g, b] = p.0.map(u32::from);
                ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
            })
            .collect(),
        4 => turned(picture.to_rgba8().into_raw(), 4, bgr),
        _ => turned(picture.to_rgb8().into_raw(), 3, bgr),
    }
}

fn turned(mut pixels: Vec<u8>, channels: usize, bgr: bool) -> Vec<u8> {
    if bgr {
        pixels.chunks_exact_mut(channels).for_each(|p| p.swap(0, 2));
    }
    pixels
}

fn per_channel(name: &str, values: &[f64], channels: usize) -> Result<Vec<f64>> {
    match values {
        [one] => Ok(vec![*one; channels]),
        many if many.len() == channels => Ok(many.to_vec()),
        many => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("--{name} has {} numbers, the input {channels} channels", many.len()),
        )),
    }
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
