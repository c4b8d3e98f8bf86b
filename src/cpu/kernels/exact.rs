//! Convolution of 8-bit integers in float32, where that is exact.
//!
//! In: values less their zero points, as float32, and weights packed by [`direct::pack`]. Out: what their sums become.
//! The pairs of [`crate::integer`] want many outputs for each input; depthwise convolutions have one.

use crate::geometry::Geometry;
use crate::integer::Finish;
use crate::{Epilogue, Result, direct, fits};

/// Products in one sum that float32 adds up without rounding, each being within 255 times 255.
const EXACT: usize = 256;

/// `value - zero` of each.
pub fn float_u8(values: &[u8], zero: i16) -> Vec<f32> {
    values.iter().map(|v| f32::from(i16::from(*v) - zero)).collect()
}

/// `value - zero` of each.
pub fn float_i8(values: &[i8], zero: i16) -> Vec<f32> {
    values.iter().map(|v| f32::from(i16::from(*v) - zero)).collect()
}

/// Whether this form is exact, and pays.
pub fn suits(g: &Geometry) -> bool {
    direct::suits(g) && g.depth() <= EXACT
}

/// Convolves; `bias` has a value a channel.
pub fn conv(
    g: &Geometry,
    x: &[f32],
    packed: &[f32],
    bias: &[i32],
    finish: &mut Finish<'_>,
) -> Result<()> {
    fits(suits(g) && bias.len() == g.channels_out)?;
    let mut sums = vec![0.; g.batch * g.channels_out * g.plane()];
    direct::conv(g, x, packed, &Epilogue::default(), &mut sums)?;
    let mut whole = vec![0; g.plane()];
    let places = finish.places();
    for (at, sums) in sums.chunks_exact(g.plane().max(1)).enumerate() {
        whole.iter_mut().zip(sums).for_each(|(whole, sum)| *whole = *sum as i32);
        let channel = at % g.channels_out;
        // SAFETY: there is no other part.
        unsafe { places.run(channel, at * g.plane(), &whole, bias[channel]) };
    }
    Ok(())
}
