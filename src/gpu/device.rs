//! The adapter and what belongs to it: device, queue, limits, pipelines, and whether it is still there.
//!
//! In: a request. Out: [`Gpu`], shared by sessions, and the [`Device`] that it has at present. Every error
//! of the GPU ends as one typed error here: a validation error is a defect of ours, an exhausted memory is
//! the caller's to know, and a lost device is told as lost: the next plan is made on another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen::JsCast;

use super::builder::Limits;
use super::memory::{Budget, Constants};
use super::pipelines::Pipelines;
use super::verdicts::Verdicts;
use crate::error::{Error, ErrorKind, Result};

/// Invocations that keep an adapter busy: a CPU's cores each take a workgroup.
const BUSY_CORES: usize = 256;
const BUSY_GPU: usize = 4096;

#[derive(Default)]
struct Health {
    lost: Option<String>,
    error: Option<(ErrorKind, String)>,
}

/// What is asked of a GPU beside its adapter's best.
#[derive(Clone, Debug, Default)]
pub struct GpuOptions {
    /// Most bytes of one tensor in GPU memory; the adapter's own limit where that is less, or none is given.
    pub max_tensor_bytes: Option<u64>,
    /// None of the adapter's optional features, as on an adapter that has none.
    pub plain: bool,
    /// Whether what lies as float16 is multiplied and added as such. The adapter's choice, where nothing is said: one
    /// that a CPU plays has no arithmetic for it.
    pub half_math: Option<bool>,
    /// Most bytes of GPU memory in all; as much as the adapter gives, where none is given.
    pub max_bytes: Option<u64>,
    /// The file that keeps what the first runs of models showed, between processes. None: nothing is kept.
    #[cfg(not(target_arch = "wasm32"))]
    pub verdicts: Option<std::path::PathBuf>,
}

/// A GPU; behind it another device once the first is lost.
pub struct Gpu {
    current: Mutex<Arc<Device>>,
    options: GpuOptions,
    verdicts: Verdicts,
}

/// An open device.
pub(crate) struct Device {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    name: String,
    /// Whether a CPU plays the adapter.
    software: bool,
    /// Whether float16 is computed with, where memory holds it.
    half_math: bool,
    /// The least size of a subgroup, where there are any.
    subgroup: Option<usize>,
    health: Arc<Mutex<Health>>,
    pub(super) pipelines: Pipelines,
    pub(super) constants: Constants,
    pub(super) budget: Arc<Budget>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
fn told(error: wgpu::Error) -> Error {
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
        Self::open_with(GpuOptions::default()).await
    }

    /// The same with limits, and with a memory.
    ///
    /// # Errors
    /// As [`Gpu::open`].
    pub async fn open_with(options: GpuOptions) -> Result<Arc<Self>> {
        let device = Arc::new(Device::open(&options).await?);
        #[cfg(not(target_arch = "wasm32"))]
        let verdicts = Verdicts::of_file(options.verdicts.clone());
        #[cfg(target_arch = "wasm32")]
        let verdicts = Verdicts::default();
        Ok(Arc::new(Self { current: Mutex::new(device), options, verdicts }))
    }

    /// What the first runs of models showed on this machine's GPUs.
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// Adapter and driver.
    pub fn name(&self) -> String {
        lock(&self.current).name.clone()
    }

    /// Bytes of tensors and constants that are in its memory now.
    pub fn used_bytes(&self) -> u64 {
        lock(&self.current).budget.used()
    }

    /// Gives the device up, as a crashed driver does: what runs on it fails, what comes next opens another.
    pub fn destroy(&self) {
        let device = Arc::clone(&lock(&self.current));
        device.give_up("it was destroyed");
        device.device.destroy();
    }

    /// The device, another one if the last is lost.
    pub(crate) async fn device(&self) -> Result<Arc<Device>> {
        let current = Arc::clone(&lock(&self.current));
        if !current.is_lost() {
            return Ok(current);
        }
        let other = Arc::new(Device::open(&self.options).await?);
        *lock(&self.current) = Arc::clone(&other);
        Ok(other)
    }
}

/// Adapter and driver, as far as they are told.
fn named(adapter: &wgpu::Adapter, device: &wgpu::Device) -> String {
    let info = adapter.get_info();
    let mut parts = vec![info.name, info.driver, info.driver_info];
    parts.extend(of_browser(device));
    parts.retain(|part| !part.is_empty());
    if parts.is_empty() { "WebGPU adapter".to_owned() } else { parts.join(", ") }
}

/// Whether a CPU plays the adapter.
#[cfg(not(target_arch = "wasm32"))]
fn is_software(adapter: &wgpu::Adapter, _: &wgpu::Device) -> bool {
    adapter.get_info().device_type == wgpu::DeviceType::Cpu
}

#[cfg(target_arch = "wasm32")]
fn is_software(_: &wgpu::Adapter, device: &wgpu::Device) -> bool {
    let Some(info) = info(device) else { return false };
    let told = |key: &str| js_sys::Reflect::get(&info, &key.into()).ok();
    let words = ["architecture", "device", "description"].into_iter().filter_map(told);
    let words: String = words.filter_map(|w| w.as_string()).collect();
    let fallback = told("isFallbackAdapter").and_then(|f| f.as_bool());
    fallback == Some(true) || ["swiftshader", "llvmpipe"].iter().any(|w| words.contains(w))
}

/// How many invocations make a subgroup at least, where shaders may use subgroups.
#[cfg(not(target_arch = "wasm32"))]
fn subgroup(adapter: &wgpu::Adapter, device: &wgpu::Device) -> Option<u32> {
    let has = device.features().contains(wgpu::Features::SUBGROUP);
    has.then(|| adapter.get_info().subgroup_min_size)
}

/// wgpu does not know that browsers have them.
#[cfg(target_arch = "wasm32")]
fn subgroup(_: &wgpu::Adapter, device: &wgpu::Device) -> Option<u32> {
    use js_sys::Reflect;
    let features = Reflect::get(device.as_webgpu()?.as_ref(), &"features".into()).ok()?;
    let has: js_sys::Function = Reflect::get(&features, &"has".into()).ok()?.dyn_into().ok()?;
    let has = has.call1(&features, &"subgroups".into()).ok()?.as_bool()?;
    let least = Reflect::get(&info(device)?, &"subgroupMinSize".into()).ok()?.as_f64()?;
    has.then_some(least as u32)
}

/// What a browser tells of the adapter.
#[cfg(target_arch = "wasm32")]
fn info(device: &wgpu::Device) -> Option<wasm_bindgen::JsValue> {
    js_sys::Reflect::get(device.as_webgpu()?.as_ref(), &"adapterInfo".into()).ok()
}

/// Browsers tell the maker and the architecture, and mostly no name.
#[cfg(target_arch = "wasm32")]
fn of_browser(device: &wgpu::Device) -> Vec<String> {
    let Some(info) = info(device) else { return vec![] };
    let word = |key: &str| js_sys::Reflect::get(&info, &key.into()).ok()?.as_string();
    ["vendor", "architecture"].into_iter().filter_map(word).collect()
}

#[cfg(not(target_arch = "wasm32"))]
fn of_browser(_: &wgpu::Device) -> Vec<String> {
    vec![]
}

impl Device {
    async fn open(options: &GpuOptions) -> Result<Self> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::PRIMARY,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let wanted = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        #[cfg(not(target_arch = "wasm32"))]
        let asked = instance.request_adapter(&wanted);
        #[cfg(target_arch = "wasm32")]
        let asked = super::borrowed::asking(|| instance.request_adapter(&wanted));
        let adapter = asked.await.map_err(|e| {
            unavailable("this machine has no GPU adapter").with_source(Text::of(&e))
        })?;
        let has = adapter.limits();
        // Vectors of four, and at least a page.
        let most = options.max_tensor_bytes.unwrap_or(u64::MAX).clamp(4096, u64::MAX - 16);
        let most = most.next_multiple_of(16);
        let required_limits = wgpu::Limits {
            max_storage_buffer_binding_size: has.max_storage_buffer_binding_size.min(most),
            max_buffer_size: has.max_buffer_size,
            ..wgpu::Limits::default()
        };
        let mut wanted = wgpu::Features::TIMESTAMP_QUERY;
        if !options.plain {
            wanted |= wgpu::Features::SHADER_F16 | wgpu::Features::SUBGROUP;
        }
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
        // What a plain one shows says nothing of the other.
        let name = named(&adapter, &device) + if options.plain { ", plain" } else { "" };
        let software = is_software(&adapter, &device);
        let subgroup =
            subgroup(&adapter, &device).filter(|n| !options.plain && n.is_power_of_two());
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
            software,
            half_math: options.half_math.unwrap_or(!software),
            subgroup: subgroup.map(|n| n as usize),
            health,
            pipelines: Pipelines::default(),
            constants: Constants::default(),
            budget: Budget::new(options.max_bytes),
        })
    }

    /// Adapter and driver.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Which optional features its kernels use.
    pub(crate) fn features(&self) -> Vec<&'static str> {
        let limits = self.limits();
        let all = [("f16", limits.half), ("subgroups", limits.subgroup.is_some())];
        all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect()
    }

    /// Whether the device is gone for good.
    pub(crate) fn is_lost(&self) -> bool {
        lock(&self.health).lost.is_some()
    }

    /// From now on it counts as gone: what is told of a loss may come before the loss itself is.
    pub(crate) fn give_up(&self, why: &str) {
        lock(&self.health).lost.get_or_insert_with(|| why.to_owned());
    }

    /// What `work` makes on the device, and, to be awaited later, whether its memory sufficed for that.
    pub(crate) fn sufficing<T>(
        &self,
        work: impl FnOnce() -> T,
    ) -> (T, impl Future<Output = Result<()>>) {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let made = work();
        let short = scope.pop();
        (made, async { short.await.map_or(Ok(()), |error| Err(self.refused(error))) })
    }

    /// An error of the device: its loss, where it is lost, since what is asked of it then is refused for that.
    pub(super) fn refused(&self, error: wgpu::Error) -> Error {
        match self.check() {
            Err(lost) if *lost.kind() == ErrorKind::GpuLost => lost,
            _ => told(error),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        let limits = self.device.limits();
        let bytes = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let half = self.device.features().contains(wgpu::Features::SHADER_F16);
        let busy = if self.software { BUSY_CORES } else { BUSY_GPU };
        let half_math = half && self.half_math;
        Limits {
            max_value_bytes: bytes,
            max_made_bytes: bytes,
            half,
            half_math,
            subgroup: self.subgroup,
            busy,
        }
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
