//! The weights of a direct convolution as its kernel reads them, a block of output channels at a time.
//!
//! In: a constant, and how it lies. Out: a value that is made once for all plans of a model.

use std::sync::Arc;

use tract_onnx::prelude::*;

use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::value::View;

/// Whether a tensor has all that lies at these strides.
pub(super) fn within(tensor: &Tensor, sizes: [usize; 4], strides: [isize; 4]) -> bool {
    let last = sizes.iter().zip(strides).map(|(n, s)| (*n as isize - 1) * s).sum::<isize>();
    let there = usize::try_from(last).is_ok_and(|last| last < tensor.len());
    there && strides.iter().all(|s| *s >= 0)
}

/// The weights as `[group, block of channels, input, ky, kx, channel]`, short blocks filled with zeros.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) groups: usize,
    /// Outputs and inputs of a group, rows and columns of the window; and how far apart each lie.
    pub(super) sizes: [usize; 4],
    pub(super) strides: [isize; 4],
    /// Channels of a block.
    pub(super) oc: usize,
}

impl Packed {
    pub(super) fn of(self, cx: &mut Cx, konst: Arc<Tensor>) -> Lowered<View> {
        let [og, ig, ky, kx] = self.sizes;
        let count = self.groups * og.div_ceil(self.oc) * self.oc * ig * ky * kx;
        // All channels follow each other, as those of a group do.
        if !within(&konst, [self.groups * og, ig, ky, kx], self.strides) {
            return because("odd weights");
        }
        cx.builder.packed(konst, format!("{self:?}"), (count, true), move |all| self.made(all))
    }

    fn made(&self, all: &[f32]) -> Vec<f32> {
        let [og, ig, ky, kx] = self.sizes;
        let [by_output, by_input, by_row, by_column] = self.strides;
        let mut packed = vec![];
        for first in
            (0..self.groups).flat_map(|g| (0..og).step_by(self.oc).map(move |o| g * og + o))
        {
            let there = self.oc.min(og - first % og);
            for i in 0..ig {
                for (y, x) in (0..ky).flat_map(|y| (0..kx).map(move |x| (y, x))) {
                    let at = i as isize * by_input + y as isize * by_row + x as isize * by_column;
                    packed.extend((0..self.oc).map(|lane| {
                        let from = at + (first + lane) as isize * by_output;
                        let known = usize::try_from(from).ok().and_then(|from| all.get(from));
                        known.copied().filter(|_| lane < there).unwrap_or_default()
                    }));
                }
            }
        }
        packed
    }
}
