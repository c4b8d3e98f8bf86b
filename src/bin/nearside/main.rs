//! The face for a terminal: reads arguments and files, calls the engine, prints.
//!
//! In: arguments, files, standard input. Out: results on standard output, everything else on standard
//! error, and the exit code of the library's table. One file a command; a command returns the text that
//! it has to say or a [`Failure`], so that only this file ends the process.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bench;
mod check;
mod completions;
mod device;
mod failure;
mod inputs;
mod inspect;
mod optimize;
mod output;
#[cfg(feature = "gpu")]
mod placement;
mod read;
mod run;
mod serve;
mod style;
mod summary;
mod tailor;
mod times;
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;
use nearside::{Error, ErrorKind};

use failure::Failure;

/// clap's own code for wrong usage, 2, would say "not a valid model" here; 64 is sysexits' EX_USAGE.
const USAGE: u8 = 64;

const CODES: &str = "\
Exit codes:
  0   done
  2   the model is invalid, or needs an operator or type that the engine lacks
  3   an input has a wrong name, shape, type or value
  4   there is no such model
  5   over a limit, or out of memory
  6   a time limit passed, or a service cannot be reached
  7   a file cannot be read or written
  64  wrong usage
  70  a defect of nearside

Results go to standard output, errors and progress to standard error. With --json an error is \
one line of JSON there, {\"error\":{\"code\":…,\"message\":…,\"exit\":…}}, but for wrong usage. \
NO_COLOR=1 turns colours off.

Examples:
  nearside inspect model.onnx
  nearside run model.onnx --input photo.png
  nearside check model.onnx
  nearside optimize model.onnx -o out
  nearside bench model.onnx --fill random
  nearside serve --models ./models
  nearside run --help";

/// Runs ONNX models: looks into them, runs them, times them, publishes and serves them.
#[derive(Parser)]
#[command(name = "nearside", version, after_help = CODES, max_term_width = 100, styles = style::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Inspect(inspect::Args),
    Optimize(optimize::Args),
    Run(Box<run::Args>),
    Check(check::Args),
    Bench(Box<bench::Args>),
    Serve(Box<serve::Args>),
    Tailor(tailor::Args),
    Completions(completions::Args),
}

impl Command {
    fn json(&self) -> bool {
        match self {
            Self::Inspect(args) => args.json,
            Self::Optimize(args) => args.json,
            Self::Run(args) => args.json,
            Self::Check(args) => args.json,
            Self::Bench(args) => args.json,
            Self::Serve(_) | Self::Tailor(_) | Self::Completions(_) => false,
        }
    }

    fn call(self) -> Result<String, Failure> {
        match self {
            Self::Inspect(args) => inspect::call(args),
            Self::Optimize(args) => optimize::call(args),
            Self::Run(args) => run::call(*args),
            Self::Check(args) => check::call(args),
            Self::Bench(args) => bench::call(*args),
            Self::Serve(args) => serve::call(*args),
            // It has said what it had to say, and ended with a code of its own: see `main`.
            Self::Tailor(_) => Ok(String::new()),
            Self::Completions(args) => completions::call(&args),
        }
    }
}

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => {
            // Help and version are "errors" for clap; a closed pipe is nobody's problem.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    // The library turns the engine's panics into errors that say the same in one line; a server's log
    // is the place for more.
    if !matches!(command, Command::Serve(_))
        && std::env::var_os("RUST_BACKTRACE").is_none_or(|v| v == "0")
    {
        std::panic::set_hook(Box::new(|_| {}));
    }
    if let Command::Tailor(args) = &command {
        return tailor::call(args).map_or_else(
            |failure| {
                failure.print(false);
                ExitCode::from(failure.error.row().exit)
            },
            ExitCode::from,
        );
    }
    let json = command.json();
    let ended = catch_unwind(AssertUnwindSafe(|| command.call())).unwrap_or_else(|_| {
        let error = Error::new(ErrorKind::Internal, "nearside panicked");
        Err(Failure::from(error).help("run again with RUST_BACKTRACE=1 and report what it says"))
    });
    match ended.and_then(|text| style::print(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(json);
            ExitCode::from(failure.error.row().exit)
        }
    }
}
