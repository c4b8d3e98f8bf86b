//! Threads that the host lends to the kernels.
//!
//! In: how many there are, and a function of the host that has a job done by them. Out: nothing here; the kernels
//! divide their work from then on. What a lent thread runs is `nearside_part`, an export of the kernels.

use std::cell::RefCell;

use js_sys::Function;
use nearside_kernels::parallel::{self, Job};
use wasm_bindgen::prelude::*;

thread_local! {
    static HOST: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// From now on `lanes` threads work, the caller's among them. `host(call, data, parts)` has to run
/// `nearside_part(call, data, part, lane)` once for each part, in whatever lane, and to return when all are done; what
/// it throws ends the run.
#[wasm_bindgen(js_name = useThreads)]
pub fn use_threads(lanes: usize, host: Function) {
    HOST.set(Some(host));
    parallel::lend(lanes, lend);
}

fn lend(job: &Job<'_>) {
    let host = HOST.with_borrow(Clone::clone);
    let Some(host) = host else { return (0..job.parts()).for_each(|part| job.run(part, 0)) };
    let [call, data] = job.address().map(|n| JsValue::from(n as f64));
    let parts = JsValue::from(job.parts() as f64);
    if let Err(error) = host.call3(&JsValue::NULL, &call, &data, &parts) {
        wasm_bindgen::throw_val(error);
    }
}
