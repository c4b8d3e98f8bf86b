//! Node tests with mistakes in them: each loads and runs, or is a typed error; none panics, hangs or wants memory without
//! end.
//!
//! In: the archives of node tests (`NEARSIDE_CONFORMANCE`, else `../shared/conformance`); with `NEARSIDE_MUTANTS` the cases of
//! this repository too, those of TensorFlow Lite and published forms of them byte by byte. `NEARSIDE_MUTANTS`: how many to make
//! (`FROM..TO` for others), `NEARSIDE_MUTANT_SEED` for other mistakes, `NEARSIDE_MUTANT_OF`, a part of the names of those to
//! take, and `NEARSIDE_MUTANT_KEEP`, a folder for those that are refused. Out: one test.
//! A panic that becomes an error natively would end the instance in a page, so each counts.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "case.rs"]
#[allow(dead_code)]
mod case;
mod misname;
mod misnode;
mod misvalue;
mod mutate;
#[allow(dead_code)]
mod numbers;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use mutate::{Numbers, Subject};
use nearside::{DType, Format, ModelFile, Session, SessionOptions, Tensor};
use prost::Message;
use tract_onnx::pb::{self, tensor_proto::DataType};

/// What a node may become.
const OPERATORS: &[&str] = &[
    "Add",
    "AveragePool",
    "Cast",
    "Concat",
    "Conv",
    "ConvTranspose",
    "CumSum",
    "Expand",
    "Flatten",
    "GRU",
    "Gather",
    "GatherND",
    "Gemm",
    "GlobalMaxPool",
    "If",
    "LSTM",
    "LayerNormalization",
    "MatMul",
    "MaxPool",
    "Pad",
    "QuantizeLinear",
    "Range",
    "ReduceSum",
    "Reshape",
    "Resize",
    "ScatterND",
    "Slice",
    "Softmax",
    "Split",
    "Squeeze",
    "Tile",
    "TopK",
    "Transpose",
    "Unsqueeze",
    "Where",
];

const SLOW: Duration = Duration::from_secs(5);
/// Loading and running what is broken takes no more.
const MOST_BYTES: u64 = 1 << 26;

thread_local! {
    /// Where this thread panicked last.
    static PANICKED: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn subjects() -> Vec<(String, Subject)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("NEARSIDE_CONFORMANCE")
        .map_or_else(|| root.join("../shared/conformance"), Into::into);
    let mut found = vec![];
    for archive in ["onnx-node-tests-1.17.tar.gz", "onnx-node-tests.tar.gz"] {
        for case in nearside::conformance::read(&folder.join(archive)).unwrap_or_default() {
            let Some(set) = case.sets.first() else { continue };
            found.extend(Subject::read(&case.model, &set.inputs).map(|s| (case.name.clone(), s)));
        }
    }
    // Others than those of the archives are more with each case that is added.
    let cases = if std::env::var_os("NEARSIDE_MUTANTS").is_some() { case::read() } else { vec![] };
    for case in cases {
        let (Ok(model), Ok(feeds)) = (case::model(&case), case::feeds(&case)) else { continue };
        if let Some((kind, bytes)) = other_format(&case.name, &model, &feeds) {
            let named =
                feeds.iter().map(|(n, t)| pb::TensorProto { name: n.clone(), ..proto_of(t) });
            let name = format!("{kind}::{}", case.name);
            found.push((name, Subject::of_file(bytes, named.collect())));
        }
        let Ok(proto) = pb::ModelProto::decode(&model[..]) else { continue };
        let inputs = proto.graph.iter().flat_map(|g| &g.input);
        let feeds: Option<Vec<_>> = inputs
            .map(|i| {
                feeds.iter().find(|(n, _)| *n == i.name).map(|(_, t)| proto_of(t).encode_to_vec())
            })
            .collect();
        let subject = feeds.and_then(|feeds| Subject::read(&model, &feeds));
        found.extend(subject.map(|s| (case.name.clone(), s)));
    }
    found
}

/// The bytes of a case in another format: as it is, or published, of every tenth.
fn other_format(
    name: &str,
    model: &[u8],
    feeds: &[(String, Tensor)],
) -> Option<(&'static str, Vec<u8>)> {
    let file = ModelFile::decode(model.to_vec()).ok()?;
    if nearside::inspect(&file).ok()?.format != Format::Onnx {
        return Some(("file", model.to_vec()));
    }
    if !name.len().is_multiple_of(10) {
        return None;
    }
    let shapes = feeds.iter().map(|(n, t)| (n.clone(), t.shape().to_vec())).collect();
    let publication = nearside::publish::publish(file, &[shapes], false).ok()?;
    Some(("form", publication.bytes))
}

fn proto_of(tensor: &Tensor) -> pb::TensorProto {
    let data_type = match tensor.dtype() {
        DType::Float32 => DataType::Float,
        DType::Float64 => DataType::Double,
        DType::Float16 => DataType::Float16,
        DType::Bool => DataType::Bool,
        DType::Int8 => DataType::Int8,
        DType::Uint8 => DataType::Uint8,
        DType::Int16 => DataType::Int16,
        DType::Uint16 => DataType::Uint16,
        DType::Int32 => DataType::Int32,
        DType::Uint32 => DataType::Uint32,
        DType::Int64 => DataType::Int64,
        DType::Uint64 => DataType::Uint64,
        DType::String => DataType::String,
    };
    let texts = tensor.strings().unwrap_or_default();
    pb::TensorProto {
        dims: tensor.shape().iter().map(|d| *d as i64).collect(),
        data_type: data_type as i32,
        raw_data: if texts.is_empty() { tensor.bytes().to_vec() } else { vec![] },
        string_data: texts.iter().map(|t| t.clone().into_bytes()).collect(),
        ..pb::TensorProto::default()
    }
}

fn tensor(proto: &pb::TensorProto) -> Option<Tensor> {
    let shape: Vec<usize> = proto.dims.iter().map(|d| *d as usize).collect();
    let dtype = match DataType::try_from(proto.data_type).ok()? {
        DataType::Float => DType::Float32,
        DataType::Double => DType::Float64,
        DataType::Float16 => DType::Float16,
        DataType::Bool => DType::Bool,
        DataType::Int8 => DType::Int8,
        DataType::Uint8 => DType::Uint8,
        DataType::Int16 => DType::Int16,
        DataType::Uint16 => DType::Uint16,
        DataType::Int32 => DType::Int32,
        DataType::Uint32 => DType::Uint32,
        DataType::Int64 => DType::Int64,
        DataType::Uint64 => DType::Uint64,
        DataType::String => {
            let texts = proto.string_data.iter().map(|t| String::from_utf8_lossy(t).into_owned());
            return Tensor::from_strings(&shape, texts.collect()).ok();
        }
        _ => return None,
    };
    if !proto.raw_data.is_empty() {
        return Tensor::from_bytes(dtype, &shape, &proto.raw_data).ok();
    }
    let size = dtype.size();
    let small = proto.int32_data.iter().flat_map(|v| v.to_le_bytes()[..size.min(4)].to_vec());
    let bytes: Vec<u8> = small
        .chain(proto.int64_data.iter().flat_map(|v| v.to_le_bytes()))
        .chain(proto.float_data.iter().flat_map(|v| v.to_le_bytes()))
        .chain(proto.double_data.iter().flat_map(|v| v.to_le_bytes()))
        .collect();
    Tensor::from_bytes(dtype, &shape, &bytes).ok()
}

/// What became of a mutant.
struct Outcome {
    at: usize,
    code: &'static str,
    text: String,
    panicked: Option<String>,
    seconds: f64,
}

fn run(bytes: Vec<u8>, subject: &Subject) -> (&'static str, String) {
    // With the feature gpu there are more fields.
    #[allow(clippy::needless_update)]
    let options = SessionOptions {
        max_tensor_bytes: MOST_BYTES,
        max_iterations: 10_000,
        ..SessionOptions::default()
    };
    let session = match Session::from_bytes(bytes, &options) {
        Ok(session) => session,
        Err(error) => return (error.row().code, error.to_string()),
    };
    let names = session.signature().inputs.iter().map(|i| i.name.clone());
    let named = |name: &str| subject.feeds.iter().find(|f| !f.name.is_empty() && f.name == name);
    let feeds = names.enumerate().filter_map(|(at, name)| {
        let feed = named(&name).or_else(|| subject.feeds.get(at))?;
        Some((name, tensor(feed)?.into()))
    });
    match session.run_values(feeds.collect(), &[], false) {
        Ok(_) => ("ok", String::new()),
        Err(error) => (error.row().code, error.to_string()),
    }
}

/// Mutant `at`, and the mistakes in it.
fn mutant(subjects: &[(String, Subject)], at: usize) -> (String, Subject) {
    let seed = std::env::var("NEARSIDE_MUTANT_SEED").map_or(0, |s| s.parse().expect("a number"));
    let mut numbers = Numbers::new(at as u64 ^ seed << 32);
    let (name, subject) = &subjects[(at * 7919) % subjects.len()];
    let mut subject = subject.clone();
    let count = 1 + numbers.below(6) / 4;
    let said = subject.spoil(count, &mut numbers);
    (format!("{name} with {said}"), subject)
}

fn worker(
    subjects: Arc<Vec<(String, Subject)>>,
    range: std::ops::Range<usize>,
) -> mpsc::Receiver<Outcome> {
    let (send, receive) = mpsc::channel();
    let keep = std::env::var_os("NEARSIDE_MUTANT_KEEP");
    let work = move || {
        for at in range {
            let (said, subject) = mutant(&subjects, at);
            if saying() {
                eprintln!("{at} {said}");
            }
            let bytes = subject.bytes();
            let kept = keep.as_ref().map(|folder| Path::new(folder).join(at.to_string()));
            PANICKED.set(None);
            let since = Instant::now();
            let (code, text) = run(bytes, &subject);
            let panicked = PANICKED.take();
            if let Some(path) = kept.filter(|_| code != "ok" || panicked.is_some()) {
                let feeds =
                    pb::GraphProto { initializer: subject.feeds.clone(), ..Default::default() };
                std::fs::write(path.with_extension("onnx"), subject.bytes())
                    .and_then(|()| {
                        std::fs::write(path.with_extension("feeds"), feeds.encode_to_vec())
                    })
                    .and_then(|()| {
                        std::fs::write(
                            path.with_extension("txt"),
                            format!("{code} {text} | {said}"),
                        )
                    })
                    .expect("written");
            }
            if let Some(place) = panicked.as_ref().filter(|_| saying()) {
                eprintln!("{at} panics at {place} | {said}");
            }
            let seconds = since.elapsed().as_secs_f64();
            if send.send(Outcome { at, code, text, panicked, seconds }).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().stack_size(16 << 20).spawn(work).expect("a thread");
    receive
}

/// Whether each is told as it comes, for what ends the whole process.
fn saying() -> bool {
    std::env::var_os("NEARSIDE_MUTANT_SAY").is_some()
}

fn range() -> std::ops::Range<usize> {
    let text = std::env::var("NEARSIDE_MUTANTS").unwrap_or_else(|_| "4000".to_owned());
    let (from, to) = text.split_once("..").unwrap_or(("0", &text));
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn mistakes_are_typed_errors() {
    std::panic::set_hook(Box::new(|info| {
        let place =
            info.location().map_or("?".to_owned(), |l| format!("{}:{}", l.file(), l.line()));
        let place = place.rsplit_once("registry/src/").map_or(place.clone(), |(_, p)| p.to_owned());
        let text = info.payload_as_str().unwrap_or("").chars().take(120).collect::<String>();
        if std::thread::current().name() == Some("mistakes_are_typed_errors") {
            eprintln!("{place}: {text}");
        }
        if std::env::var_os("NEARSIDE_MUTANT_TRACE").is_some() {
            eprintln!("{place}: {text}\n{}", std::backtrace::Backtrace::force_capture());
        }
        PANICKED.set(Some(format!("{place} {text}")));
    }));
    let mut subjects = subjects();
    if let Ok(part) = std::env::var("NEARSIDE_MUTANT_OF") {
        subjects.retain(|(name, _)| name.contains(&part));
    }
    let subjects = Arc::new(subjects);
    if subjects.is_empty() {
        return;
    }
    let range = range();
    let (mut next, mut codes) = (range.start, BTreeMap::<&str, usize>::new());
    let mut panics = BTreeMap::<String, Vec<usize>>::new();
    let mut odd = vec![];
    while next < range.end {
        let outcomes = worker(Arc::clone(&subjects), next..range.end);
        while next < range.end {
            let Ok(outcome) = outcomes.recv_timeout(SLOW * 4) else {
                odd.push(format!("{next} hangs: {}", mutant(&subjects, next).0));
                next += 1;
                break;
            };
            next = outcome.at + 1;
            *codes.entry(outcome.code).or_default() += 1;
            if let Some(place) = outcome.panicked {
                panics.entry(place).or_default().push(outcome.at);
            }
            if outcome.seconds > SLOW.as_secs_f64() {
                odd.push(format!(
                    "{} takes {:.1} s: {}",
                    outcome.at,
                    outcome.seconds,
                    mutant(&subjects, outcome.at).0
                ));
            }
            if outcome.code == "INTERNAL" {
                odd.push(format!(
                    "{} is INTERNAL: {} {}",
                    outcome.at,
                    mutant(&subjects, outcome.at).0,
                    outcome.text
                ));
            }
            if saying() {
                println!(
                    "{} {} {} | {}",
                    outcome.at,
                    outcome.code,
                    outcome.text,
                    mutant(&subjects, outcome.at).0
                );
            }
        }
    }
    println!("{} subjects, {codes:?}", subjects.len());
    let mut places: Vec<_> = panics.iter().collect();
    places.sort_by_key(|(_, list)| std::cmp::Reverse(list.len()));
    for (place, list) in &places {
        println!("{:5} {place}", list.len());
        for at in list.iter().take(3) {
            let (said, _) = mutant(&subjects, *at);
            println!("        {at}: {said}");
        }
    }
    for line in &odd {
        println!("{line}");
    }
    assert!(
        panics.is_empty() && odd.is_empty(),
        "{} panics, {} odd",
        panics.values().map(Vec::len).sum::<usize>(),
        odd.len()
    );
}
