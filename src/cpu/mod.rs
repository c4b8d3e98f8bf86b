//! Operators of ours that the engine's graph is rewritten to, over the inner loops of `nearside-kernels`.

pub(crate) mod along;
pub(crate) mod choice;
pub(crate) mod convolution;
pub(crate) mod dense;
pub(crate) mod integer;
pub(crate) mod nbits;
pub(crate) mod norm;
pub(crate) mod packed;
pub(crate) mod pointwise;
pub(crate) mod pooling;
pub(crate) mod product;
pub(crate) mod recurrence;
pub(crate) mod resampling;
pub(crate) mod round_trip;
pub(crate) mod rows;
pub(crate) mod transposed;

use nearside_kernels::Activation;
use tract_onnx::prelude::{Datum, Tensor, TractResult, TypedNode};
use tract_onnx::tract_core::internal::bail;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::nn::{GeluExact, HardSwish, LeakyRelu, Sigmoid, Silu};

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
