//! com.microsoft `CropAndResize`: parts of images, each brought to one size.
//!
//! In: images `[batch, channels, height, width]`, boxes as shares of them, the image of each box, a size. Out: one image
//! for each box. Corners lie on corners, as TensorFlow's operator of that name has it.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct Crops {
    nearest: bool,
    /// What lies outside of an image.
    outside: f32,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let nearest = match node.get_attr_opt("mode")?.unwrap_or("bilinear") {
        "bilinear" => false,
        "nearest" => true,
        other => bail!("the mode {other} is unknown"),
    };
    host(node, Crops { nearest, outside: node.get_attr_opt("extrapolation_value")?.unwrap_or(0.) })
}

/// Where along an image of `length` each of `count` places lies; nothing outside of it.
fn places([from, to]: [f32; 2], length: usize, count: usize) -> Vec<Option<f32>> {
    let last = length as f32 - 1.;
    let place = |at: usize| {
        let place = if count > 1 {
            from * last + at as f32 * ((to - from) * last / (count - 1) as f32)
        } else {
            0.5 * (from + to) * last
        };
        (place >= 0. && place <= last).then_some(place)
    };
    (0..count).map(place).collect()
}

impl Host for Crops {
    fn name(&self) -> &'static str {
        "CropAndResize"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let (x, boxes) = (need(inputs, 0)?, need(inputs, 1)?);
        ensure!(x.rank() == 4 && boxes.rank() == 2, "images of 4 axes and boxes of 2");
        let size = sizes(&steering(inputs, 3)?)?;
        let &[height, width] = &size[..] else { bail!("a size of {size:?}") };
        ensure!(height > 0 && width > 0, "a size of {size:?}");
        let shape = [boxes.shape[0].clone(), x.shape[1].clone(), height.to_dim(), width.to_dim()];
        Ok(tvec!(f32::fact(shape)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (x, boxes) = (need(inputs, 0)?, need(inputs, 1)?);
        let &[batch, channels, height, width] = x.shape() else { bail!("images of 4 axes") };
        let (of, size) = (i64s(need(inputs, 2)?)?, sizes(&i64s(need(inputs, 3)?)?)?);
        let &[rows, columns] = &size[..] else { bail!("a size of {size:?}") };
        let boxes = boxes.cast_to::<f32>()?;
        let boxes = boxes.try_as_plain_ram()?;
        let boxes = boxes.as_slice::<f32>()?.as_chunks::<4>().0;
        ensure!(of.len() == boxes.len(), "{} images for {} boxes", of.len(), boxes.len());
        let x = x.cast_to::<f32>()?;
        let x = x.try_as_plain_ram()?;
        let x = x.as_slice::<f32>()?;
        let plane = height * width;
        let mut out = vec![];
        for ([top, left, bottom, right], image) in boxes.iter().zip(of) {
            let known = usize::try_from(image).ok().filter(|image| *image < batch);
            let image = known.with_context(|| format!("the image {image} of {batch}"))?;
            let down = places([*top, *bottom], height, rows);
            let across = places([*left, *right], width, columns);
            for channel in 0..channels {
                let plane = &x[(image * channels + channel) * plane..][..plane];
                for (y, x) in down.iter().flat_map(|y| across.iter().map(move |x| (y, x))) {
                    let (Some(y), Some(x)) = (y, x) else {
                        out.push(self.outside);
                        continue;
                    };
                    let at = |y: f32, x: f32| plane[y as usize * width + x as usize];
                    if self.nearest {
                        out.push(at(y.round(), x.round()));
                        continue;
                    }
                    let between = |a: f32, b: f32, share: f32| a + (b - a) * share;
                    let row = |y: f32| between(at(y, x.floor()), at(y, x.ceil()), x - x.floor());
                    out.push(between(row(y.floor()), row(y.ceil()), y - y.floor()));
                }
            }
        }
        Ok(tvec!(Tensor::from_shape(&[boxes.len(), channels, rows, columns], &out)?))
    }
}
