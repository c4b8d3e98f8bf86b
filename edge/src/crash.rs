//! When this module's instance dies.
//!
//! In: a trap. Out: word to the shim, which asks a fresh instance again, with a header that says what
//! happened. A panic and a failed allocation both end here, because a Worker cannot unwind.

use std::sync::Once;

use nearside::{Error, ErrorKind};
use wasm_bindgen::handler::set_on_abort;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{Request, console_error};

use crate::http;

/// Set by the shim, and by nobody else, on a request that killed the instance before.
pub(crate) const CRASHED_HEADER: &str = "x-nearside-crashed";

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = globalThis, js_name = nearsideCrashed)]
    fn crashed(why: &str);
}

/// Runs after the trap, when the instance may make one more call out and no second one.
fn on_abort() {
    crashed("memory");
}

/// From now on the shim hears of this instance's death: first from the panic hook, which knows why;
/// else, where an allocation failed, from the trap.
pub(crate) fn tell_the_shim() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        set_on_abort(on_abort);
        std::panic::set_hook(Box::new(|info| {
            let text = info.to_string();
            console_error!("{text}");
            crashed(if text.contains("failed to allocate") { "memory" } else { "panic" });
        }));
    });
}

/// What killed the instance that had this request.
pub(crate) fn of(request: &Request) -> Option<Error> {
    let why = http::header(request, CRASHED_HEADER)?;
    Some(if why.starts_with("memory") {
        Error::new(ErrorKind::OutOfMemory, "the edge's memory does not suffice for this request")
    } else {
        Error::new(ErrorKind::Internal, "the edge's engine crashed on this request")
    })
}

/// Whether the request's body went down with it.
pub(crate) fn lost_body(request: &Request) -> bool {
    http::header(request, CRASHED_HEADER).is_some_and(|why| why.ends_with("body lost"))
}
