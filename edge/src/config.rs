//! What wrangler.toml sets.
//!
//! In: the Worker's variables. Out: a [`Config`]. A variable that is not set, or is no number, has its
//! default, so that the Worker runs with no configuration at all.

use std::time::Duration;

use nearside::protocol::Cors;
use worker::Env;

/// Binding of the bucket with models, `<name>/<version>/model.onnx`.
pub(crate) const MODELS: &str = "MODELS";
/// Binding of the static assets, with models under `/models/`.
pub(crate) const ASSETS: &str = "ASSETS";

pub(crate) struct Config {
    /// Largest model file that is run here.
    pub(crate) max_model_bytes: u64,
    /// Loaded models are kept up to this sum of their files' bytes.
    pub(crate) cache_bytes: u64,
    /// Largest tensor that a run may make.
    pub(crate) max_tensor_bytes: u64,
    /// Largest request body that is read here.
    pub(crate) max_body_bytes: u64,
    /// How long a listing of the bucket is believed.
    pub(crate) catalog_age: Duration,
    /// The cloud tier's address, the part before `/v2`.
    pub(crate) cloud_url: Option<String>,
    /// Sent to the cloud as `Authorization: Bearer …`.
    pub(crate) cloud_token: Option<String>,
    /// Longest wait for the cloud's answer to begin.
    pub(crate) cloud_timeout: Duration,
    pub(crate) cors: Cors,
}

impl Config {
    /// An isolate has 128 MB: the defaults leave room for the engine, packed weights and a body.
    pub(crate) fn of(env: &Env) -> Self {
        let text = |name: &str| {
            let value = env.var(name).ok()?.to_string();
            (!value.trim().is_empty()).then(|| value.trim().to_owned())
        };
        let number =
            |name: &str, default: u64| text(name).and_then(|v| v.parse().ok()).unwrap_or(default);
        Self {
            max_model_bytes: number("EDGE_MAX_MODEL_BYTES", 16 << 20),
            cache_bytes: number("EDGE_CACHE_BYTES", 32 << 20),
            max_tensor_bytes: number("EDGE_MAX_TENSOR_BYTES", 32 << 20),
            max_body_bytes: number("EDGE_MAX_BODY_BYTES", 8 << 20),
            catalog_age: Duration::from_millis(number("EDGE_CATALOG_MS", 30_000)),
            cloud_url: text("CLOUD_URL").map(|url| url.trim_end_matches('/').to_owned()),
            cloud_token: env.secret("CLOUD_TOKEN").ok().map(|s| s.to_string()),
            cloud_timeout: Duration::from_millis(number("CLOUD_TIMEOUT_MS", 30_000)),
            cors: text("CORS_ORIGINS").map_or(Cors::Any, |list| Cors::parse(&list)),
        }
    }
}
