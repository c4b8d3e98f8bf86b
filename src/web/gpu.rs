//! The exports of the module with the WebGPU engine.
//!
//! In: the page's (or worker's) `navigator.gpu`. Out: a device, models that use it, and runs as promises.

use std::sync::Arc;

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::prelude::*;

use super::convert::{from_wire, js_error, plain};
use super::{JsResult, Model, ModelBytes, result_object};
use crate::error::{Error, ErrorKind};
use crate::gpu::Gpu;
use crate::session::{Golden, GpuRun, Session, SessionOptions};
use crate::tensor::Tensor;

/// An open GPU, which models share.
#[wasm_bindgen]
pub struct GpuHandle(Arc<Gpu>);

impl GpuHandle {
    pub(super) fn gpu(&self) -> &Arc<Gpu> {
        &self.0
    }
}

#[wasm_bindgen]
impl GpuHandle {
    /// Opens the adapter that the browser prefers for speed; `ask` is called in place of `navigator.gpu.requestAdapter`,
    /// now and after each loss.
    pub async fn open(ask: js_sys::Function) -> JsResult<GpuHandle> {
        crate::gpu::borrowed::ask_by(ask);
        Gpu::open().await.map(GpuHandle).map_err(|e| js_error(&e))
    }

    /// Adapter and driver.
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// The browser's `GPUDevice`; another one once that is lost.
    #[wasm_bindgen]
    pub async fn device(&self) -> JsResult<JsValue> {
        let device = self.0.device().await.map_err(|e| js_error(&e))?;
        Ok(device.device.as_webgpu().map_or(JsValue::UNDEFINED, |d| d.clone().into()))
    }

    /// Gives the device up, as a crashed driver does; the next run opens another.
    pub fn destroy(&self) {
        self.0.destroy();
    }

    /// Takes up what `verdicts` gave.
    pub fn learn(&self, text: &str) {
        self.0.verdicts().learn(text);
    }

    /// What the first runs of models showed, to be kept.
    pub fn verdicts(&self) -> String {
        self.0.verdicts().text()
    }

    /// Moves when `verdicts` would give something new.
    #[wasm_bindgen(getter)]
    pub fn changes(&self) -> u32 {
        self.0.verdicts().changes()
    }
}

fn list<T>(wires: &JsValue, of: impl Fn(&JsValue) -> JsResult<T>) -> JsResult<Vec<T>> {
    Array::from(wires).iter().map(|wire| of(&wire)).collect()
}

fn tensor(wire: &JsValue) -> JsResult<(String, Tensor)> {
    let (name, value) = from_wire(wire)?;
    let odd = || js_error(&Error::new(ErrorKind::TypeMismatch, format!("`{name}` is no tensor")));
    let tensor = value.tensor().cloned().ok_or_else(odd)?;
    Ok((name, tensor))
}

#[wasm_bindgen]
impl Model {
    /// Loads a model file for the GPU. Consumes the bytes. `strict`: nothing may fall back to the CPU; `check`: the
    /// first run is compared with the CPU's; `fastest`: what the CPU is faster at it does.
    #[wasm_bindgen(js_name = loadOnGpu)]
    pub fn load_on_gpu(
        bytes: ModelBytes,
        gpu: &GpuHandle,
        strict: bool,
        check: bool,
        fastest: bool,
    ) -> JsResult<Model> {
        let options = SessionOptions {
            gpu: Some(Arc::clone(&gpu.0)),
            strict_gpu: strict,
            check_gpu: check,
            fastest,
            ..SessionOptions::default()
        };
        Session::from_file(bytes.file()?, &options).map(Model).map_err(|e| js_error(&e))
    }

    /// Runs golden inputs on the GPU, unless it is known what they show; gives the verdict.
    pub async fn prove(
        &self,
        inputs: JsValue,
        outputs: JsValue,
        tolerance: Option<f64>,
    ) -> JsResult<JsValue> {
        let golden = Golden {
            inputs: list(&inputs, tensor)?,
            outputs: list(&outputs, tensor)?,
            tolerance: tolerance.unwrap_or(Golden::TOLERANCE),
        };
        plain(&self.0.prove(&golden).await.map_err(|e| js_error(&e))?)
    }

    /// `run`, as a promise, on the GPU. Outputs that are named in `keep` stay there: they have `resident`, a number,
    /// instead of `data`. The result has `plan`, where the nodes of each graph ran, `verdicts`, what is known of this
    /// GPU, `gpuError`, why the CPU ran what the GPU should have, or `cpuChosen`, why it ran what the GPU could have.
    #[wasm_bindgen(js_name = runAsync)]
    pub async fn run_async(
        &self,
        feeds: Array,
        fetches: Option<Vec<String>>,
        keep: Option<Vec<String>>,
        profile: bool,
    ) -> JsResult<Object> {
        let feeds = list(&feeds, from_wire)?;
        let (fetches, keep) = (fetches.unwrap_or_default(), keep.unwrap_or_default());
        let asked = GpuRun { fetches: &fetches, keep: &keep, profile };
        let result = self.0.run_async(feeds, &asked).await.map_err(|e| js_error(&e))?;
        let object = result_object(&result);
        let set = |key: &str, value: &JsValue| Reflect::set(&object, &key.into(), value);
        let placements: Vec<_> = result.gpu.placements.iter().map(|p| &**p).collect();
        set("plan", &plain(&placements)?)?;
        set("verdicts", &plain(&result.gpu.verdicts)?)?;
        set("checkMs", &result.gpu.check_ms.into())?;
        if profile {
            set("profile", &plain(&result.profile)?)?;
        }
        if let Some(error) = &result.gpu.error {
            set("gpuError", &js_error(error))?;
        }
        if let Some(why) = &result.gpu.cpu_chosen {
            set("cpuChosen", &why.into())?;
        }
        Ok(object)
    }
}
