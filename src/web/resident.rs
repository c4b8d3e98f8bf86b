//! Tensors that stay on the GPU, as numbers: JavaScript holds a number, also in another thread than the GPU's.
//!
//! In: what runs keep, or a buffer of the page's on the same device. Out: numbers, and for a number the elements, the
//! buffer, or its end. A number is given once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use js_sys::{Array, Function, Reflect};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::JsResult;
use super::convert::{data, js_error};
use super::gpu::GpuHandle;
use crate::error::{Error, ErrorKind};
use crate::gpu::{Device, GpuTensor};
use crate::tensor::DType;

thread_local! {
    static TENSORS: RefCell<HashMap<u32, GpuTensor>> = RefCell::default();
    static NEXT: Cell<u32> = const { Cell::new(0) };
}

/// Holds a tensor until it is disposed.
pub(super) fn keep(tensor: GpuTensor) -> u32 {
    let id = NEXT.get();
    NEXT.set(id.wrapping_add(1));
    TENSORS.with_borrow_mut(|tensors| tensors.insert(id, tensor));
    id
}

/// The tensor of a number.
pub(super) fn get(id: u32) -> JsResult<GpuTensor> {
    let found = TENSORS.with_borrow(|tensors| tensors.get(&id).cloned());
    found.ok_or_else(|| {
        js_error(&Error::new(ErrorKind::InvalidInput, "the tensor on the GPU is disposed"))
    })
}

fn call(object: &JsValue, method: &str, args: &[JsValue]) -> JsResult<JsValue> {
    let function: Function = Reflect::get(object, &method.into())?.dyn_into()?;
    function.apply(object, &args.iter().collect::<Array>())
}

impl GpuHandle {
    /// A tensor of the present device, to be written by who asks for it.
    async fn room(&self, dtype: &str, dims: &[f64]) -> JsResult<(Arc<Device>, GpuTensor)> {
        let odd = || Error::new(ErrorKind::TypeMismatch, format!("no type {dtype}"));
        let dtype = DType::from_name(dtype).ok_or_else(|| js_error(&odd()))?;
        let shape: Vec<usize> = dims.iter().map(|d| *d as usize).collect();
        let device = self.gpu().device().await.map_err(|e| js_error(&e))?;
        let tensor = GpuTensor::blank(&device, dtype, &shape).map_err(|e| js_error(&e))?;
        Ok((device, tensor))
    }
}

#[wasm_bindgen]
impl GpuHandle {
    /// Room for a float32, int32 or uint32 tensor, which the caller writes through its buffer; gives its number.
    #[wasm_bindgen(js_name = residentRoom)]
    pub async fn resident_room(&self, dtype: String, dims: Vec<f64>) -> JsResult<u32> {
        Ok(keep(self.room(&dtype, &dims).await?.1))
    }

    /// The elements of a tensor as a typed array.
    #[wasm_bindgen(js_name = residentData)]
    pub async fn resident_data(id: u32) -> JsResult<JsValue> {
        let tensor = get(id)?.get().await.map_err(|e| js_error(&e))?;
        Ok(data(&tensor))
    }

    /// The `GPUBuffer` of a tensor, of float32, int32 and uint32.
    #[wasm_bindgen(js_name = residentBuffer)]
    pub fn resident_buffer(id: u32) -> JsResult<JsValue> {
        let tensor = get(id)?.shared().map_err(|e| js_error(&e))?;
        Ok(tensor.buffer().as_webgpu().map_or(JsValue::UNDEFINED, |b| b.clone().into()))
    }

    /// Gives the memory of a tensor back.
    #[wasm_bindgen(js_name = residentDispose)]
    pub fn resident_dispose(id: u32) {
        TENSORS.with_borrow_mut(|tensors| tensors.remove(&id));
    }

    /// Copies a buffer of this device, of float32, int32 or uint32, into a tensor of the engine's; gives its number.
    #[wasm_bindgen(js_name = importBuffer)]
    pub async fn import_buffer(
        &self,
        buffer: JsValue,
        dtype: String,
        dims: Vec<f64>,
    ) -> JsResult<u32> {
        let failed = |kind, text: String| js_error(&Error::new(kind, text));
        let (device, tensor) = self.room(&dtype, &dims).await?;
        let wanted = tensor.bytes() as f64;
        let has = Reflect::get(&buffer, &"size".into())?.as_f64().unwrap_or(0.0);
        if has < wanted {
            let text = format!("a GPU buffer of {has} bytes does not hold {:?}", tensor.shape());
            return Err(failed(ErrorKind::ShapeMismatch, text));
        }
        let (Some(own), Some(queue), Some(target)) =
            (device.device.as_webgpu(), device.queue.as_webgpu(), tensor.buffer().as_webgpu())
        else {
            return Err(failed(ErrorKind::GpuUnavailable, "no WebGPU device".to_owned()));
        };
        let (own, target): (JsValue, JsValue) = (own.clone().into(), target.clone().into());
        let encoder = call(&own, "createCommandEncoder", &[])?;
        let copy = [buffer, 0.into(), target, 0.into(), wanted.into()];
        call(&encoder, "copyBufferToBuffer", &copy)?;
        let commands = Array::of1(&call(&encoder, "finish", &[])?);
        call(&queue.clone().into(), "submit", &[commands.into()])?;
        Ok(keep(tensor))
    }
}
