//! What a session owes its caller whatever the GPU does: a lost device costs no answer, a wrong one is found out, the
//! faster of two runs, and an adapter's limits hold.
//!
//! In: shared models, and devices of the tests' own. Out: one test each.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use nearside::npy::read_npz;
use nearside::{Golden, Gpu, GpuOptions, RunResult, Session, SessionOptions, Tensor};

use crate::text;

pub(crate) type Feeds = Vec<(String, Tensor)>;
pub(crate) type Test = fn(&Path) -> Result<(), Failed>;

/// Each test with the model that it takes.
const TESTS: [(&str, &str, Test); 7] = [
    ("lost_between_runs", "mnist-8", lost_between_runs),
    ("lost_within_runs", "resnet56-cifar10", lost_within_runs),
    ("golden", "mnist-8", golden),
    ("checked_once", "mnist-8", checked_once),
    ("fastest", "mnist-8", fastest),
    ("limits", "superres-x3", limits),
    ("profile", "mnist-8", profile),
];

pub(crate) fn trials(models: &Path, absent: bool) -> Vec<Trial> {
    let trial = |(name, model, test): &(&str, &str, Test)| {
        let (dir, test) = (models.join(model), *test);
        let absent = absent || !dir.exists();
        Trial::test(format!("session::{name}"), move || test(&dir)).with_ignored_flag(absent)
    };
    let all = TESTS.iter().chain(&crate::gpu_memory::TESTS).chain(&crate::gpu_half::TESTS);
    all.map(trial).collect()
}

pub(crate) fn npz(dir: &Path, name: &str) -> Result<Feeds, Failed> {
    Ok(read_npz(&std::fs::read(dir.join(name)).map_err(text)?).map_err(text)?)
}

pub(crate) fn open(options: GpuOptions) -> Result<Arc<Gpu>, Failed> {
    Ok(pollster::block_on(Gpu::open_with(options)).map_err(text)?)
}

pub(crate) fn load(dir: &Path, options: SessionOptions) -> Result<Session, Failed> {
    let bytes = std::fs::read(dir.join("model.onnx")).map_err(text)?;
    Ok(Session::from_bytes(bytes, &options).map_err(text)?)
}

pub(crate) fn trusting(gpu: &Arc<Gpu>) -> SessionOptions {
    let gpu = Some(Arc::clone(gpu));
    SessionOptions { gpu, check_gpu: false, ..SessionOptions::default() }
}

pub(crate) fn must(held: bool, otherwise: impl Into<String>) -> Result<(), Failed> {
    if held { Ok(()) } else { Err(otherwise.into().into()) }
}

fn same(a: &RunResult, b: &RunResult) -> bool {
    a.outputs.iter().zip(&b.outputs).all(|((_, a), (_, b))| a.bytes() == b.bytes())
}

/// The device is destroyed between runs: each run is answered, and by a GPU.
fn lost_between_runs(dir: &Path) -> Result<(), Failed> {
    let gpu = open(GpuOptions::default())?;
    let session = load(dir, trusting(&gpu))?;
    let wanted = session.run(npz(dir, "inputs.npz")?, &[]).map_err(text)?;
    for turn in 0..20 {
        gpu.destroy();
        let result = session.run(npz(dir, "inputs.npz")?, &[]).map_err(text)?;
        let why = format!("run {turn} was not the GPU's: {:?}", result.gpu.error);
        must(result.on_gpu(), why)?;
        must(same(&result, &wanted), format!("run {turn} gives something else"))?;
    }
    Ok(())
}

/// The device is destroyed while a run is under way, at another point each time: each run is answered, and right.
fn lost_within_runs(dir: &Path) -> Result<(), Failed> {
    let gpu = open(GpuOptions::default())?;
    let session = load(dir, trusting(&gpu))?;
    let feeds = npz(dir, "inputs.npz")?;
    let wanted = session.run(feeds.clone(), &[]).map_err(text)?;
    // The shortest of some: one that something held up would have the device go long after a run has ended.
    let mut whole = Duration::MAX;
    for _ in 0..5 {
        let since = Instant::now();
        session.run(feeds.clone(), &[]).map_err(text)?;
        whole = whole.min(since.elapsed());
    }
    let mut lost = 0;
    for turn in 0..20u32 {
        let after = whole * turn / 20;
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(after);
                gpu.destroy();
            });
            session.run(feeds.clone(), &[]).map_err(text)
        })?;
        // A run that planned again had lost its device.
        lost += usize::from(result.planned || result.gpu.error.is_some());
        for ((name, got), (_, wanted)) in result.outputs.iter().zip(&wanted.outputs) {
            let off = farthest(got, wanted);
            must(off < 1e-4, format!("run {turn}, {after:?}: `{name}` is {off} away"))?;
        }
    }
    must(lost >= 10, format!("only {lost} of 20 runs lost their device"))
}

pub(crate) fn farthest(a: &Tensor, b: &Tensor) -> f32 {
    let floats = |t: &Tensor| -> Vec<f32> {
        t.bytes().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    let (a, b) = (floats(a), floats(b));
    a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Golden inputs with right outputs let the GPU run; with wrong ones the CPU runs, and a strict session refuses.
fn golden(dir: &Path) -> Result<(), Failed> {
    let gpu = open(GpuOptions::default())?;
    let inputs = npz(dir, "inputs.npz")?;
    let right = Golden {
        inputs: inputs.clone(),
        outputs: npz(dir, "outputs.npz")?,
        tolerance: Golden::TOLERANCE,
    };
    let session = load(dir, trusting(&gpu))?;
    let verdict = pollster::block_on(session.prove(&right)).map_err(text)?;
    must(verdict.agrees, format!("refused: {verdict:?}"))?;
    must(session.run(inputs.clone(), &[]).map_err(text)?.on_gpu(), "not on the GPU")?;
    let shifted = right.outputs.iter().map(|(name, tensor)| {
        let bytes: Vec<u8> = tensor.bytes().iter().rev().copied().collect();
        let tensor = Tensor::from_bytes(tensor.dtype(), tensor.shape(), &bytes).map_err(text)?;
        Ok::<_, Failed>((name.clone(), tensor))
    });
    let wrong = Golden { outputs: shifted.collect::<Result<_, _>>()?, ..right };
    let session = load(dir, trusting(&gpu))?;
    let verdict = pollster::block_on(session.prove(&wrong)).map_err(text)?;
    must(!verdict.agrees, "wrong outputs pass")?;
    let result = session.run(inputs.clone(), &[]).map_err(text)?;
    must(!result.on_gpu(), "a GPU that is wrong runs on")?;
    let why = result.gpu.error.map(|e| e.to_string()).unwrap_or_default();
    must(why.contains("golden"), format!("the report says `{why}`"))?;
    let strict = load(dir, SessionOptions { strict_gpu: true, ..trusting(&gpu) })?;
    pollster::block_on(strict.prove(&wrong)).map_err(text)?;
    let refused = strict.run(inputs, &[]).err().map(|e| e.row().code);
    must(refused == Some("GPU_UNAVAILABLE"), format!("a strict session says {refused:?}"))
}

/// The first run is compared with the CPU's, and what that showed outlasts the process.
fn checked_once(dir: &Path) -> Result<(), Failed> {
    let folder = std::env::temp_dir().join(format!("nearside-verdicts-{}", std::process::id()));
    let kept = folder.join("verdicts.json");
    let ended = checked_with(dir, &kept);
    let _ = std::fs::remove_dir_all(&folder);
    ended
}

fn checked_with(dir: &Path, kept: &PathBuf) -> Result<(), Failed> {
    let options = GpuOptions { verdicts: Some(kept.clone()), ..GpuOptions::default() };
    let inputs = npz(dir, "inputs.npz")?;
    let once = |gpu: &Arc<Gpu>| -> Result<RunResult, Failed> {
        let session = load(dir, SessionOptions { check_gpu: true, ..trusting(gpu) })?;
        Ok(session.run(inputs.clone(), &[]).map_err(text)?)
    };
    let first = once(&open(options.clone())?)?;
    must(first.on_gpu() && first.gpu.check_ms > 0.0, "the first run was not compared")?;
    let apart = first.gpu.verdicts.first().and_then(|v| v.apart);
    must(apart.is_some_and(|a| a < 1e-3), format!("apart by {apart:?}"))?;
    let second = once(&open(options.clone())?)?;
    must(second.on_gpu() && second.gpu.check_ms == 0.0, "another process compares again")?;
    let text_of = std::fs::read_to_string(kept).map_err(text)?;
    std::fs::write(kept, text_of.replace("\"agrees\":true", "\"agrees\":false")).map_err(text)?;
    let third = once(&open(options)?)?;
    let why = third.gpu.error.as_ref().map(ToString::to_string).unwrap_or_default();
    must(!third.on_gpu() && why.contains("wrongly"), format!("a bad verdict is `{why}`"))?;
    must(farthest(&third.outputs[0].1, &first.outputs[0].1) < 1e-2, "the CPU gives something else")
}

/// After the first runs the faster engine is the one that runs.
fn fastest(dir: &Path) -> Result<(), Failed> {
    let gpu = open(GpuOptions::default())?;
    let session = load(dir, SessionOptions { check_gpu: true, fastest: true, ..trusting(&gpu) })?;
    let inputs = npz(dir, "inputs.npz")?;
    for _ in 0..3 {
        session.run(inputs.clone(), &[]).map_err(text)?;
    }
    let last = session.run(inputs, &[]).map_err(text)?;
    let verdict = last.gpu.verdicts.first().ok_or("no verdict")?;
    let (Some(cpu), Some(gpu)) = (verdict.cpu_ms, verdict.gpu_ms) else {
        return Err(format!("nothing measured: {verdict:?}").into());
    };
    must(last.on_gpu() == (gpu <= cpu * 1.25), format!("{gpu} ms, {cpu} ms on the CPU"))?;
    must(last.on_gpu() == last.gpu.cpu_chosen.is_none(), "the reason is missing")
}

/// What an adapter cannot bind stays on the CPU, with the reason, and is right.
fn limits(dir: &Path) -> Result<(), Failed> {
    let gpu = open(GpuOptions { max_tensor_bytes: Some(1 << 20), ..GpuOptions::default() })?;
    let session = load(dir, trusting(&gpu))?;
    let result = session.run(npz(dir, "inputs.npz")?, &[]).map_err(text)?;
    let why = result.gpu.error.as_ref().map(ToString::to_string);
    must(why.is_none(), format!("the GPU failed: {why:?}"))?;
    let nodes = result.gpu.placements.iter().flat_map(|p| &p.segments).flat_map(|s| &s.nodes);
    let reasons: Vec<&str> = nodes.filter_map(|n| n.reason.as_deref()).collect();
    must(reasons.iter().any(|r| r.contains("over the adapter's limit")), format!("{reasons:?}"))?;
    for (name, wanted) in npz(dir, "outputs.npz")? {
        let got = result.outputs.iter().find(|(n, _)| *n == name).ok_or("an output is missing")?;
        let off = farthest(&got.1, &wanted);
        must(off < 1e-3, format!("`{name}` is {off} away"))?;
    }
    let strict = load(dir, SessionOptions { strict_gpu: true, ..trusting(&gpu) })?;
    let refused = strict.run(npz(dir, "inputs.npz")?, &[]).err().map(|e| e.row().code);
    must(refused == Some("UNSUPPORTED_OPERATOR"), format!("a strict session says {refused:?}"))
}

/// Each dispatch has its time, by the GPU's clock.
fn profile(dir: &Path) -> Result<(), Failed> {
    let gpu = open(GpuOptions::default())?;
    let session = load(dir, trusting(&gpu))?;
    let since = Instant::now();
    let result = session.profile(npz(dir, "inputs.npz")?, &[]).map_err(text)?;
    let all = since.elapsed();
    let dispatches: usize = result.gpu.placements.iter().map(|p| p.dispatches).sum();
    let (steps, sum) = (&result.profile, result.profile.iter().map(|s| s.ms).sum::<f64>());
    must(steps.len() >= dispatches && dispatches > 0, format!("{} steps", steps.len()))?;
    let told = format!("{sum} ms of {all:?}");
    must(sum > 0.0 && Duration::from_secs_f64(sum / 1e3) <= all, told)
}
