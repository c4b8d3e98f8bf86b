//! An answer, before any HTTP library sees it.
//!
//! In: a JSON value, an inference's bytes or an [`Error`]. Out: status, headers, body.

use serde::Serialize;

use crate::error::{Error, ErrorKind};
use crate::protocol::cors::{Cors, HeaderList};
use crate::protocol::route::Route;

/// Status, headers (lower-case names) and body.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderList,
    /// Body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A value as JSON.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        // Values of ours have string keys and cannot fail to serialise.
        let body = serde_json::to_vec(value).unwrap_or_default();
        Self { status, headers: vec![("content-type", "application/json".to_owned())], body }
    }

    /// An error in the protocol's form, `{"error": text}`, with our `code` and `details` beside it.
    pub fn error(error: &Error) -> Self {
        let row = error.row();
        let mut value = serde_json::json!({ "error": error.to_string(), "code": row.code });
        if let (Some(details), Some(object)) = (error.details(), value.as_object_mut()) {
            object.insert("details".to_owned(), details);
        }
        let mut reply = Self::json(row.status, &value);
        if matches!(error.kind(), ErrorKind::Unavailable) {
            reply.headers.push(("retry-after", "1".to_owned()));
        }
        reply
    }

    /// The answer to a request that has no route.
    pub fn no_route(path: &str, error: &Error) -> Self {
        let mut reply = Self::error(error);
        if let (ErrorKind::MethodNotAllowed, Ok(route)) = (error.kind(), Route::of_path(path)) {
            reply.headers.push(("allow", route.allow().to_owned()));
        }
        reply
    }

    /// The answer to `OPTIONS`: what a page of `origin` may send to `path`.
    pub fn preflight(path: &str, cors: &Cors, origin: Option<&str>, wanted: Option<&str>) -> Self {
        let allow = Route::of_path(path).map_or("GET, HEAD, OPTIONS", |r| r.allow());
        let mut headers = cors.preflight(origin, wanted);
        headers.push(("allow", allow.to_owned()));
        Self { status: 204, headers, body: vec![] }
    }

    /// The same with more headers; one of the same name is replaced.
    #[must_use]
    pub fn with_headers(mut self, more: HeaderList) -> Self {
        for (name, value) in more {
            self.headers.retain(|(n, _)| *n != name);
            self.headers.push((name, value));
        }
        self
    }
}
