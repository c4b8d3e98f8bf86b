//! Buffers that go back once nobody holds them, counted, and constants that the programs of one device share.
//!
//! In: sizes, or tensors of a graph. Out: [`Memory`]. A model is planned anew for each shape of its inputs; its weights
//! are on the GPU once for all of these plans, also in a form that only kernels know.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tract_onnx::prelude::Tensor;

use super::builder::Derived;
use super::device::{Device, lock};
use super::transfer;
use crate::error::{Error, ErrorKind, Result};

/// What dispatches and copies read and write.
const STORAGE: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE
    .union(wgpu::BufferUsages::COPY_DST)
    .union(wgpu::BufferUsages::COPY_SRC);

/// Bytes of a device's memory that are in use, and how many may be.
pub(super) struct Budget {
    used: AtomicU64,
    most: u64,
}

impl Budget {
    /// No limit of ours where none is given.
    pub(super) fn new(most: Option<u64>) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), most: most.unwrap_or(u64::MAX) })
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> Result<()> {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed);
        if used.saturating_add(bytes) <= self.most {
            return Ok(());
        }
        self.give_back(bytes);
        let text = format!(
            "the GPU's memory does not suffice: {bytes} bytes beside {used}, over the limit of {}",
            self.most
        );
        Err(Error::new(ErrorKind::OutOfMemory, text))
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A buffer. In a browser one that is merely forgotten would wait for the garbage collector.
pub(super) struct Memory {
    buffer: wgpu::Buffer,
    budget: Arc<Budget>,
}

impl Drop for Memory {
    fn drop(&mut self) {
        // Work that was submitted still ends.
        self.buffer.destroy();
        self.budget.give_back(self.buffer.size());
    }
}

impl Deref for Memory {
    type Target = wgpu::Buffer;

    fn deref(&self) -> &wgpu::Buffer {
        &self.buffer
    }
}

/// The constants of a device by the address of their tensor and what was made of it, as long as tensor and buffer both
/// live.
#[derive(Default)]
pub(super) struct Constants(Mutex<HashMap<(usize, String), Constant>>);

type Constant = (Weak<Tensor>, Weak<Memory>);

impl Device {
    /// Memory of at least so many bytes.
    ///
    /// # Errors
    /// `OutOfMemory` over the limit that the device was opened with.
    pub(super) fn memory(&self, bytes: u64) -> Result<Arc<Memory>> {
        // Whole vectors, for kernels that read four elements at a time.
        let size = bytes.next_multiple_of(16).max(16);
        self.budget.take(size)?;
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage: STORAGE,
            mapped_at_creation: false,
        });
        Ok(Arc::new(Memory { buffer, budget: Arc::clone(&self.budget) }))
    }

    /// The elements of a tensor that nobody changes.
    pub(super) fn constant(&self, tensor: &Arc<Tensor>, half: bool) -> Result<Arc<Memory>> {
        self.shared(tensor, if half { "f16" } else { "" }.to_owned(), || {
            let words = if half { transfer::halves(tensor) } else { transfer::words(tensor) };
            words.ok_or_else(|| {
                Error::new(ErrorKind::Internal, "a constant that the GPU cannot carry")
            })
        })
    }

    /// What is made of such a tensor: only where it is not there yet.
    pub(super) fn derived(&self, derived: &Derived, half: bool) -> Result<Arc<Memory>> {
        let make = || {
            let made = (derived.make)(&derived.source);
            let floats = made.chunks_exact(4).filter_map(|b| b.try_into().ok());
            Ok(match half {
                true => transfer::halved(floats.map(f32::from_le_bytes)).into(),
                false => made.into(),
            })
        };
        let way = derived.way.clone() + if half { " f16" } else { "" };
        self.shared(&derived.source, way, make)
    }

    fn shared<'t>(
        &self,
        tensor: &'t Arc<Tensor>,
        way: String,
        make: impl FnOnce() -> Result<Cow<'t, [u8]>>,
    ) -> Result<Arc<Memory>> {
        let address = (Arc::as_ptr(tensor).addr(), way);
        let mut known = lock(&self.constants.0);
        let there = known.get(&address).and_then(|(own, memory)| {
            // Another tensor may have come to the same place.
            let same = own.upgrade().is_some_and(|own| Arc::ptr_eq(&own, tensor));
            memory.upgrade().filter(|_| same)
        });
        if let Some(memory) = there {
            return Ok(memory);
        }
        let words = make()?;
        let memory = self.memory(words.len() as u64)?;
        self.queue.write_buffer(&memory, 0, &words);
        known.retain(|_, (_, memory)| memory.strong_count() > 0);
        known.insert(address, (Arc::downgrade(tensor), Arc::downgrade(&memory)));
        Ok(memory)
    }
}
