//! Room for what a kernel lays out beside its inputs and outputs, kept from one call to the next.
//!
//! In: how much. Out: as many floats, of any value. A layer of a small network takes less time than it would take to
//! clear its room; so what a thread had before it gets again, as it was left. It stays where it was first made: who
//! keeps room has it made before a run, or it lies between the run's tensors and cuts in two what they leave.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

/// Floats beyond which room is given back: the memory is a run's, and large layers do not notice.
const KEPT: usize = 1 << 19;

thread_local! {
    static ROOM: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Floats of any value, of this thread until dropped. Another one meanwhile has room of its own.
#[derive(Debug)]
pub(crate) struct Scratch {
    room: Vec<f32>,
    len: usize,
}

impl Scratch {
    pub(crate) fn new(len: usize) -> Self {
        let mut room = ROOM.take();
        if room.len() < len {
            room = vec![0.; len];
        }
        Self { room, len }
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.room[..self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.room[..self.len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.room.len() <= KEPT {
            let room = std::mem::take(&mut self.room);
            // A thread that ends needs none.
            let _ = ROOM.try_with(|kept| kept.set(room));
        }
    }
}
