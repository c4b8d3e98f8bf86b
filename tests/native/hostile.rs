//! Model files that mean harm: every truncation, and many damaged bytes, of a real model.
//!
//! In: the digit model of this repository, its published form and that of a loop, TensorFlow Lite files of the operator
//! cases. Out: each damaged file loads or is a typed error; what loads runs or is a typed error. An abort would end the
//! whole test.

#![allow(clippy::expect_used)]

use nearside::{DType, ModelFile, Session, SessionOptions, Tensor};

fn digits() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/www/models/digits/1/model.onnx");
    std::fs::read(path).expect("the digit model")
}

/// The code of the failure, or `ok`.
fn outcome(bytes: Vec<u8>) -> &'static str {
    let options = SessionOptions { max_tensor_bytes: 64 << 20, ..SessionOptions::default() };
    let session = match Session::from_bytes(bytes, &options) {
        Ok(session) => session,
        Err(error) => return error.row().code,
    };
    let feeds = session.signature().inputs.iter().map(|input| {
        let shape: &[usize] = if input.dtype == DType::Float32 { &[1, 1, 8, 8] } else { &[] };
        let bytes = 0.5f32.to_le_bytes().repeat(64);
        let size = shape.iter().product::<usize>() * input.dtype.size();
        let text = || Tensor::from_strings(shape, vec![String::new()]).expect("fits");
        let fed = Tensor::from_bytes(input.dtype, shape, &bytes[..size]);
        (input.name.clone(), fed.unwrap_or_else(|_| text()))
    });
    match session.run(feeds.collect(), &[]) {
        Ok(_) => "ok",
        Err(error) => error.row().code,
    }
}

#[test]
fn the_whole_model_runs() {
    assert_eq!(outcome(digits()), "ok");
}

#[test]
fn a_truncated_model_is_refused() {
    let bytes = digits();
    for length in (0..bytes.len() - 1).step_by(bytes.len() / 400 + 1) {
        let code = outcome(bytes[..length].to_vec());
        assert!(["INVALID_MODEL", "UNSUPPORTED_TYPE"].contains(&code), "{length} bytes: {code}");
    }
}

/// The models of operator cases that run, with their names.
fn cases(family: &str) -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/operators");
    let text = std::fs::read(format!("{folder}/{family}.json")).expect("the cases");
    let cases: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let text = |case: &serde_json::Value, key: &str| case[key].as_str().expect("text").to_owned();
    let cases = cases.as_array().expect("a list").iter().filter(|case| case["error"].is_null());
    cases.map(|case| (text(case, "name"), base64(&text(case, "model")))).collect()
}

/// TensorFlow Lite files, of many operators.
fn lite() -> Vec<Vec<u8>> {
    cases("tflite").into_iter().step_by(7).map(|(_, model)| model).collect()
}

fn base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let group = |four: &[u8]| {
        let bits = four.iter().fold(0u32, |n, c| n << 6 | u32::from(value(*c)));
        (bits << (32 - 6 * four.len())).to_be_bytes()[..four.len() * 6 / 8].to_vec()
    };
    text.trim_end_matches('=').as_bytes().chunks(4).flat_map(group).collect()
}

#[test]
fn a_damaged_lite_model_is_an_error_or_runs() {
    for original in lite() {
        let file = nearside::ModelFile::decode(original.clone());
        assert!(file.is_ok(), "{:?}", file.err());
        for at in 0..original.len().min(3000) {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = original.clone();
                bytes[at] ^= flip;
                let _ = nearside::ModelFile::decode(bytes).and_then(nearside::check);
            }
        }
        for length in (0..original.len()).step_by(3) {
            let _ = nearside::ModelFile::decode(original[..length].to_vec());
        }
    }
}

#[test]
fn a_damaged_model_is_an_error_or_runs() {
    let original = digits();
    // A linear congruential generator: the same damage in every run (Knuth's MMIX constants).
    let mut state = 42u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    let mut outcomes = std::collections::BTreeMap::<_, usize>::new();
    for round in 0..600 {
        let mut bytes = original.clone();
        // Weights fill most of the file; the graph's description is what damage can turn into harm.
        let reach = if round % 2 == 0 { bytes.len() } else { 600.min(bytes.len()) };
        for _ in 0..=next(4) {
            let (at, value) = (next(reach), next(256) as u8);
            bytes[at] = value;
        }
        *outcomes.entry(outcome(bytes)).or_default() += 1;
    }
    println!("{outcomes:?}");
    assert!(outcomes.len() > 1, "the damage did nothing: {outcomes:?}");
    assert_eq!(outcomes.get("INTERNAL"), None, "a panic of the engine: {outcomes:?}");
}

/// The published form of the digit model, with a plan.
#[cfg(feature = "native")]
fn form() -> Vec<u8> {
    let file = ModelFile::decode(digits()).expect("a model");
    let shapes = vec![("image".to_owned(), vec![1, 1, 8, 8])];
    let publication = nearside::publish::publish(file, &[shapes], false).expect("a form");
    assert!(publication.plans.iter().all(|(_, left_out)| left_out.is_none()));
    publication.bytes
}

/// The published form of an operator case: of a loop it has no plan.
#[cfg(feature = "native")]
fn form_of(family: &str, name: &str, shapes: &[(&str, &[usize])]) -> Vec<u8> {
    let mut cases = cases(family).into_iter();
    let (_, model) = cases.find(|(case, _)| case == name).expect("the case");
    let file = ModelFile::decode(model).expect("a model");
    let shapes: Vec<_> = shapes.iter().map(|(n, dims)| ((*n).to_owned(), dims.to_vec())).collect();
    let plans = if shapes.is_empty() { vec![] } else { vec![shapes] };
    nearside::publish::publish(file, &plans, false).expect("a form").bytes
}

#[cfg(feature = "native")]
#[test]
fn a_truncated_form_is_refused() {
    let bytes = form();
    assert_eq!(outcome(bytes.clone()), "ok");
    for length in (0..bytes.len() - 1).step_by(bytes.len() / 300 + 1).chain(1..600) {
        let code = outcome(bytes[..length].to_vec());
        // What is cut off may be the model itself, which its plan does not need.
        assert!(["INVALID_MODEL", "ok"].contains(&code), "{length} bytes: {code}");
    }
    assert_eq!(outcome(bytes[..bytes.len() / 2].to_vec()), "INVALID_MODEL");
}

#[cfg(feature = "native")]
#[test]
fn a_damaged_form_is_an_error_or_runs() {
    let others = [
        form_of("control", "Loop_trips", &[]),
        form_of("found", "Softmax_Slice", &[("x5", &[2, 6, 3])]),
    ];
    for original in std::iter::once(form()).chain(others) {
        let head = 20 + usize::from(original[12]) + 256 * usize::from(original[13]);
        let mut outcomes = std::collections::BTreeMap::<_, usize>::new();
        for at in 8..head {
            for flip in [0x01, 0x02, 0x03, 0x10, 0x80, 0xff] {
                let mut bytes = original.clone();
                bytes[at] ^= flip;
                *outcomes.entry(outcome(bytes)).or_default() += 1;
            }
        }
        println!("{outcomes:?}");
        assert!(outcomes.len() > 2, "the damage did nothing: {outcomes:?}");
        assert_eq!(outcomes.get("INTERNAL"), None, "a panic of the engine: {outcomes:?}");
    }
}
