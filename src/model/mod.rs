//! Bytes of a model file -> [`Model`]: its signature, what it is made of, and its graph before shapes.
//!
//! In: untrusted bytes. Out: a graph that the planner can specialise for concrete shapes. Before the
//! engine's importer sees a model, [`validate`] has checked what the importer takes for granted, and
//! every operator is known to be registered; so a bad model is one typed error and never a panic.
//!
//! Threat model: the bytes may cost time and memory in proportion to their size; they can neither
//! read files (external data is given by the caller) nor cause undefined behaviour.

mod carve;
mod check;
mod expand;
mod external;
mod file;
mod flow;
#[cfg(feature = "native")]
mod folder;
mod functions;
mod inspect;
mod kinds;
mod maps;
mod narrow;
mod onnx;
pub(crate) mod ops;
mod program;
mod published;
mod repeats;
mod rewrite;
mod schema;
mod scope;
mod sha1;
mod signature;
mod sparse;
mod split;
mod stream;
mod tflite;
mod validate;
mod values;
mod weights;
mod widen;
mod window;
mod words;

pub use check::{Check, check};
pub use file::ModelFile;
pub use inspect::{Format, Inspection, OperatorUse, inspect};
pub use kinds::Kind;
pub use signature::{Dim, Signature, ValueInfo};
pub use stream::ModelStream;

#[cfg(feature = "native")]
pub(crate) use inspect::domain_name;
#[cfg(feature = "native")]
pub(crate) use narrow::widen_tensor;
#[cfg(feature = "gpu")]
pub(crate) use narrow::{Form, Powers, Top};
pub(crate) use onnx::Model;
#[cfg(feature = "images")]
pub(crate) use program::Pixels;
pub(crate) use program::{Body, Graph, Loop, Node, Operator, Program, Scan, Source, Step, Values};
#[cfg(feature = "native")]
pub(crate) use published::{Builder, Onnx};
pub(crate) use published::{Published, StoredPlan};
#[cfg(feature = "native")]
pub(crate) use signature::{dtype_of, type_name};
