//! The wasm module of the npm package: it links the exports of `nearside::web` into one cdylib and adds the one
//! that only a host of the module needs. In: the engine built with the feature `web`. Out: `pkg/wasm/` by way of
//! wasm-pack.

use wasm_bindgen::prelude::wasm_bindgen;

pub use nearside;

/// Makes the next call run on a fresh instance, with all models gone: what the host asks for after a trap, which
/// leaves this instance's memory in an unknown state.
#[wasm_bindgen]
pub fn reinit() {
    wasm_bindgen::handler::schedule_reinit();
}
