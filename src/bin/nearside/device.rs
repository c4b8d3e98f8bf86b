//! `--device cpu|gpu|auto`: what a command runs models on.
//!
//! In: arguments. Out: the library's options of a session, with the GPU opened.

#[cfg(feature = "gpu")]
use std::path::PathBuf;

use nearside::SessionOptions;

use crate::failure::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Device {
    Cpu,
    Gpu,
    Auto,
}

#[derive(clap::Args)]
pub(crate) struct DeviceArgs {
    /// What computes; with gpu, the CPU does what the GPU cannot; auto takes the faster of the two, by their first runs
    #[arg(long, value_enum, default_value = "cpu")]
    pub(crate) device: Device,
    /// With --device gpu: fail instead of falling back to the CPU for any operator
    #[arg(long)]
    strict: bool,
    /// With --device gpu: trust this GPU, and compare no first run with the CPU's
    #[arg(long)]
    no_check: bool,
}

impl DeviceArgs {
    #[cfg(feature = "gpu")]
    pub(crate) fn options(&self) -> Result<SessionOptions, Failure> {
        let gpu = match self.device {
            Device::Cpu => None,
            _ => match pollster::block_on(nearside::Gpu::open_with(gpu_options())) {
                Ok(gpu) => Some(gpu),
                // The faster of the two is the one that is there.
                Err(_) if self.device == Device::Auto && !self.strict => None,
                Err(error) => return Err(error.into()),
            },
        };
        Ok(SessionOptions {
            gpu,
            strict_gpu: self.strict,
            check_gpu: !self.no_check,
            fastest: self.device == Device::Auto,
            ..SessionOptions::default()
        })
    }

    /// Options for measuring and for tests of the engine: nothing is compared beside it.
    pub(crate) fn measured(&self) -> Result<SessionOptions, Failure> {
        Ok(SessionOptions {
            #[cfg(feature = "gpu")]
            check_gpu: false,
            ..self.options()?
        })
    }

    #[cfg(not(feature = "gpu"))]
    pub(crate) fn options(&self) -> Result<SessionOptions, Failure> {
        if self.device == Device::Gpu || self.strict || self.no_check {
            return Err(no_gpu());
        }
        Ok(SessionOptions::default())
    }
}

#[cfg(not(feature = "gpu"))]
pub(crate) fn no_gpu() -> Failure {
    let text = "this build has no GPU engine: it was made without the feature `gpu`";
    Failure::new(nearside::ErrorKind::GpuUnavailable, text)
}

/// What the first runs of models show is kept in the user's cache folder.
#[cfg(feature = "gpu")]
fn gpu_options() -> nearside::GpuOptions {
    let folder = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    let home = |below: &str| folder("HOME").map(|home| PathBuf::from(home).join(below));
    let cache = if cfg!(windows) {
        folder("LOCALAPPDATA").map(PathBuf::from)
    } else if cfg!(target_os = "macos") {
        home("Library/Caches")
    } else {
        folder("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| home(".cache"))
    };
    let verdicts = cache.map(|cache| cache.join("nearside").join("gpu-verdicts.json"));
    nearside::GpuOptions { verdicts, ..nearside::GpuOptions::default() }
}
