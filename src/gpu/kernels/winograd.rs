//! Convolutions with windows of 3 x 3 as products of transformed tiles: 16 multiplications for 4 pixels, not 36.
//!
//! In: a convolution with constant weights and enough channels that the transforms are little work beside the product.
//! Out: three dispatches, of which the last is the caller's to extend: tiles of the image, their product with the
//! transformed weights, and the image of that.

use std::sync::Arc;

use tract_onnx::prelude::*;

use super::conv_weights::within;
use super::flat::each;
use super::matmul::product;
use super::sliding::Sliding;
use crate::gpu::builder::{Cx, Lowered};
use crate::gpu::kernel::{Kernel, Param};
use crate::gpu::value::View;

const IN: &str = wgsl!("winograd_in.wgsl");
const OUT: &str = wgsl!("winograd_out.wgsl");

/// Channels on either side below which the transforms cost more than they save.
const LEAST_CHANNELS: usize = 32;
/// Tiles likewise.
const LEAST_TILES: usize = 32;
/// Elements of a tile.
const TILE: usize = 16;

/// How the weights lie: strides by output channel, input channel, row and column.
pub(super) type Strides = [isize; 4];

/// The last dispatch, after the others; `None` where the direct way is the better one.
pub(super) fn lower(
    cx: &mut Cx,
    sliding: &Sliding,
    x: &View,
    (konst, strides): (&Arc<Tensor>, Strides),
    (ic, oc): (usize, usize),
    output: &View,
) -> Lowered<Option<Kernel>> {
    let (down, wide) = (sliding.out[1].div_ceil(2), sliding.out[2].div_ceil(2));
    let real = sliding.batch * down * wide;
    let plain =
        sliding.kernel == [1, 3, 3] && sliding.stride == [1; 3] && sliding.dilation == [1; 3];
    let flat = sliding.size[0] == 1 && sliding.out[0] == 1 && sliding.before[0] == 0;
    if !plain || !flat || ic.min(oc) < LEAST_CHANNELS || ic % 4 != 0 || real < LEAST_TILES {
        return Ok(None);
    }
    // Whole vectors, and an odd number of them: rows a power of two apart would meet in one place of a cache.
    let tiles = (real.div_ceil(4) | 1) * 4;
    let most = (TILE * ic.max(oc) * tiles) as u64 * 4;
    let whole = within(konst, [oc, ic, 3, 3], strides);
    if most > cx.builder.limits().max_value_bytes || !whole {
        return Ok(None);
    }
    let way = format!("winograd {strides:?} {ic} {oc}");
    let made = move |all: &[f32]| transformed(all, strides, (ic, oc)).unwrap_or_default();
    let weights = cx.builder.packed(Arc::clone(konst), way, (TILE * oc * ic, false), made)?;
    let Some(weights) = weights.reshaped(&[TILE, oc, ic]) else { return Ok(None) };
    let image = cx.temporary(DatumType::F32, &[TILE, ic, tiles])?;
    let mut kernel = each(cx, IN, ic * tiles, image.clone())?;
    kernel.params.extend(params(sliding, (tiles, real, down, wide), ic));
    kernel.reads = vec![x.clone()];
    cx.run(kernel);
    let made = cx.temporary(DatumType::F32, &[TILE, oc, tiles])?;
    let kernel = product(cx, weights, image, made.clone(), false)?;
    cx.run(kernel);
    let mut kernel = each(cx, OUT, oc * tiles, output.clone())?;
    kernel.params.extend(params(sliding, (tiles, real, down, wide), oc));
    kernel.reads = vec![made];
    Ok(Some(kernel))
}

fn params(
    sliding: &Sliding,
    (tiles, real, down, wide): (usize, usize, usize, usize),
    channels: usize,
) -> Vec<(String, Param)> {
    let mut params = sliding.params();
    let own = [
        ("tiles", tiles),
        ("real", real),
        ("down", down),
        ("wide", wide),
        ("block", channels * tiles),
    ];
    params.extend(own.map(|(name, v)| (name.to_owned(), Param::U(v as u32))));
    params
}

/// `[element of a tile, output channel, input channel]`: G g Gt of each window.
fn transformed(all: &[f32], strides: Strides, (ic, oc): (usize, usize)) -> Option<Vec<f32>> {
    let mut made = vec![0f32; TILE * oc * ic];
    let [by_output, by_input, by_row, by_column] = strides;
    for o in 0..oc {
        for i in 0..ic {
            let mut rows = [[0f64; 3]; 4];
            for x in 0..3 {
                let mut column = [0f64; 3];
                let first = o as isize * by_output + i as isize * by_input + x as isize * by_column;
                for (y, value) in column.iter_mut().enumerate() {
                    let at = usize::try_from(first + y as isize * by_row).ok()?;
                    *value = f64::from(*all.get(at)?);
                }
                for (row, value) in rows.iter_mut().zip(spread(column)) {
                    row[x] = value;
                }
            }
            for (y, row) in rows.into_iter().enumerate() {
                for (x, value) in spread(row).into_iter().enumerate() {
                    made[((y * 4 + x) * oc + o) * ic + i] = value as f32;
                }
            }
        }
    }
    Some(made)
}

/// Three weights of a line for four elements of a tile.
fn spread([a, b, c]: [f64; 3]) -> [f64; 4] {
    [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c]
}
