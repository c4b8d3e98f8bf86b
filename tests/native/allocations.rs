//! What a run asks of the allocator once a model is warm.
//!
//! In: the digit model of this repository, the shared models that are there, and those that `NEARSIDE_ALLOCATIONS` names.
//! Out: the counts (`--nocapture`), and verdicts: a run leaves nothing behind, and asks for as much as the one before
//! it. An allocator of this process alone counts, so all is one test.

#![allow(clippy::expect_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use nearside::npy::read_npz;
use nearside::{DType, Dim, Session, SessionOptions, Tensor, ValueInfo};

/// Bytes from which a block is one of a tensor or of a kernel's room, and not of what describes them.
const LARGE: usize = 1024;
const SHARED: &[&str] = &["ppocr-cls", "byte-sb-bilstm", "resnet56-int8-qoperator", "dtln-1"];

static COUNT: AtomicUsize = AtomicUsize::new(0);
static LARGE_COUNT: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: the system's allocator, and counters.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        LARGE_COUNT.fetch_add(usize::from(layout.size() >= LARGE), Ordering::Relaxed);
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counts() -> [usize; 3] {
    [&COUNT, &LARGE_COUNT, &BYTES].map(|counter| counter.load(Ordering::Relaxed))
}

/// Values that differ and stay small; open dimensions are 1.
fn made_up(input: &ValueInfo) -> (String, Tensor) {
    let known = |dim: &Dim| if let Dim::Known(size) = dim { *size } else { 1 };
    let shape: Vec<usize> = input.shape.iter().map(known).collect();
    let numbers = 0..shape.iter().product::<usize>();
    let tensor = match input.dtype {
        DType::Int64 => {
            Tensor::try_from((&shape[..], &numbers.map(|i| (i % 2) as i64).collect::<Vec<_>>()[..]))
        }
        _ => Tensor::try_from((
            &shape[..],
            &numbers.map(|i| (i as f32 + 1.).sin().abs()).collect::<Vec<_>>()[..],
        )),
    };
    (input.name.clone(), tensor.expect("it fits"))
}

/// What the fourth run and the fifth one ask for: blocks, large ones, bytes.
fn measured(file: &Path) -> [[usize; 3]; 2] {
    let bytes = std::fs::read(file).expect("the model");
    let session = Session::from_bytes(bytes, &SessionOptions::default()).expect("it loads");
    let recorded = std::fs::read(file.with_file_name("inputs.npz")).ok();
    let feeds = recorded.map_or_else(
        || session.signature().inputs.iter().map(made_up).collect(),
        |bytes| read_npz(&bytes).expect("recorded inputs"),
    );
    for _ in 0..3 {
        session.run(feeds.clone(), &[]).expect("it runs");
    }
    std::array::from_fn(|_| {
        let feeds = feeds.clone();
        let feeds_bytes = HELD.load(Ordering::Relaxed);
        let before = counts();
        drop(session.run(feeds, &[]).expect("it runs"));
        let after = counts();
        assert!(HELD.load(Ordering::Relaxed) <= feeds_bytes, "a run left something behind");
        std::array::from_fn(|i| after[i] - before[i])
    })
}

#[test]
fn a_warm_run_leaves_nothing_and_asks_for_what_the_last_one_did() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("NEARSIDE_MODELS")
        .map_or_else(|| root.join("../shared/models"), PathBuf::from);
    let mut files = vec![root.join("www/models/digits/1/model.onnx")];
    files.extend(SHARED.iter().map(|name| shared.join(name).join("model.onnx")));
    let named = std::env::var("NEARSIDE_ALLOCATIONS").unwrap_or_default();
    files.extend(named.split_whitespace().map(PathBuf::from));
    for file in files.iter().filter(|file| file.exists()) {
        let [fourth, fifth] = measured(file);
        println!("{}: {} blocks, {} large, {} bytes", file.display(), fifth[0], fifth[1], fifth[2]);
        assert_eq!(fourth, fifth, "{}", file.display());
    }
}
