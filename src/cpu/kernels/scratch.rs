//! Room for what a kernel lays out beside its inputs and outputs, kept from one call to the next.
//!
//! In: how much. Out: as many numbers, of any value. A layer of a small network takes less time than it would take to
//! clear its room; so what a thread had before it gets again, as it was left. It stays where it was first made: who
//! keeps room has it made before a run, or it lies between the run's tensors and cuts in two what they leave.

use std::cell::Cell;
use std::mem::take;
use std::ops::{Deref, DerefMut};
use std::thread::LocalKey;

/// Bytes beyond which room is given back: the memory is a run's, and large layers do not notice.
const KEPT: usize = 2 << 20;

/// A type of which each thread keeps room.
pub(crate) trait Number: Copy + Default + 'static {
    fn room() -> &'static LocalKey<Cell<Vec<Self>>>;
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Number for $number {
            fn room() -> &'static LocalKey<Cell<Vec<Self>>> {
                thread_local! {
                    static ROOM: Cell<Vec<$number>> = const { Cell::new(Vec::new()) };
                }
                &ROOM
            }
        }
    )*};
}

numbers!(f32, i16, i32);

/// Numbers of any value, of this thread until dropped. Others of the type meanwhile have room of their own.
#[derive(Debug)]
pub(crate) struct Scratch<T: Number> {
    room: Vec<T>,
    len: usize,
}

impl<T: Number> Scratch<T> {
    const KEPT: usize = KEPT / size_of::<T>();

    pub(crate) fn new(len: usize) -> Self {
        let mut room = T::room().take();
        if room.len() < len {
            if len > Self::KEPT {
                // What is kept stays where it is: made anew, it would lie between the run's tensors.
                T::room().set(room);
            } else {
                // What was too small need not lie there beside it.
                drop(take(&mut room));
            }
            room = vec![T::default(); len];
        }
        Self { room, len }
    }
}

/// Makes room that a run will ask for, so that it lies before the tensors of that.
pub(crate) fn prepare<T: Number>(len: usize) {
    if len <= Scratch::<T>::KEPT {
        drop(Scratch::<T>::new(len));
    }
}

impl<T: Number> Deref for Scratch<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.room[..self.len]
    }
}

impl<T: Number> DerefMut for Scratch<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.room[..self.len]
    }
}

impl<T: Number> Drop for Scratch<T> {
    fn drop(&mut self) {
        if self.room.len() <= Self::KEPT {
            let room = take(&mut self.room);
            // A thread that ends needs none.
            let _ = T::room().try_with(|kept| kept.set(room));
        }
    }
}
