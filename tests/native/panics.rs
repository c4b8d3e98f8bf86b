//! Panics that the engine's boundary turned into errors: natively an error, in a page the end of the instance.
//!
//! In: a test's main function, before and after its cases. Out: where each panic was, and what it said.

use std::sync::{Mutex, PoisonError};

static SEEN: Mutex<Vec<String>> = Mutex::new(vec![]);

/// Counts from now on.
pub(crate) fn watch() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        SEEN.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
        before(info);
    }));
}

/// Fails where there was one.
pub(crate) fn none(conclusion: libtest_mimic::Conclusion) {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    for panic in seen.iter() {
        eprintln!("a panic, which would end a page's instance: {panic}");
    }
    conclusion.exit_if_failed();
    if !seen.is_empty() {
        std::process::exit(101);
    }
}
