//! From the edge to the cloud.
//!
//! In: a request that the edge does not answer, and why. Out: the cloud's answer, as it came; or an error
//! that says both why the edge and why the cloud could not. A request that an edge has forwarded once is
//! not forwarded again, so that two of them cannot play ball.

use std::pin::pin;

use futures_util::future::{Either, select};
use js_sys::Uint8Array;
use nearside::protocol::IndexEntry;
use nearside::{Error, ErrorKind, Result};
use worker::{
    AbortController, Delay, Fetch, Headers, Method, Request, RequestInit, RequestRedirect, Response,
};

use crate::config::Config;
use crate::crash::CRASHED_HEADER;
use crate::http;

/// Who forwarded a request.
const FORWARDED_HEADER: &str = "x-nearside-forwarded-by";
/// In the answer: the code of the reason for forwarding.
const REASON_HEADER: &str = "x-nearside-forwarded-because";

/// Headers between two neighbours, and those that the next request gets anew.
const NOT_FORWARDED: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    CRASHED_HEADER,
];

pub(crate) struct Cloud {
    url: Option<String>,
    token: Option<String>,
    timeout: std::time::Duration,
}

/// Whether another machine may do better: it is about the model, not about the request.
fn elsewhere(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ModelNotFound
            | ErrorKind::TooLarge
            | ErrorKind::UnsupportedOperator(_)
            | ErrorKind::UnsupportedType(_)
            | ErrorKind::CannotPlan
            | ErrorKind::OutOfMemory
    )
}

impl Cloud {
    pub(crate) fn of(config: &Config, request: &Request) -> Self {
        let looped = http::header(request, FORWARDED_HEADER).is_some();
        Self {
            url: config.cloud_url.clone().filter(|_| !looped),
            token: config.cloud_token.clone(),
            timeout: config.cloud_timeout,
        }
    }

    /// The cloud's answer where the cloud may do better, `error` otherwise.
    pub(crate) async fn instead_if_elsewhere(
        &self,
        request: Request,
        body: Option<&[u8]>,
        error: Error,
    ) -> Result<Response> {
        if elsewhere(error.kind()) { self.instead(request, body, error).await } else { Err(error) }
    }

    /// The cloud's answer; `error` where there is no cloud. `body` is what was read of the request.
    pub(crate) async fn instead(
        &self,
        request: Request,
        body: Option<&[u8]>,
        error: Error,
    ) -> Result<Response> {
        let Some(base) = &self.url else { return Err(error) };
        let body = match body {
            Some(bytes) => Some(Uint8Array::from(bytes).into()),
            None => request.inner().body().map(Into::into),
        };
        let failed = |e| http::failed("the request", e);
        let from = request.url().map_err(failed)?;
        let query = from.query().map(|q| format!("?{q}")).unwrap_or_default();
        let url = format!("{base}{}{query}", from.path());
        let headers = self.headers(Some(&request)).map_err(failed)?;
        let answer = self.send(&url, request.method(), headers, body).await;
        let answer = answer.map_err(|cloud| {
            let said = format!("the edge: {error}; the cloud: {cloud}");
            Error::new(cloud.kind().clone(), said)
        })?;
        let reason = vec![(REASON_HEADER, error.row().code.to_owned())];
        http::with_headers(answer, reason).map_err(|e| http::failed("the cloud's answer", e))
    }

    /// The cloud's models; none when it cannot be asked.
    pub(crate) async fn index(&self) -> Vec<IndexEntry> {
        let Some(base) = &self.url else { return vec![] };
        let url = format!("{base}/v2/repository/index");
        let Ok(headers) = self.headers(None) else { return vec![] };
        match self.send(&url, Method::Post, headers, None).await {
            Ok(mut answer) if answer.status_code() == 200 => {
                answer.json().await.unwrap_or_default()
            }
            _ => vec![],
        }
    }

    fn headers(&self, request: Option<&Request>) -> worker::Result<Headers> {
        let headers = Headers::new();
        for (name, value) in request.iter().flat_map(|r| r.headers().entries()) {
            if !NOT_FORWARDED.contains(&name.as_str()) {
                headers.append(&name, &value)?;
            }
        }
        headers.set(FORWARDED_HEADER, concat!("nearside-edge/", env!("CARGO_PKG_VERSION")))?;
        if let Some(token) = &self.token {
            headers.set("authorization", &format!("Bearer {token}"))?;
        }
        Ok(headers)
    }

    async fn send(
        &self,
        url: &str,
        method: Method,
        headers: Headers,
        body: Option<wasm_bindgen::JsValue>,
    ) -> Result<Response> {
        let down = |e| http::failed("cannot be reached", e);
        let mut init = RequestInit::new();
        init.with_method(method)
            .with_headers(headers)
            .with_redirect(RequestRedirect::Manual)
            .with_body(body);
        let request = Fetch::Request(Request::new_with_init(url, &init).map_err(down)?);
        let controller = AbortController::default();
        let signal = controller.signal();
        let answer = pin!(request.send_with_signal(&signal));
        match select(answer, Delay::from(self.timeout)).await {
            Either::Left((answer, _)) => answer.map_err(down),
            Either::Right(_) => {
                controller.abort();
                let limit = self.timeout.as_secs_f64();
                Err(Error::new(ErrorKind::Timeout, format!("no answer within {limit} s")))
            }
        }
    }
}
