//! Cases -> [`Judged`], each under a time limit.
//!
//! In: cases. Out: one verdict a case, in the same order. Cases run in order on one worker thread; one
//! that does not answer in time is a failure, its thread is left behind and a new one goes on.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde::Serialize;

use super::compare::compare_values;
use super::{Case, proto};
use crate::error::ErrorKind;
use crate::session::{Session, SessionOptions};

/// What became of one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Its name.
    pub case: String,
    /// The operator under test, `domain.Type`.
    pub operator: String,
    /// The operator set of that domain in the model.
    pub opset: i64,
    /// Why it fails; nothing when it passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A node test makes a few kilobytes; one that asks for more is a defect.
const MAX_TENSOR: u64 = 1 << 28;
const STACK: usize = 16 << 20;

/// Judges all cases; `each` hears of every verdict as it falls.
pub fn judge(cases: Vec<Case>, limit: Duration, each: impl FnMut(&Judged)) -> Vec<Judged> {
    judge_on(cases, limit, &SessionOptions::default(), each)
}

/// [`judge`] with sessions of these options.
pub fn judge_on(
    cases: Vec<Case>,
    limit: Duration,
    options: &SessionOptions,
    mut each: impl FnMut(&Judged),
) -> Vec<Judged> {
    let options = SessionOptions { max_tensor_bytes: MAX_TENSOR, ..options.clone() };
    let about = super::table::subjects(&cases);
    let cases: Arc<[Case]> = cases.into();
    let mut judged = Vec::with_capacity(cases.len());
    while judged.len() < cases.len() {
        let verdicts = worker(Arc::clone(&cases), judged.len(), options.clone());
        while judged.len() < cases.len() {
            let failure = match verdicts.recv_timeout(limit) {
                Ok(verdict) => verdict.err(),
                Err(RecvTimeoutError::Timeout) => Some(format!("timeout: not done in {limit:?}")),
                Err(RecvTimeoutError::Disconnected) => Some("crash: the worker died".to_owned()),
            };
            let stop = failure
                .as_deref()
                .is_some_and(|f| f.starts_with("timeout") || f.starts_with("crash"));
            let at = judged.len();
            let (operator, opset) = about[at].clone();
            let verdict = Judged { case: cases[at].name.clone(), operator, opset, failure };
            each(&verdict);
            judged.push(verdict);
            if stop {
                break;
            }
        }
    }
    judged
}

fn worker(
    cases: Arc<[Case]>,
    from: usize,
    options: SessionOptions,
) -> mpsc::Receiver<Result<(), String>> {
    let (send, receive) = mpsc::channel();
    let work = move || {
        for case in &cases[from..] {
            if send.send(run(case, &options)).is_err() {
                return;
            }
        }
    };
    // Where no thread can be had, the channel closes and says so.
    let _ = std::thread::Builder::new().stack_size(STACK).spawn(work);
    receive
}

fn run(case: &Case, options: &SessionOptions) -> Result<(), String> {
    let session = Session::from_bytes(case.model.clone(), options).map_err(|e| said(&e))?;
    for set in &case.sets {
        let signature = session.signature();
        if set.inputs.len() != signature.inputs.len()
            || set.outputs.len() != signature.outputs.len()
        {
            return Err(format!(
                "INVALID_MODEL: the case has {} inputs and {} outputs, the signature {} and {}",
                set.inputs.len(),
                set.outputs.len(),
                signature.inputs.len(),
                signature.outputs.len()
            ));
        }
        let feeds = signature.inputs.iter().zip(&set.inputs);
        let feeds = feeds
            .map(|(info, bytes)| Ok((info.name.clone(), proto::value(info.kind, bytes)?)))
            .collect::<Result<Vec<_>, String>>()?;
        let outputs = session.run_values(feeds, &[], false).map_err(|e| said(&e))?.outputs;
        let kinds = signature.outputs.iter().map(|o| o.kind);
        for (((name, got), wanted), kind) in outputs.iter().zip(&set.outputs).zip(kinds) {
            compare_values(name, got, &proto::value(kind, wanted)?)?;
        }
    }
    Ok(())
}

fn said(error: &crate::Error) -> String {
    match error.kind() {
        ErrorKind::UnsupportedOperator(list) if !list.is_empty() => {
            let list: Vec<_> =
                list.iter().map(|p| format!("{}: {}", p.operator, p.reason)).collect();
            format!("UNSUPPORTED_OPERATOR: {}", list.join("; "))
        }
        // One of them says enough.
        ErrorKind::UnsupportedType(list) if !list.is_empty() => {
            format!("UNSUPPORTED_TYPE: {}", list.first().map_or("", |p| &p.reason))
        }
        _ => format!("{}: {error}", error.row().code),
    }
}
