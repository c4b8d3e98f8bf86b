//! The adapter and what belongs to it: device, queue, limits, pipelines, and whether it is still there.
//!
//! In: a request. Out: [`Gpu`], shared by sessions, and the [`Device`] that it has at present. Every error
//! of the GPU ends as one typed error here: a validation error is a defect of ours, an exhausted memory is
//! the caller's to know, and a lost device is told as lost: the next plan is made on another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::builder::Limits;
use super::kernel::{MAX_STORAGE_BINDINGS, Shader};
use crate::error::{Error, ErrorKind, Result};

#[derive(Default)]
struct Health {
    lost: Option<String>,
    error: Option<(ErrorKind, String)>,
}

/// Layouts by (what is read, what is written).
type Layouts = HashMap<(usize, usize), (wgpu::BindGroupLayout, wgpu::PipelineLayout)>;

/// A GPU; behind it another device once the first is lost.
pub struct Gpu(Mutex<Arc<Device>>);

/// An open device.
pub(crate) struct Device {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    name: String,
    health: Arc<Mutex<Health>>,
    layouts: Mutex<Layouts>,
    pipelines: Mutex<HashMap<String, wgpu::ComputePipeline>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gpu({})", self.name())
    }
}

fn unavailable(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::GpuUnavailable, message)
}

/// An error of the GPU as ours.
pub(crate) fn told(error: wgpu::Error) -> Error {
    match kind_of(&error) {
        ErrorKind::OutOfMemory => {
            Error::new(ErrorKind::OutOfMemory, "the GPU's memory does not suffice")
        }
        kind => Error::new(kind, format!("the GPU refuses its work: {error}")),
    }
}

fn kind_of(error: &wgpu::Error) -> ErrorKind {
    match error {
        wgpu::Error::OutOfMemory { .. } => ErrorKind::OutOfMemory,
        _ => ErrorKind::Internal,
    }
}

impl Gpu {
    /// Opens the adapter that the system prefers for speed.
    ///
    /// # Errors
    /// `GpuUnavailable` where there is none, or it grants no device.
    pub async fn open() -> Result<Arc<Self>> {
        Ok(Arc::new(Self(Mutex::new(Arc::new(Device::open().await?)))))
    }

    /// Adapter and driver.
    pub fn name(&self) -> String {
        lock(&self.0).name.clone()
    }

    /// Gives the device up, as a crashed driver does: what runs on it fails, what comes next opens another.
    pub fn destroy(&self) {
        let device = Arc::clone(&lock(&self.0));
        device.device.destroy();
        lock(&device.health).lost.get_or_insert_with(|| "it was destroyed".to_owned());
    }

    /// The device, another one if the last is lost.
    pub(crate) async fn device(&self) -> Result<Arc<Device>> {
        let current = Arc::clone(&lock(&self.0));
        if !current.is_lost() {
            return Ok(current);
        }
        let other = Arc::new(Device::open().await?);
        *lock(&self.0) = Arc::clone(&other);
        Ok(other)
    }
}

impl Device {
    async fn open() -> Result<Self> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::PRIMARY,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter = instance.request_adapter(&options).await.map_err(|e| {
            unavailable("this machine has no GPU adapter").with_source(Text::of(&e))
        })?;
        let has = adapter.limits();
        let required_limits = wgpu::Limits {
            max_storage_buffer_binding_size: has.max_storage_buffer_binding_size,
            max_buffer_size: has.max_buffer_size,
            ..wgpu::Limits::default()
        };
        let wanted = wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SHADER_F16;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("nearside"),
            required_features: adapter.features() & wanted,
            required_limits,
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|e| unavailable("the GPU grants no device").with_source(Text::of(&e)))?;
        let info = adapter.get_info();
        let name = [info.name.as_str(), info.driver.as_str(), info.driver_info.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(", ");
        let name = if name.is_empty() { "WebGPU adapter".to_owned() } else { name };
        let health = Arc::new(Mutex::new(Health::default()));
        let noted = Arc::clone(&health);
        device.set_device_lost_callback(move |reason, message| {
            lock(&noted).lost = Some(format!("{reason:?}: {message}"));
        });
        let noted = Arc::clone(&health);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&noted).error.get_or_insert((kind_of(&error), error.to_string()));
        }));
        Ok(Self {
            device,
            queue,
            name,
            health,
            layouts: Mutex::default(),
            pipelines: Mutex::default(),
        })
    }

    /// Adapter and driver.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the device is gone for good.
    pub(crate) fn is_lost(&self) -> bool {
        lock(&self.health).lost.is_some()
    }

    pub(crate) fn limits(&self) -> Limits {
        let limits = self.device.limits();
        let bytes = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        Limits { max_value_bytes: bytes }
    }

    /// Fails if anything went wrong since the last call.
    pub(crate) fn check(&self) -> Result<()> {
        let mut health = lock(&self.health);
        if let Some(why) = &health.lost {
            return Err(Error::new(ErrorKind::GpuLost, format!("the GPU device was lost: {why}")));
        }
        match health.error.take() {
            None => Ok(()),
            Some((kind, why)) => Err(Error::new(kind, format!("the GPU refuses its work: {why}"))),
        }
    }

    /// The layout of a shader's bindings: parameters, what it reads, what it writes.
    pub(crate) fn layout(&self, shader: &Shader) -> (wgpu::BindGroupLayout, wgpu::PipelineLayout) {
        let key = (shader.reads.len(), shader.writes.len());
        debug_assert!(key.0 + key.1 <= MAX_STORAGE_BINDINGS + 1);
        lock(&self.layouts)
            .entry(key)
            .or_insert_with(|| {
                let entry = |binding: usize| {
                    let ty = match binding {
                        0 => wgpu::BufferBindingType::Uniform,
                        b => wgpu::BufferBindingType::Storage { read_only: b <= key.0 },
                    };
                    wgpu::BindGroupLayoutEntry {
                        binding: binding as u32,
                        visibility: wgpu::ShaderStages::COMPUTE,
                        ty: wgpu::BindingType::Buffer {
                            ty,
                            has_dynamic_offset: false,
                            min_binding_size: None,
                        },
                        count: None,
                    }
                };
                let entries: Vec<_> = (0..=key.0 + key.1).map(entry).collect();
                let group =
                    self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                        label: None,
                        entries: &entries,
                    });
                let pipeline =
                    self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                        label: None,
                        bind_group_layouts: &[Some(&group)],
                        immediate_size: 0,
                    });
                (group, pipeline)
            })
            .clone()
    }

    /// Drops the pipelines that are kept.
    pub(crate) fn forget_pipelines(&self) {
        lock(&self.pipelines).clear();
    }

    /// The pipeline of a shader's text, made once for each device.
    pub(crate) fn pipeline(&self, shader: &Shader) -> wgpu::ComputePipeline {
        if let Some(pipeline) = lock(&self.pipelines).get(&shader.source) {
            return pipeline.clone();
        }
        let (_, layout) = self.layout(shader);
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(&shader.label),
            source: wgpu::ShaderSource::Wgsl(shader.source.as_str().into()),
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&shader.label),
            layout: Some(&layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Every kernel writes its workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        lock(&self.pipelines).insert(shader.source.clone(), pipeline.clone());
        pipeline
    }
}

/// A cause as text: wgpu's errors cannot cross threads on wasm.
#[derive(Debug)]
struct Text(String);

impl Text {
    fn of(error: &impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Text {}
