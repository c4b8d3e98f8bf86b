//! `Col2Im`: columns of blocks, added up into an image.
//!
//! In: `[N, C * block, L]`, the image's and the block's shape. Out: `[N, C, …image]`.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct Col2Im {
    dilations: Option<Vec<usize>>,
    pads: Option<Vec<usize>>,
    strides: Option<Vec<usize>>,
}

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    let op = Col2Im {
        dilations: node.get_attr_opt_vec("dilations")?,
        pads: node.get_attr_opt_vec("pads")?,
        strides: node.get_attr_opt_vec("strides")?,
    };
    host(node, op)
}

fn shape(columns: &[usize], image: &[i64], block: &[i64]) -> TractResult<Vec<usize>> {
    ensure!(columns.len() == 3 && image.len() == block.len(), "columns [N, C * block, L]");
    let size = volume(&sizes(block)?)?;
    ensure!(size > 0 && columns[1].is_multiple_of(size), "the block does not divide the columns");
    let mut shape = vec![columns[0], columns[1] / size];
    shape.extend(sizes(image)?);
    volume(&shape)?;
    Ok(shape)
}

impl Host for Col2Im {
    fn name(&self) -> &'static str {
        "Col2Im"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let columns = need(inputs, 0)?;
        let shape = shape(&dims(columns)?, &steering(inputs, 1)?, &steering(inputs, 2)?)?;
        Ok(tvec!(columns.datum_type.fact(shape)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let columns = need(inputs, 0)?;
        let (image, block) = (i64s(need(inputs, 1)?)?, i64s(need(inputs, 2)?)?);
        let shape = shape(columns.shape(), &image, &block)?;
        let (image, block) = (sizes(&image)?, sizes(&block)?);
        let axes = image.len();
        let list = |list: &Option<Vec<usize>>, default: usize, count: usize| {
            let list = list.clone().unwrap_or_else(|| vec![default; count]);
            ensure!(list.len() == count, "an attribute does not fit the image");
            Ok(list)
        };
        let (dilations, strides) = (list(&self.dilations, 1, axes)?, list(&self.strides, 1, axes)?);
        let pads = list(&self.pads, 0, 2 * axes)?;
        ensure!(
            strides.iter().chain(&dilations).all(|s| *s > 0),
            "strides and dilations are positive"
        );
        ensure!(block.iter().all(|b| *b > 0), "an empty block");
        let count = |a: usize| {
            let span = (block[a] - 1) * dilations[a] + 1;
            let free = (image[a] + pads[a] + pads[a + axes]).checked_sub(span);
            Ok(free.context("the block is over the image")? / strides[a] + 1)
        };
        let counts = (0..axes).map(count).collect::<TractResult<Vec<usize>>>()?;
        let (blocks, columns_each) = (volume(&block)?, volume(&counts)?);
        ensure!(columns.shape()[2] == columns_each, "{columns_each} columns are needed");
        let (values, area) = (f64s(columns)?, volume(&image)?);
        let mut out = vec![0.0; volume(&shape)?];
        for plane in 0..shape[0] * shape[1] {
            for (b, inner) in coordinates(&block).enumerate() {
                for (c, outer) in coordinates(&counts).enumerate() {
                    let place = |a: usize| {
                        let at = outer[a] * strides[a] + inner[a] * dilations[a];
                        at.checked_sub(pads[a]).filter(|p| *p < image[a])
                    };
                    if let Some(at) = (0..axes).map(place).collect::<Option<Vec<_>>>() {
                        out[plane * area + flat(&at, &image)] +=
                            values[(plane * blocks + b) * columns_each + c];
                    }
                }
            }
        }
        Ok(tvec!(from_f64(&shape, &out, columns.datum_type())?))
    }
}
