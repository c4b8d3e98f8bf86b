//! From a route to an answer, for whoever can find and run models.
//!
//! In: a [`Route`], the length header and the body. Out: a [`Reply`], or the error that the caller
//! turns into one (or, at the edge, into a forwarded request).

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use crate::error::Result;
use crate::model::{Dim, ValueInfo};
use crate::protocol::infer::{self, Answerer};
use crate::protocol::{InferRequest, ModelRef, Reply, Route};
use crate::session::Session;

/// A model that is loaded.
#[derive(Clone)]
pub struct Opened {
    /// Its name.
    pub name: String,
    /// Which version this is.
    pub version: u64,
    /// All versions there are, ascending.
    pub versions: Vec<u64>,
    /// The model.
    pub session: Arc<Session>,
}

/// A model in the list of models.
#[derive(Clone, Debug, Serialize, serde::Deserialize)]
pub struct IndexEntry {
    /// Its name.
    pub name: String,
    /// One of its versions.
    pub version: String,
    /// `READY`, or `UNAVAILABLE` when it is known not to load.
    pub state: String,
    /// Why it is not ready.
    pub reason: String,
}

/// Who finds and runs models: a Worker or a server.
pub trait Host {
    /// `in_edge` or `in_cloud`.
    const SOURCE: &'static str;
    /// What runs the models there.
    const BACKEND: &'static str;

    /// Whether requests can be answered now.
    fn ready(&self) -> impl Future<Output = Result<()>>;
    /// Every model and version.
    fn index(&self) -> impl Future<Output = Result<Vec<IndexEntry>>>;
    /// Finds and, if need be, loads a model.
    fn open(&self, model: &ModelRef) -> impl Future<Output = Result<Opened>>;
    /// Runs work that takes long and waits for nothing.
    fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T>>;
}

/// Answers one request.
///
/// # Errors
/// Whatever the host, the request's reader or the session says.
pub async fn answer<H: Host>(
    host: &H,
    route: &Route,
    head_length: Option<&str>,
    body: Bytes,
) -> Result<Reply> {
    match route {
        Route::Server => Ok(Reply::json(
            200,
            &json!({
                "name": "nearside",
                "version": env!("CARGO_PKG_VERSION"),
                "extensions": ["binary_tensor_data"],
            }),
        )),
        Route::Live => Ok(Reply::json(200, &json!({ "live": true }))),
        Route::Ready => {
            host.ready().await?;
            Ok(Reply::json(200, &json!({ "ready": true })))
        }
        Route::Index => Ok(Reply::json(200, &host.index().await?)),
        Route::ModelReady(model) => {
            let opened = host.open(model).await?;
            Ok(Reply::json(200, &json!({ "name": opened.name, "ready": true })))
        }
        Route::Metadata(model) => Ok(Reply::json(200, &metadata::<H>(&host.open(model).await?))),
        Route::Infer(model) => {
            let opened = host.open(model).await?;
            let head_length = head_length.map(str::to_owned);
            host.compute(move || infer_once::<H>(&opened, head_length.as_deref(), &body)).await
        }
    }
}

fn infer_once<H: Host>(opened: &Opened, head_length: Option<&str>, body: &[u8]) -> Result<Reply> {
    let mut request = InferRequest::parse(head_length, body)?;
    let inputs = std::mem::take(&mut request.inputs);
    let result = opened.session.run(inputs, &request.fetches())?;
    let by = Answerer {
        name: &opened.name,
        version: opened.version,
        source: H::SOURCE,
        backend: if result.on_gpu() { "native-gpu" } else { H::BACKEND },
    };
    infer::write(by, &request, &result)
}

fn metadata<H: Host>(opened: &Opened) -> serde_json::Value {
    let signature = opened.session.signature();
    json!({
        "name": opened.name,
        "versions": opened.versions.iter().map(u64::to_string).collect::<Vec<_>>(),
        "platform": "onnx_tract",
        "inputs": signature.inputs.iter().map(value).collect::<Vec<_>>(),
        "outputs": signature.outputs.iter().map(value).collect::<Vec<_>>(),
        "parameters": { "source": H::SOURCE, "backend": H::BACKEND },
    })
}

/// A declared input or output; dimensions that a request chooses are -1.
fn value(info: &ValueInfo) -> serde_json::Value {
    let shape: Vec<i64> = info
        .shape
        .iter()
        .map(|dim| match dim {
            Dim::Known(n) => i64::try_from(*n).unwrap_or(-1),
            Dim::Symbol(_) | Dim::Unknown => -1,
        })
        .collect();
    json!({ "name": info.name, "datatype": info.dtype.oip_name(), "shape": shape })
}
