//! The routes of the protocol.
//!
//! In: method and path. Out: a [`Route`], or why there is none. A model's name becomes a folder or a
//! key, so whatever could leave it is refused here, once.

use crate::error::{Error, ErrorKind, Result};

/// Longest model name in bytes.
const MAX_NAME: usize = 200;

/// A model, and which of its versions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelRef {
    /// Name: one safe path segment.
    pub name: String,
    /// Version; none means the latest.
    pub version: Option<u64>,
}

/// Everything that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `GET /v2`: what the server is.
    Server,
    /// `GET /v2/health/live`.
    Live,
    /// `GET /v2/health/ready`.
    Ready,
    /// `POST /v2/repository/index`: the models.
    Index,
    /// `GET /v2/models/{m}[/versions/{v}]`: signature.
    Metadata(ModelRef),
    /// `GET /v2/models/{m}[/versions/{v}]/ready`.
    ModelReady(ModelRef),
    /// `POST /v2/models/{m}[/versions/{v}]/infer`.
    Infer(ModelRef),
}

impl Route {
    /// The route of a request. `path` is without its query.
    ///
    /// # Errors
    /// `NotFound`, `MethodNotAllowed`, `ModelNotFound` for a version that is not a number,
    /// `MalformedRequest` for a name that no model can have.
    pub fn parse(method: &str, path: &str) -> Result<Self> {
        let route = Self::of_path(path)?;
        // HEAD is GET without the body, which every HTTP stack leaves out by itself.
        let asked = if method == "HEAD" { "GET" } else { method };
        if asked == route.method() {
            return Ok(route);
        }
        Err(Error::new(
            ErrorKind::MethodNotAllowed,
            format!("{path} takes {}, not {method}", route.allow()),
        ))
    }

    /// The route of a path, whatever the method.
    ///
    /// # Errors
    /// As [`Route::parse`].
    pub fn of_path(path: &str) -> Result<Self> {
        let segments = path
            .strip_suffix('/')
            .unwrap_or(path)
            .split('/')
            .skip(1)
            .map(percent_decode)
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| {
                Error::new(ErrorKind::MalformedRequest, "the path is not percent-encoded UTF-8")
            })?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["v2"] => Ok(Self::Server),
            ["v2", "health", "live"] => Ok(Self::Live),
            ["v2", "health", "ready"] => Ok(Self::Ready),
            ["v2", "repository", "index"] => Ok(Self::Index),
            ["v2", "models", name, "versions", version, rest @ ..] => {
                Self::of_model(path, name, Some(version), rest)
            }
            ["v2", "models", name, rest @ ..] => Self::of_model(path, name, None, rest),
            _ => Err(no_route(path)),
        }
    }

    fn of_model(path: &str, name: &str, version: Option<&str>, rest: &[&str]) -> Result<Self> {
        let route = match rest {
            [] => Self::Metadata,
            ["ready"] => Self::ModelReady,
            ["infer"] => Self::Infer,
            _ => return Err(no_route(path)),
        };
        if !is_model_name(name) {
            return Err(Error::new(
                ErrorKind::MalformedRequest,
                format!("{name:?} cannot be a model's name"),
            ));
        }
        let version = version
            .map(|text| {
                parse_version(text).ok_or_else(|| {
                    Error::new(
                        ErrorKind::ModelNotFound,
                        format!("model `{name}` has no version {text:?}; versions are numbers"),
                    )
                })
            })
            .transpose()?;
        Ok(route(ModelRef { name: name.to_owned(), version }))
    }

    fn method(&self) -> &'static str {
        match self {
            Self::Infer(_) | Self::Index => "POST",
            Self::Server | Self::Live | Self::Ready | Self::Metadata(_) | Self::ModelReady(_) => {
                "GET"
            }
        }
    }

    /// The value of an `Allow` header.
    pub fn allow(&self) -> &'static str {
        if self.method() == "POST" { "POST, OPTIONS" } else { "GET, HEAD, OPTIONS" }
    }

    /// The model that it is about.
    pub fn model(&self) -> Option<&ModelRef> {
        match self {
            Self::Metadata(model) | Self::ModelReady(model) | Self::Infer(model) => Some(model),
            Self::Server | Self::Live | Self::Ready | Self::Index => None,
        }
    }
}

fn no_route(path: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("no route {path:?}; the protocol starts at /v2"))
}

/// Whether `name` can be one folder name or one segment of a key on every system.
pub fn is_model_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && !name.starts_with('.')
        && !name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | ':'))
}

/// A version's number: decimal digits without leading zeros, so that a version has one spelling.
pub fn parse_version(text: &str) -> Option<u64> {
    let version: u64 = text.parse().ok()?;
    (version.to_string() == text).then_some(version)
}

fn percent_decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, version: Option<u64>) -> ModelRef {
        ModelRef { name: name.to_owned(), version }
    }

    #[test]
    fn every_route_is_found() -> Result<()> {
        let cases = [
            ("GET", "/v2", Route::Server),
            ("GET", "/v2/", Route::Server),
            ("HEAD", "/v2/health/live", Route::Live),
            ("GET", "/v2/health/ready", Route::Ready),
            ("POST", "/v2/repository/index", Route::Index),
            ("GET", "/v2/models/m", Route::Metadata(model("m", None))),
            ("GET", "/v2/models/a%20b/versions/2", Route::Metadata(model("a b", Some(2)))),
            ("GET", "/v2/models/m/ready", Route::ModelReady(model("m", None))),
            ("GET", "/v2/models/m/versions/1/ready", Route::ModelReady(model("m", Some(1)))),
            ("POST", "/v2/models/m/infer", Route::Infer(model("m", None))),
            ("POST", "/v2/models/m/versions/10/infer", Route::Infer(model("m", Some(10)))),
            ("GET", "/v2/models/versions", Route::Metadata(model("versions", None))),
        ];
        for (method, path, route) in cases {
            assert_eq!(Route::parse(method, path)?, route, "{method} {path}");
        }
        Ok(())
    }

    #[test]
    fn the_rest_is_refused_by_kind() {
        let long = format!("/v2/models/{}", "m".repeat(MAX_NAME + 1));
        let cases = [
            ("GET", "", "NOT_FOUND"),
            ("GET", "/", "NOT_FOUND"),
            ("GET", "/v1/models/m", "NOT_FOUND"),
            ("GET", "/v2/models", "NOT_FOUND"),
            ("GET", "/v2/models/m/versions", "NOT_FOUND"),
            ("GET", "/v2/models/m/config", "NOT_FOUND"),
            ("GET", "/v2/models/m/infer", "METHOD_NOT_ALLOWED"),
            ("DELETE", "/v2", "METHOD_NOT_ALLOWED"),
            ("GET", "/v2/models/m/versions/latest", "MODEL_NOT_FOUND"),
            ("GET", "/v2/models/m/versions/01", "MODEL_NOT_FOUND"),
            ("GET", "/v2/models/m/versions/-1", "MODEL_NOT_FOUND"),
            ("GET", "/v2/models/m/versions/18446744073709551616", "MODEL_NOT_FOUND"),
            ("GET", "/v2/models/..", "MALFORMED_REQUEST"),
            ("GET", "/v2/models/%2e%2e", "MALFORMED_REQUEST"),
            ("GET", "/v2/models/..%2Fsecret", "MALFORMED_REQUEST"),
            ("GET", "/v2/models/a%5Cb", "MALFORMED_REQUEST"),
            ("GET", "/v2/models/C%3A", "MALFORMED_REQUEST"),
            ("GET", "/v2/models/a%00", "MALFORMED_REQUEST"),
            ("GET", "/v2/models/%ff", "MALFORMED_REQUEST"),
            ("GET", "/v2/models/%4", "MALFORMED_REQUEST"),
            ("GET", "/v2/models/%zz", "MALFORMED_REQUEST"),
            ("GET", "/v2/models//ready", "MALFORMED_REQUEST"),
            ("GET", &long, "MALFORMED_REQUEST"),
        ];
        for (method, path, code) in cases {
            assert_eq!(Route::parse(method, path).unwrap_err().row().code, code, "{method} {path}");
        }
    }
}
