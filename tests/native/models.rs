//! Every shared model on the native engine, against its reference, and its published form against it.
//!
//! In: `tests/cases/models.json` and the folder of models (`NEARSIDE_MODELS`, else `../shared/models`).
//! Out: one test a case. A row that expects a failure must fail, so that a repair shows.

#![allow(clippy::expect_used)]

mod compare;
mod numbers;
mod published;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use nearside::npy::read_npz;
use nearside::{DType, Session, SessionOptions, Tensor};
use serde::Deserialize;

use compare::{Tolerance, compare};

#[derive(Deserialize)]
struct Cases {
    tolerances: BTreeMap<String, Tolerance>,
    models: Vec<Row>,
}

#[derive(Clone, Deserialize)]
struct Row {
    model: String,
    cases: Vec<String>,
    tolerance: String,
    expect: Expect,
    /// Why its published form has no plan, where it has none.
    #[serde(default)]
    unplanned: Option<String>,
    sequence: Option<Sequence>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expect {
    Right,
    Wrong(String),
    Unsupported(String),
}

/// A stateful model over its recorded frames: outputs become the next frame's state.
#[derive(Clone, Deserialize)]
struct Sequence {
    frames: BTreeMap<String, String>,
    state: BTreeMap<String, State>,
    constants: BTreeMap<String, Constant>,
    outputs: BTreeMap<String, String>,
}

#[derive(Clone, Deserialize)]
struct State {
    output: String,
    r#final: String,
    zeros: Vec<usize>,
}

#[derive(Clone, Deserialize)]
struct Constant {
    r#type: DType,
    dims: Vec<usize>,
    values: Vec<i64>,
}

type Named = Vec<(String, Tensor)>;

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cases = std::fs::read_to_string(root.join("tests/cases/models.json")).expect("cases");
    let cases: Cases = serde_json::from_str(&cases).expect("cases are valid");
    let folder = std::env::var_os("NEARSIDE_MODELS")
        .map_or_else(|| root.join("../shared/models"), PathBuf::from);
    let mut trials = vec![];
    for row in cases.models {
        let tolerance = cases.tolerances[&row.tolerance].clone();
        let dir = folder.join(&row.model);
        let absent = !dir.join("model.onnx").exists();
        let mut add = |name: String, work: Box<dyn FnOnce() -> Result<(), String> + Send>| {
            let expect = row.expect.clone();
            let trial = Trial::test(name, move || judge(&expect, work()));
            trials.push(trial.with_ignored_flag(absent));
        };
        for case in &row.cases {
            let (dir, case_, tolerance) = (dir.clone(), case.clone(), tolerance.clone());
            let row_ = row.clone();
            add(
                format!("{}::{case}", row.model),
                Box::new(move || run_case(&dir, &case_, &row_, &tolerance)),
            );
        }
        if let Some(sequence) = row.sequence.clone() {
            let (dir, tolerance) = (dir.clone(), tolerance.clone());
            add(
                format!("{}::sequence", row.model),
                Box::new(move || run_sequence(&dir, &sequence, &tolerance)),
            );
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn judge(expect: &Expect, outcome: Result<(), String>) -> Result<(), Failed> {
    match (expect, outcome) {
        (Expect::Right, outcome) => outcome.map_err(Failed::from),
        (Expect::Wrong(_) | Expect::Unsupported(_), Err(_)) => Ok(()),
        (Expect::Wrong(reason) | Expect::Unsupported(reason), Ok(())) => {
            Err(format!("passes now: make the row `right` (its reason was: {reason})").into())
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn load(dir: &Path) -> Result<Session, String> {
    let bytes = std::fs::read(dir.join("model.onnx")).map_err(text)?;
    Session::from_bytes(bytes, &SessionOptions::default()).map_err(text)
}

fn npz(dir: &Path, name: &str) -> Result<Named, String> {
    read_npz(&std::fs::read(dir.join(name)).map_err(text)?).map_err(text)
}

fn run_case(dir: &Path, case: &str, row: &Row, tolerance: &Tolerance) -> Result<(), String> {
    let prefix = if case == "main" { String::new() } else { format!("{case}_") };
    let wanted = npz(dir, &format!("{prefix}outputs.npz"))?;
    let inputs = npz(dir, &format!("{prefix}inputs.npz"))?;
    let result = load(dir)?.run(inputs.clone(), &[]).map_err(text)?;
    for (name, wanted) in &wanted {
        compare(name, find(&result.outputs, name)?, wanted, tolerance)?;
    }
    let bytes = std::fs::read(dir.join("model.onnx")).map_err(text)?;
    let unplanned =
        published::compare(bytes, inputs, &Ok(result.outputs), &SessionOptions::default())?;
    match (&row.unplanned, unplanned) {
        (None, Some(reason)) => Err(format!("its published form has no plan: {reason}")),
        (Some(reason), None) => Err(format!("it is planned: drop the row's `{reason}`")),
        (Some(row), Some(reason)) if !reason.contains(row) => Err(format!("no plan: {reason}")),
        _ => Ok(()),
    }
}

fn find<'a>(tensors: &'a Named, name: &str) -> Result<&'a Tensor, String> {
    tensors.iter().find(|(n, _)| n == name).map(|(_, t)| t).ok_or(format!("no `{name}`"))
}

fn run_sequence(dir: &Path, sequence: &Sequence, tolerance: &Tolerance) -> Result<(), String> {
    let session = load(dir)?;
    let inputs = npz(dir, "sequence_inputs.npz")?;
    let wanted = npz(dir, "sequence_outputs.npz")?;
    let mut state: BTreeMap<&str, Tensor> = BTreeMap::new();
    for (name, s) in &sequence.state {
        let zeros = vec![0f32; s.zeros.iter().product()];
        state.insert(name, Tensor::try_from((&s.zeros[..], &zeros[..])).map_err(text)?);
    }
    let first = sequence.frames.values().next().ok_or("no frames")?;
    let steps = find(&inputs, first)?.shape()[0];
    for step in 0..steps {
        let mut feeds: Named = vec![];
        for (input, from) in &sequence.frames {
            feeds.push((input.clone(), slice(find(&inputs, from)?, step, None)?));
        }
        for (input, constant) in &sequence.constants {
            assert_eq!(constant.r#type, DType::Int64);
            let tensor = Tensor::try_from((&constant.dims[..], &constant.values[..]));
            feeds.push((input.clone(), tensor.map_err(text)?));
        }
        feeds.extend(state.iter().map(|(n, t)| ((*n).to_owned(), t.clone())));
        let result = session.run(feeds, &[]).map_err(text)?;
        for (output, to) in &sequence.outputs {
            let got = find(&result.outputs, output)?;
            let wanted = slice(find(&wanted, to)?, step, Some(got.shape()))?;
            compare(&format!("{output}[{step}]"), got, &wanted, tolerance)?;
        }
        for (input, s) in &sequence.state {
            state.insert(input, find(&result.outputs, &s.output)?.clone());
        }
    }
    for (input, s) in &sequence.state {
        compare(&s.r#final, &state[input.as_str()], find(&wanted, &s.r#final)?, tolerance)?;
    }
    Ok(())
}

/// Row `step` of the outermost axis, under `shape` where the recording squeezed it.
fn slice(tensor: &Tensor, step: usize, shape: Option<&[usize]>) -> Result<Tensor, String> {
    let size = tensor.bytes().len() / tensor.shape()[0];
    let bytes = &tensor.bytes()[step * size..][..size];
    Tensor::from_bytes(tensor.dtype(), shape.unwrap_or(&tensor.shape()[1..]), bytes).map_err(text)
}
