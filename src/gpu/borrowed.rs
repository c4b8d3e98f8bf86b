//! The browser's own adapter and device, where wgpu has no call for what is wanted.
//!
//! In: the `GPUDevice` behind wgpu's, and how the page wants an adapter to be asked for. Out: pipelines compiled beside
//! the page, and that adapter. A method of one object is replaced for as long as a call of ours lasts, in which no other
//! code of the page runs.

use std::cell::RefCell;

use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

const CREATE: &str = "createComputePipeline";

thread_local! {
    /// Gives the adapter that every device of the engine's comes from, also those after a loss.
    static ASK: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Calls `work` while `method` of `owner` is `instead`.
fn replaced<T>(owner: &JsValue, method: &str, instead: &JsValue, work: impl FnOnce() -> T) -> T {
    // An own property hides the method of the prototype; neither call fails for an extensible object.
    let _ = Reflect::set(owner, &method.into(), instead);
    let made = work();
    let _ = Reflect::delete_property(owner.unchecked_ref::<Object>(), &method.into());
    made
}

/// From now on `ask` is called instead of `navigator.gpu.requestAdapter`.
pub(crate) fn ask_by(ask: Function) {
    ASK.set(Some(ask));
}

/// Has `request`, which asks for an adapter before it returns, ask the page's own way.
pub(super) fn asking<T>(request: impl FnOnce() -> T) -> T {
    let of = |owner: &JsValue, key: &str| Reflect::get(owner, &key.into()).ok();
    let gpu = of(&js_sys::global(), "navigator").and_then(|n| of(&n, "gpu"));
    match (gpu.filter(JsValue::is_object), ASK.with_borrow(Clone::clone)) {
        (Some(gpu), Some(ask)) => replaced(&gpu, "requestAdapter", &ask, request),
        _ => request(),
    }
}

/// Begins to compile each pipeline that `work` creates, all side by side; what `work` gets is of no use. Gives the
/// pipelines in the order of the calls, or what the browser says of the first that fails.
pub(super) async fn begin_pipelines(
    device: &JsValue,
    work: impl FnOnce(),
) -> Result<Array, String> {
    let said = |error: JsValue| {
        let error: &js_sys::Error = error.unchecked_ref();
        String::from(error.message())
    };
    let begin: Function = Reflect::get(device, &"createComputePipelineAsync".into())
        .and_then(|f| f.dyn_into())
        .map_err(said)?;
    let promises = Array::new();
    let (list, own) = (promises.clone(), device.clone());
    let instead = Closure::<dyn FnMut(JsValue) -> JsValue>::new(move |description: JsValue| {
        let begun = begin.call1(&own, &description).unwrap_or_else(|e| Promise::reject(&e).into());
        list.push(&begun);
        Object::new().into()
    });
    replaced(device, CREATE, instead.as_ref(), work);
    let ready = JsFuture::from(Promise::all(&promises)).await.map_err(said)?;
    Ok(Array::from(&ready))
}

/// Hands `ready` to the calls of `work`, one after the other.
pub(super) fn hand_pipelines<T>(device: &JsValue, ready: Array, work: impl FnOnce() -> T) -> T {
    let mut next = 0;
    let instead = Closure::<dyn FnMut(JsValue) -> JsValue>::new(move |_description: JsValue| {
        next += 1;
        ready.get(next - 1)
    });
    replaced(device, CREATE, instead.as_ref(), work)
}
