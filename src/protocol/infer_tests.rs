use super::*;
use serde_json::{Value, json};

fn code(head: Option<&str>, body: &[u8]) -> &'static str {
    InferRequest::parse(head, body).map(|_| "OK").unwrap_or_else(|e| e.row().code)
}

fn one(input: Value) -> Result<Tensor> {
    let body = json!({ "inputs": [input] }).to_string();
    InferRequest::parse(None, body.as_bytes()).map(|mut r| r.inputs.remove(0).1)
}

#[test]
fn json_tensors_of_every_datatype() -> Result<()> {
    let cases = [
        (
            "FP32",
            json!([1, -2.5, 1e3]),
            [1f32.to_le_bytes(), (-2.5f32).to_le_bytes(), 1e3f32.to_le_bytes()].concat(),
        ),
        ("FP64", json!([1, -2.5, 1e300]), [1f64, -2.5, 1e300].map(f64::to_le_bytes).concat()),
        ("INT8", json!([-128, 0, 127]), vec![0x80, 0, 0x7f]),
        (
            "INT16",
            json!([-32768, 0, 32767]),
            [i16::MIN, 0, i16::MAX].map(i16::to_le_bytes).concat(),
        ),
        (
            "INT32",
            json!([i32::MIN, 0, i32::MAX]),
            [i32::MIN, 0, i32::MAX].map(i32::to_le_bytes).concat(),
        ),
        (
            "INT64",
            json!([i64::MIN, (1i64 << 53) + 1, i64::MAX]),
            [i64::MIN, (1 << 53) + 1, i64::MAX].map(i64::to_le_bytes).concat(),
        ),
        ("UINT8", json!([0, 1, 255]), vec![0, 1, 255]),
        ("UINT16", json!([0, 1, 65535]), [0, 1, u16::MAX].map(u16::to_le_bytes).concat()),
        ("UINT32", json!([0, 1, u32::MAX]), [0, 1, u32::MAX].map(u32::to_le_bytes).concat()),
        ("UINT64", json!([0, 1, u64::MAX]), [0, 1, u64::MAX].map(u64::to_le_bytes).concat()),
        ("BOOL", json!([true, false, 1]), vec![1, 0, 1]),
    ];
    for (datatype, data, bytes) in cases {
        let tensor = one(json!({ "name": "x", "datatype": datatype, "shape": [3], "data": data }))?;
        assert_eq!(tensor.bytes(), bytes, "{datatype}");
        // What goes out comes back in.
        let mut text = vec![];
        json::write("x", &tensor, &mut text)?;
        let again: Value = serde_json::from_slice(&text).unwrap();
        let back = one(json!({ "name": "x", "datatype": datatype, "shape": [3], "data": again }))?;
        assert_eq!(back.bytes(), bytes, "{datatype}");
    }
    let strings =
        one(json!({ "name": "x", "datatype": "BYTES", "shape": [2], "data": ["a", "ü\n"] }))?;
    assert_eq!(strings.strings(), Some(&["a".to_owned(), "ü\n".to_owned()][..]));
    Ok(())
}

#[test]
fn nested_and_flat_arrays() {
    let cases = [
        (json!([2, 2]), json!([1, 2, 3, 4]), "OK"),
        (json!([2, 2]), json!([[1, 2], [3, 4]]), "OK"),
        (json!([2, 2]), json!([[1, 2, 3], [4]]), "MALFORMED_REQUEST"),
        (json!([2, 2]), json!([[1], [2], [3], [4]]), "MALFORMED_REQUEST"),
        (json!([2, 2]), json!([1, [2, 3, 4]]), "MALFORMED_REQUEST"),
        (json!([1, 2, 2]), json!([[1, 2], [3, 4]]), "MALFORMED_REQUEST"),
        (json!([2, 2]), json!([1, 2, 3]), "SHAPE_MISMATCH"),
        (json!([2, 2]), json!([1, 2, 3, 4, 5]), "MALFORMED_REQUEST"),
        (json!([2, 2]), json!([[1, 2]]), "MALFORMED_REQUEST"),
        (json!([]), json!([7]), "OK"),
        (json!([]), json!(7), "MALFORMED_REQUEST"),
        (json!([0, 3]), json!([]), "OK"),
        (json!([2, 0]), json!([[], []]), "OK"),
        (json!([2, 0]), json!([[], [1]]), "MALFORMED_REQUEST"),
        (json!([1]), json!([null]), "MALFORMED_REQUEST"),
        (json!([1]), json!([{}]), "MALFORMED_REQUEST"),
        (json!([1]), json!({ "0": 1 }), "MALFORMED_REQUEST"),
        (json!([-1]), json!([1]), "SHAPE_MISMATCH"),
        (json!([1i64 << 62, 0, 8]), json!([]), "SHAPE_MISMATCH"),
        (json!(vec![1; 33]), json!([1]), "SHAPE_MISMATCH"),
        (json!([1_000_000_000_000i64]), json!([1]), "SHAPE_MISMATCH"),
    ];
    for (shape, data, wanted) in cases {
        let case = format!("{shape} {data}");
        let got = one(json!({ "name": "x", "datatype": "FP32", "shape": shape, "data": data }));
        assert_eq!(got.map(|_| "OK").unwrap_or_else(|e| e.row().code), wanted, "{case}");
    }
}

#[test]
fn elements_that_do_not_fit_their_datatype() {
    let cases = [
        ("INT8", "[128]"),
        ("UINT8", "[-1]"),
        ("INT32", "[1.5]"),
        ("INT64", "[9223372036854775808]"),
        ("UINT64", "[18446744073709551616]"),
        ("FP32", "[1e39]"),
        ("FP32", "[1e999]"),
        ("FP32", "[NaN]"),
        ("FP32", "[\"1\"]"),
        ("FP32", "[true]"),
        ("BOOL", "[2]"),
        ("BYTES", "[1]"),
        ("FP16", "[1]"),
    ];
    for (datatype, data) in cases {
        let body = format!(
            r#"{{"inputs":[{{"name":"x","datatype":"{datatype}","shape":[1],"data":{data}}}]}}"#
        );
        assert_eq!(code(None, body.as_bytes()), "MALFORMED_REQUEST", "{datatype} {data}");
    }
}

/// A body with its binary part, and the length of its head.
fn with_tail(head: &Value, tail: &[u8]) -> (String, Vec<u8>) {
    let mut body = head.to_string().into_bytes();
    let length = body.len().to_string();
    body.extend_from_slice(tail);
    (length, body)
}

fn binary_input(datatype: &str, shape: &[usize], size: u64) -> Value {
    json!({ "name": "x", "datatype": datatype, "shape": shape, "parameters": { "binary_data_size": size } })
}

#[test]
fn binary_tensors_and_their_defects() {
    let head = |size| json!({ "inputs": [binary_input("FP32", &[2], size)] });
    let cases: [(u64, usize, &str); 7] = [
        (8, 8, "OK"),
        (8, 7, "MALFORMED_REQUEST"),
        (8, 9, "MALFORMED_REQUEST"),
        (4, 4, "SHAPE_MISMATCH"),
        (9, 9, "SHAPE_MISMATCH"),
        (0, 0, "SHAPE_MISMATCH"),
        (u64::MAX, 8, "MALFORMED_REQUEST"),
    ];
    for (size, given, wanted) in cases {
        let (length, body) = with_tail(&head(size), &vec![0; given]);
        assert_eq!(code(Some(&length), &body), wanted, "{size} declared, {given} given");
    }
    let (length, body) = with_tail(&head(8), &[0; 8]);
    assert_eq!(code(None, &body), "MALFORMED_REQUEST", "no length header");
    let too_long = (body.len() + 1).to_string();
    for bad in ["", "-1", "x", "1.5", "99999999999999999999", "3", &too_long] {
        assert_eq!(code(Some(bad), &body), "MALFORMED_REQUEST", "length {bad:?}");
    }
    assert_eq!(code(Some(&format!(" {length} ")), &body), "OK");
}

#[test]
fn binary_strings() {
    let tail = [&2u32.to_le_bytes()[..], "hi".as_bytes(), &0u32.to_le_bytes()].concat();
    let parse = |shape: &[usize], tail: &[u8]| {
        let head = json!({ "inputs": [binary_input("BYTES", shape, tail.len() as u64)] });
        let (length, body) = with_tail(&head, tail);
        InferRequest::parse(Some(&length), &body)
    };
    let request = parse(&[2], &tail).unwrap();
    assert_eq!(request.inputs[0].1.strings(), Some(&["hi".to_owned(), String::new()][..]));
    let mut again = vec![];
    assert_eq!(binary::write(&request.inputs[0].1, &mut again), tail.len());
    assert_eq!(again, tail);
    let code = |shape, tail: &[u8]| parse(shape, tail).unwrap_err().row().code;
    assert_eq!(code(&[3], &tail), "SHAPE_MISMATCH");
    assert_eq!(code(&[2], &tail[..tail.len() - 1]), "MALFORMED_REQUEST");
    assert_eq!(code(&[1], &[255, 255, 255, 255, 0]), "MALFORMED_REQUEST");
    assert_eq!(code(&[1], &[1, 0, 0, 0, 0xff]), "INVALID_INPUT");
}

#[test]
fn what_is_asked_of_outputs() -> Result<()> {
    let input = json!({ "name": "x", "datatype": "INT8", "shape": [1], "data": [1] });
    let body = json!({
        "id": "7", "inputs": [input], "parameters": { "binary_data_output": true, "else": [1, {}] },
        "outputs": [{ "name": "a" }, { "name": "b", "parameters": { "binary_data": false } }],
    });
    let request = InferRequest::parse(None, body.to_string().as_bytes())?;
    assert_eq!(request.id.as_deref(), Some("7"));
    assert_eq!(
        request.outputs,
        [
            RequestedOutput { name: "a".into(), binary: true },
            RequestedOutput { name: "b".into(), binary: false }
        ]
    );
    for unknown in ["classification", "shared_memory_region"] {
        let body = json!({ "inputs": [input], "outputs": [{ "name": "a", "parameters": { unknown: 1 } }] });
        assert_eq!(code(None, body.to_string().as_bytes()), "MALFORMED_REQUEST", "{unknown}");
    }
    Ok(())
}

#[test]
fn an_answer_with_json_and_binary_outputs() -> Result<()> {
    let tensor = Tensor::try_from((&[2usize][..], &[0.1f32, 2.0][..]))?;
    let result = RunResult {
        outputs: vec![("a".into(), tensor.clone()), ("b".into(), tensor)],
        run_ms: 1.23456,
        ..RunResult::default()
    };
    let request = InferRequest {
        id: Some("7".into()),
        inputs: vec![],
        outputs: vec![RequestedOutput { name: "b".into(), binary: true }],
        binary_by_default: false,
    };
    let by = Answerer { name: "m", version: 3, source: "in_cloud", backend: "test" };
    let reply = write(by, &request, &result)?;
    let length: usize =
        reply.headers.iter().find(|h| h.0 == LENGTH_HEADER).unwrap().1.parse().unwrap();
    let head: Value = serde_json::from_slice(&reply.body[..length]).unwrap();
    assert_eq!(
        head,
        json!({
            "id": "7", "model_name": "m", "model_version": "3",
            "parameters": { "source": "in_cloud", "backend": "test", "plan_ms": 0.0, "run_ms": 1.235 },
            "outputs": [
                { "name": "a", "datatype": "FP32", "shape": [2], "data": [0.1, 2.0] },
                { "name": "b", "datatype": "FP32", "shape": [2], "parameters": { "binary_data_size": 8 } },
            ],
        })
    );
    assert_eq!(reply.body[length..], [0.1f32, 2.0].map(f32::to_le_bytes).concat());
    let nan = Tensor::try_from((&[1usize][..], &[f32::NAN][..]))?;
    assert_eq!(json::write("a", &nan, &mut vec![]).unwrap_err().row().code, "MALFORMED_REQUEST");
    Ok(())
}

/// Every prefix and every single-byte change of a valid body is an answer, never a panic.
#[test]
fn hostile_bodies() {
    let head = json!({
        "id": "1", "parameters": { "binary_data_output": true }, "outputs": [{ "name": "y" }],
        "inputs": [
            { "name": "j", "datatype": "INT64", "shape": [2, 2], "data": [[1, 2], [3, 4]] },
            binary_input("BYTES", &[1], 6),
        ],
    });
    let (length, body) = with_tail(&head, &[2, 0, 0, 0, b'h', b'i']);
    assert_eq!(code(Some(&length), &body), "OK");
    for cut in 0..body.len() {
        assert_ne!(code(Some(&length), &body[..cut]), "OK", "cut at {cut}");
        assert_ne!(code(None, &body[..cut]), "OK", "cut at {cut}");
    }
    for at in 0..body.len() {
        for byte in [0, b'0', b'9', b'-', b'[', b'{', b'"', b',', 0xff] {
            let mut changed = body.clone();
            changed[at] = byte;
            code(Some(&length), &changed);
        }
    }
    let deep = format!(
        r#"{{"inputs":[{{"name":"x","datatype":"FP32","shape":[1],"data":{}1{}}}]}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(code(None, deep.as_bytes()), "MALFORMED_REQUEST");
    let many = format!(r#"{{"inputs":[{}]}}"#, vec!["{}"; 10_000].join(","));
    assert_eq!(code(None, many.as_bytes()), "MALFORMED_REQUEST");
}
