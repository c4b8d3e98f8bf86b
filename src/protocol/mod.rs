//! Open Inference Protocol v2 over HTTP: what edge and cloud have in common, without any I/O.
//!
//! In: method, path, headers and body as text and bytes. Out: a [`Reply`] with status, headers and
//! bytes. The one decision: [`answer()`] is generic over a [`Host`] that finds and runs models, so that
//! a Worker and a server give the same answers to the same requests.
//!
//! Requests are untrusted. A body costs memory in proportion to its own size, whatever sizes it
//! declares, and every malformed one is an [`Error`](crate::Error).

pub mod answer;
mod binary;
pub mod cors;
mod infer;
mod json;
mod reply;
mod request;
pub mod route;

pub use answer::{Host, IndexEntry, Opened, answer};
pub use cors::Cors;
pub use infer::{InferRequest, RequestedOutput};
pub use reply::Reply;
pub use route::{ModelRef, Route};

/// How many bytes of a body are JSON; the tensors follow.
pub const LENGTH_HEADER: &str = "inference-header-content-length";
