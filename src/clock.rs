//! A stopwatch that works where `std::time::Instant` panics (wasm without an operating system).

/// Started at construction.
pub(crate) struct Clock(
    #[cfg(not(target_arch = "wasm32"))] std::time::Instant,
    #[cfg(all(target_arch = "wasm32", feature = "web"))] f64,
);

#[cfg(not(target_arch = "wasm32"))]
impl Clock {
    pub(crate) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub(crate) fn elapsed_ms(&self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1e3
    }
}

#[cfg(all(target_arch = "wasm32", feature = "web"))]
impl Clock {
    pub(crate) fn start() -> Self {
        Self(crate::web::now_ms())
    }

    pub(crate) fn elapsed_ms(&self) -> f64 {
        crate::web::now_ms() - self.0
    }
}

/// In a Worker a clock does not advance during CPU work, so that there is nothing to measure.
#[cfg(all(target_arch = "wasm32", not(feature = "web")))]
impl Clock {
    pub(crate) fn start() -> Self {
        Self()
    }

    pub(crate) fn elapsed_ms(&self) -> f64 {
        0.0
    }
}
