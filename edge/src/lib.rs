//! The edge tier: a Worker that answers the Open Inference Protocol near the caller.
//!
//! In: requests of Cloudflare's runtime. Out: answers of models that fit here; everything else goes to
//! the cloud unchanged. The one decision: a request is forwarded for what the model is, never for what
//! the caller did wrong, and its body is read only once it is known that the model runs here.

mod cache;
mod catalog;
mod config;
mod crash;
mod forward;
mod host;
mod http;

use bytes::Bytes;
use nearside::Result;
use nearside::protocol::{LENGTH_HEADER, Reply, Route, answer};
use worker::{Context, Env, Method, Request, Response, event};

use crate::config::Config;
use crate::forward::Cloud;
use crate::host::EdgeHost;

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    /// The linker's: registers tract's kernels. A module that never calls it has it called by each of its exports, at
    /// every call.
    safe fn __wasm_call_ctors();
}

/// Runs when an instance starts.
#[event(start)]
fn start() {
    #[cfg(target_arch = "wasm32")]
    __wasm_call_ctors();
}

/// Every request of the Worker.
#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    crash::tell_the_shim();
    let config = Config::of(&env);
    let origin = http::header(&request, "origin");
    let cors = config.cors.headers(origin.as_deref());
    let response = match respond(request, &env, &config).await {
        Ok(response) => response,
        Err(error) => http::response(Reply::error(&error))?,
    };
    http::with_headers(response, cors)
}

async fn respond(request: Request, env: &Env, config: &Config) -> Result<Response> {
    let method = request.method();
    let path = http::path(&request)?;
    if method == Method::Options {
        let origin = http::header(&request, "origin");
        let wanted = http::header(&request, "access-control-request-headers");
        let (origin, wanted) = (origin.as_deref(), wanted.as_deref());
        return http::respond(Reply::preflight(&path, &config.cors, origin, wanted));
    }
    let is_file = path != "/v2" && !path.starts_with("/v2/");
    if let (true, Method::Get | Method::Head, Ok(assets)) =
        (is_file, &method, env.assets(config::ASSETS))
    {
        return assets.fetch_request(request).await.map_err(|e| http::failed("static assets", e));
    }
    let route = match Route::parse(method.as_ref(), &path) {
        Ok(route) => route,
        Err(error) => return http::respond(Reply::no_route(&path, &error)),
    };
    let cloud = Cloud::of(config, &request);
    if let Some(error) = crash::of(&request) {
        return if crash::lost_body(&request) {
            Err(error)
        } else {
            cloud.instead(request, None, error).await
        };
    }
    let host = EdgeHost { env, config, cloud: &cloud };
    answer_or_forward(&host, &route, request).await
}

async fn answer_or_forward(
    host: &EdgeHost<'_>,
    route: &Route,
    mut request: Request,
) -> Result<Response> {
    let cloud = host.cloud;
    if let Some(model) = route.model()
        && let Err(error) = host.load(model).await
    {
        return cloud.instead_if_elsewhere(request, None, error).await;
    }
    let length = http::header(&request, LENGTH_HEADER);
    let body = match http::read_body(&mut request, host.config.max_body_bytes).await? {
        Ok(body) => Bytes::from(body),
        Err(error) => return cloud.instead(request, None, error).await,
    };
    match answer(host, route, length.as_deref(), body.clone()).await {
        Ok(reply) => http::respond(reply),
        Err(error) => cloud.instead_if_elsewhere(request, Some(&body), error).await,
    }
}
