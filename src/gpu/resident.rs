//! Tensors that stay in a GPU's memory between runs.
//!
//! In: what a run leaves there, or a tensor of the host. Out: [`GpuTensor`], which later runs on the same device read
//! without any way over the host, and which can be fetched. The memory goes back when the last copy is dropped.

use std::sync::Arc;

use tract_onnx::prelude::DatumType;

use super::device::Device;
use super::memory::Memory;
use super::readback::Staging;
use super::transfer;
use super::value::{View, bytes};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{DType, Tensor, volume};

/// A dense tensor in the memory of a GPU; a copy of it is the same memory.
#[derive(Clone)]
pub struct GpuTensor {
    device: Arc<Device>,
    memory: Arc<Memory>,
    /// The type in which the plan that made it computes.
    datum: DatumType,
    /// Its floats lie as f16.
    half: bool,
    dtype: DType,
    shape: Vec<usize>,
}

impl std::fmt::Debug for GpuTensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GpuTensor({} {:?})", self.dtype.name(), self.shape)
    }
}

impl GpuTensor {
    fn make(
        device: &Arc<Device>,
        (datum, half): (DatumType, bool),
        dtype: DType,
        shape: &[usize],
    ) -> Result<Self> {
        let bytes = bytes(volume(shape)?, half);
        let most = device.limits().max_value_bytes;
        if bytes > most {
            let text =
                format!("a tensor of shape {shape:?}, over the adapter's limit of {most} bytes");
            return Err(Error::new(ErrorKind::OutOfMemory, text));
        }
        let (device, memory) = (Arc::clone(device), device.memory(bytes)?);
        Ok(Self { device, memory, datum, half, dtype, shape: shape.to_vec() })
    }

    /// Memory for what `view` holds.
    pub(crate) fn room(device: &Arc<Device>, view: &View) -> Result<Self> {
        let dtype = DType::from_datum(view.datum.unquantized()).ok_or_else(|| {
            Error::unsupported_type(format!("{:?} cannot stay on the GPU", view.datum))
        })?;
        Self::make(device, (view.datum, view.half), dtype, &view.shape)
    }

    /// A tensor of the host; nothing for types, values and shapes that the GPU does not hold.
    pub(crate) fn upload(device: &Arc<Device>, tensor: &Tensor) -> Result<Option<Self>> {
        let inner = tensor.as_tract();
        let half = tensor.dtype() == DType::Float16 && device.limits().half;
        if tensor.is_empty() || !(half || transfer::fits(inner)) {
            return Ok(None);
        }
        let words = if half { transfer::halves(inner) } else { transfer::words(inner) };
        let Some(words) = words else { return Ok(None) };
        // Plans compute in float32.
        let datum = if half { DatumType::F32 } else { inner.datum_type() };
        let made = Self::make(device, (datum, half), tensor.dtype(), tensor.shape())?;
        device.queue.write_buffer(&made.memory, 0, &words);
        Ok(Some(made))
    }

    /// Room for elements that the caller writes into [`GpuTensor::buffer`]: of types whose memory is the same
    /// everywhere, those of 32 bits, and float16 where the device has it.
    ///
    /// # Errors
    /// `TypeMismatch` for other types, `OutOfMemory` over the adapter's limit.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn blank(device: &Arc<Device>, dtype: DType, shape: &[usize]) -> Result<Self> {
        let half = dtype == DType::Float16 && device.limits().half;
        let datum = if half { DatumType::F32 } else { dtype.to_datum() };
        Self::make(device, (datum, half), dtype, shape)?.shared()
    }

    /// Itself, where its memory is what others take it for: elements of the declared type, packed.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn shared(self) -> Result<Self> {
        let plain = match self.dtype {
            DType::Float16 => self.half,
            DType::Float32 | DType::Int32 | DType::Uint32 => {
                !self.half && self.dtype.to_datum() == self.datum
            }
            _ => false,
        };
        if plain {
            return Ok(self);
        }
        let text = format!(
            "a GPU buffer is shared for float32, int32, uint32 and, where the adapter has shader-f16, float16; \
             this is {}: use getData()",
            self.dtype.name()
        );
        Err(Error::new(ErrorKind::TypeMismatch, text))
    }

    /// The same memory as a value of the type that the model declares.
    pub(crate) fn declared(&self, dtype: DType) -> Self {
        Self { dtype, ..self.clone() }
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Dimensions, outermost first; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Fails where its device was lost, and the memory with it.
    pub(crate) fn alive(&self) -> Result<()> {
        let text = "a tensor on the GPU is gone: its device was lost; compute it again";
        if self.device.is_lost() { Err(Error::new(ErrorKind::GpuLost, text)) } else { Ok(()) }
    }

    pub(crate) fn datum(&self) -> DatumType {
        self.datum
    }

    /// Whether its floats lie as f16.
    pub(crate) fn is_half(&self) -> bool {
        self.half
    }

    pub(crate) fn is_on(&self, device: &Arc<Device>) -> bool {
        Arc::ptr_eq(&self.device, device)
    }

    pub(crate) fn buffer(&self) -> &wgpu::Buffer {
        &self.memory
    }

    /// Bytes of its elements in GPU memory.
    pub(crate) fn bytes(&self) -> u64 {
        bytes(self.shape.iter().product(), self.half)
    }

    /// Its elements, after one awaited copy to the host.
    ///
    /// # Errors
    /// `GpuLost` when the device is gone, and the memory with it.
    pub async fn get(&self) -> Result<Tensor> {
        Tensor::from_tract(self.fetch().await?.into(), self.dtype)
    }

    /// The same in the type in which the plan computes.
    pub(crate) async fn fetch(&self) -> Result<tract_onnx::prelude::Tensor> {
        self.alive()?;
        let device = &self.device;
        device.check()?;
        let staging = Staging::default();
        let target = staging.take(device, self.bytes());
        let validation = device.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let mut encoder = device.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&self.memory, 0, &target, 0, self.bytes());
        device.queue.submit([encoder.finish()]);
        if let Some(error) = validation.pop().await {
            return Err(device.refused(error));
        }
        let read = |words: &[u8]| transfer::tensor((self.datum, self.half), &self.shape, words);
        staging.read(device, target, self.bytes(), read).await
    }
}
