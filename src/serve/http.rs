//! HTTP around the protocol.
//!
//! In: axum's requests. Out: its responses, all made from the protocol's replies, so that every failure
//! has the same JSON form. The body is read here, within its limit, after the route is known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::decompression::RequestDecompressionLayer;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{
    Cors, Host, IndexEntry, LENGTH_HEADER, ModelRef, Opened, Reply, Route, answer,
};
use crate::serve::ServeOptions;
use crate::serve::gate::Gate;
use crate::serve::metrics::Metrics;
use crate::serve::store::Store;

/// How long, and for how many bytes, the sender of a body that nobody wants any more is listened to: a
/// client that still writes when the connection closes sees a broken pipe, not the answer.
const LISTEN_ON: (Duration, usize) = (Duration::from_secs(5), 64 << 20);

pub(crate) struct App {
    pub(crate) store: Store,
    gate: Arc<Gate>,
    metrics: Metrics,
    cors: Cors,
    body_limit: usize,
    timeout: Duration,
}

impl App {
    pub(crate) fn new(options: &ServeOptions) -> Self {
        let gate = Arc::new(Gate::new(options.concurrency, options.queue));
        Self {
            store: Store::new(options, Arc::clone(&gate)),
            gate,
            metrics: Metrics::default(),
            cors: options.cors.clone(),
            body_limit: options.body_limit,
            timeout: options.timeout,
        }
    }
}

impl Host for App {
    const SOURCE: &'static str = "in_cloud";
    const BACKEND: &'static str = "native-cpu";

    async fn ready(&self) -> Result<()> {
        self.store.check().await.map(|_| ())
    }

    async fn index(&self) -> Result<Vec<IndexEntry>> {
        self.store.index().await
    }

    async fn open(&self, model: &ModelRef) -> Result<Opened> {
        self.store.open(model).await
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.gate.run(work).await
    }
}

pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .fallback(handle)
        .with_state(app)
        // What it cannot decode stays encoded and is refused below, in the protocol's form.
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(CatchPanicLayer::custom(|_| {
            let error = Error::new(ErrorKind::Internal, "a defect stopped this request");
            response(Reply::error(&error))
        }))
}

async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let (label, model, reply) = match (parts.method.as_str(), path) {
        ("OPTIONS", _) => {
            let wanted = text(&parts.headers, "access-control-request-headers");
            let origin = text(&parts.headers, "origin");
            ("preflight", None, Reply::preflight(path, &app.cors, origin, wanted))
        }
        ("GET", "/metrics") => ("metrics", None, metrics(&app)),
        (method, _) => match Route::parse(method, path) {
            Ok(route) => {
                let reply = limited(&app, &route, &parts.headers, body).await;
                (label(&route), route.model().map(|m| m.name.clone()), reply)
            }
            Err(error) => ("none", None, Reply::no_route(path, &error)),
        },
    };
    let reply = reply.with_headers(app.cors.headers(text(&parts.headers, "origin")));
    let (status, seconds) = (reply.status, started.elapsed().as_secs_f64());
    let model = model.filter(|name| app.store.knows(name)).unwrap_or_default();
    app.metrics.count(&model, label, status, seconds);
    tracing::info!(
        method = %parts.method, path, status, bytes = reply.body.len(),
        ms = (seconds * 1e4).round() / 10.0, "answered"
    );
    response(reply)
}

fn label(route: &Route) -> &'static str {
    match route {
        Route::Server => "server",
        Route::Live => "live",
        Route::Ready => "ready",
        Route::Index => "index",
        Route::Metadata(_) => "metadata",
        Route::ModelReady(_) => "model_ready",
        Route::Infer(_) => "infer",
    }
}

fn metrics(app: &App) -> Reply {
    let headers = vec![("content-type", "text/plain; version=0.0.4".to_owned())];
    Reply { status: 200, headers, body: app.metrics.text().into_bytes() }
}

/// The answer, within the time limit.
async fn limited(app: &App, route: &Route, headers: &HeaderMap, mut body: Body) -> Reply {
    let work = async {
        // The place is kept until the answer is there.
        let _place = match route {
            Route::Infer(_) => Some(app.gate.enter()?),
            Route::Server
            | Route::Live
            | Route::Ready
            | Route::Index
            | Route::Metadata(_)
            | Route::ModelReady(_) => None,
        };
        let content = read_body(headers, &mut body, app.body_limit).await?;
        answer(app, route, text(headers, LENGTH_HEADER), content).await
    };
    let done = tokio::time::timeout(app.timeout, work).await.unwrap_or_else(|_| {
        let limit = app.timeout.as_secs_f64();
        Err(Error::new(ErrorKind::Timeout, format!("not done within {limit} s")))
    });
    done.unwrap_or_else(|error| {
        tokio::spawn(tokio::time::timeout(LISTEN_ON.0, discard(body, LISTEN_ON.1)));
        Reply::error(&error)
    })
}

async fn read_body(headers: &HeaderMap, body: &mut Body, limit: usize) -> Result<Bytes> {
    if let Some(encoding) = text(headers, "content-encoding") {
        return Err(Error::new(
            ErrorKind::MalformedRequest,
            format!("Content-Encoding {encoding:?} is not understood; gzip and deflate are"),
        ));
    }
    let too_large =
        || Error::new(ErrorKind::TooLarge, format!("the body has more than {limit} bytes"));
    let declared = text(headers, "content-length").and_then(|n| n.parse::<u64>().ok());
    if declared.is_some_and(|n| n > limit as u64) {
        return Err(too_large());
    }
    let mut content: Vec<u8> = vec![];
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| {
            Error::new(ErrorKind::MalformedRequest, "the body cannot be read").with_source(e)
        })?;
        if let Ok(data) = frame.into_data() {
            if content.len() + data.len() > limit {
                return Err(too_large());
            }
            content.extend_from_slice(&data);
        }
    }
    Ok(content.into())
}

/// Reads what is left of a body, for nothing.
async fn discard(mut body: Body, mut limit: usize) {
    while let Some(Ok(frame)) = body.frame().await {
        let size = frame.data_ref().map_or(0, Bytes::len);
        if size >= limit {
            break;
        }
        limit -= size;
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn response(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
