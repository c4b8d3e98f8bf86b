//! `--device cpu|gpu`: what a command runs models on.
//!
//! In: arguments. Out: the library's options of a session, with the GPU opened.

use nearside::SessionOptions;

use crate::failure::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Device {
    Cpu,
    Gpu,
}

#[derive(clap::Args)]
pub(crate) struct DeviceArgs {
    /// What computes; with gpu, the CPU does what the GPU cannot
    #[arg(long, value_enum, default_value = "cpu")]
    pub(crate) device: Device,
    /// With --device gpu: fail instead of falling back to the CPU for any operator
    #[arg(long)]
    strict: bool,
}

impl DeviceArgs {
    #[cfg(feature = "gpu")]
    pub(crate) fn options(&self) -> Result<SessionOptions, Failure> {
        let gpu = match self.device {
            Device::Cpu => None,
            Device::Gpu => Some(pollster::block_on(nearside::Gpu::open())?),
        };
        Ok(SessionOptions { gpu, strict_gpu: self.strict, ..SessionOptions::default() })
    }

    #[cfg(not(feature = "gpu"))]
    pub(crate) fn options(&self) -> Result<SessionOptions, Failure> {
        if self.device == Device::Gpu || self.strict {
            let text = "this build has no GPU engine: it was made without the feature `gpu`";
            return Err(Failure::new(nearside::ErrorKind::GpuUnavailable, text));
        }
        Ok(SessionOptions::default())
    }
}
