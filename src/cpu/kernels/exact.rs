//! Convolution of 8-bit integers in float32, where that is exact.
//!
//! In: bytes and their zero point, and weights packed by [`direct::pack`]. Out: what their sums become.
//! The pairs of [`crate::integer`] want many outputs for each input; depthwise convolutions have one.

use crate::geometry::Geometry;
use crate::integer_conv::Finish;
use crate::widen::Bytes;
use crate::{Epilogue, Result, direct, fits};

/// Products in one sum that float32 adds up without rounding, each being within 255 times 255.
const EXACT: usize = 256;

/// Whether this form is exact, and pays.
pub fn suits(g: &Geometry) -> bool {
    direct::suits(g) && g.depth() <= EXACT
}

/// Convolves; `bias` has a value a channel.
pub fn conv(
    g: &Geometry,
    x: Bytes<'_>,
    zero: i16,
    packed: &[f32],
    bias: &[i32],
    finish: &mut Finish<'_>,
) -> Result<()> {
    fits(suits(g) && bias.len() == g.channels_out)?;
    let places = finish.places(g.batch * g.channels_out * g.plane(), g.channels_out)?;
    let mut floats = vec![0.; x.len()];
    x.floats(0, zero, &mut floats);
    let mut sums = vec![0.; g.batch * g.channels_out * g.plane()];
    direct::conv(g, &floats, packed, &Epilogue::default(), &mut sums)?;
    let mut whole = vec![0; g.plane()];
    for (at, sums) in sums.chunks_exact(g.plane().max(1)).enumerate() {
        whole.iter_mut().zip(sums).for_each(|(whole, sum)| *whole = *sum as i32);
        let channel = at % g.channels_out;
        // SAFETY: there is no other part.
        unsafe { places.run(channel, at * g.plane(), &whole, bias[channel]) };
    }
    Ok(())
}
