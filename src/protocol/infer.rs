//! One inference on the wire.
//!
//! In: a body and its length header. Out: named tensors and which outputs are wanted, how; and the
//! other way round for the answer.

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::json::Sink;
use crate::protocol::request::{InputHead, OutputHead, RequestHead, read_data};
use crate::protocol::{LENGTH_HEADER, Reply, binary, json};
use crate::session::RunResult;
use crate::tensor::{DType, Tensor};

/// No model has tensors of more dimensions.
const MAX_RANK: usize = 32;

/// An output that the caller wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedOutput {
    /// Its name.
    pub name: String,
    /// Raw bytes rather than JSON.
    pub binary: bool,
}

/// A request for inference.
#[derive(Clone, Debug)]
pub struct InferRequest {
    /// The caller's own word for this request.
    pub id: Option<String>,
    /// What to feed.
    pub inputs: Vec<(String, Tensor)>,
    /// What to answer; empty means every output.
    pub outputs: Vec<RequestedOutput>,
    /// How outputs that are not named go out.
    pub binary_by_default: bool,
}

impl InferRequest {
    /// Reads a body. `head_length` is the value of the `Inference-Header-Content-Length` header.
    ///
    /// # Errors
    /// `MalformedRequest`; `ShapeMismatch` where data and shape disagree; `UnsupportedType`;
    /// `InvalidInput` for strings that are not UTF-8.
    pub fn parse(head_length: Option<&str>, body: &[u8]) -> Result<Self> {
        let (head, tail) = match head_length {
            None => (body, &[][..]),
            Some(text) => text
                .trim()
                .parse()
                .ok()
                .and_then(|length| body.split_at_checked(length))
                .ok_or_else(|| {
                    malformed(format!(
                        "{LENGTH_HEADER} is {text:?}, the body has {} bytes",
                        body.len()
                    ))
                })?,
        };
        let (json, mut tail) = (head, tail);
        let head = RequestHead::parse(json)?;
        let mut sinks = head.inputs.iter().map(json_sink).collect::<Result<Vec<_>>>()?;
        read_data(json, &mut sinks)?;
        let inputs = head
            .inputs
            .iter()
            .zip(sinks)
            .map(|(input, sink)| {
                let tensor = match sink {
                    Some(sink) => sink.finish(),
                    None => read_binary(input, &mut tail, head_length.is_some()),
                };
                Ok((input.name.clone(), tensor?))
            })
            .collect::<Result<_>>()?;
        if !tail.is_empty() {
            return Err(malformed(format!("{} bytes after the last tensor", tail.len())));
        }
        let binary_by_default = head.parameters.binary_data_output;
        let outputs = head
            .outputs
            .into_iter()
            .map(|output| read_output(output, binary_by_default))
            .collect::<Result<_>>()?;
        Ok(Self { id: head.id, inputs, outputs, binary_by_default })
    }

    /// Names of the wanted outputs.
    pub fn fetches(&self) -> Vec<String> {
        self.outputs.iter().map(|o| o.name.clone()).collect()
    }
}

fn malformed(message: String) -> Error {
    Error::new(ErrorKind::MalformedRequest, message)
}

/// Where an input's JSON data goes; none where it is binary.
fn json_sink(input: &InputHead) -> Result<Option<Sink>> {
    let name = &input.name;
    if input.parameters.shared_memory_region.is_some() {
        return Err(malformed(format!("input `{name}`: there is no shared memory here")));
    }
    let (dtype, shape) = (read_dtype(input)?, read_shape(input)?);
    match (input.parameters.binary_data_size, &input.data) {
        (None, Some(_)) => Sink::new(name, dtype, shape).map(Some),
        (None, None) => Err(malformed(format!("input `{name}` has no data"))),
        (Some(_), Some(_)) => {
            Err(malformed(format!("input `{name}` has both JSON and binary data")))
        }
        (Some(_), None) => Ok(None),
    }
}

/// Takes an input's bytes off the tail.
fn read_binary(input: &InputHead, tail: &mut &[u8], has_tail: bool) -> Result<Tensor> {
    let name = &input.name;
    let size = input.parameters.binary_data_size.unwrap_or(0);
    let Some((bytes, rest)) = usize::try_from(size).ok().and_then(|n| tail.split_at_checked(n))
    else {
        let hint =
            if has_tail { "" } else { "; the header Inference-Header-Content-Length is missing" };
        let left = tail.len();
        return Err(malformed(format!(
            "input `{name}` is truncated: {size} bytes declared, {left} left{hint}"
        )));
    };
    *tail = rest;
    binary::read(name, read_dtype(input)?, &read_shape(input)?, bytes)
}

fn read_dtype(input: &InputHead) -> Result<DType> {
    DType::from_oip_name(&input.datatype).ok_or_else(|| {
        Error::unsupported_type(format!(
            "input `{}` has the datatype {:?}",
            input.name, input.datatype
        ))
    })
}

fn read_shape(input: &InputHead) -> Result<Vec<usize>> {
    let sizes: Option<Vec<usize>> = input.shape.iter().map(|d| usize::try_from(*d).ok()).collect();
    sizes
        .filter(|sizes| {
            // A zero elsewhere in the shape must not hide sizes whose strides overflow.
            let volume =
                sizes.iter().filter(|d| **d > 0).try_fold(1usize, |n, d| n.checked_mul(*d));
            sizes.len() <= MAX_RANK && volume.is_some_and(|v| v <= usize::MAX / 16)
        })
        .ok_or_else(|| {
            Error::new(
                ErrorKind::ShapeMismatch,
                format!("input `{}` cannot have the shape {:?}", input.name, input.shape),
            )
        })
}

fn read_output(output: OutputHead, binary_by_default: bool) -> Result<RequestedOutput> {
    let OutputHead { name, parameters } = output;
    let asked = if parameters.classification.is_some() {
        "classification"
    } else if parameters.shared_memory_region.is_some() {
        "shared memory"
    } else {
        let binary = parameters.binary_data.unwrap_or(binary_by_default);
        return Ok(RequestedOutput { name, binary });
    };
    Err(malformed(format!("output `{name}`: there is no {asked} here")))
}

/// Who answers, in the words of a report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answerer<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: u64,
    pub(crate) source: &'a str,
    pub(crate) backend: &'a str,
}

/// Writes an answer: JSON, and after it the outputs that were asked for as bytes.
pub(crate) fn write(by: Answerer<'_>, request: &InferRequest, result: &RunResult) -> Result<Reply> {
    let mut head = Vec::with_capacity(512);
    let mut tail = vec![];
    let mut any_binary = false;
    let mut start = serde_json::json!({
        "model_name": by.name,
        "model_version": by.version.to_string(),
        "parameters": {
            "source": by.source,
            "backend": by.backend,
            "plan_ms": rounded(result.plan_ms),
            "run_ms": rounded(result.run_ms),
        },
    });
    if let (Some(id), Some(object)) = (&request.id, start.as_object_mut()) {
        object.insert("id".to_owned(), id.clone().into());
    }
    push_open(&mut head, &start)?;
    head.extend_from_slice(b",\"outputs\":[");
    for (index, (name, tensor)) in result.outputs.iter().enumerate() {
        let wanted = request.outputs.iter().find(|o| o.name == *name);
        let mut output = serde_json::json!({
            "name": name, "datatype": tensor.dtype().oip_name(), "shape": tensor.shape(),
        });
        if index > 0 {
            head.push(b',');
        }
        if wanted.map_or(request.binary_by_default, |o| o.binary) {
            any_binary = true;
            let size = binary::write(tensor, &mut tail);
            if let Some(object) = output.as_object_mut() {
                object.insert(
                    "parameters".to_owned(),
                    serde_json::json!({ "binary_data_size": size }),
                );
            }
            push_open(&mut head, &output)?;
        } else {
            push_open(&mut head, &output)?;
            head.extend_from_slice(b",\"data\":");
            json::write(name, tensor, &mut head)?;
        }
        head.push(b'}');
    }
    head.extend_from_slice(b"]}");
    if !any_binary {
        let headers = vec![("content-type", "application/json".to_owned())];
        return Ok(Reply { status: 200, headers, body: head });
    }
    let headers = vec![
        ("content-type", "application/octet-stream".to_owned()),
        (LENGTH_HEADER, head.len().to_string()),
    ];
    head.extend_from_slice(&tail);
    Ok(Reply { status: 200, headers, body: head })
}

/// Writes an object without its closing brace, so that large members can follow.
fn push_open(out: &mut Vec<u8>, object: &serde_json::Value) -> Result<()> {
    serde_json::to_writer(&mut *out, object)
        .map_err(|e| Error::new(ErrorKind::Internal, "cannot write JSON").with_source(e))?;
    out.pop();
    Ok(())
}

fn rounded(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

#[cfg(test)]
#[path = "infer_tests.rs"]
mod tests;
