//! Operators of ours that the engine's graph is rewritten to, over the inner loops of `nearside-kernels`.

pub(crate) mod convolution;
