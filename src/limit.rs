//! How large a tensor may be that is made while a plan is.
//!
//! In: the session's limit, around the work. Out: an error before anything larger is computed. The one decision: the limit
//! belongs to the thread and is no argument, since the engine's analyser and optimiser call operators of ours, to which
//! nobody could hand it.

use std::cell::Cell;

use tract_onnx::prelude::{DatumType, TractResult, TypedFact};

thread_local! {
    static MOST: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// A limit that the graph itself exceeds, as opposed to a defect.
#[derive(Debug)]
pub(crate) struct TooMuchMemory(pub(crate) String);

impl std::fmt::Display for TooMuchMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TooMuchMemory {}

/// Does `work`, in which no tensor may take more than `most` bytes.
pub(crate) fn within<T>(most: u64, work: impl FnOnce() -> T) -> T {
    struct Former(u64);
    impl Drop for Former {
        fn drop(&mut self) {
            MOST.set(self.0);
        }
    }
    let _former = Former(MOST.replace(most));
    work()
}

/// Fails where a tensor of this type and shape would take too much; `maker` says who makes it.
pub(crate) fn check(
    maker: impl FnOnce() -> String,
    datum_type: DatumType,
    shape: &[usize],
) -> TractResult<()> {
    let most = MOST.get();
    let size = datum_type.size_of() as u64;
    let bytes = shape.iter().try_fold(size, |n, d| n.checked_mul(*d as u64));
    if bytes.is_none_or(|b| b > most) {
        let maker = maker();
        let text =
            format!("{maker} makes a tensor of shape {shape:?}, over the limit of {most} bytes");
        return Err(TooMuchMemory(text).into());
    }
    Ok(())
}

/// The same of a fact, whose shape may be unknown.
pub(crate) fn check_fact(maker: impl FnOnce() -> String, fact: &TypedFact) -> TractResult<()> {
    fact.shape.as_concrete().map_or(Ok(()), |shape| check(maker, fact.datum_type, shape))
}
