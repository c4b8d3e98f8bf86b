//! A flat list of dispatches with everything prebuilt: buffers, parameters, bind groups, pipelines.
//!
//! In: what the [`Builder`] lowered. Out: [`Program`], whose run only records and submits. One submit a
//! segment; one awaited readback for what a segment gives to the host.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::arena::{Arena, assign};
use super::builder::{Builder, Origin};
use super::device::{Device, told};
use super::kernel::Shader;
use super::readback::Staging;
use super::transfer;
use super::value::{ValueId, View};
use crate::error::{Error, ErrorKind, Result};

struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    groups: [u32; 3],
}

/// Dispatches that are ready to run.
pub(crate) struct Program {
    gpu: Arc<Device>,
    dispatches: Vec<Option<Dispatch>>,
    buffers: HashMap<ValueId, wgpu::Buffer>,
    staging: Staging,
}

const STORAGE: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE
    .union(wgpu::BufferUsages::COPY_DST)
    .union(wgpu::BufferUsages::COPY_SRC);

impl Program {
    /// Makes everything on the device; the pipelines are ready when this is. `kept` are values that the
    /// host reads or writes.
    pub(crate) async fn new(
        gpu: Arc<Device>,
        builder: &Builder<'_>,
        kept: &[ValueId],
    ) -> Result<Self> {
        gpu.check()?;
        let validation = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let memory = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let shaders: Vec<Option<Shader>> =
            builder.kernels.iter().map(|k| k.as_ref().map(|k| k.shader())).collect();
        let buffers = buffers(&gpu, builder, &assign(&builder.values, &shaders, kept));
        let dispatches = buffers.and_then(|b| Ok((dispatches(&gpu, &shaders, &b)?, b)));
        // Scopes end in the reverse order, and before anything is awaited.
        let (memory, validation) = (memory.pop(), validation.pop());
        if let Some(error) = memory.await.or(validation.await) {
            // What failed must not be found again.
            gpu.forget_pipelines();
            return Err(told(error));
        }
        let (dispatches, buffers) = dispatches?;
        gpu.check()?;
        Ok(Self { gpu, dispatches, buffers, staging: Staging::default() })
    }

    /// Writes what the next segment reads.
    pub(crate) fn write(&self, value: ValueId, tensor: &tract_onnx::prelude::Tensor) -> Result<()> {
        let words = transfer::words(tensor).ok_or_else(|| {
            Error::new(ErrorKind::GpuUnavailable, "an integer beyond 32 bits cannot go to the GPU")
        })?;
        if let Some(buffer) = self.buffers.get(&value) {
            self.gpu.queue.write_buffer(buffer, 0, &words);
        }
        Ok(())
    }

    /// Runs the dispatches of `range` and gives the words of `reads`.
    pub(crate) async fn run(&self, range: Range<usize>, reads: &[View]) -> Result<Vec<Vec<u8>>> {
        self.gpu.check()?;
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for dispatch in self.dispatches.get(range).unwrap_or_default().iter().flatten() {
                let [x, y, z] = dispatch.groups;
                pass.set_pipeline(&dispatch.pipeline);
                pass.set_bind_group(0, &dispatch.group, &[]);
                pass.dispatch_workgroups(x, y, z);
            }
        }
        if reads.is_empty() {
            self.gpu.queue.submit([encoder.finish()]);
            return Ok(vec![]);
        }
        let sizes: Vec<u64> = reads.iter().map(|v| v.len() as u64 * 4).collect();
        let total = sizes.iter().sum();
        let staging = self.staging.take(&self.gpu, total);
        let mut at = 0;
        for (view, size) in reads.iter().zip(&sizes) {
            if let Some(buffer) = self.buffers.get(&view.value) {
                encoder.copy_buffer_to_buffer(buffer, 0, &staging, at, *size);
            }
            at += size;
        }
        self.gpu.queue.submit([encoder.finish()]);
        let split = |bytes: &[u8]| {
            let mut rest = bytes;
            let mut words = vec![];
            for size in &sizes {
                let (own, others) = rest.split_at_checked(*size as usize).unwrap_or((rest, &[]));
                words.push(own.to_vec());
                rest = others;
            }
            Ok(words)
        };
        self.staging.read(&self.gpu, staging, total, split).await
    }

    /// How many dispatches there are.
    pub(crate) fn len(&self) -> usize {
        self.dispatches.iter().flatten().count()
    }
}

fn buffers(
    gpu: &Device,
    builder: &Builder<'_>,
    arena: &Arena,
) -> Result<HashMap<ValueId, wgpu::Buffer>> {
    let make = |size: u64| {
        gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            // Whole vectors, for kernels that read four elements at a time.
            size: size.next_multiple_of(16).max(16),
            usage: STORAGE,
            mapped_at_creation: false,
        })
    };
    let shared: Vec<wgpu::Buffer> = arena.buffers.iter().map(|size| make(*size)).collect();
    let mut buffers = HashMap::new();
    for (at, value) in builder.values.iter().enumerate() {
        let id = ValueId(at);
        if !arena.used[at] {
            continue;
        }
        if let Origin::Constant(tensor) = &value.origin {
            let words = transfer::words(tensor).ok_or_else(|| {
                Error::new(ErrorKind::Internal, "a constant that the GPU cannot carry")
            })?;
            let buffer = make(words.len() as u64);
            gpu.queue.write_buffer(&buffer, 0, &words);
            buffers.insert(id, buffer);
        } else if let Some(place) = arena.places[at] {
            buffers.insert(id, shared[place].clone());
        }
    }
    Ok(buffers)
}

fn dispatches(
    gpu: &Device,
    shaders: &[Option<Shader>],
    buffers: &HashMap<ValueId, wgpu::Buffer>,
) -> Result<Vec<Option<Dispatch>>> {
    // All parameters lie in one buffer, each dispatch's in a slot of its own.
    let slot = u64::from(gpu.device.limits().min_uniform_buffer_offset_alignment).max(16);
    let mut params: Vec<u8> = vec![];
    let mut slots = vec![];
    for shader in shaders.iter().flatten() {
        slots.push((params.len() as u64, shader.params.len() as u64 * 4));
        params.extend(shader.params.iter().flat_map(|p| p.to_le_bytes()));
        params.resize((params.len() as u64).next_multiple_of(slot) as usize, 0);
    }
    let uniforms = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("parameters"),
        size: (params.len() as u64).max(slot),
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue.write_buffer(&uniforms, 0, &params);
    let mut slots = slots.into_iter();
    let mut made = vec![];
    for shader in shaders {
        let Some(shader) = shader else {
            made.push(None);
            continue;
        };
        let (offset, size) = slots.next().unwrap_or((0, 16));
        let uniform = wgpu::BufferBinding {
            buffer: &uniforms,
            offset,
            size: std::num::NonZeroU64::new(size.next_multiple_of(16)),
        };
        let mut entries = vec![wgpu::BindGroupEntry {
            binding: 0,
            resource: wgpu::BindingResource::Buffer(uniform),
        }];
        for (at, id) in shader.reads.iter().chain(&shader.writes).enumerate() {
            let buffer = buffers.get(id).ok_or_else(|| {
                Error::new(ErrorKind::Internal, format!("`{}` reads no buffer", shader.label))
            })?;
            entries.push(wgpu::BindGroupEntry {
                binding: at as u32 + 1,
                resource: buffer.as_entire_binding(),
            });
        }
        let (layout, _) = gpu.layout(shader);
        let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &layout,
            entries: &entries,
        });
        made.push(Some(Dispatch { pipeline: gpu.pipeline(shader), group, groups: shader.groups }));
    }
    Ok(made)
}
