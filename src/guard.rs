//! The boundary at which a panic of the engine becomes an error.
//!
//! In: a closure that calls into tract with untrusted data, and what its failure means. Out: its
//! result or an error. On wasm a panic aborts the instance instead, and the host makes a new one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, ErrorKind, Result};

/// Runs `work`; a panic inside becomes an error of `kind` that says what was being done.
pub(crate) fn guarded<T>(
    kind: ErrorKind,
    doing: &str,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        let kind = if text.contains("failed to allocate") { ErrorKind::OutOfMemory } else { kind };
        Err(Error::new(kind, format!("the engine panicked while {doing}: {text}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        #[allow(clippy::panic)]
        let error =
            guarded::<()>(ErrorKind::Internal, "testing", || panic!("boom {}", 1)).unwrap_err();
        assert_eq!(error.row().code, "INTERNAL");
        assert!(error.to_string().contains("boom 1"));
    }
}
