//! The wasm module of the npm package: it links the exports of `nearside::web` into one cdylib and adds what only
//! a host of the module needs to survive a trap. In: the engine built with the feature `web`. Out: `pkg/wasm/` by
//! way of wasm-pack.

use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

pub use nearside;

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    /// The linker's: registers tract's kernels. A module that never calls it has it called by each of its exports, at
    /// every call; that made half of a small model's run.
    safe fn __wasm_call_ctors();
}

/// Threads that are lent to this instance compute and never ask for memory.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: nearside_kernels::parallel::MainOnly = nearside_kernels::parallel::MainOnly;

/// Runs when an instance starts: a panic leaves as a JavaScript error with its words, where a trap would only say
/// "unreachable".
#[wasm_bindgen(start)]
pub fn start() {
    #[cfg(target_arch = "wasm32")]
    __wasm_call_ctors();
    std::panic::set_hook(Box::new(|panic| wasm_bindgen::throw_str(&panic.to_string())));
}

/// Makes the next call run on a fresh instance, with all models gone: what the host asks for after a trap, which
/// leaves this instance's memory in an unknown state.
#[wasm_bindgen]
pub fn reinit() {
    wasm_bindgen::handler::schedule_reinit();
}

/// The memory of this instance, by which the host tells a lack of memory from a defect.
#[wasm_bindgen(js_name = instanceMemory)]
pub fn instance_memory() -> JsValue {
    wasm_bindgen::memory()
}
