//! The wasm module of the npm package: nothing of its own, it links the exports of `nearside::web` into one
//! cdylib. In: the engine built with the feature `web`. Out: `pkg/wasm/` by way of wasm-pack.

pub use nearside;
