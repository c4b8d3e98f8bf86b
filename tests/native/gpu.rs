//! The shared models and the node tests on the GPU engine, where this machine has a Vulkan, Metal or DirectX 12 adapter
//! (Mesa's lavapipe is one): elsewhere every test is skipped.
//!
//! In: `tests/cases/models.json`, the node tests of onnx 1.17 and 1.23, the cases of single operators, the list of node tests
//! that ONNX Runtime runs on its WebGPU and `tests/cases/gpu.json`.
//! Out: one test a case of a model, compared with ONNX Runtime's reference and never answered by the CPU alone unless
//! the row says why; one test each for the node tests and the single operators: a case runs wholly on the GPU and is
//! right, or the GPU refuses it; one for the operators that the table of kernels claims; `plain`: the same as on an
//! adapter without subgroups and float16; `half`: with arithmetic in float16; and what a session owes its caller whatever the GPU does (`gpu_session`).

#![allow(clippy::expect_used, clippy::panic)]

mod case;
mod compare;
mod gpu_half;
mod gpu_memory;
mod gpu_session;
mod listed;
mod numbers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use nearside::conformance::{Expected, judge_on, read};
use nearside::npy::read_npz;
use nearside::{GPU_OPERATORS, Gpu, GpuOptions, Ran, Session, SessionOptions};
use serde::Deserialize;

use compare::{Tolerance, compare};

#[derive(Deserialize)]
struct Models {
    tolerances: BTreeMap<String, Tolerance>,
    models: Vec<Model>,
}

#[derive(Clone, Deserialize)]
struct Model {
    model: String,
    cases: Vec<String>,
    tolerance: String,
}

#[derive(Clone, Deserialize)]
struct Cases {
    /// Node tests that must run wholly on the GPU, at least.
    whole: usize,
    /// The same of the node tests of onnx 1.23.
    newer: usize,
    /// Of the node tests that ONNX Runtime runs on its WebGPU, at least.
    listed: usize,
    /// Cases of single operators that must, at least.
    operators: usize,
    /// Node tests that rounding decides, which is the GPU's own, and why.
    rounded: BTreeMap<String, String>,
    /// Cases of single operators that are not right, and why.
    operators_wrong: BTreeMap<String, String>,
    /// Models, or `model::case`, that the CPU runs alone, and why.
    cpu: BTreeMap<String, String>,
    /// Models that are not run here, and why.
    skipped: BTreeMap<String, String>,
    /// Models that are also run as on an adapter without anything optional.
    plain: Vec<String>,
    /// Models that are also run with arithmetic in float16, which a CPU that plays the adapter is not asked for.
    half: Vec<String>,
    /// By model: how far what is rounded to float16 on the way may be from what is not.
    half_tolerances: BTreeMap<String, Vec<Tolerance>>,
}

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text =
        |name: &str| std::fs::read_to_string(root.join("tests/cases").join(name)).expect(name);
    let models: Models = serde_json::from_str(&text("models.json")).expect("models");
    let cases: Cases = serde_json::from_str(&text("gpu.json")).expect("cases");
    let rows = |name: &str| -> Expected { serde_json::from_str(&text(name)).expect("rows") };
    let (known, newer) = (rows("conformance-1.17.json"), rows("conformance-1.23.json"));
    let gpu = pollster::block_on(Gpu::open());
    if let Err(error) = &gpu {
        eprintln!("skipped: {error}");
    }
    let options = GpuOptions { plain: true, ..GpuOptions::default() };
    let plain = pollster::block_on(Gpu::open_with(options)).ok().filter(|_| gpu.is_ok());
    let options = GpuOptions { half_math: Some(true), ..GpuOptions::default() };
    let half = pollster::block_on(Gpu::open_with(options)).ok().filter(|_| gpu.is_ok());
    let folder = |name: &str, place: &str| {
        std::env::var_os(name).map_or_else(|| root.join("../shared").join(place), PathBuf::from)
    };
    let mut trials = vec![];
    for row in models.models {
        let dir = folder("NEARSIDE_MODELS", "models").join(&row.model);
        for case in &row.cases {
            let exact = vec![models.tolerances[&row.tolerance].clone()];
            let tolerance = cases.half_tolerances.get(&row.model).unwrap_or(&exact).clone();
            let name = format!("{}::{case}", row.model);
            let absent = gpu.is_err() || !dir.exists() || cases.skipped.contains_key(&row.model);
            let cpu = cases.cpu.contains_key(&row.model) || cases.cpu.contains_key(&name);
            for (kind, lent, listed) in
                [("plain", &plain, &cases.plain), ("half", &half, &cases.half)]
            {
                if !listed.contains(&row.model) {
                    continue;
                }
                let (gpu, dir, case) = (lent.clone(), dir.clone(), case.clone());
                let tolerance = if kind == "plain" { exact.clone() } else { tolerance.clone() };
                let run = move || model(gpu, &dir, &case, &tolerance, cpu);
                let trial = Trial::test(format!("{kind}::{name}"), run);
                trials.push(trial.with_ignored_flag(absent || lent.is_none()));
            }
            let (gpu, dir, case) = (gpu.as_ref().ok().cloned(), dir.clone(), case.clone());
            let trial = Trial::test(name, move || model(gpu, &dir, &case, &tolerance, cpu));
            trials.push(trial.with_ignored_flag(absent));
        }
    }
    trials.extend(gpu_session::trials(&folder("NEARSIDE_MODELS", "models"), gpu.is_err()));
    let archive = folder("NEARSIDE_CONFORMANCE", "conformance").join("onnx-node-tests-1.17.tar.gz");
    let absent = gpu.is_err() || !archive.exists();
    let gpu = gpu.ok();
    let lent = gpu.clone();
    let (set, same) = (archive.clone(), cases.clone());
    let least = same.whole;
    let trial = Trial::test("nodes::1.17", move || nodes(lent, &set, &known, (&same, least)));
    trials.push(trial.with_ignored_flag(absent));
    let set = archive.with_file_name("onnx-node-tests.tar.gz");
    let absent = gpu.is_none() || !set.exists();
    let (lent, same, least) = (gpu.clone(), cases.clone(), cases.newer);
    let trial = Trial::test("nodes::1.23", move || nodes(lent, &set, &newer, (&same, least)));
    trials.push(trial.with_ignored_flag(absent));
    let absent = gpu.is_none() || !archive.exists();
    let (lent, set) = (plain.clone(), archive.clone());
    let trial = Trial::test("plain::claims", move || claims(lent, &set));
    trials.push(trial.with_ignored_flag(absent || plain.is_none()));
    let absent = gpu.is_none() || !archive.with_file_name(listed::LIST).exists();
    let (lent, least, set) = (gpu.clone(), cases.listed, archive.clone());
    let trial = Trial::test("nodes::listed", move || listed(lent, &set, least));
    trials.push(trial.with_ignored_flag(absent));
    let absent = gpu.is_none();
    let (lent, same) = (gpu.clone(), cases.clone());
    let trial = Trial::test("operators", move || operators(lent, &same));
    trials.push(trial.with_ignored_flag(absent));
    for (kind, lent) in [("plain", plain), ("half", half)] {
        let (absent, same) = (lent.is_none(), cases.clone());
        let trial = Trial::test(format!("{kind}::operators"), move || operators(lent, &same));
        trials.push(trial.with_ignored_flag(absent));
    }
    let absent = gpu.is_none() || !archive.exists();
    let trial = Trial::test("claims", move || claims(gpu, &archive));
    trials.push(trial.with_ignored_flag(absent));
    libtest_mimic::run(&arguments, trials).exit();
}

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn model(
    gpu: Option<Arc<Gpu>>,
    dir: &Path,
    case: &str,
    tolerances: &[Tolerance],
    cpu: bool,
) -> Result<(), Failed> {
    let prefix = if case == "main" { String::new() } else { format!("{case}_") };
    let npz = |name: &str| {
        read_npz(&std::fs::read(dir.join(format!("{prefix}{name}.npz"))).map_err(text)?)
            .map_err(text)
    };
    let bytes = std::fs::read(dir.join("model.onnx")).map_err(text)?;
    let options = SessionOptions { gpu, check_gpu: false, ..SessionOptions::default() };
    let session = Session::from_bytes(bytes, &options).map_err(text)?;
    let result = session.run(npz("inputs")?, &[]).map_err(text)?;
    for (name, wanted) in &npz("outputs")? {
        let got = result.outputs.iter().find(|(n, _)| n == name).ok_or(format!("no `{name}`"))?;
        for tolerance in tolerances {
            compare(name, &got.1, wanted, tolerance)?;
        }
    }
    if let Some(error) = result.gpu.error {
        return Err(format!("the CPU ran it: {error}").into());
    }
    match (result.on_gpu(), cpu) {
        (true, true) => Err("the GPU runs a part now: remove it from `cpu`".into()),
        (false, false) => Err("no part of it ran on the GPU".into()),
        _ => Ok(()),
    }
}

/// A case that the GPU refuses is no failure; a wrong answer is.
fn nodes(
    gpu: Option<Arc<Gpu>>,
    archive: &Path,
    known: &Expected,
    (Cases { rounded, .. }, least): (&Cases, usize),
) -> Result<(), Failed> {
    let options =
        SessionOptions { gpu, strict_gpu: true, check_gpu: false, ..SessionOptions::default() };
    let mut judged = judge_on(read(archive)?, Duration::from_secs(20), &options, |_| {});
    for j in &judged {
        if let Some(f) = &j.failure {
            eprintln!("REFUSED node {} | {}", j.case, f);
        }
    }
    judged.retain(|j| {
        let refused = |f: &String| f.starts_with("UNSUPPORTED_OPERATOR: gpu.");
        !rounded.contains_key(&j.case) && !j.failure.as_ref().is_some_and(refused)
    });
    let mut surprises = known.surprises(&judged);
    // What is known of the CPU, whose roundings on the way to bfloat16 are others, the GPU may do better.
    surprises.retain(|surprise| !surprise.contains(" passes now: "));
    let right = judged.iter().filter(|j| j.failure.is_none()).count();
    if right < least {
        surprises.push(format!("only {right} cases run wholly on the GPU, not {least}"));
    }
    eprintln!("{right} cases run wholly on the GPU");
    if surprises.is_empty() { Ok(()) } else { Err(surprises.join("\n").into()) }
}

/// What ONNX Runtime's WebGPU is tested with.
fn listed(gpu: Option<Arc<Gpu>>, archive: &Path, least: usize) -> Result<(), Failed> {
    let options = SessionOptions { gpu, strict_gpu: true, check_gpu: false, ..case::options() };
    let folder = archive.parent().ok_or("the archive is in no folder")?;
    let (right, wrong) = listed::count(folder, &options)?;
    eprintln!("{} of {} cases run wholly on the GPU", right.len(), right.len() + wrong.len());
    for (name, why) in &wrong {
        eprintln!("{name}: {why}");
    }
    if right.len() >= least {
        return Ok(());
    }
    Err(format!("only {} cases run wholly on the GPU, not {least}", right.len()).into())
}

/// What the GPU refuses, it says so by an operator of its own domain.
const REFUSED: &str = "gpu.";
/// A published form that has no graph for the GPU, but plans for the CPU.
const PLANNED: &str = "has plans alone";
/// What is said of inputs whose integers the GPU has no type for.
const LARGE: &str = "beyond 32 bits cannot go to the GPU";

/// The same for the cases of single operators.
fn operators(gpu: Option<Arc<Gpu>>, cases: &Cases) -> Result<(), Failed> {
    let options = SessionOptions { gpu, strict_gpu: true, check_gpu: false, ..case::options() };
    let (mut right, mut surprises) = (0, vec![]);
    for case in case::read() {
        let known = cases.operators_wrong.contains_key(&case.name);
        match case::run(&case, &options) {
            Ok(()) if known => surprises.push(format!("{} is right now", case.name)),
            Ok(()) => right += 1,
            Err(why) if known || [REFUSED, PLANNED, LARGE].iter().any(|w| why.contains(w)) => {
                eprintln!("REFUSED case {} | {}", case.name, why);
            }
            Err(why) => surprises.push(format!("{}: {why}", case.name)),
        }
    }
    eprintln!("{right} cases of single operators run wholly on the GPU");
    if right < cases.operators {
        surprises
            .push(format!("only {right} cases run wholly on the GPU, not {}", cases.operators));
    }
    if surprises.is_empty() { Ok(()) } else { Err(surprises.join("\n").into()) }
}

/// Each operator that the table of kernels claims: its case is right, wholly on the GPU.
fn claims(gpu: Option<Arc<Gpu>>, archive: &Path) -> Result<(), Failed> {
    let claimed = GPU_OPERATORS.iter().filter_map(|(operator, ran)| match ran {
        Ran::By(_, case) | Ran::Planned(case) => Some((*operator, *case)),
        Ran::Never(_) => None,
    });
    let claimed: Vec<(&str, &str)> = claimed.collect();
    let options = SessionOptions {
        gpu: gpu.clone(),
        strict_gpu: true,
        check_gpu: false,
        ..SessionOptions::default()
    };
    let mut nodes = read(archive)?;
    nodes.retain(|node| claimed.iter().any(|c| c.1 == node.name));
    let judged = judge_on(nodes, Duration::from_secs(20), &options, |_| {});
    let options = SessionOptions { gpu, strict_gpu: true, check_gpu: false, ..case::options() };
    let cases = case::read();
    let mut broken = vec![];
    for (operator, name) in claimed {
        let failure =
            match (cases.iter().find(|c| c.name == name), judged.iter().find(|j| j.case == name)) {
                (Some(case), _) => case::run(case, &options).err(),
                (None, Some(judged)) => judged.failure.clone(),
                (None, None) => Some("there is no such case".to_owned()),
            };
        broken.extend(failure.map(|why| format!("{operator}, {name}: {why}")));
    }
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n").into()) }
}
