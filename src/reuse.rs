//! Tensors of a run that nobody needs any more, for those that are to come.
//!
//! In: tensors as they are let go, and how much may be kept. Out: tensors of any values. The one decision: what is kept
//! takes no more room than what a run at its peak has beside what lives at that step, so that a run never needs more
//! memory than without; what would exceed that goes, oldest first.

use std::cell::RefCell;
use std::mem::take;

use tract_onnx::prelude::*;

/// Bytes from which a tensor is kept: the allocator is quick with smaller ones.
pub(crate) const LARGE: usize = 4096;
/// Bytes that a run may need at once for anything to be kept. Where it needs more, the tensors are large and cost little
/// beside what computes them; and in the memory of a page, which has one piece for all, what is kept would lie between
/// them and cut in two what they leave.
pub(crate) const MOST: usize = 8 << 20;

/// Bytes that a run may need at once for anything to be kept for the next one. Where it needs more, each run begins with
/// the memory as the one before it found it: what is kept is not all that a run makes, and the rest would be laid around
/// it in another way each time.
pub(crate) const LITTLE: usize = 1 << 20;

/// What is kept.
#[derive(Default)]
pub(crate) struct Spare {
    tensors: Vec<Tensor>,
    bytes: usize,
    /// What may be kept now.
    room: usize,
}

thread_local! {
    static SPARE: RefCell<Spare> = RefCell::default();
}

fn size(tensor: &Tensor) -> usize {
    tensor.len() * tensor.datum_type().size_of()
}

impl Spare {
    fn shrink(&mut self, most: usize) {
        let mut gone = 0;
        for tensor in &self.tensors {
            if self.bytes <= most {
                break;
            }
            self.bytes -= size(tensor);
            gone += 1;
        }
        self.tensors.drain(..gone);
    }

    fn find(&mut self, dt: DatumType, len: usize) -> Option<Tensor> {
        let fits = |tensor: &Tensor| tensor.datum_type() == dt && tensor.len() == len;
        let at = self.tensors.iter().rposition(fits)?;
        let tensor = self.tensors.remove(at);
        self.bytes -= size(&tensor);
        Some(tensor)
    }
}

/// Does `work` with what an earlier run left, of which it leaves some for the next one, if it `keeps` any. In wasm, where
/// one thread asks for memory, all runs share it, and so do what they are given and what they give.
pub(crate) fn within<T>(spare: &mut Spare, keeps: bool, work: impl FnOnce() -> T) -> T {
    struct Former(Option<Spare>);
    impl Drop for Former {
        fn drop(&mut self) {
            if let Some(former) = self.0.take() {
                SPARE.replace(former);
            }
        }
    }
    let shared = cfg!(target_arch = "wasm32");
    let _former = Former((!shared).then(|| SPARE.replace(take(spare))));
    let most = if keeps { MOST } else { 0 };
    SPARE.with_borrow_mut(|kept| kept.shrink(most));
    let made = work();
    SPARE.with_borrow_mut(|kept| {
        kept.shrink(most);
        kept.room = if shared { most } else { 0 };
        if !shared {
            *spare = take(kept);
        }
    });
    made
}

/// So many bytes may be kept from now on.
pub(crate) fn room(bytes: usize) {
    SPARE.with_borrow_mut(|spare| spare.room = bytes);
}

/// Takes a tensor that nobody else holds.
pub(crate) fn give(value: TValue) {
    if !value.is_exclusive() || !value.is_plain_ram() || !value.datum_type().is_copy() {
        return;
    }
    let bytes = size(&value);
    SPARE.with_borrow_mut(|spare| {
        if bytes >= LARGE && bytes <= spare.room {
            spare.shrink(spare.room - bytes);
            spare.bytes += bytes;
            spare.tensors.push(value.into_tensor());
        }
    });
}

/// A tensor of any values.
pub(crate) fn tensor(dt: DatumType, shape: &[usize]) -> TractResult<Tensor> {
    let len = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
    let bytes = len.and_then(|n| n.checked_mul(dt.size_of()));
    let (Some(len), Some(bytes)) = (len, bytes) else { return Tensor::zero_dt(dt, shape) };
    if bytes < LARGE {
        return Tensor::zero_dt(dt, shape);
    }
    let found = SPARE.with_borrow_mut(|spare| {
        let found = spare.find(dt, len);
        if found.is_none() {
            // It was not reckoned with that they lie here while this one is made.
            let room = spare.room;
            spare.shrink(room);
        }
        found
    });
    match found {
        Some(tensor) => tensor.into_shape(shape),
        None => Tensor::zero_dt(dt, shape),
    }
}

/// The same of float32.
pub(crate) fn floats(shape: &[usize]) -> TractResult<Tensor> {
    tensor(DatumType::F32, shape)
}
