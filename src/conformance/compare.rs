//! Whether an output is the wanted one.
//!
//! In: two values. Out: nothing, or what differs. Shapes and element types must be equal, NaN
//! equals NaN; the tolerances are those of the ONNX project's own runner.

use crate::tensor::{DType, Tensor};
use crate::value::Value;

const RTOL: f64 = 1e-3;
const ATOL: f64 = 1e-7;
const ATOL_HALF: f64 = 1e-3;

pub(super) fn compare_values(name: &str, got: &Value, wanted: &Value) -> Result<(), String> {
    match (got, wanted) {
        (Value::Tensor(got), Value::Tensor(wanted)) => compare(name, got, wanted),
        (Value::Sequence(got), Value::Sequence(wanted)) if got.len() == wanted.len() => {
            let pairs = got.iter().zip(wanted).enumerate();
            pairs.into_iter().try_for_each(|(at, (a, b))| compare(&format!("{name}[{at}]"), a, b))
        }
        (Value::Sequence(got), Value::Sequence(wanted)) => Err(format!(
            "wrong shape: `{name}` has {} elements instead of {}",
            got.len(),
            wanted.len()
        )),
        (Value::Absent, Value::Absent) => Ok(()),
        _ => Err(format!("wrong type: `{name}` is {} instead of {}", got.kind(), wanted.kind())),
    }
}

fn compare(name: &str, got: &Tensor, wanted: &Tensor) -> Result<(), String> {
    if got.dtype() != wanted.dtype() {
        let (got, wanted) = (got.dtype().name(), wanted.dtype().name());
        return Err(format!("wrong type: `{name}` is {got} instead of {wanted}"));
    }
    if got.shape() != wanted.shape() {
        let (got, wanted) = (got.shape(), wanted.shape());
        return Err(format!("wrong shape: `{name}` is {got:?} instead of {wanted:?}"));
    }
    let same = match (got.strings(), wanted.strings()) {
        (Some(got), Some(wanted)) => got == wanted,
        _ => got.bytes() == wanted.bytes(),
    };
    if same {
        return Ok(());
    }
    let atol = if got.dtype() == DType::Float16 { ATOL_HALF } else { ATOL };
    let (got, wanted) = (values(got), values(wanted));
    let (mut beyond, mut first) = (0usize, None);
    for (at, (a, b)) in got.iter().zip(&wanted).enumerate() {
        let close = a == b
            || a.is_nan() && b.is_nan()
            || b.is_finite() && (a - b).abs() <= RTOL * b.abs() + atol;
        if !close {
            beyond += 1;
            first.get_or_insert((at, *a, *b));
        }
    }
    match first {
        None if got.len() == wanted.len() && !got.is_empty() => Ok(()),
        None => Err(format!("wrong values: `{name}`")),
        Some((at, a, b)) => {
            let count = got.len();
            Err(format!(
                "wrong values: {beyond} of {count} of `{name}`, first at {at}: {a} instead of {b}"
            ))
        }
    }
}

/// The elements as f64, exact for what node tests hold.
fn values(tensor: &Tensor) -> Vec<f64> {
    let bytes = tensor.bytes();
    let read = |f: &dyn Fn(&[u8]) -> f64| -> Vec<f64> {
        bytes.chunks_exact(tensor.dtype().size().max(1)).map(f).collect()
    };
    let wide = |c: &[u8]| {
        let mut room = [0u8; 8];
        room[..c.len()].copy_from_slice(c);
        u64::from_le_bytes(room)
    };
    // The sign bit moved to the top and back spreads it over the rest.
    let signed = |c: &[u8]| {
        let shift = 64 - 8 * c.len();
        ((wide(c) << shift).cast_signed() >> shift) as f64
    };
    match tensor.dtype() {
        DType::Float32 => read(&|c| f64::from(f32::from_bits(wide(c) as u32))),
        DType::Float64 => read(&|c| f64::from_bits(wide(c))),
        DType::Float16 => read(&|c| half::f16::from_bits(wide(c) as u16).to_f64()),
        DType::Int8 | DType::Int16 | DType::Int32 | DType::Int64 => read(&signed),
        DType::Uint8 | DType::Uint16 | DType::Uint32 | DType::Uint64 | DType::Bool => {
            read(&|c| wide(c) as f64)
        }
        DType::String => vec![],
    }
}
