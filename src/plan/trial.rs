//! Whether the GPU is right, and whether it is the faster one: what its first runs on this device show.
//!
//! In: a graph's inputs and what the GPU made of them. Out: a [`Verdict`], kept by graph, size of the inputs and
//! adapter. The one decision: the inputs of the first run are the test, because made-up ones would steer many models
//! into errors; our own CPU engine is the judge.

use std::hash::{DefaultHasher, Hash, Hasher};

use tract_onnx::prelude::DatumType;
use tract_onnx::tract_hir::internal::{Factoid, InferenceModel};

use super::{Segment, Times};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::Verdict;
use crate::tensor::Tensor;
use crate::value::Value;

/// Outputs farther apart than this part of their range are wrong; of integers, if more than this part of them differ.
const TOLERANCE: f64 = 5e-3;
/// The same where float16 or codes of a quantised model lie in between: what lies on the edge of two codes becomes
/// either, and they are 1/255 of a range apart.
const COARSE_TOLERANCE: f64 = 2e-2;
/// A smaller range is what rounding leaves of zero.
const LEAST_RANGE: f64 = 1e-4;
/// How much slower the GPU must be for the CPU to be chosen: both are measured under whatever else the machine does.
const SLOWER: f64 = 1.25;
/// Runs of the GPU that are measured before one of the two is chosen.
const RUNS: u32 = 2;
/// Multiply-adds that are too many for the CPU to do twice: several seconds.
pub(super) const MOST_WORK: u64 = 20_000_000_000;
/// Bytes of weights that are too many to be in memory a second time.
pub(super) const MOST_WEIGHTS: u64 = 256 << 20;
/// A run of the CPU of so many milliseconds is measured again: its first had cold caches.
const SHORT_MS: f64 = 100.0;

/// What two runs share whose verdict is one: the graph, roughly the size of its inputs, the adapter, the engine.
pub(super) fn key(graph: u64, inputs: &[Value], adapter: &str) -> String {
    let elements: usize = inputs.iter().map(elements).sum();
    let size = elements.max(1).ilog2();
    // The third: the second way of computing float16, and codes of quantised models may be a few apart.
    format!("{} 3 {adapter} {graph:016x} {size}", env!("CARGO_PKG_VERSION"))
}

fn elements(value: &Value) -> usize {
    match value {
        Value::Tensor(tensor) => tensor.len(),
        Value::Gpu(tensor) => tensor.shape().iter().product(),
        _ => 0,
    }
}

/// The graph's structure, and a little of each of its weights.
pub(super) fn identity(graph: &InferenceModel) -> u64 {
    let mut hasher = DefaultHasher::new();
    for node in graph.nodes() {
        (&node.name, node.op.name()).hash(&mut hasher);
        for input in &node.inputs {
            (input.node, input.slot).hash(&mut hasher);
        }
        for output in &node.outputs {
            if let Some(konst) = output.fact.value.concretize() {
                konst.shape().hash(&mut hasher);
                sample(&konst).hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

/// The first bytes and the last.
fn sample(tensor: &tract_onnx::prelude::Tensor) -> Vec<u8> {
    const SAMPLE: usize = 64;
    if tensor.len() == 0 || tensor.datum_type() == DatumType::String {
        return vec![];
    }
    let Ok(bytes) = tensor.try_as_plain_ram().map(|_| tensor.as_bytes()) else { return vec![] };
    let first = &bytes[..bytes.len().min(SAMPLE)];
    [first, &bytes[bytes.len().saturating_sub(SAMPLE)..]].concat()
}

/// To what the GPU rounded on the way.
#[derive(Clone, Copy)]
pub(super) struct Rounded {
    /// To float16.
    pub(super) half: bool,
    /// To the codes of a quantised model.
    pub(super) codes: bool,
}

impl Segment {
    /// Runs the CPU on the same inputs and compares. What the CPU cannot run is not compared.
    pub(super) fn judge(
        &self,
        inputs: &[Tensor],
        (outputs, rounded): (&[Tensor], Rounded),
        max_bytes: u64,
        times: &mut Times,
    ) -> Verdict {
        let clock = Clock::start();
        let verdict = self.compared(inputs, (outputs, rounded), max_bytes);
        times.gpu.check_ms += clock.elapsed_ms();
        verdict.unwrap_or(Verdict {
            agrees: true,
            apart: None,
            cpu_ms: None,
            gpu_ms: None,
            gpu_runs: 0,
            half: rounded.half,
        })
    }

    fn compared(
        &self,
        inputs: &[Tensor],
        (outputs, rounded): (&[Tensor], Rounded),
        max_bytes: u64,
    ) -> Option<Verdict> {
        let Rounded { half, codes } = rounded;
        let mut best = f64::INFINITY;
        let mut made = vec![];
        for _ in 0..2 {
            let mut own = Times::default();
            made = self.run(inputs.to_vec(), max_bytes, &mut own).ok()?;
            best = best.min(own.run_ms);
            if best > SHORT_MS {
                break;
            }
        }
        let mut agrees = made.len() == outputs.len();
        let mut worst = 0.0f64;
        for (cpu, gpu) in made.iter().zip(outputs) {
            let narrow = [cpu, gpu].iter().any(|t| t.dtype() == crate::DType::Float16);
            let off = apart(cpu, gpu);
            agrees &= off <= if half || codes || narrow { COARSE_TOLERANCE } else { TOLERANCE };
            worst = worst.max(off);
        }
        // JSON has no infinity.
        let apart = Some(worst.min(f64::MAX));
        Some(Verdict { agrees, apart, cpu_ms: Some(best), gpu_ms: None, gpu_runs: 0, half })
    }
}

/// Whether two runs gave the same.
pub(super) fn agree(some: &[Tensor], others: &[Tensor]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(a, b)| apart(a, b) <= TOLERANCE)
}

/// The verdict after another run of the GPU, that took so long; nothing once enough were measured.
pub(super) fn measured(verdict: &Verdict, ms: f64) -> Option<Verdict> {
    (verdict.agrees && verdict.gpu_runs < RUNS).then(|| Verdict {
        gpu_ms: Some(verdict.gpu_ms.map_or(ms, |best| best.min(ms))),
        gpu_runs: verdict.gpu_runs + 1,
        ..verdict.clone()
    })
}

/// Whether one of the two is chosen.
pub(super) fn settled(verdict: &Verdict) -> bool {
    verdict.gpu_runs >= RUNS
}

/// Why the CPU runs it, where it was measured to be faster.
pub(super) fn slower(verdict: &Verdict) -> Option<String> {
    let (cpu, gpu) = (verdict.cpu_ms?, verdict.gpu_ms?);
    (settled(verdict) && gpu > cpu * SLOWER)
        .then(|| format!("the CPU is faster here: {cpu:.1} ms against {gpu:.1} ms on the GPU"))
}

/// What a GPU that is wrong is told as.
pub(super) fn wrong(verdict: &Verdict) -> Option<Error> {
    let text = format!(
        "this GPU computes this model wrongly: its outputs are {:.1e} of their range away from the CPU's",
        verdict.apart.unwrap_or(f64::NAN)
    );
    (!verdict.agrees).then(|| Error::new(ErrorKind::GpuUnavailable, text))
}

/// How far two tensors are apart at most, as a part of the first one's range; of integers and truth values the part
/// that differs.
pub(crate) fn apart(wanted: &Tensor, got: &Tensor) -> f64 {
    if wanted.dtype() != got.dtype() || wanted.shape() != got.shape() {
        return f64::INFINITY;
    }
    if wanted.strings().is_some() {
        return if wanted.strings() == got.strings() { 0.0 } else { f64::INFINITY };
    }
    let (Ok(a), Ok(b)) = (doubles(wanted), doubles(got)) else { return f64::INFINITY };
    let float = matches!(
        wanted.dtype(),
        crate::DType::Float16 | crate::DType::Float32 | crate::DType::Float64
    );
    if !float {
        // Rounding may turn a quantised value into its neighbour.
        let narrow = wanted.dtype().size() == 1 && wanted.dtype() != crate::DType::Bool;
        let near = if narrow { 1.0 } else { 0.0 };
        let differ = a.iter().zip(&b).filter(|(a, b)| (*a - *b).abs() > near).count();
        return differ as f64 / a.len().max(1) as f64;
    }
    let range = a.iter().filter(|v| v.is_finite()).fold(0.0f64, |most, v| most.max(v.abs()));
    let off = |(a, b): (&f64, &f64)| {
        if a.is_finite() && b.is_finite() {
            (a - b).abs() / range.max(LEAST_RANGE)
        } else if a == b || (a.is_nan() && b.is_nan()) {
            0.0
        } else {
            f64::INFINITY
        }
    };
    a.iter().zip(&b).map(off).fold(0.0, f64::max)
}

fn doubles(tensor: &Tensor) -> Result<Vec<f64>> {
    let odd = |e| Error::new(ErrorKind::Internal, "no numbers").with_source(e);
    let cast = tensor.as_tract().cast_to_dt(DatumType::F64).map_err(odd)?;
    let plain = cast.try_as_plain_ram().map_err(odd)?;
    Ok(plain.as_slice::<f64>().map_err(odd)?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(values: &[f32]) -> Tensor {
        Tensor::try_from((&[values.len()][..], values)).unwrap()
    }

    #[test]
    fn apart_is_a_part_of_the_range() {
        let a = floats(&[0.0, 10.0, f32::NAN, f32::INFINITY]);
        assert_eq!(apart(&a, &a), 0.0);
        let b = floats(&[0.1, 10.0, f32::NAN, f32::INFINITY]);
        assert!((apart(&a, &b) - 0.01).abs() < 1e-6);
        assert_eq!(apart(&a, &floats(&[0.0, 10.0, 0.0, f32::INFINITY])), f64::INFINITY);
        assert_eq!(apart(&floats(&[0.0]), &floats(&[0.0])), 0.0);
        let labels = |v: &[i64]| Tensor::try_from((&[v.len()][..], v)).unwrap();
        assert_eq!(apart(&labels(&[1, 2]), &labels(&[1, 3])), 0.5);
        assert_eq!(apart(&labels(&[1]), &floats(&[1.0])), f64::INFINITY);
        let steps = |v: &[u8]| Tensor::try_from((&[v.len()][..], v)).unwrap();
        assert_eq!(apart(&steps(&[7, 9]), &steps(&[8, 9])), 0.0);
    }

    #[test]
    fn the_faster_one_is_chosen_after_two_runs() {
        let first = Verdict {
            agrees: true,
            apart: Some(0.0),
            cpu_ms: Some(4.0),
            gpu_ms: None,
            gpu_runs: 0,
            half: false,
        };
        let one = measured(&first, 9.0).unwrap();
        assert!(slower(&first).is_none() && slower(&one).is_none());
        let two = measured(&one, 8.0).unwrap();
        assert!(slower(&two).unwrap().contains("4.0 ms against 8.0 ms"));
        assert!(measured(&two, 1.0).is_none());
        assert!(slower(&measured(&one, 4.5).unwrap()).is_none());
        assert!(wrong(&first).is_none() && wrong(&Verdict { agrees: false, ..first }).is_some());
    }
}
