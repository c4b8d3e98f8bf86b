//! Operators of ours that the engine's graph is rewritten to, over the inner loops of `nearside-kernels`.

pub(crate) mod choice;
pub(crate) mod convolution;
pub(crate) mod dense;
pub(crate) mod integer;
pub(crate) mod nbits;
pub(crate) mod norm;
pub(crate) mod pooling;
pub(crate) mod recurrence;
pub(crate) mod round_trip;

use tract_onnx::prelude::{Datum, Tensor, TractResult};
use tract_onnx::tract_core::internal::bail;

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
