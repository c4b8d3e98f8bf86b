//! nearside runs a model on the nearest machine that can: the page, the edge, or the cloud.
//!
//! The modules in the order in which data flows through them: [`tensor`] and [`error`] are what
//! crosses boundaries; `model` turns bytes into a graph; `plan` turns a graph and shapes into a
//! runnable; `run` goes through a program of them; [`session`] owns all and answers runs; `protocol` speaks the wire; `web` is the face
//! for JavaScript, `serve` the one for HTTP, `bin/nearside` the one for a terminal.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod clock;
mod codec;
#[cfg(feature = "native")]
pub mod conformance;
mod cpu;
pub mod error;
#[cfg(feature = "gpu")]
mod gpu;
mod guard;
mod limit;
mod model;
#[cfg(feature = "native")]
pub mod npy;
mod optimize;
mod plan;
mod reuse;
mod scalar;
// A page answers nobody; and what holds a GPU cannot go to another thread there.
#[cfg(not(all(feature = "gpu", target_arch = "wasm32")))]
pub mod protocol;
#[cfg(feature = "native")]
pub mod publish;
mod run;
#[cfg(feature = "native")]
pub mod serve;
pub mod session;
pub mod tensor;
pub mod value;
#[cfg(feature = "web")]
pub mod web;

pub use error::{Error, ErrorKind, Problem, ProblemKind, Result};
#[cfg(feature = "gpu")]
pub use gpu::lower::{OPERATORS as GPU_OPERATORS, Ran};
#[cfg(feature = "gpu")]
pub use gpu::{Gpu, GpuOptions, GpuTensor, Verdict, Verdicts};
pub use model::{Check, Dim, Format, Inspection, Kind, ModelFile, ModelStream, OperatorUse};
pub use model::{Signature, ValueInfo, check, inspect};
pub use plan::Step;
#[cfg(feature = "gpu")]
pub use plan::{GpuReport, PlacedNode, PlacedSegment, Placement};
#[cfg(feature = "gpu")]
pub use session::{Golden, GpuRun};
pub use session::{RunResult, Session, SessionOptions};
pub use tensor::{DType, Tensor};
pub use value::Value;
