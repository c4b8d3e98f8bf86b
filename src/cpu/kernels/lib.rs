//! Inner loops: float32 and small integers on slices.
//!
//! In: slices and a geometry that fits them. Out: slices. Each kernel is written once over four lanes ([`v4::F4`]):
//! wasm SIMD where there is any, arrays elsewhere, with the same bits. Lengths are checked at each entry, so that
//! the pointers inside stay within their slices; a slice that does not fit its geometry is an error of the caller
//! and ends in [`Misfit`].

pub mod along;
pub mod boxes;
pub mod conv;
pub mod dense;
pub mod direct;
pub mod epilogue;
pub mod exact;
mod few;
mod functions;
pub mod geometry;
pub mod integer;
pub mod integer_conv;
mod loops;
pub mod moved;
pub mod nbits;
pub mod norm;
pub mod parallel;
pub mod pick;
pub mod pointwise;
pub mod pool;
mod power;
pub mod product;
pub mod quantize;
pub mod recurrence;
pub mod resample;
pub mod sample;
mod scratch;
pub(crate) mod shallow;
mod share;
pub mod spread;
pub mod squares;
pub mod steps;
mod strips;
pub mod tile;
pub mod top;
pub mod trees;
pub mod v4;
pub mod v8;
pub mod ways;
pub mod whole;
pub mod widen;
pub mod winograd;

pub use epilogue::{Activation, Epilogue};

/// A slice is not as long as the geometry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misfit;

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a slice does not fit the kernel's geometry")
    }
}

impl std::error::Error for Misfit {}

/// What kernels return.
pub type Result<T> = std::result::Result<T, Misfit>;

pub(crate) fn fits(condition: bool) -> Result<()> {
    condition.then_some(()).ok_or(Misfit)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests_sequences;
