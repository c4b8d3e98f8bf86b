//! The kernels, by family: each a `.rs` that lowers nodes and, where it has a body, a `.wgsl` beside it.

#[macro_use]
mod text;

mod attention;
pub(crate) mod attention_onnx;
pub(crate) mod conv;
mod conv_weights;
pub(crate) mod deconv;
pub(crate) mod deform_conv;
pub(crate) mod elementwise;
mod flash;
mod flat;
pub(crate) mod gather;
pub(crate) mod grid;
pub(crate) mod group_query;
pub(crate) mod layout;
pub(crate) mod linear_attention;
pub(crate) mod matmul;
pub(crate) mod narrow;
pub(crate) mod nbits;
pub(crate) mod norm;
pub(crate) mod pad;
pub(crate) mod pool;
pub(crate) mod quantize;
pub(crate) mod recurrent;
pub(crate) mod reduce;
pub(crate) mod resize;
pub(crate) mod roi_align;
mod rows;
pub(crate) mod select;
mod shared;
mod sliding;
pub(crate) mod tensor_scatter;
pub(crate) mod transform;
mod vector;
mod wide;
mod winograd;
