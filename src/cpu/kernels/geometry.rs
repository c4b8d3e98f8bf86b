//! What a window over an image is: sizes, steps, padding.
//!
//! In: sizes. Out: how long slices have to be, where taps lie, and copies of images with their padding around them.

use crate::{Epilogue, Result, fits};

/// A two-dimensional convolution; one dimension is a height of 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Images.
    pub batch: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Channels in, all groups together.
    pub channels_in: usize,
    /// Channels out, all groups together.
    pub channels_out: usize,
    /// Height and width in.
    pub input: [usize; 2],
    /// Height and width out.
    pub output: [usize; 2],
    /// Height and width of the weights.
    pub kernel: [usize; 2],
    /// Steps between outputs.
    pub stride: [usize; 2],
    /// Steps between taps.
    pub dilation: [usize; 2],
    /// Zeros before the first row and column.
    pub pad: [usize; 2],
}

impl Geometry {
    /// Channels in of one group.
    pub fn group_in(&self) -> usize {
        self.channels_in / self.groups.max(1)
    }

    /// Channels out of one group.
    pub fn group_out(&self) -> usize {
        self.channels_out / self.groups.max(1)
    }

    /// Products in one sum.
    pub fn depth(&self) -> usize {
        self.group_in() * self.kernel[0] * self.kernel[1]
    }

    pub(crate) fn image(&self) -> usize {
        self.input[0] * self.input[1]
    }

    pub(crate) fn plane(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Height and width of the image with the zeros that its kernel reaches.
    pub(crate) fn padded(&self) -> [usize; 2] {
        [0, 1].map(|i| {
            let reach = (self.output[i].max(1) - 1) * self.stride[i]
                + (self.kernel[i].max(1) - 1) * self.dilation[i]
                + 1;
            reach.max(self.input[i] + self.pad[i])
        })
    }

    pub(crate) fn check(&self, x: &[f32], out: &[f32], epilogue: &Epilogue<'_>) -> Result<()> {
        let out_len = self.batch * self.channels_out * self.plane();
        fits(self.is_whole())?;
        fits(x.len() == self.batch * self.channels_in * self.image() && out.len() == out_len)?;
        fits(epilogue.slopes.is_none_or(|s| s.len() == self.channels_out))?;
        fits(epilogue.residual.is_none_or(|r| r.len() == out_len))
    }

    /// Whether the groups share the channels evenly.
    pub(crate) fn is_whole(&self) -> bool {
        self.groups > 0
            && self.channels_in.is_multiple_of(self.groups)
            && self.channels_out.is_multiple_of(self.groups)
    }

    /// Where the taps lie from the first on, in images of this height and width.
    pub(crate) fn taps(&self, [height, width]: [usize; 2]) -> Vec<usize> {
        let mut taps = Vec::with_capacity(self.depth() + 1);
        for c in 0..self.group_in() {
            for y in 0..self.kernel[0] {
                let line = (c * height + y * self.dilation[0]) * width;
                taps.extend((0..self.kernel[1]).map(|x| line + x * self.dilation[1]));
            }
        }
        taps
    }

    /// Whether every tap of every output is one pixel, in order.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1]
            && self.stride == [1, 1]
            && self.pad == [0, 0]
            && self.input == self.output
    }
}

/// Appends of each plane of `x` with `fill` around it `height` rows, from this one on.
pub(crate) fn pad_rows_into<T: Copy>(
    padded: &mut Vec<T>,
    x: &[T],
    g: &Geometry,
    first: usize,
    [height, width]: [usize; 2],
    fill: T,
) {
    let [top, left] = g.pad;
    for plane in x.chunks_exact(g.image().max(1)) {
        let end = padded.len() + height * width;
        padded.resize(padded.len() + top.saturating_sub(first).min(height) * width, fill);
        let rows = plane.chunks_exact(g.input[1].max(1)).skip(first.saturating_sub(top));
        for row in rows.take((end - padded.len()) / width.max(1)) {
            let line = padded.len() + width;
            padded.resize(padded.len() + left, fill);
            padded.extend_from_slice(row);
            padded.resize(line, fill);
        }
        padded.resize(end, fill);
    }
}

/// Lays each plane into one with a frame around it, whose pixels stay what they are.
pub(crate) fn frame<T: Copy>(framed: &mut [T], x: &[T], g: &Geometry, [height, width]: [usize; 2]) {
    let [top, left] = g.pad;
    let planes = x.chunks_exact(g.image().max(1)).zip(framed.chunks_exact_mut(height * width));
    for (plane, framed) in planes {
        let rows = framed[top * width..].chunks_exact_mut(width);
        for (row, to) in plane.chunks_exact(g.input[1].max(1)).zip(rows) {
            to[left..][..row.len()].copy_from_slice(row);
        }
    }
}
