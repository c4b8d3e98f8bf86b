//! Single operators on the native engine, each against ONNX Runtime's answer.
//!
//! In: `tests/cases/operators/*.json`, made by `make.py` there: a list of
//! `{name, model: <base64 of an ONNX file>, inputs, outputs, rtol, atol}`, where a tensor is
//! `{type, dims, values}` and a float that JSON cannot write is "nan", "inf" or "-inf".
//! Out: one test a case. A case without `outputs` has `error` instead: a part of the message with
//! which the model must be refused. `wasm` is for another runner: what the smaller engine refuses. Each case is run from
//! its published form too, with the same bits; none panics on the way.

#![allow(clippy::expect_used, clippy::panic)]

mod case;
mod numbers;
mod panics;
mod published;

use libtest_mimic::{Arguments, Failed, Trial};
use nearside::{Format, ModelFile};

fn main() {
    let arguments = Arguments::from_args();
    let trials = case::read().into_iter().map(|case| {
        let name = case.name.clone();
        Trial::test(name, move || beside(&case).map_err(Failed::from))
    });
    panics::watch();
    panics::none(libtest_mimic::run(&arguments, trials.collect()));
}

/// Runs a case, and its published form beside it.
fn beside(case: &case::Case) -> Result<(), String> {
    let options = case::options();
    case::run(case, &options)?;
    let file = ModelFile::decode(case::model(case)?).ok();
    let about = file.and_then(|file| nearside::inspect(&file).ok());
    match about.filter(|about| about.format == Format::Nearside) {
        // Made by published.mjs, with plans alone.
        Some(form) if form.plans.is_empty() => Err("a form of another edition".to_owned()),
        Some(_) => Ok(()),
        None => {
            let answer = case::answer(case, &options);
            let feeds = case::feeds(case)?;
            published::compare(case::model(case)?, feeds, &answer, &options).map(|_| ())
        }
    }
}
