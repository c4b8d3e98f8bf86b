//! Single operators with ONNX Runtime's answers, as `operators.rs` describes them.
//!
//! In: `tests/cases/operators/*.json`. Out: cases, each of which runs with given options.

use std::collections::BTreeMap;
use std::path::Path;

use nearside::{DType, Session, SessionOptions, Tensor};
use serde::Deserialize;
use serde_json::Value;

use super::numbers::numbers;

#[derive(Clone, Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    model: String,
    inputs: BTreeMap<String, Elements>,
    outputs: Option<BTreeMap<String, Elements>>,
    error: Option<String>,
    #[serde(default)]
    rtol: f64,
    #[serde(default)]
    atol: f64,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Elements {
    r#type: DType,
    dims: Vec<usize>,
    values: Vec<Value>,
}

/// All cases, named `family::case`.
pub(crate) fn read() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/operators");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort();
    let of_file = |file: &std::path::PathBuf| {
        let family = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(file).expect("cases");
        let cases: Vec<Case> =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{family}: {e}"));
        cases.into_iter().map(move |case| Case { name: format!("{family}::{}", case.name), ..case })
    };
    files.iter().flat_map(of_file).collect()
}

/// How the engine runs single operators: they make kilobytes; what is meant to be too much should be so soon.
pub(crate) fn options() -> SessionOptions {
    // With the feature gpu there are more fields.
    #[allow(clippy::needless_update)]
    SessionOptions {
        max_tensor_bytes: 1 << 28,
        max_iterations: 20_000,
        ..SessionOptions::default()
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// Runs a case and compares.
pub(crate) fn run(case: &Case, options: &SessionOptions) -> Result<(), String> {
    let answer = answer(case, options);
    let (Some(wanted), None) = (&case.outputs, &case.error) else {
        let part = case.error.as_ref().ok_or("the case has neither outputs nor error")?;
        return match answer {
            Err(message) if message.contains(part) => Ok(()),
            Err(message) => Err(format!("refused with `{message}`, not with `{part}`")),
            Ok(_) => Err("runs, but should be refused".to_owned()),
        };
    };
    let got: BTreeMap<String, Tensor> = answer?.into_iter().collect();
    for (name, wanted) in wanted {
        let got = got.get(name).ok_or_else(|| format!("no output `{name}`"))?;
        compare(name, got, wanted, case)?;
    }
    Ok(())
}

/// The bytes of its model.
pub(crate) fn model(case: &Case) -> Result<Vec<u8>, String> {
    base64(&case.model)
}

pub(crate) fn feeds(case: &Case) -> Result<Vec<(String, Tensor)>, String> {
    case.inputs.iter().map(|(n, e)| Ok((n.clone(), tensor(e)?))).collect()
}

pub(crate) fn answer(
    case: &Case,
    options: &SessionOptions,
) -> Result<Vec<(String, Tensor)>, String> {
    let session = Session::from_bytes(model(case)?, options).map_err(|e| chain(&e))?;
    Ok(session.run(feeds(case)?, &[]).map_err(|e| chain(&e))?.outputs)
}

fn compare(name: &str, got: &Tensor, wanted: &Elements, case: &Case) -> Result<(), String> {
    if got.dtype() != wanted.r#type || got.shape() != wanted.dims {
        return Err(format!(
            "{name}: {} {:?} instead of {} {:?}",
            got.dtype().name(),
            got.shape(),
            wanted.r#type.name(),
            wanted.dims
        ));
    }
    if let Some(strings) = got.strings() {
        let same = strings.iter().map(String::as_str).eq(wanted.values.iter().map(text));
        return if same { Ok(()) } else { Err(format!("{name}: {strings:?}")) };
    }
    let got = numbers(got)?;
    for (at, (a, b)) in got.iter().zip(&wanted.values).enumerate() {
        let b = number(b)?;
        if *a == b || (a.is_nan() && b.is_nan()) {
            continue;
        }
        let off = (a - b).abs();
        if off.is_nan() || off > case.rtol * b.abs() + case.atol {
            return Err(format!("{name}[{at}] is {a} instead of {b}; all: {got:?}"));
        }
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("<not a string>")
}

fn number(value: &Value) -> Result<f64, String> {
    match value {
        Value::Bool(b) => Ok(f64::from(u8::from(*b))),
        Value::String(s) => s.parse().map_err(|_| format!("`{s}` is no number")),
        other => other.as_f64().ok_or_else(|| format!("{other} is no number")),
    }
}

fn tensor(elements: &Elements) -> Result<Tensor, String> {
    let Elements { r#type, dims, values } = elements;
    if *r#type == DType::String {
        let strings = values.iter().map(|v| text(v).to_owned()).collect();
        return Tensor::from_strings(dims, strings).map_err(|e| chain(&e));
    }
    let mut bytes: Vec<u8> = vec![];
    for value in values {
        let real = || number(value);
        // What a double cannot hold is written as text.
        let whole = || {
            let known = value.as_i64().or_else(|| value.as_str()?.parse().ok());
            known.ok_or_else(|| format!("{value} is no integer"))
        };
        match r#type {
            DType::Float32 => bytes.extend((real()? as f32).to_le_bytes()),
            DType::Float64 => bytes.extend(real()?.to_le_bytes()),
            DType::Float16 => bytes.extend(half::f16::from_f64(real()?).to_le_bytes()),
            DType::Bool => bytes.push(real()? as u8),
            DType::Int8 | DType::Uint8 => bytes.push(whole()? as u8),
            DType::Int16 | DType::Uint16 => bytes.extend((whole()? as u16).to_le_bytes()),
            DType::Int32 | DType::Uint32 => bytes.extend((whole()? as u32).to_le_bytes()),
            DType::Int64 => bytes.extend(whole()?.to_le_bytes()),
            DType::Uint64 => {
                let known = value.as_u64().or_else(|| value.as_str()?.parse().ok());
                bytes.extend(known.ok_or("no integer")?.to_le_bytes());
            }
            DType::String => unreachable!("handled above"),
        }
    }
    Tensor::from_bytes(*r#type, dims, &bytes).map_err(|e| chain(&e))
}

/// Base64 with the standard alphabet, padded.
fn base64(text: &str) -> Result<Vec<u8>, String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut held) = (vec![], 0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let six = ALPHABET.iter().position(|a| *a == byte).ok_or("bad base64")?;
        bits = bits << 6 | six as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Ok(out)
}
