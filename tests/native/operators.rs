//! Single operators on the native engine, each against ONNX Runtime's answer.
//!
//! In: `tests/cases/operators/*.json`, made by `make.py` there: a list of
//! `{name, model: <base64 of an ONNX file>, inputs, outputs, rtol, atol}`, where a tensor is
//! `{type, dims, values}` and a float that JSON cannot write is "nan", "inf" or "-inf".
//! Out: one test a case. A case without `outputs` has `error` instead: a part of the message with
//! which the model must be refused. `wasm` is for another runner: what the smaller engine refuses.

#![allow(clippy::expect_used, clippy::panic)]

mod case;
mod numbers;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let trials = case::read().into_iter().map(|case| {
        let name = case.name.clone();
        Trial::test(name, move || case::run(&case, &case::options()).map_err(Failed::from))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
