//! Pipelines by the text of their shaders, made once for each device, and made without holding anyone up.
//!
//! In: shaders. Out: pipelines. In a browser all that a program needs are compiled at once and beside the page: wgpu
//! offers no way to ask for that, so the device's own `createComputePipelineAsync` is asked with what wgpu would have
//! given to `createComputePipeline`, and wgpu is handed the pipelines once they are there.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use super::device::{Device, lock};
use super::kernel::{MAX_STORAGE_BINDINGS, Shader};
use crate::error::{Error, ErrorKind, Result};

/// Layouts by (what is read, what is written).
type Layouts = HashMap<(usize, usize), (wgpu::BindGroupLayout, wgpu::PipelineLayout)>;

/// What a device keeps of its pipelines.
#[derive(Default)]
pub(crate) struct Pipelines {
    layouts: Mutex<Layouts>,
    /// By the shader's text.
    ready: Mutex<HashMap<String, wgpu::ComputePipeline>>,
}

impl Device {
    /// The layout of a shader's bindings: parameters, what it reads, what it writes.
    pub(crate) fn layout(&self, shader: &Shader) -> (wgpu::BindGroupLayout, wgpu::PipelineLayout) {
        let key = (shader.reads.len(), shader.writes.len());
        debug_assert!(key.0 + key.1 <= MAX_STORAGE_BINDINGS + 1);
        lock(&self.pipelines.layouts)
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

    /// A pipeline that [`Device::prepare`] has made.
    pub(crate) fn pipeline(&self, shader: &Shader) -> Result<wgpu::ComputePipeline> {
        let ready = lock(&self.pipelines.ready);
        ready.get(&shader.source).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("`{}` has no pipeline", shader.label))
        })
    }

    /// Makes the pipelines of `shaders` that are not there yet.
    pub(crate) async fn prepare(&self, shaders: impl Iterator<Item = &Shader>) -> Result<()> {
        let mut seen = HashSet::new();
        let lacking: Vec<&Shader> = {
            let ready = lock(&self.pipelines.ready);
            shaders
                .filter(|s| !ready.contains_key(&s.source) && seen.insert(s.source.as_str()))
                .collect()
        };
        if lacking.is_empty() {
            return Ok(());
        }
        let made = self.compile(&lacking).await?;
        let keyed = lacking.iter().map(|shader| shader.source.clone()).zip(made);
        lock(&self.pipelines.ready).extend(keyed);
        Ok(())
    }

    fn module(&self, shader: &Shader) -> wgpu::ShaderModule {
        self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(&shader.label),
            source: wgpu::ShaderSource::Wgsl(shader.source.as_str().into()),
        })
    }

    fn create(&self, shader: &Shader, module: &wgpu::ShaderModule) -> wgpu::ComputePipeline {
        let (_, layout) = self.layout(shader);
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&shader.label),
            layout: Some(&layout),
            module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Every kernel writes its workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        })
    }

    #[cfg(not(target_arch = "wasm32"))]
    async fn compile(&self, shaders: &[&Shader]) -> Result<Vec<wgpu::ComputePipeline>> {
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = shaders.iter().map(|s| self.create(s, &self.module(s))).collect();
        match validation.pop().await {
            Some(error) => Err(self.refused(error)),
            None => Ok(made),
        }
    }

    #[cfg(target_arch = "wasm32")]
    async fn compile(&self, shaders: &[&Shader]) -> Result<Vec<wgpu::ComputePipeline>> {
        use super::borrowed::{begin_pipelines, hand_pipelines};
        let Some(device) = self.device.as_webgpu() else {
            return Ok(shaders.iter().map(|s| self.create(s, &self.module(s))).collect());
        };
        let device: wasm_bindgen::JsValue = device.clone().into();
        let modules: Vec<wgpu::ShaderModule> = shaders.iter().map(|s| self.module(s)).collect();
        let all = || shaders.iter().zip(&modules).map(|(s, m)| self.create(s, m)).collect();
        let begun = begin_pipelines(&device, || drop::<Vec<_>>(all()));
        let ready = begun.await.map_err(|why| {
            self.check().err().unwrap_or_else(|| {
                Error::new(ErrorKind::Internal, format!("the GPU refuses a kernel: {why}"))
            })
        })?;
        Ok(hand_pipelines(&device, ready, all))
    }
}
