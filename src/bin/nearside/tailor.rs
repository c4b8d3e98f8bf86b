//! `nearside tailor MODEL... -o DIR`: the npm package with an engine that holds only what some models need.
//!
//! In: arguments, for the package's own `tailor`. Out: what that says, and its exit code. The one decision: the work is
//! the package's, since it is the wasm of the package that is run and cut; this command finds it, and Node.

use std::path::{Path, PathBuf};
use std::process::Command;

use nearside::ErrorKind;

use crate::failure::Failure;

const EXAMPLES: &str = "\
The work is done by the npm package nearside in Node 20 or later, without a compiler: this command looks \
for the package in node_modules, here and in the folders above, or where NEARSIDE_PACKAGE says. \
`npx nearside tailor` is the same.

Examples:
  nearside tailor model.onnx -o tailored
  nearside tailor detector.onnx classifier.onnx -o tailored --shape images=1x3x416x416
  NEARSIDE_PACKAGE=vendor/nearside nearside tailor model.onnx -o tailored
  nearside tailor -- --help";

/// Writes the npm package with an engine that holds only what some models need
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Models, -o DIR, and options of the package's tailor
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "MODEL... -o DIR"
    )]
    arguments: Vec<String>,
}

/// Where the program lies in the package.
const PROGRAM: &str = "tailor/cli.js";

/// Runs the package's program; its exit code where it had one to tell.
pub(crate) fn call(args: &Args) -> Result<u8, Failure> {
    let program = package()?.join(PROGRAM);
    let arguments = args.arguments.iter().filter(|a| *a != "--");
    let status = Command::new("node").arg(&program).arg("tailor").args(arguments).status();
    let status = status.map_err(|e| {
        let text = format!("node cannot be started: {}", crate::read::text(&e));
        Failure::new(ErrorKind::Unavailable, text).help("tailor needs Node 20 or later on the PATH")
    })?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.ok_or_else(|| Failure::new(ErrorKind::Internal, "tailor was stopped"))
}

/// The folder of the npm package.
fn package() -> Result<PathBuf, Failure> {
    let has = |folder: &Path| folder.join(PROGRAM).is_file();
    if let Some(named) = std::env::var_os("NEARSIDE_PACKAGE").map(PathBuf::from) {
        let text =
            format!("NEARSIDE_PACKAGE says {}, which is no package of nearside", named.display());
        return Some(named)
            .filter(|n| has(n))
            .ok_or_else(|| Failure::new(ErrorKind::Unavailable, text));
    }
    let here = std::env::current_dir().unwrap_or_default();
    let installed = here.ancestors().map(|folder| folder.join("node_modules").join("nearside"));
    installed.into_iter().find(|folder| has(folder)).ok_or_else(|| {
        Failure::new(ErrorKind::Unavailable, "the npm package nearside is not installed here")
            .help("`npm install nearside`, or say where it is with NEARSIDE_PACKAGE=DIR")
    })
}
