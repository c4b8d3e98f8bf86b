//! float16 on a GPU: what is float16 in a model takes half the memory and is right, also where it is multiplied as such.
//!
//! In: shared models of float16, and devices of the tests' own. Out: one test each.

use std::path::Path;

use libtest_mimic::Failed;
use nearside::{GpuOptions, GpuRun, Placement, SessionOptions, Tensor, Value};

use crate::gpu_session::{Feeds, Test, load, must, npz, open, trusting};
use crate::text;

/// Each test with the model that it takes.
pub(crate) const TESTS: [(&str, &str, Test); 5] = [
    ("half_memory", "tinyllama-260k-fp16", memory),
    ("half_memory_conv", "squeezenet-fp16", memory),
    ("half_caches", "tinyllama-260k-fp16", caches),
    ("half_of_none", "tinyllama-260k-fp32", none),
    ("half_too_little", "yolox-nano-fp16", too_little),
];

/// How far values that were rounded on the way may be from those that were not, by the largest.
const ROUNDED: f64 = 2e-2;

/// Memory without float16, with it, and with arithmetic in it.
fn kinds() -> [GpuOptions; 3] {
    [
        GpuOptions { plain: true, ..GpuOptions::default() },
        GpuOptions { half_math: Some(false), ..GpuOptions::default() },
        GpuOptions { half_math: Some(true), ..GpuOptions::default() },
    ]
}

/// How many nodes say that they use float16, in this way.
fn said(placement: &Placement, way: &str) -> usize {
    let nodes = placement.segments.iter().flat_map(|s| &s.nodes);
    nodes.filter(|node| node.f16 == Some(way)).count()
}

/// A model's inputs, a decoder's first ones.
fn feeds(dir: &Path) -> Result<Feeds, Failed> {
    let first = "prefill_inputs.npz";
    npz(dir, if dir.join(first).exists() { first } else { "inputs.npz" })
}

/// What lies between the kernels takes half as much, or, where a convolution's tiles are float32, less than that; and the plan says who holds and who multiplies float16.
fn memory(dir: &Path) -> Result<(), Failed> {
    let mut seen = vec![];
    for options in kinds() {
        let gpu = open(options)?;
        let session = load(dir, SessionOptions { strict_gpu: true, ..trusting(&gpu) })?;
        let result = session.run(feeds(dir)?, &[]).map_err(text)?;
        let placement = result.gpu.placements.first().ok_or("no placement")?;
        let told = (placement.values, said(placement, "memory"), said(placement, "arithmetic"));
        eprintln!(
            "{} bytes of values, {} of weights: {told:?}",
            placement.values, placement.weights
        );
        must(gpu.used_bytes() >= placement.values + placement.weights, "less memory than is told")?;
        seen.push((placement.features.contains(&"f16"), told));
    }
    let [(_, plain), (has, stored), (_, computed)] = seen[..] else { return Ok(()) };
    if !has {
        return Ok(());
    }
    must(plain.1 + plain.2 == 0, "an adapter without float16 uses it")?;
    must(stored.1 > 0 && stored.2 == 0, format!("{stored:?}"))?;
    must(computed.2 > 0, format!("{computed:?}"))?;
    let conv = !dir.join("prefill_inputs.npz").exists();
    let most = plain.0 * if conv { 7 } else { 6 } / 10;
    must(stored.0 <= most, format!("{} bytes, {} without", stored.0, plain.0))
}

/// A decoder's caches lie as float16, and are of use to a session that was not told where they are from.
fn caches(dir: &Path) -> Result<(), Failed> {
    let on_cpu = load(dir, SessionOptions::default())?;
    let wanted = on_cpu.run(npz(dir, "prefill_inputs.npz")?, &[]).map_err(text)?;
    for options in kinds() {
        let plain = options.plain;
        let gpu = open(options)?;
        let session = load(dir, SessionOptions { strict_gpu: true, ..trusting(&gpu) })?;
        let names: Vec<String> = wanted.outputs.iter().map(|(name, _)| name.clone()).collect();
        let feeds: Vec<(String, Value)> =
            npz(dir, "prefill_inputs.npz")?.into_iter().map(|(n, t)| (n, t.into())).collect();
        let asked = GpuRun { keep: &names, ..GpuRun::default() };
        let got = pollster::block_on(session.run_async(feeds, &asked)).map_err(text)?;
        let mut made = vec![];
        for ((name, value), (_, wanted)) in got.outputs.iter().zip(&wanted.outputs) {
            let Value::Gpu(there) = value else {
                return Err(format!("`{name}` is not there").into());
            };
            must(there.dtype() == wanted.dtype(), format!("`{name}` is {:?}", there.dtype()))?;
            let fetched = pollster::block_on(there.get()).map_err(text)?;
            let off = apart(&fetched, wanted);
            must(off < ROUNDED, format!("`{name}` is {off} away"))?;
            made.push((name.clone(), fetched));
        }
        // The next step, with caches that stayed and with the same from the host.
        let total = made[1].1.shape()[2];
        let ones = vec![1i64; total + 1];
        let shared = [
            ("input_ids", Tensor::try_from((&[1usize, 1][..], &[7i64][..])).map_err(text)?),
            ("attention_mask", Tensor::try_from((&[1, total + 1][..], &ones[..])).map_err(text)?),
            ("position_ids", Tensor::try_from((&[1, 1][..], &[total as i64][..])).map_err(text)?),
        ];
        let past = |name: &str| name.replace("present", "past_key_values");
        let step = |caches: Vec<(String, Value)>| {
            let mut feeds: Vec<(String, Value)> =
                shared.iter().map(|(n, t)| ((*n).to_owned(), t.clone().into())).collect();
            feeds.extend(caches.into_iter().skip(1).map(|(name, value)| (past(&name), value)));
            pollster::block_on(session.run_async(feeds, &GpuRun::default())).map_err(text)
        };
        let there = step(got.outputs)?;
        let here = step(made.into_iter().map(|(name, tensor)| (name, tensor.into())).collect())?;
        for ((name, a), (_, b)) in there.outputs.iter().zip(&here.outputs) {
            let (Some(a), Some(b)) = (a.tensor(), b.tensor()) else {
                return Err("no tensor".into());
            };
            // Without float16 there, they are rounded on the way.
            let same = if plain { apart(a, b) < ROUNDED } else { a.bytes() == b.bytes() };
            must(same, format!("`{name}` depends on where caches come from"))?;
        }
    }
    Ok(())
}

/// A float32 model is left alone.
fn none(dir: &Path) -> Result<(), Failed> {
    let mut made = vec![];
    for options in kinds() {
        let gpu = open(options)?;
        let session = load(dir, SessionOptions { strict_gpu: true, ..trusting(&gpu) })?;
        let result = session.run(npz(dir, "prefill_inputs.npz")?, &[]).map_err(text)?;
        let placement = result.gpu.placements.first().ok_or("no placement")?;
        must(said(placement, "memory") + said(placement, "arithmetic") == 0, "float16 is used")?;
        made.push(placement.values);
    }
    // Without subgroups other things lie in memory.
    must(made[1] == made[2], format!("{made:?}"))
}

/// A model that float16 does not suffice for, as the first run shows, is computed in float32, also by who learns of that.
fn too_little(dir: &Path) -> Result<(), Failed> {
    let gpu = open(GpuOptions::default())?;
    let wanted = npz(dir, "outputs.npz")?;
    for turn in 0..2 {
        let options = SessionOptions { check_gpu: true, fastest: false, ..trusting(&gpu) };
        let session = load(dir, options)?;
        let result = session.run(npz(dir, "inputs.npz")?, &[]).map_err(text)?;
        must(result.on_gpu(), "it did not run on the GPU")?;
        let placement = result.gpu.placements.last().ok_or("no placement")?;
        must(result.gpu.placements.len() == 1, "the run that was given up is told")?;
        must(said(placement, "memory") == 0, "float16 is still used")?;
        let off = apart(&result.outputs[0].1, &wanted[0].1);
        must(off < 1e-3, format!("run {turn} is {off} away"))?;
        if placement.features.contains(&"f16") {
            let told: Vec<(bool, bool)> =
                result.gpu.verdicts.iter().map(|v| (v.half, v.agrees)).collect();
            must(told == [(true, false), (false, true)], format!("run {turn}: {told:?}"))?;
        }
    }
    Ok(())
}

/// The largest difference, by the largest value.
fn apart(a: &Tensor, b: &Tensor) -> f64 {
    let all = |t: &Tensor| -> Vec<f64> {
        let bytes = t.bytes();
        match t.dtype().size() {
            2 => {
                let of = |b: &[u8]| half::f16::from_le_bytes([b[0], b[1]]).to_f64();
                bytes.chunks_exact(2).map(of).collect()
            }
            _ => {
                let of = |b: &[u8]| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                bytes.chunks_exact(4).map(of).collect()
            }
        }
    };
    let (a, b) = (all(a), all(b));
    let largest = b.iter().fold(1e-9f64, |most, v| most.max(v.abs()));
    a.iter().zip(&b).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs() / largest))
}
