//! The exports of the module with the WebGPU engine.
//!
//! In: the page's (or worker's) `navigator.gpu`. Out: a device, models that use it, and runs as promises.

use std::sync::Arc;

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::prelude::*;

use super::convert::{from_wire, js_error, plain};
use super::{JsResult, Model, ModelBytes, result_object};
use crate::gpu::Gpu;
use crate::session::{Session, SessionOptions};

/// An open GPU, which models share.
#[wasm_bindgen]
pub struct GpuHandle(Arc<Gpu>);

#[wasm_bindgen]
impl GpuHandle {
    /// Opens the adapter that the browser prefers for speed.
    pub async fn open() -> JsResult<GpuHandle> {
        Gpu::open().await.map(GpuHandle).map_err(|e| js_error(&e))
    }

    /// Adapter and driver.
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// Gives the device up, as a crashed driver does; the next run opens another.
    pub fn destroy(&self) {
        self.0.destroy();
    }
}

#[wasm_bindgen]
impl Model {
    /// Loads a model file for the GPU. Consumes the bytes. `strict`: nothing may fall back to the CPU.
    #[wasm_bindgen(js_name = loadOnGpu)]
    pub fn load_on_gpu(bytes: ModelBytes, gpu: &GpuHandle, strict: bool) -> JsResult<Model> {
        let gpu = Some(Arc::clone(&gpu.0));
        let options = SessionOptions { gpu, strict_gpu: strict, ..SessionOptions::default() };
        Session::from_file(bytes.file()?, &options).map(Model).map_err(|e| js_error(&e))
    }

    /// `run`, as a promise, on the GPU. The result has `plan`, where the nodes of each graph ran, or
    /// `gpuError`, why the CPU ran them.
    #[wasm_bindgen(js_name = runAsync)]
    pub async fn run_async(&self, feeds: Array, fetches: Option<Vec<String>>) -> JsResult<Object> {
        let feeds = feeds.iter().map(|f| from_wire(&f)).collect::<JsResult<Vec<_>>>()?;
        let result = self.0.run_async(feeds, &fetches.unwrap_or_default()).await;
        let result = result.map_err(|e| js_error(&e))?;
        let object = result_object(&result);
        let placements: Vec<_> = result.placements.iter().map(|p| &**p).collect();
        Reflect::set(&object, &"plan".into(), &plain(&placements)?)?;
        if let Some(error) = &result.gpu_error {
            Reflect::set(&object, &"gpuError".into(), &js_error(error))?;
        }
        Ok(object)
    }
}
