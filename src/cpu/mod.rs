//! Operators of ours that the engine's graph is rewritten to, over the inner loops of `nearside-kernels`.

pub(crate) mod along;
pub(crate) mod choice;
pub(crate) mod convolution;
pub(crate) mod dense;
pub(crate) mod integer;
pub(crate) mod integer_dense;
pub(crate) mod moved;
pub(crate) mod nbits;
pub(crate) mod norm;
pub(crate) mod packed;
pub(crate) mod picking;
pub(crate) mod pointwise;
pub(crate) mod pooling;
pub(crate) mod product;
pub(crate) mod recurrence;
pub(crate) mod resampling;
pub(crate) mod round_trip;
pub(crate) mod rows;
pub(crate) mod sampling;
pub(crate) mod suppression;
pub(crate) mod top;
pub(crate) mod transposed;
pub(crate) mod unpacked;
pub(crate) mod volume;
pub(crate) mod whole;
pub(crate) mod work;

use nearside_kernels::Activation;
use nearside_kernels::conv::Geometry;
use tract_onnx::prelude::{Datum, Tensor, TractResult, TypedFact, TypedNode};
use tract_onnx::tract_core::internal::{TractErrorContext as _, bail, ensure};
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::nn::{GeluExact, HardSwish, LeakyRelu, Sigmoid, Silu};

use crate::codec::{choices, fields};
use crate::limit::TooMuchMemory;

choices! {
    Activation {
        0 => None, 1 => Clamp(low, high), 2 => Leaky(slope), 3 => HardSigmoid(alpha, beta), 4 => HardSwish,
        5 => Sigmoid, 6 => Silu, 7 => Gelu, 8 => RoundTrip { scale, low, high, back },
    }
}
fields! {
    Geometry { batch, groups, channels_in, channels_out, input, output, kernel, stride, dilation, pad }
}

fn pairs_of(g: &Geometry, i: usize) -> [u64; 6] {
    [g.output, g.stride, g.kernel, g.dilation, g.input, g.pad].map(|pair| pair[i] as u64)
}

/// Whether a window of this geometry goes over the first of the inputs and gives `shape`: kernels hold slices against
/// the geometry, and it is held against the graph here.
fn check(g: &Geometry, shape: &[usize], inputs: &[&TypedFact]) -> TractResult<()> {
    let product = |sizes: &[usize]| sizes.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
    let image = inputs.first().and_then(|fact| fact.shape.as_concrete());
    let image = image.and_then(product).context("an image of unknown size")?;
    let pairs = [g.input, g.output, g.kernel, g.stride, g.dilation, g.pad];
    let small = pairs.iter().flatten().all(|n| *n < 1 << 24);
    ensure!(small && g.kernel.iter().chain(&g.stride).all(|n| *n > 0), "a bad window {g:?}");
    // With the zeros around it, in bytes.
    let reach = |i: usize| -> u64 {
        let [out, step, taps, apart, size, pad] = pairs_of(g, i);
        out * step + taps * apart + size + pad
    };
    let images =
        product(&[g.batch.max(1), g.channels_in.max(1)]).and_then(|n| (n as u64).checked_mul(8));
    let reached = images.and_then(|n| n.checked_mul(reach(0))?.checked_mul(reach(1)));
    if reached.is_none_or(|n| n > isize::MAX as u64) {
        return Err(TooMuchMemory(format!("a window that reaches too far: {g:?}")).into());
    }
    let wanted = product(&[g.batch, g.channels_in, g.input[0], g.input[1]]);
    ensure!(wanted == Some(image), "an image of {image} values for {g:?}");
    let made = product(&[g.batch, g.channels_out, g.output[0], g.output[1]]);
    ensure!(made.is_some() && made == product(shape), "an output of shape {shape:?} for {g:?}");
    Ok(())
}

/// The function that a node is, if it is one that kernels know.
pub(crate) fn activation_of(node: &TypedNode) -> Option<Activation> {
    let op = node.op_as::<ElementWiseOp>()?.0.as_ref();
    if op.is::<Silu>() {
        Some(Activation::Silu)
    } else if op.is::<Sigmoid>() {
        Some(Activation::Sigmoid)
    } else if op.is::<HardSwish>() {
        Some(Activation::HardSwish)
    } else if op.is::<GeluExact>() {
        Some(Activation::Gelu)
    } else {
        op.downcast_ref::<LeakyRelu>().map(|leaky| Activation::Leaky(leaky.alpha))
    }
}

fn floats(tensor: &Tensor) -> TractResult<&[f32]> {
    tensor.try_as_plain_ram()?.as_slice::<f32>()
}

/// One value for each channel.
fn per_channel<T: Datum + Copy>(tensor: &Tensor, channels: usize) -> TractResult<Vec<T>> {
    match tensor.try_as_plain_ram()?.as_slice::<T>()? {
        [value] => Ok(vec![*value; channels]),
        values if values.len() == channels => Ok(values.to_vec()),
        values => bail!("{} values for {channels} channels", values.len()),
    }
}
