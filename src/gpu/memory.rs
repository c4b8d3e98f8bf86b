//! Buffers that go back once nobody holds them, and constants that the programs of one device share.
//!
//! In: sizes, or tensors of a graph. Out: [`Memory`]. A model is planned anew for each shape of its inputs; its weights
//! are on the GPU once for all of these plans.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, Weak};

use tract_onnx::prelude::Tensor;

use super::device::{Device, lock};
use super::transfer;
use crate::error::{Error, ErrorKind, Result};

/// What dispatches and copies read and write.
const STORAGE: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE
    .union(wgpu::BufferUsages::COPY_DST)
    .union(wgpu::BufferUsages::COPY_SRC);

/// A buffer. In a browser one that is merely forgotten would wait for the garbage collector.
pub(super) struct Memory(wgpu::Buffer);

impl Drop for Memory {
    fn drop(&mut self) {
        // Work that was submitted still ends.
        self.0.destroy();
    }
}

impl Deref for Memory {
    type Target = wgpu::Buffer;

    fn deref(&self) -> &wgpu::Buffer {
        &self.0
    }
}

/// The constants of a device by the address of their tensor and whether they lie as f16, as long as tensor and buffer
/// both live.
#[derive(Default)]
pub(super) struct Constants(Mutex<HashMap<(usize, bool), Constant>>);

type Constant = (Weak<Tensor>, Weak<Memory>);

impl Device {
    /// Memory of at least so many bytes.
    pub(super) fn memory(&self, bytes: u64) -> Arc<Memory> {
        Arc::new(Memory(self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            // Whole vectors, for kernels that read four elements at a time.
            size: bytes.next_multiple_of(16).max(16),
            usage: STORAGE,
            mapped_at_creation: false,
        })))
    }

    /// The elements of a tensor that nobody changes.
    pub(super) fn constant(&self, tensor: &Arc<Tensor>, half: bool) -> Result<Arc<Memory>> {
        let address = (Arc::as_ptr(tensor).addr(), half);
        let mut known = lock(&self.constants.0);
        let there = known.get(&address).and_then(|(own, memory)| {
            // Another tensor may have come to the same place.
            let same = own.upgrade().is_some_and(|own| Arc::ptr_eq(&own, tensor));
            memory.upgrade().filter(|_| same)
        });
        if let Some(memory) = there {
            return Ok(memory);
        }
        let words = if half { transfer::halves(tensor) } else { transfer::words(tensor) };
        let words = words.ok_or_else(|| {
            Error::new(ErrorKind::Internal, "a constant that the GPU cannot carry")
        })?;
        let memory = self.memory(words.len() as u64);
        self.queue.write_buffer(&memory, 0, &words);
        known.retain(|_, (_, memory)| memory.strong_count() > 0);
        known.insert(address, (Arc::downgrade(tensor), Arc::downgrade(&memory)));
        Ok(memory)
    }
}
