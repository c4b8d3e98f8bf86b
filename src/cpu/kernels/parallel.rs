//! Work in parts, on as many threads as the host lends.
//!
//! In: how many parts there are, and what one part does. Out: all parts done. The threads are the host's, and all they
//! do is parts: in a page they are workers over the same memory, which a module built without atomics knows nothing
//! of. So one decision: **a part computes and nothing else**. It never allocates, locks or panics, since neither the
//! allocator nor the standard library is made for threads there; `MainOnly` makes an allocation a trap instead of a
//! corrupt heap. What a part needs beside its inputs is laid out before, once a lane.

use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Parts that wait to be done.
#[derive(Debug)]
pub struct Job<'a> {
    call: unsafe fn(*const (), usize, usize),
    data: *const (),
    parts: usize,
    work: PhantomData<&'a ()>,
}

impl Job<'_> {
    /// How many parts there are.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// What a thread of another instance calls a part by, see `nearside_part`.
    pub fn address(&self) -> [usize; 2] {
        [self.call as usize, self.data as usize]
    }

    /// Does one part.
    pub fn run(&self, part: usize, lane: usize) {
        // SAFETY: a job is made by `each` only, which waits for it with the context at hand.
        unsafe { (self.call)(self.data, part, lane) }
    }
}

// SAFETY: the context is one that threads may share.
unsafe impl Sync for Job<'_> {}

/// Lends threads: does every part of a job exactly once, no two at a time in the same lane, and returns when all are
/// done.
pub type Lender = fn(&Job<'_>);

static LENDER: OnceLock<Lender> = OnceLock::new();
/// Lanes at present: this thread and what is lent to it.
static LANES: AtomicUsize = AtomicUsize::new(1);
/// Whether a job is being done: a part that divides its own work does all of it itself.
static BUSY: AtomicBool = AtomicBool::new(false);

/// Products below which a second thread costs more than it does.
const WORTH: usize = if cfg!(test) { 1 } else { 1 << 17 };

/// From now on `lanes` threads work, this one among them. The first lender stays.
pub fn lend(lanes: usize, lender: Lender) {
    LENDER.get_or_init(|| lender);
    LANES.store(lanes.max(1), Ordering::Relaxed);
}

/// Threads that a job is worth whose products are as many as the product of these.
pub(crate) fn lanes(factors: &[usize]) -> usize {
    let products = factors.iter().fold(1usize, |product, n| product.saturating_mul(*n));
    if products < WORTH { 1 } else { LANES.load(Ordering::Relaxed) }
}

/// Turns a lane takes, where there are that many parts: few enough to cost nothing, enough for lanes that are slow.
const TURNS: usize = 4;

/// Does `work(part, lane)` for all `parts`, in any order; `lane` is less than `lanes`, which is what [`lanes`] said.
/// The result must not depend on which lane does what.
pub(crate) fn each<F: Fn(usize, usize) + Sync>(parts: usize, lanes: usize, work: F) {
    let run = Run { work, parts, turn: parts.div_ceil(TURNS * lanes).max(1) };
    match LENDER.get() {
        Some(lender) if lanes > 1 && parts > 1 && !BUSY.swap(true, Ordering::Relaxed) => {
            let data = std::ptr::from_ref(&run).cast();
            let parts = parts.div_ceil(run.turn);
            lender(&Job { call: turn_of::<F>, data, parts, work: PhantomData });
            BUSY.store(false, Ordering::Relaxed);
        }
        _ => (0..parts).for_each(|part| (run.work)(part, 0)),
    }
}

/// Pieces that a lane takes of what [`pieces`] cuts.
const PIECES: usize = 4;

/// Does `work(first, piece)` for pieces of a slice that are whole rows of `width`, in any order; `cost` is that of an
/// element, in products.
pub(crate) fn pieces<T: Send>(
    values: &mut [T],
    width: usize,
    cost: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    let (len, width) = (values.len(), width.max(1));
    let lanes = lanes(&[len, cost]);
    let piece = len.div_ceil(width).div_ceil(PIECES * lanes).max(1).saturating_mul(width);
    let values = Divided::new(values);
    each(len.div_ceil(piece), lanes, |part, _| {
        let first = part * piece;
        // SAFETY: each part has places of its own.
        work(first, unsafe { values.take(first, piece.min(len - first)) });
    });
}

struct Run<F> {
    work: F,
    parts: usize,
    /// Parts that are done together.
    turn: usize,
}

/// # Safety
/// `data` must be a `Run<F>` that outlives the call.
unsafe fn turn_of<F: Fn(usize, usize) + Sync>(data: *const (), turn: usize, lane: usize) {
    let run = unsafe { &*data.cast::<Run<F>>() };
    let first = turn * run.turn;
    for part in first..run.parts.min(first + run.turn) {
        (run.work)(part, lane);
    }
}

/// A slice that several parts write to, each to places of its own.
pub(crate) struct Divided<'a, T> {
    first: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: parts take places of their own, see `take`.
unsafe impl<T: Send> Sync for Divided<'_, T> {}

impl<'a, T> Divided<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { first: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// `count` places from `from` on; none where the slice is shorter.
    ///
    /// # Safety
    /// No one else may hold any of them at the same time.
    #[allow(clippy::mut_from_ref)] // what this type is for
    #[inline(always)]
    pub(crate) unsafe fn take(&self, from: usize, count: usize) -> &mut [T] {
        if from > self.len || count > self.len - from {
            return &mut [];
        }
        unsafe { std::slice::from_raw_parts_mut(self.first.add(from), count) }
    }

    /// The place at `at`, for kernels that write vector by vector.
    ///
    /// # Safety
    /// It must be within the slice, and what is written there no one else's.
    #[inline(always)]
    pub(crate) unsafe fn at(&self, at: usize) -> *mut T {
        unsafe { self.first.add(at) }
    }
}

/// What a thread that is lent calls, in the instance of its own: one part of a job.
///
/// # Safety
/// `call` and `data` must be those of a job that is not done yet.
#[cfg(all(target_family = "wasm", feature = "threads"))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nearside_part(call: usize, data: usize, part: usize, lane: usize) {
    // SAFETY: a function pointer of wasm is its index in the table, as a number.
    let call: unsafe fn(*const (), usize, usize) = unsafe { std::mem::transmute(call) };
    unsafe { call(data as *const (), part, lane) };
}

/// How large memory is, in pages: what the host looks at before each use of it, and what an instance tells much faster
/// than the host finds out of a memory that is shared.
#[cfg(all(target_family = "wasm", feature = "threads"))]
#[unsafe(no_mangle)]
pub extern "C" fn nearside_pages() -> usize {
    core::arch::wasm32::memory_size::<0>()
}

/// Room for the stack of a thread that is lent, `bytes` long, for as long as this instance lives; its upper end.
#[cfg(all(target_family = "wasm", feature = "threads"))]
#[unsafe(no_mangle)]
pub extern "C" fn nearside_stack(bytes: usize) -> usize {
    let stack = vec![0u128; bytes / size_of::<u128>()].leak();
    stack.as_ptr_range().end as usize
}

#[cfg(all(target_family = "wasm", feature = "threads"))]
pub use main_only::MainOnly;

#[cfg(all(target_family = "wasm", feature = "threads"))]
mod main_only {
    use std::alloc::{GlobalAlloc, Layout, System};

    unsafe extern "C" {
        /// The linker's: the stack of the instance's own thread lies below, those of lent threads on the heap.
        static __heap_base: u8;
    }

    /// The system's allocator, for the instance's own thread: a lent thread that asks for memory traps, because the
    /// allocator has no lock.
    pub struct MainOnly;

    #[inline(always)]
    fn check() {
        let here = 0u8;
        // SAFETY: only its address is taken.
        let base = &raw const __heap_base as usize;
        if std::hint::black_box(&raw const here) as usize > base {
            core::arch::wasm32::unreachable();
        }
    }

    // SAFETY: the system's allocator with a check before it.
    unsafe impl GlobalAlloc for MainOnly {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            check();
            unsafe { System.alloc(layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            check();
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            check();
            unsafe { System.realloc(at, layout, size) }
        }

        unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
            check();
            unsafe { System.dealloc(at, layout) };
        }
    }
}

#[cfg(test)]
#[path = "parallel_tests.rs"]
#[allow(clippy::unwrap_used)]
mod tests;
