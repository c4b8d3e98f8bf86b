//! Colours, printing and progress.
//!
//! In: text with styles in it. Out: the same on a terminal, plain elsewhere and under NO_COLOR (anstream
//! decides). Progress is drawn on standard error only where that is a terminal (indicatif decides).

use std::io::{ErrorKind as Io, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Reset, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use nearside::ErrorKind;

use crate::failure::Failure;

pub(crate) const STRONG: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const RESET: Reset = Reset;

pub(crate) const HELP: clap::builder::Styles = clap::builder::Styles::styled()
    .header(STRONG)
    .usage(STRONG)
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Cyan.on_default().dimmed());

/// Prints a command's result. A reader that has gone (`| head`) has seen what it wanted.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != Io::BrokenPipe => {
            Err(Failure::new(ErrorKind::Io, format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

pub(crate) fn print_error(text: &str) -> std::io::Result<()> {
    anstream::stderr().lock().write_all(text.as_bytes())
}

/// Bars and spinners, which clean up after themselves.
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    pub(crate) quiet: bool,
}

impl Progress {
    /// Bytes of a file whose size is known.
    pub(crate) fn bytes(self, what: &str, length: u64) -> ProgressBar {
        self.bar(ProgressBar::new(length), "{msg} {wide_bar} {bytes}/{total_bytes} {eta}", what)
    }

    /// Repetitions.
    pub(crate) fn count(self, what: &str, length: u64) -> ProgressBar {
        self.bar(ProgressBar::new(length), "{msg} {wide_bar} {pos}/{len} {eta}", what)
    }

    /// Work of unknown length.
    pub(crate) fn work(self, what: &str) -> ProgressBar {
        let bar = self.bar(ProgressBar::new_spinner(), "{spinner} {msg} {elapsed}", what);
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    fn bar(self, bar: ProgressBar, template: &str, what: &str) -> ProgressBar {
        let target =
            if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        bar.set_draw_target(target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.with_finish(ProgressFinish::AndClear)
    }
}
