//! The kernels, by family: each a `.rs` that lowers nodes and, where it has a body, a `.wgsl` beside it.

pub(crate) mod conv;
pub(crate) mod elementwise;
pub(crate) mod layout;
pub(crate) mod matmul;
pub(crate) mod pool;
pub(crate) mod reduce;
mod rows;
mod sliding;
