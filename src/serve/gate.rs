//! How much happens at once.
//!
//! In: work that takes long. Out: its result, from a thread of its own, or why it was not begun. A
//! request takes a place before its body is read, so that waiting bodies are bounded, too.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, ErrorKind, Result};

pub(crate) struct Gate {
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// Held by a request while it waits or runs.
pub(crate) struct Place(#[allow(dead_code)] OwnedSemaphorePermit);

impl Gate {
    pub(crate) fn new(concurrency: usize, queue: usize) -> Self {
        let running = concurrency.clamp(1, Semaphore::MAX_PERMITS / 2);
        let places = running + queue.min(Semaphore::MAX_PERMITS / 2);
        Self {
            running: Arc::new(Semaphore::new(running)),
            places: Arc::new(Semaphore::new(places)),
        }
    }

    /// A place in the queue.
    pub(crate) fn enter(&self) -> Result<Place> {
        Arc::clone(&self.places).try_acquire_owned().map(Place).map_err(|_| {
            Error::new(ErrorKind::Unavailable, "too many requests are waiting; try again soon")
        })
    }

    /// Runs `work` when it is its turn. Work that has begun runs to its end even when nobody waits for
    /// it any more, and counts until then.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let stopped = |_| Error::new(ErrorKind::Unavailable, "the server is stopping");
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(stopped)?;
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        task.await.map_err(|e| {
            let what = if e.is_panic() { "a defect stopped this request" } else { "cancelled" };
            Error::new(ErrorKind::Internal, what)
        })?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_counted_and_panics_stay_inside() {
        let gate = Gate::new(1, 1);
        let (first, second) = (gate.enter(), gate.enter());
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(gate.enter().err().map(|e| e.row().status), Some(503));
        drop(first);
        assert!(gate.enter().is_ok());
        #[allow(clippy::panic)]
        let error = gate.run::<()>(|| panic!("boom")).await.unwrap_err();
        assert_eq!(error.row().code, "INTERNAL");
        assert_eq!(gate.run(|| Ok(7)).await.unwrap(), 7);
    }
}
