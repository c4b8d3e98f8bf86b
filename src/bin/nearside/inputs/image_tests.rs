//! Small pictures in every layout.

use image::{ImageFormat, Rgb, RgbImage};
use nearside::DType;

use super::*;
use crate::values::element;

/// 3 × 2: red, green, blue over black, grey, white.
fn png() -> Vec<u8> {
    let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0; 3], [51; 3], [255; 3]];
    let picture = RgbImage::from_fn(3, 2, |x, y| Rgb(colours[(y * 3 + x) as usize]));
    let mut file = Cursor::new(vec![]);
    picture.write_to(&mut file, ImageFormat::Png).unwrap();
    file.into_inner()
}

fn options() -> ImageOptions {
    ImageOptions {
        layout: None,
        size: None,
        fit: Fit::Stretch,
        scale: None,
        mean: vec![0.0],
        std: vec![1.0],
        bgr: false,
    }
}

/// 0 is an open dimension.
fn info(dtype: DType, dims: &[usize]) -> ValueInfo {
    let dim = |n: &usize| if *n == 0 { Dim::Unknown } else { Dim::Known(*n) };
    ValueInfo {
        name: "x".into(),
        dtype,
        shape: dims.iter().map(dim).collect(),
        ranked: true,
        labels: vec![],
        kind: nearside::Kind::Tensor,
    }
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    (0..tensor.len()).filter_map(|i| element(tensor, i).number()).collect()
}

#[test]
fn the_signature_chooses_the_layout() -> Result<()> {
    for (dims, shape) in [
        (&[1, 3, 2, 3][..], &[1, 3, 2, 3][..]),
        (&[0, 3, 0, 0], &[1, 3, 2, 3]),
        (&[0, 0, 0, 0], &[1, 3, 2, 3]),
        (&[1, 0, 0, 3], &[1, 2, 3, 3]),
        (&[1, 2, 6, 4], &[1, 2, 6, 4]),
        (&[3, 0, 0], &[3, 2, 3]),
        (&[0, 0, 1], &[2, 3, 1]),
        (&[4, 5], &[4, 5]),
        (&[1, 1, 28, 28], &[1, 1, 28, 28]),
    ] {
        let made = tensor(&png(), &info(DType::Float32, dims), &options())?;
        assert_eq!(made.shape(), shape, "{dims:?}");
    }
    for dims in [&[2, 3, 8, 8][..], &[1, 7, 8, 9], &[5], &[1, 1, 3, 8, 8]] {
        let error = tensor(&png(), &info(DType::Float32, dims), &options()).unwrap_err();
        assert_eq!(error.row().code, "SHAPE_MISMATCH", "{dims:?}");
    }
    Ok(())
}

#[test]
fn values_and_their_order() -> Result<()> {
    let planar = tensor(&png(), &info(DType::Uint8, &[1, 3, 2, 3]), &options())?;
    assert_eq!(planar.bytes()[..6], [255, 0, 0, 0, 51, 255]);
    let packed = tensor(&png(), &info(DType::Uint8, &[1, 2, 3, 3]), &options())?;
    // Both ends could be channels: the first one is, unless told otherwise.
    assert_eq!(packed.shape(), [1, 2, 3, 3]);
    let bgr = ImageOptions { bgr: true, layout: Some(Layout::Nhwc), ..options() };
    let packed = tensor(&png(), &info(DType::Uint8, &[1, 2, 3, 3]), &bgr)?;
    assert_eq!(packed.bytes()[..3], [0, 0, 255]);
    let grey = tensor(&png(), &info(DType::Float32, &[1, 1, 2, 3]), &options())?;
    let wanted = [76.0, 150.0, 29.0, 0.0, 51.0, 255.0].map(|v: f64| v / 255.0);
    assert!(numbers(&grey).iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6));
    Ok(())
}

#[test]
fn normalised_by_channel() -> Result<()> {
    let input = info(DType::Float64, &[1, 3, 2, 3]);
    let given = ImageOptions { mean: vec![0.5, 0.25, 0.0], std: vec![0.5, 0.25, 2.0], ..options() };
    let values = numbers(&tensor(&png(), &input, &given)?);
    assert_eq!((values[0], values[6], values[12], values[17]), (1.0, -1.0, 0.0, 0.5));
    let wrong = ImageOptions { mean: vec![0.5, 0.5], ..options() };
    assert_eq!(tensor(&png(), &input, &wrong).unwrap_err().row().code, "INVALID_INPUT");
    // Black and white turned round, for a model that wants white on black.
    let inverted = ImageOptions { scale: Some(-1.0 / 255.0), mean: vec![-1.0], ..options() };
    let values = numbers(&tensor(&png(), &input, &inverted)?);
    assert!((values[3] - 1.0).abs() < 1e-12 && values[5].abs() < 1e-12);
    Ok(())
}

#[test]
fn other_sizes_and_no_pictures() -> Result<()> {
    let open = info(DType::Float32, &[1, 3, 0, 0]);
    let sized = ImageOptions { size: Some((8, 4)), fit: Fit::Pad, ..options() };
    let padded = tensor(&png(), &open, &sized)?;
    assert_eq!(padded.shape(), [1, 3, 4, 8]);
    assert_eq!(element(&padded, 0).number(), Some(0.0));
    let cropped = tensor(&png(), &open, &ImageOptions { fit: Fit::Crop, ..sized })?;
    assert_eq!(cropped.shape(), [1, 3, 4, 8]);
    let huge = ImageOptions { size: Some((1 << 15, 1 << 15)), ..options() };
    assert_eq!(tensor(&png(), &open, &huge).unwrap_err().row().code, "TOO_LARGE");
    let broken = tensor(&png()[..40], &open, &options()).unwrap_err();
    assert_eq!(broken.row().code, "INVALID_INPUT");
    let text = tensor(&png(), &info(DType::String, &[1]), &options()).unwrap_err();
    assert_eq!(text.row().code, "TYPE_MISMATCH");
    Ok(())
}
