//! A flat list of dispatches with everything prebuilt: buffers, parameters, bind groups, pipelines.
//!
//! In: what the [`Builder`] lowered. Out: [`Program`], whose run only records and submits. One submit a
//! segment; one awaited readback for what a segment gives to the host.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::arena::{Arena, assign};
use super::builder::{Builder, Origin};
use super::device::Device;
use super::kernel::Shader;
use super::memory::Memory;
use super::readback::Staging;
use super::resident::GpuTensor;
use super::stopwatch::{Stopwatch, Timed};
use super::transfer;
use super::value::{ValueId, View};
use crate::error::{Error, ErrorKind, Result};

struct Dispatch {
    label: String,
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    groups: [u32; 3],
}

/// The memory of each value that is used.
type Buffers = HashMap<ValueId, Arc<Memory>>;

/// Dispatches that are ready to run.
pub(crate) struct Program {
    gpu: Arc<Device>,
    dispatches: Vec<Option<Dispatch>>,
    buffers: Buffers,
    constant_bytes: u64,
    value_bytes: u64,
    staging: Staging,
}

/// What crosses the borders of a program's part, beside what is written to it.
#[derive(Default)]
pub(crate) struct Exchange {
    /// Tensors of the GPU that the part reads.
    pub(crate) copies: Vec<(GpuTensor, ValueId)>,
    /// What comes to the host.
    pub(crate) reads: Vec<View>,
    /// What stays on the GPU, and in which memory.
    pub(crate) keeps: Vec<(ValueId, GpuTensor)>,
    /// Whether each dispatch is timed.
    pub(crate) profile: bool,
}

impl Program {
    /// Makes everything on the device; the pipelines are ready when this is. `kept` are values that the
    /// host reads or writes.
    pub(crate) async fn new(
        gpu: Arc<Device>,
        builder: &Builder<'_>,
        kept: &[ValueId],
    ) -> Result<Self> {
        gpu.check()?;
        let shaders: Vec<Option<Shader>> =
            builder.kernels.iter().map(|k| k.as_ref().map(|k| k.shader())).collect();
        gpu.prepare(shaders.iter().flatten()).await?;
        let validation = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let memory = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let arena = assign(&builder.values, &shaders, kept);
        let value_bytes = arena.buffers.iter().sum();
        let buffers = buffers(&gpu, builder, &arena);
        let dispatches = buffers.and_then(|b| Ok((dispatches(&gpu, &shaders, &b)?, b)));
        // Scopes end in the reverse order, and before anything is awaited.
        let (memory, validation) = (memory.pop(), validation.pop());
        if let Some(error) = memory.await.or(validation.await) {
            return Err(gpu.refused(error));
        }
        let (dispatches, buffers) = dispatches?;
        gpu.check()?;
        let constant = |(id, _): &(&ValueId, _)| builder.values[id.0].origin.is_constant();
        let constant_bytes = buffers.iter().filter(constant).map(|(_, m)| m.size()).sum();
        let staging = Staging::default();
        Ok(Self { gpu, dispatches, buffers, constant_bytes, value_bytes, staging })
    }

    /// Writes what the next segment reads.
    pub(crate) fn write(&self, view: &View, tensor: &tract_onnx::prelude::Tensor) -> Result<()> {
        let words = if view.half { transfer::halves(tensor) } else { transfer::words(tensor) };
        let words = words.ok_or_else(|| {
            Error::new(ErrorKind::GpuUnavailable, "an integer beyond 32 bits cannot go to the GPU")
        })?;
        if let Some(buffer) = self.buffers.get(&view.value) {
            self.gpu.queue.write_buffer(buffer, 0, &words);
        }
        Ok(())
    }

    /// Runs the dispatches of `range` and gives the words of what is read, and how long each dispatch took where that
    /// is asked for and the adapter has a clock. Waits for the GPU only where something is read.
    pub(crate) async fn run(
        &self,
        range: Range<usize>,
        exchange: &Exchange,
    ) -> Result<(Vec<Vec<u8>>, Vec<Timed>)> {
        self.gpu.check()?;
        let dispatches = self.dispatches.get(range).unwrap_or_default();
        let dispatches: Vec<&Dispatch> = dispatches.iter().flatten().collect();
        let mut stopwatch = match exchange.profile {
            true => Stopwatch::new(&self.gpu, dispatches.len()),
            false => None,
        };
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        for (tensor, value) in &exchange.copies {
            if let Some(buffer) = self.buffers.get(value) {
                encoder.copy_buffer_to_buffer(tensor.buffer(), 0, buffer, 0, tensor.bytes());
            }
        }
        match &mut stopwatch {
            // A pass of its own for each: passes are what the GPU's clock measures.
            Some(watch) => {
                for (at, dispatch) in dispatches.iter().enumerate() {
                    dispatch.record(&mut encoder.begin_compute_pass(&watch.pass(at)));
                }
                watch.resolve(&mut encoder);
            }
            None => {
                let mut pass = encoder.begin_compute_pass(&Default::default());
                dispatches.iter().for_each(|dispatch| dispatch.record(&mut pass));
            }
        }
        for (value, tensor) in &exchange.keeps {
            if let Some(buffer) = self.buffers.get(value) {
                encoder.copy_buffer_to_buffer(buffer, 0, tensor.buffer(), 0, tensor.bytes());
            }
        }
        let sizes: Vec<u64> = exchange.reads.iter().map(View::bytes).collect();
        let total = sizes.iter().sum();
        let words = if exchange.reads.is_empty() {
            self.gpu.queue.submit([encoder.finish()]);
            vec![]
        } else {
            let staging = self.staging.take(&self.gpu, total);
            let mut at = 0;
            for (view, size) in exchange.reads.iter().zip(&sizes) {
                if let Some(buffer) = self.buffers.get(&view.value) {
                    encoder.copy_buffer_to_buffer(buffer, 0, &staging, at, *size);
                }
                at += size;
            }
            self.gpu.queue.submit([encoder.finish()]);
            self.staging.read(&self.gpu, staging, total, |bytes| Ok(split(bytes, &sizes))).await?
        };
        let times = match stopwatch {
            Some(watch) => watch.read(&self.gpu).await?,
            None => vec![],
        };
        let timed = dispatches.iter().zip(times).map(|(dispatch, ms)| Timed {
            label: dispatch.label.clone(),
            groups: dispatch.groups,
            ms,
        });
        Ok((words, timed.collect()))
    }

    /// Bytes of its constants in GPU memory.
    pub(crate) fn constant_bytes(&self) -> u64 {
        self.constant_bytes
    }

    /// Bytes of what lies between its dispatches.
    pub(crate) fn value_bytes(&self) -> u64 {
        self.value_bytes
    }

    /// How many dispatches there are.
    pub(crate) fn len(&self) -> usize {
        self.dispatches.iter().flatten().count()
    }
}

impl Dispatch {
    fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        let [x, y, z] = self.groups;
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}

/// What was read back, by what it belongs to.
fn split(bytes: &[u8], sizes: &[u64]) -> Vec<Vec<u8>> {
    let mut rest = bytes;
    let own = sizes.iter().map(|size| {
        let (own, others) = rest.split_at_checked(*size as usize).unwrap_or((rest, &[]));
        rest = others;
        own.to_vec()
    });
    own.collect()
}

fn buffers(gpu: &Device, builder: &Builder<'_>, arena: &Arena) -> Result<Buffers> {
    let shared = arena.buffers.iter().map(|size| gpu.memory(*size)).collect::<Result<Vec<_>>>()?;
    let mut buffers = HashMap::new();
    for (at, value) in builder.values.iter().enumerate() {
        let id = ValueId(at);
        if !arena.used[at] {
            continue;
        }
        let memory = match &value.origin {
            Origin::Constant(tensor) => Some(gpu.constant(tensor, value.half)?),
            Origin::Derived(derived) => Some(gpu.derived(derived, value.half)?),
            _ => arena.places[at].map(|place| Arc::clone(&shared[place])),
        };
        buffers.extend(memory.map(|memory| (id, memory)));
    }
    Ok(buffers)
}

fn dispatches(
    gpu: &Device,
    shaders: &[Option<Shader>],
    buffers: &Buffers,
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
        made.push(Some(Dispatch {
            label: shader.label.clone(),
            pipeline: gpu.pipeline(shader)?,
            group,
            groups: shader.groups,
        }));
    }
    Ok(made)
}
