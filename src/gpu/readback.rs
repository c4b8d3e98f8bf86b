//! From GPU memory to the host: one staging buffer a run, kept for the next.
//!
//! In: buffers that the run's dispatches wrote. Out: their words, after one awaited mapping. Runs that
//! overlap take a staging buffer each.

use std::sync::{Mutex, PoisonError};

use futures_channel::oneshot;

use super::device::Device;
use crate::error::{Error, ErrorKind, Result};

/// The staging buffers that are free.
#[derive(Default)]
pub(crate) struct Staging(Mutex<Vec<wgpu::Buffer>>);

impl Drop for Staging {
    fn drop(&mut self) {
        // In a browser the memory would wait for the garbage collector.
        let free = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        free.iter().for_each(wgpu::Buffer::destroy);
    }
}

impl Staging {
    /// A buffer of at least `bytes`.
    pub(crate) fn take(&self, gpu: &Device, bytes: u64) -> wgpu::Buffer {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match free.iter().position(|b| b.size() >= bytes) {
            Some(at) => free.swap_remove(at),
            None => gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("staging"),
                size: bytes,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            }),
        }
    }

    /// Waits for the GPU, hands the first `bytes` of `buffer` to `read` and keeps the buffer.
    pub(crate) async fn read<T>(
        &self,
        gpu: &Device,
        buffer: wgpu::Buffer,
        bytes: u64,
        read: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T> {
        let (done, mapped) = oneshot::channel();
        buffer.map_async(wgpu::MapMode::Read, ..bytes, move |result| {
            // Nobody waits for a run that was given up.
            let _ = done.send(result);
        });
        let failed = |why: String| {
            gpu.check().err().unwrap_or_else(|| {
                Error::new(ErrorKind::GpuLost, format!("the GPU gives no results: {why}"))
            })
        };
        // In a browser the event loop does this.
        gpu.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| failed(e.to_string()))?;
        mapped.await.map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))?;
        gpu.check()?;
        let view = buffer.get_mapped_range(..bytes).map_err(|e| failed(e.to_string()))?;
        let result = read(&view);
        drop(view);
        buffer.unmap();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        result
    }
}
