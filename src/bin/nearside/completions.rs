//! `nearside completions SHELL`: the script that completes our arguments.
//!
//! In: a shell's name. Out: its script.

use clap::CommandFactory;

use crate::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  nearside completions bash > ~/.local/share/bash-completion/completions/nearside
  nearside completions zsh > \"${fpath[1]}/_nearside\"
  nearside completions fish > ~/.config/fish/completions/nearside.fish";

/// Prints a completion script for a shell
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

pub(crate) fn call(args: &Args) -> Result<String, Failure> {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "nearside", &mut script);
    Ok(String::from_utf8_lossy(&script).into_owned())
}
