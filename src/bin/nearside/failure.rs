//! An error of the library with what a person at a terminal can do about it.
//!
//! In: any [`Error`]. Out: `error[CODE]: …`, details and a `help:` line on standard error; or one line of JSON.

use std::fmt::Write;

use nearside::{Error, ErrorKind};
use serde_json::json;

use crate::style;

/// What ends a command.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    help: Option<String>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let help = match error.kind() {
            ErrorKind::UnsupportedOperator(list) | ErrorKind::UnsupportedType(list)
                if !list.is_empty() =>
            {
                Some("`nearside check` lists all of them with their nodes and what to do")
            }
            _ => None,
        };
        Self { error, help: help.map(str::to_owned) }
    }
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error::new(kind, message).into()
    }

    /// Says what to do, where nobody closer to the cause has said it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.get_or_insert(help.into());
        self
    }

    /// Says that the error says it all.
    pub(crate) fn no_help(self) -> Self {
        self.help("")
    }

    pub(crate) fn print(&self, json: bool) {
        let text = if json { format!("{}\n", self.json()) } else { self.text() };
        // Nowhere is left to tell that standard error is closed.
        let _ = style::print_error(&text);
    }

    fn advice(&self) -> Option<&str> {
        self.help.as_deref().filter(|h| !h.is_empty())
    }

    fn json(&self) -> serde_json::Value {
        let row = self.error.row();
        let mut error =
            json!({ "code": row.code, "message": self.error.to_string(), "exit": row.exit });
        if let Some(details) = self.error.details() {
            error["details"] = details;
        }
        if let Some(help) = self.advice() {
            error["help"] = help.into();
        }
        json!({ "error": error })
    }

    fn text(&self) -> String {
        let (bad, strong, plain) = (style::BAD, style::STRONG, style::RESET);
        let mut text = format!("{bad}error[{}]{plain}: ", self.error.row().code);
        let problems = match self.error.kind() {
            ErrorKind::UnsupportedOperator(list) | ErrorKind::UnsupportedType(list) => &list[..],
            _ => &[],
        };
        if problems.is_empty() {
            let _ = writeln!(text, "{}", self.error);
        } else {
            text.push_str("the engine lacks what the model needs\n");
        }
        for problem in problems {
            let (count, name) = (problem.names.len(), problem.names.join(", "));
            let times = if count > 1 { format!(" ({count} nodes)") } else { String::new() };
            let what = if problem.operator.is_empty() { &name } else { &problem.operator };
            let _ = writeln!(text, "  {strong}{what}{plain}{times}: {}", problem.reason);
        }
        if let Some(help) = self.advice() {
            let _ = writeln!(text, "{strong}help:{plain} {help}");
        }
        text
    }
}
