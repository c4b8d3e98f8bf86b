//! What lies in a GPU's memory: a decoder's caches, which stay there and grow, weights of few bits, which stay so, and
//! what happens where the memory does not suffice.
//!
//! In: shared models, a small decoder of `tests/cases/decoder`, and devices of the tests' own. Out: one test each.

use std::path::Path;
use std::sync::Arc;

use libtest_mimic::Failed;
use nearside::{Gpu, GpuOptions, GpuRun, RunResult, SessionOptions, Tensor, Value};

use crate::case;
use crate::gpu_session::{Test, farthest, load, must, npz, open, trusting};
use crate::text;

/// Each test with the model that it takes.
pub(crate) const TESTS: [(&str, &str, Test); 7] = [
    ("resident_group_query", GROUP_QUERY, resident),
    ("resident_mixed", MIXED, resident),
    ("resident", "tinyllama-260k-fp32", resident),
    ("resident_q4", "tinyllama-260k-q4", resident),
    ("few_bits", "tinyllama-260k-q4", few_bits),
    ("out_of_memory", "resnet56-cifar10", out_of_memory),
    ("scores", GROUP_QUERY, scores),
];

/// A decoder whose attention is one operator of com.microsoft's, and with them another form of it.
const GROUP_QUERY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/decoder");

/// One whose attention is ONNX's own, and in one layer linear.
const MIXED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/decoder_mixed");

const STEPS: i64 = 64;
/// The first steps of shapes that grow are planned one by one.
const LEARNT: usize = 5;

/// A decoder's caches stay on the GPU, and give what those of the CPU give; once it is known how they grow, a step is
/// planned in less time, and takes no more memory than its caches do.
fn resident(dir: &Path) -> Result<(), Failed> {
    let gpu = open(GpuOptions::default())?;
    let on_gpu = load(dir, SessionOptions { strict_gpu: true, ..trusting(&gpu) })?;
    let on_cpu = load(dir, SessionOptions::default())?;
    let names: Vec<String> = on_gpu.signature().outputs.iter().map(|o| o.name.clone()).collect();
    let caches: Vec<String> = names.iter().filter(|n| n.starts_with("present")).cloned().collect();
    let past = |name: &str| name.replace("present", "past_key_values");
    let start = npz(dir, "prefill_inputs.npz")?;
    let mut there: Vec<(String, Value)> =
        start.iter().map(|(n, t)| (n.clone(), Value::from(t.clone()))).collect();
    let mut here = start;
    let (mut planned, mut ran, mut used) = (vec![], vec![], vec![]);
    for step in 0..STEPS {
        let asked = GpuRun { keep: &caches, ..GpuRun::default() };
        let feeds = std::mem::take(&mut there);
        let got = pollster::block_on(on_gpu.run_async(feeds, &asked)).map_err(text)?;
        planned.push(got.plan_ms);
        ran.push(got.run_ms);
        used.push(gpu.used_bytes());
        let wanted = on_cpu.run(std::mem::take(&mut here), &[]).map_err(text)?;
        let logits = |value: &Value| value.tensor().cloned().ok_or("logits are not on the host");
        let (name, made) = &got.outputs[0];
        let (made, wanted_logits) = (logits(made)?, &wanted.outputs[0].1);
        let off = farthest(&made, wanted_logits);
        must(off < 1e-2, format!("step {step}: `{name}` is {off} away"))?;
        let total = wanted.outputs[1].1.shape()[2];
        let next = best(wanted_logits);
        let ids = |v: i64| Tensor::try_from((&[1usize, 1][..], &[v][..])).map_err(text);
        let ones = vec![1i64; total + 1];
        let mask = Tensor::try_from((&[1usize, total + 1][..], &ones[..])).map_err(text)?;
        let shared = [
            ("input_ids", ids(next)?),
            ("attention_mask", mask),
            ("position_ids", ids(total as i64)?),
        ];
        for (name, value) in got.outputs.into_iter().skip(1) {
            must(matches!(value, Value::Gpu(_)), format!("`{name}` came to the host"))?;
            there.push((past(&name), value));
        }
        here.extend(wanted.outputs.into_iter().skip(1).map(|(name, t)| (past(&name), t)));
        for (name, tensor) in shared {
            there.push((name.to_owned(), tensor.clone().into()));
            here.push((name.to_owned(), tensor));
        }
    }
    let least = |ms: &[f64]| ms.iter().copied().fold(f64::INFINITY, f64::min);
    let (first, later) = (least(&planned[1..LEARNT - 1]), least(&planned[LEARNT..]));
    eprintln!("planning a step takes {later:.1} ms, and {first:.1} ms without a template");
    eprintln!("a step takes {:.2} ms, the first {:.2} ms", least(&ran[LEARNT..]), ran[0]);
    must(later < first / 2.0, format!("planning takes {later:.1} ms, at first {first:.1} ms"))?;
    // The plans that are kept hold the caches too, read and written.
    let growth: u64 = there.iter().map(|(_, value)| resident_bytes(value)).sum::<u64>() * 10;
    let (early, late) = (used[LEARNT + 3], used[STEPS as usize - 1]);
    let told = format!("{early} bytes in use at first, {late} after {STEPS} steps");
    must(late < early + growth, told)
}

fn resident_bytes(value: &Value) -> u64 {
    match value {
        Value::Gpu(tensor) => tensor.shape().iter().product::<usize>() as u64 * 4,
        _ => 0,
    }
}

/// The most likely next token after the last position.
fn best(logits: &Tensor) -> i64 {
    let width = logits.shape().last().copied().unwrap_or(1);
    let bytes = logits.bytes();
    let last = &bytes[bytes.len() - width * 4..];
    let floats = last.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let best = floats.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
    best.map_or(0, |(at, _)| at as i64)
}

fn once(gpu: &Arc<Gpu>, dir: &Path, inputs: &str, strict: bool) -> Result<RunResult, Failed> {
    let session = load(dir, SessionOptions { strict_gpu: strict, ..trusting(gpu) })?;
    Ok(session.run(npz(dir, inputs)?, &[]).map_err(text)?)
}

/// Weights of four bits take as much in the GPU's memory as in the file.
fn few_bits(dir: &Path) -> Result<(), Failed> {
    let gpu = open(GpuOptions::default())?;
    let file = std::fs::metadata(dir.join("model.onnx")).map_err(text)?.len();
    let result = once(&gpu, dir, "prefill_inputs.npz", true)?;
    let weights: u64 = result.gpu.placements.iter().map(|p| p.weights).sum();
    must(weights > 0 && weights < file, format!("{weights} bytes, {file} in the file"))?;
    must(gpu.used_bytes() == 0, "memory is in use after the session's end")
}

/// Scores of attention over the adapter's limit are no hindrance, since they are never in memory; where something else
/// is over it, that is said.
fn scores(_: &Path) -> Result<(), Failed> {
    let gpu = open(GpuOptions { max_tensor_bytes: Some(4096), ..GpuOptions::default() })?;
    let options = SessionOptions { strict_gpu: true, ..trusting(&gpu) };
    let run = |name: &str| {
        let case = case::read().into_iter().find(|case| case.name == name);
        case::run(&case.ok_or_else(|| format!("there is no case {name}"))?, &options)
    };
    // Its operands and its result take 1280 bytes each, the scores 12800.
    run("webgpu::Attention_scores")?;
    let why = run("webgpu::InstanceNormalization_planes").err().unwrap_or_default();
    must(why.contains("over the adapter's limit"), format!("a strict session says `{why}`"))
}

/// A GPU whose memory does not suffice: the CPU answers, and the report says why; a strict session says it itself.
fn out_of_memory(dir: &Path) -> Result<(), Failed> {
    let whole = open(GpuOptions::default())?;
    let wanted = once(&whole, dir, "inputs.npz", true)?;
    // Less than the weights take, and then less than weights and tensors do together.
    let weights: u64 = wanted.gpu.placements.iter().map(|p| p.weights).sum();
    for most in [weights / 2, weights + 4096] {
        let gpu = open(GpuOptions { max_bytes: Some(most), ..GpuOptions::default() })?;
        let result = once(&gpu, dir, "inputs.npz", false)?;
        let error = result.gpu.error.as_ref().map(|e| (e.row().code, e.to_string()));
        let (code, why) = error.ok_or("the report gives no reason")?;
        must(code == "OUT_OF_MEMORY" && why.contains("GPU's memory"), format!("{code}: {why}"))?;
        must(!result.on_gpu(), "a part of it ran on the GPU")?;
        for ((name, got), (_, wanted)) in result.outputs.iter().zip(&wanted.outputs) {
            let off = farthest(got, wanted);
            must(off < 1e-3, format!("`{name}` is {off} away"))?;
        }
        must(gpu.used_bytes() == 0, format!("{} bytes are left in use", gpu.used_bytes()))?;
        let strict = load(dir, SessionOptions { strict_gpu: true, ..trusting(&gpu) })?;
        let refused = strict.run(npz(dir, "inputs.npz")?, &[]).err().map(|e| e.row().code);
        must(refused == Some("OUT_OF_MEMORY"), format!("a strict session says {refused:?}"))?;
    }
    Ok(())
}
