//! Everything that can go wrong, as one opaque [`Error`] with a [`ErrorKind`].
//!
//! In: failures of any stage. Out: one kind, one sentence that says what, where and what to do, and
//! (for tools) structured details. [`ErrorKind::row`] is the only table from a kind to the code that
//! JavaScript sees, the HTTP status and the exit code, so no face invents its own.

use std::fmt;

use serde::Serialize;

/// A `Result` whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProblemKind {
    /// The engine lacks the operator.
    Operator,
    /// The engine has the operator, but not with this attribute or form.
    Attribute,
    /// An input, output or constant is of a type that the engine lacks.
    Type,
}

/// One reason why a model cannot run, with everything that it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What stands in the way.
    pub kind: ProblemKind,
    /// `domain.Type` of the operator; empty for a type.
    pub operator: String,
    /// The nodes, or for a type the values, by name.
    pub names: Vec<String>,
    /// Why it cannot run.
    pub reason: String,
    /// What to do.
    pub advice: String,
}

/// What kind of failure it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes are not an ONNX model, or its graph is inconsistent.
    InvalidModel,
    /// The model needs operators, or forms of them, that the engine lacks; everything is listed.
    UnsupportedOperator(Vec<Problem>),
    /// The engine has the operators, but finds no plan for these inputs: their sizes contradict the
    /// graph, or the graph has a form that the engine cannot handle.
    CannotPlan,
    /// The model or a tensor has an element type that the engine lacks; of a model all are listed.
    UnsupportedType(Vec<Problem>),
    /// An input is missing, unknown, given twice or has a bad value.
    InvalidInput,
    /// An input's shape does not fit the model.
    ShapeMismatch,
    /// An input's element type does not fit the model.
    TypeMismatch,
    /// A request that cannot be read: bad JSON, truncated binary data.
    MalformedRequest,
    /// No such model or version.
    ModelNotFound,
    /// No such route.
    NotFound,
    /// The route exists, for another method.
    MethodNotAllowed,
    /// Larger than a limit.
    TooLarge,
    /// The memory does not suffice.
    OutOfMemory,
    /// The time limit passed.
    Timeout,
    /// An upstream or the network cannot be reached.
    Unavailable,
    /// There is no GPU, or it cannot take this work.
    GpuUnavailable,
    /// The GPU device is gone; another must be opened.
    GpuLost,
    /// Reading or writing failed.
    Io,
    /// A defect of nearside.
    Internal,
}

/// How one kind is told to each kind of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorRow {
    /// `error.code` in JavaScript, `code` in HTTP bodies.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Exit code of the command line.
    pub exit: u8,
}

const fn row(code: &'static str, status: u16, exit: u8) -> ErrorRow {
    ErrorRow { code, status, exit }
}

impl ErrorKind {
    /// The table.
    pub fn row(&self) -> ErrorRow {
        match self {
            Self::InvalidModel => row("INVALID_MODEL", 400, 2),
            Self::UnsupportedOperator(_) => row("UNSUPPORTED_OPERATOR", 400, 2),
            Self::CannotPlan => row("CANNOT_PLAN", 400, 3),
            Self::UnsupportedType(_) => row("UNSUPPORTED_TYPE", 400, 2),
            Self::InvalidInput => row("INVALID_INPUT", 400, 3),
            Self::ShapeMismatch => row("SHAPE_MISMATCH", 400, 3),
            Self::TypeMismatch => row("TYPE_MISMATCH", 400, 3),
            Self::MalformedRequest => row("MALFORMED_REQUEST", 400, 3),
            Self::ModelNotFound => row("MODEL_NOT_FOUND", 404, 4),
            Self::NotFound => row("NOT_FOUND", 404, 4),
            Self::MethodNotAllowed => row("METHOD_NOT_ALLOWED", 405, 4),
            Self::TooLarge => row("TOO_LARGE", 413, 5),
            Self::OutOfMemory => row("OUT_OF_MEMORY", 507, 5),
            Self::Timeout => row("TIMEOUT", 504, 6),
            Self::Unavailable => row("UNAVAILABLE", 503, 6),
            Self::GpuUnavailable => row("GPU_UNAVAILABLE", 503, 6),
            Self::GpuLost => row("GPU_LOST", 503, 6),
            Self::Io => row("IO", 500, 7),
            Self::Internal => row("INTERNAL", 500, 70),
        }
    }
}

type Source = Box<dyn std::error::Error + Send + Sync>;

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Source>,
}

/// The one error type of the crate.
pub struct Error(Box<Inner>);

impl Error {
    /// An error of `kind`, with a sentence for people.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: None }))
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Everything that the engine lacks for a model, as one error.
    pub fn unsupported(problems: Vec<Problem>) -> Self {
        let said = |p: &Problem| {
            if p.operator.is_empty() {
                p.reason.clone()
            } else {
                format!("{} ({})", p.operator, p.reason)
            }
        };
        let list = problems.iter().map(said).collect::<Vec<_>>().join("; ");
        if problems.iter().all(|p| p.kind == ProblemKind::Type) {
            let message = format!("the model has types that this engine lacks: {list}");
            return Self::new(ErrorKind::UnsupportedType(problems), message);
        }
        let message = format!("the model needs operators that this engine lacks: {list}");
        Self::new(ErrorKind::UnsupportedOperator(problems), message)
    }

    /// A value of a type that the engine lacks.
    pub fn unsupported_type(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::UnsupportedType(vec![]), message)
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The kind's row of the table.
    pub fn row(&self) -> ErrorRow {
        self.0.kind.row()
    }

    /// The sentence, without its causes.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Structured details for tools, where the kind has any.
    pub fn details(&self) -> Option<serde_json::Value> {
        match &self.0.kind {
            ErrorKind::UnsupportedOperator(problems) | ErrorKind::UnsupportedType(problems)
                if !problems.is_empty() =>
            {
                Some(serde_json::json!({ "problems": problems }))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut said = self.0.message.clone();
        let mut cause = std::error::Error::source(self);
        while let Some(next) = cause {
            let text = next.to_string();
            // tract's chains repeat a cause's text in the context above it.
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            cause = next.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.row().code)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        let kinds = [
            ErrorKind::InvalidModel,
            ErrorKind::UnsupportedOperator(vec![]),
            ErrorKind::CannotPlan,
            ErrorKind::UnsupportedType(vec![]),
            ErrorKind::InvalidInput,
            ErrorKind::ShapeMismatch,
            ErrorKind::TypeMismatch,
            ErrorKind::MalformedRequest,
            ErrorKind::ModelNotFound,
            ErrorKind::NotFound,
            ErrorKind::MethodNotAllowed,
            ErrorKind::TooLarge,
            ErrorKind::OutOfMemory,
            ErrorKind::Timeout,
            ErrorKind::Unavailable,
            ErrorKind::GpuUnavailable,
            ErrorKind::GpuLost,
            ErrorKind::Io,
            ErrorKind::Internal,
        ];
        let mut codes: Vec<_> = kinds.iter().map(|k| k.row().code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), kinds.len());
    }

    #[test]
    fn a_cause_is_said_once() {
        let error = Error::new(ErrorKind::Io, "cannot read m.onnx: gone").with_source("gone");
        assert_eq!(error.to_string(), "cannot read m.onnx: gone");
        let error = Error::new(ErrorKind::Io, "cannot read m.onnx").with_source("gone");
        assert_eq!(error.to_string(), "cannot read m.onnx: gone");
    }
}
