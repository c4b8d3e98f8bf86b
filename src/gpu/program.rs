//! A flat list of dispatches with everything prebuilt: buffers, parameters, bind groups, pipelines.
//!
//! In: what the [`Builder`] lowered. Out: [`Program`], whose run only records and submits. One submit a
//! segment; one awaited readback for what a segment gives to the host. What stays on the GPU between runs is read and
//! written where it lies: a dispatch that meets it is bound anew.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::arena::assign;
use super::builder::Builder;
use super::device::Device;
use super::kernel::Shader;
use super::own::{Lent, Own, lendable};
use super::readback::Staging;
use super::resident::GpuTensor;
use super::stopwatch::{Stopwatch, Timed};
use super::transfer;
use super::value::{ValueId, View};
use crate::error::{Error, ErrorKind, Result};

struct Dispatch {
    label: String,
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    /// What it reads and writes, in the order of the bindings.
    values: Vec<ValueId>,
    /// Where its parameters lie, and how many bytes they take.
    slot: (u64, u64),
    /// With the program's own memory.
    group: OnceLock<wgpu::BindGroup>,
    groups: [u32; 3],
}

/// Dispatches that are ready to run.
pub(crate) struct Program {
    gpu: Arc<Device>,
    dispatches: Vec<Option<Dispatch>>,
    /// The parameters of all of them.
    uniforms: wgpu::Buffer,
    own: Own,
    /// What the caller's memory may stand for: what the host would write, and what dispatches write, with the first of
    /// them.
    lendable: HashMap<ValueId, usize>,
    constant_bytes: u64,
    value_bytes: u64,
    staging: Staging,
}

/// What crosses the borders of a program's part, beside what is written to it.
#[derive(Default)]
pub(crate) struct Exchange {
    /// Tensors of the GPU that the part reads.
    pub(crate) takes: Vec<(GpuTensor, ValueId)>,
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
        let own = Own::new(&gpu, builder, &arena);
        let dispatches = own.and_then(|own| Ok((dispatches(&gpu, &shaders, (&own, kept))?, own)));
        // Scopes end in the reverse order, and before anything is awaited.
        let (memory, validation) = (memory.pop(), validation.pop());
        if let Some(error) = memory.await.or(validation.await) {
            return Err(gpu.refused(error));
        }
        let ((dispatches, uniforms), own) = dispatches?;
        gpu.check()?;
        let lendable = lendable(builder, &shaders, kept);
        let constant_bytes = own.constants.values().map(|memory| memory.size()).sum();
        let staging = Staging::default();
        Ok(Self { gpu, dispatches, uniforms, own, lendable, constant_bytes, value_bytes, staging })
    }

    /// Writes what the next segment reads.
    pub(crate) fn write(&self, view: &View, tensor: &tract_onnx::prelude::Tensor) -> Result<()> {
        let words = if view.half { transfer::halves(tensor) } else { transfer::words(tensor) };
        let words = words.ok_or_else(|| {
            Error::new(ErrorKind::GpuUnavailable, "an integer beyond 32 bits cannot go to the GPU")
        })?;
        if let Some(buffer) = self.own.memory(&self.gpu, view.value)? {
            self.gpu.queue.write_buffer(buffer, 0, &words);
        }
        Ok(())
    }

    /// Runs the dispatches of `range` and gives the words of what is read, and how long each dispatch took where that
    /// is asked for and the adapter has a clock. Waits for the GPU only where something is read. What the caller's memory
    /// can stand for is added to `lent`, of the parts before this one; the rest is copied.
    pub(crate) async fn run(
        &self,
        range: Range<usize>,
        exchange: &Exchange,
        lent: &mut Lent,
    ) -> Result<(Vec<Vec<u8>>, Vec<Timed>)> {
        self.gpu.check()?;
        let mut before = vec![];
        for (tensor, value) in &exchange.takes {
            match self.lends(*value, range.start, lent) {
                true => drop(lent.insert(*value, tensor.clone())),
                false => before.push((tensor, value)),
            }
        }
        let mut behind = vec![];
        for (value, tensor) in &exchange.keeps {
            match self.lends(*value, range.start, lent) {
                true => drop(lent.insert(*value, tensor.clone())),
                false => behind.push((value, tensor)),
            }
        }
        let lent = &*lent;
        let dispatches = self.dispatches.get(range).unwrap_or_default();
        let dispatches: Vec<&Dispatch> = dispatches.iter().flatten().collect();
        let mut stopwatch = match exchange.profile {
            true => Stopwatch::new(&self.gpu, dispatches.len()),
            false => None,
        };
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        for (tensor, value) in before {
            if let Some(buffer) = self.memory(*value, lent)? {
                encoder.copy_buffer_to_buffer(tensor.buffer(), 0, buffer, 0, tensor.bytes());
            }
        }
        match &mut stopwatch {
            // A pass of its own for each: passes are what the GPU's clock measures.
            Some(watch) => {
                for (at, dispatch) in dispatches.iter().enumerate() {
                    let mut pass = encoder.begin_compute_pass(&watch.pass(at));
                    dispatch.record(&mut pass, &self.group(dispatch, lent)?);
                }
                watch.resolve(&mut encoder);
            }
            None => {
                let mut pass = encoder.begin_compute_pass(&Default::default());
                for dispatch in &dispatches {
                    dispatch.record(&mut pass, &self.group(dispatch, lent)?);
                }
            }
        }
        for (value, tensor) in behind {
            if let Some(buffer) = self.memory(*value, lent)? {
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
                if let Some(buffer) = self.memory(view.value, lent)? {
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

    /// Whether other memory can stand for a value from the dispatch `from` on.
    fn lends(&self, value: ValueId, from: usize, lent: &Lent) -> bool {
        let first = self.lendable.get(&value).is_some_and(|first| *first >= from);
        first && !lent.contains_key(&value)
    }

    /// Where a value lies in this run.
    fn memory<'r>(&'r self, value: ValueId, lent: &'r Lent) -> Result<Option<&'r wgpu::Buffer>> {
        match lent.get(&value) {
            Some(tensor) => Ok(Some(tensor.buffer())),
            None => self.own.memory(&self.gpu, value),
        }
    }

    fn group(&self, dispatch: &Dispatch, lent: &Lent) -> Result<wgpu::BindGroup> {
        let own = !dispatch.values.iter().any(|value| lent.contains_key(value));
        if let Some(group) = dispatch.group.get().filter(|_| own) {
            return Ok(group.clone());
        }
        let group = bound(&self.gpu, dispatch, &self.uniforms, |value| self.memory(value, lent))?;
        Ok(if own { dispatch.group.get_or_init(|| group).clone() } else { group })
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
    fn record(&self, pass: &mut wgpu::ComputePass<'_>, group: &wgpu::BindGroup) {
        let [x, y, z] = self.groups;
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, group, &[]);
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

/// Binds what a dispatch reads and writes.
fn bound<'b>(
    gpu: &Device,
    dispatch: &Dispatch,
    uniforms: &wgpu::Buffer,
    memory: impl Fn(ValueId) -> Result<Option<&'b wgpu::Buffer>>,
) -> Result<wgpu::BindGroup> {
    let (offset, size) = dispatch.slot;
    let uniform = wgpu::BufferBinding {
        buffer: uniforms,
        offset,
        size: std::num::NonZeroU64::new(size.next_multiple_of(16)),
    };
    let mut entries =
        vec![wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(uniform) }];
    for (at, id) in dispatch.values.iter().enumerate() {
        let buffer = memory(*id)?.ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("`{}` reads no buffer", dispatch.label))
        })?;
        entries.push(wgpu::BindGroupEntry {
            binding: at as u32 + 1,
            resource: buffer.as_entire_binding(),
        });
    }
    Ok(gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &dispatch.layout,
        entries: &entries,
    }))
}

/// The dispatches and their parameters. What crosses the border, of `kept`, is bound when it is known where it lies.
fn dispatches(
    gpu: &Device,
    shaders: &[Option<Shader>],
    (own, kept): (&Own, &[ValueId]),
) -> Result<(Vec<Option<Dispatch>>, wgpu::Buffer)> {
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
        let (layout, _) = gpu.layout(shader);
        let dispatch = Dispatch {
            label: shader.label.clone(),
            pipeline: gpu.pipeline(shader)?,
            layout,
            values: shader.reads.iter().chain(&shader.writes).copied().collect(),
            slot: slots.next().unwrap_or((0, 16)),
            group: OnceLock::new(),
            groups: shader.groups,
        };
        if !dispatch.values.iter().any(|value| kept.contains(value)) {
            let group = bound(gpu, &dispatch, &uniforms, |value| own.memory(gpu, value))?;
            dispatch.group.get_or_init(|| group);
        }
        made.push(Some(dispatch));
    }
    Ok((made, uniforms))
}
