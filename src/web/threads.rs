//! Threads that the host lends to the kernels.
//!
//! In: how many there are, and a function of the host that has a job done by them. Out: nothing here; the kernels
//! divide their work from then on. What a lent thread runs is `nearside_part`, an export of the kernels.

use std::cell::OnceCell;

use nearside_kernels::parallel::{self, Job};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The host's function.
    #[wasm_bindgen(extends = js_sys::Function)]
    #[derive(Clone)]
    pub type Host;

    // As plain numbers: a job is done many times a run.
    #[wasm_bindgen(method, catch, js_name = "call")]
    fn done(
        this: &Host,
        on: &JsValue,
        call: usize,
        data: usize,
        parts: usize,
    ) -> Result<(), JsValue>;
}

thread_local! {
    static HOST: OnceCell<Host> = const { OnceCell::new() };
}

/// From now on `lanes` threads work, the caller's among them. `host(call, data, parts)` has to run
/// `nearside_part(call, data, part, lane)` once for each part, in whatever lane, and to return when all are done; what
/// it throws ends the run.
#[wasm_bindgen(js_name = useThreads)]
pub fn use_threads(lanes: usize, host: Host) {
    // The first one stays, as the lender does.
    HOST.with(|first| {
        first.get_or_init(|| host);
    });
    parallel::lend(lanes, lend);
}

fn lend(job: &Job<'_>) {
    HOST.with(|host| {
        let Some(host) = host.get() else { return (0..job.parts()).for_each(|p| job.run(p, 0)) };
        let [call, data] = job.address();
        if let Err(error) = host.done(&JsValue::NULL, call, data, job.parts()) {
            wasm_bindgen::throw_val(error);
        }
    });
}
