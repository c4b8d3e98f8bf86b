//! Between the runtime's requests and responses and the protocol's values.

use futures_util::TryStreamExt;
use nearside::protocol::{Reply, cors::HeaderList};
use nearside::{Error, ErrorKind, Result};
use worker::{ByteStream, Method, Request, Response, ResponseBuilder};

pub(crate) fn header(request: &Request, name: &str) -> Option<String> {
    request.headers().get(name).ok().flatten()
}

/// The path as it was sent, still percent-encoded.
pub(crate) fn path(request: &Request) -> Result<String> {
    let url = request.url().map_err(|e| failed("the request's URL", e))?;
    Ok(url.path().to_owned())
}

/// An error of the runtime as one of ours.
pub(crate) fn failed(what: &str, error: worker::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{what}: {error}"))
}

pub(crate) fn response(reply: Reply) -> worker::Result<Response> {
    let response = ResponseBuilder::new().with_status(reply.status);
    let response =
        if reply.body.is_empty() { response.empty() } else { response.fixed(reply.body) };
    with_headers(response, reply.headers)
}

pub(crate) fn respond(reply: Reply) -> Result<Response> {
    response(reply).map_err(|e| failed("the response", e))
}

/// A response with more headers, also where its own cannot be changed.
pub(crate) fn with_headers(response: Response, more: HeaderList) -> worker::Result<Response> {
    let headers = worker::Headers::new();
    for (name, value) in response.headers().entries() {
        headers.append(&name, &value)?;
    }
    for (name, value) in more {
        headers.set(name, &value)?;
    }
    Ok(response.with_headers(headers))
}

/// The body, or, before any of it is read, why it is not for here.
///
/// # Errors
/// Once reading has begun, a body cannot be forwarded any more.
pub(crate) async fn read_body(
    request: &mut Request,
    limit: u64,
) -> Result<std::result::Result<Vec<u8>, Error>> {
    if !matches!(request.method(), Method::Post) || request.inner().body().is_none() {
        return Ok(Ok(vec![]));
    }
    if let Some(encoding) = header(request, "content-encoding") {
        return Ok(Err(Error::new(
            ErrorKind::MalformedRequest,
            format!("Content-Encoding {encoding:?} is not understood at the edge"),
        )));
    }
    let too_large =
        || Error::new(ErrorKind::TooLarge, format!("the body has more than {limit} bytes"));
    let declared = header(request, "content-length").and_then(|n| n.parse::<u64>().ok());
    if declared.is_some_and(|n| n > limit) {
        return Ok(Err(too_large()));
    }
    let stream = request.stream().map_err(|e| failed("the request's body", e))?;
    let body = read(stream, declared.unwrap_or(0), limit).await;
    body.map_err(|e| failed("the request's body", e))?.map(Ok).ok_or_else(too_large)
}

/// The whole of a stream, straight into this module's memory; none when it is longer than `limit`.
pub(crate) async fn read(
    mut stream: ByteStream,
    expected: u64,
    limit: u64,
) -> worker::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(usize::try_from(expected.min(limit)).unwrap_or(0));
    while let Some(chunk) = stream.try_next().await? {
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}
