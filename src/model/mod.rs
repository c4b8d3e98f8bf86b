//! Bytes of an ONNX file -> [`Model`]: its signature, what it is made of, and its graph before shapes.
//!
//! In: untrusted bytes. Out: a graph that the planner can specialise for concrete shapes. Before the
//! engine's importer sees a model, [`validate`] has checked what the importer takes for granted, and
//! every operator is known to be registered; so a bad model is one typed error and never a panic.
//!
//! Threat model: the bytes may cost time and memory in proportion to their size; they can neither
//! read files (external data is refused here) nor cause undefined behaviour.

mod check;
mod inspect;
mod kinds;
mod maps;
mod nibbles;
mod onnx;
pub(crate) mod ops;
mod program;
mod rewrite;
mod scope;
mod signature;
mod split;
mod validate;
mod values;
mod window;

pub use check::{Check, Problem, ProblemKind, check};
pub use inspect::{Inspection, OperatorUse};
pub use kinds::Kind;
pub use onnx::inspect;
pub use signature::{Dim, Signature, ValueInfo};

#[cfg(feature = "native")]
pub(crate) use inspect::domain_name;
pub(crate) use onnx::Model;
pub(crate) use program::{Body, Graph, Loop, Node, Operator, Program, Scan, Step, Values};
#[cfg(feature = "native")]
pub(crate) use signature::{dtype_of, type_name};
