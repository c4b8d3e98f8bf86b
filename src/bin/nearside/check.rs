//! `nearside check MODEL`: everything in a model that the engine cannot run, and what to do about it.
//! `nearside check --conformance PATH`: the ONNX node tests on this build of the engine.
//!
//! In: a file, or a set of node tests. Out: a list or a table, or the same as JSON.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use nearside::conformance::{self, Judged};
use nearside::{Check, ErrorKind, ProblemKind};
use serde_json::json;

use crate::device::DeviceArgs;
use crate::failure::Failure;
use crate::read::ReadArgs;
use crate::style::{self, BAD, FAINT, GOOD, RESET, STRONG};

const EXAMPLES: &str = "\
The exit code is 2 when the engine cannot run the model. Failing node tests are a finding, not an
error: the exit code is 0.

Examples:
  nearside check model.onnx
  nearside check model.onnx --json | jq '.problems[].reason'
  nearside check --conformance onnx-node-tests.tar.gz
  nearside check --conformance onnx/backend/test/data/node --failures";

/// Lists what the engine cannot run in a model, or runs the ONNX node tests
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A model file, or `-` for standard input
    #[arg(required_unless_present = "conformance")]
    model: Option<String>,
    /// Run the ONNX node tests of an archive (.tar.gz) or a folder
    #[arg(long, value_name = "PATH", conflicts_with = "model")]
    conformance: Option<PathBuf>,
    /// With --conformance: list every failing test and why it fails
    #[arg(long, requires = "conformance")]
    failures: bool,
    /// With --conformance: seconds that one test may take
    #[arg(long, value_name = "SECONDS", default_value_t = 20, requires = "conformance")]
    limit: u64,
    /// With --conformance: only the tests whose name holds this
    #[arg(long, value_name = "TEXT", requires = "conformance")]
    only: Option<String>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    read: ReadArgs,
}

pub(crate) fn call(args: Args) -> Result<String, Failure> {
    let reader = args.read.reader();
    if let Some(path) = &args.conformance {
        let mut cases = conformance::read(path)?;
        if let Some(text) = &args.only {
            cases.retain(|case| case.name.contains(text.as_str()));
        }
        let options = args.device.measured()?;
        let bar = reader.progress.count("testing", cases.len() as u64);
        let limit = Duration::from_secs(args.limit.max(1));
        let judged = conformance::judge_on(cases, limit, &options, |_| bar.inc(1));
        bar.finish_and_clear();
        return if args.json {
            pretty(&as_json(&judged))
        } else {
            Ok(table(&judged, args.failures))
        };
    }
    let name = args.model.as_deref().unwrap_or("-");
    let check = nearside::check(reader.whole_model(name)?)?;
    let text = if args.json { pretty(&check)? } else { page(name, &check) };
    if check.problems.is_empty() {
        return Ok(text);
    }
    style::print(&text)?;
    let count = check.problems.len();
    Err(Failure::new(
        ErrorKind::UnsupportedOperator(vec![]),
        format!(
            "the engine cannot run this model for {count} reason{}",
            if count == 1 { "" } else { "s" }
        ),
    ))
}

fn pretty(value: &impl serde::Serialize) -> Result<String, Failure> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|e| Failure::new(ErrorKind::Internal, e.to_string()))?;
    Ok(json + "\n")
}

/// Names shown of one reason; a JSON list has them all.
const NAMES: usize = 8;

fn page(name: &str, check: &Check) -> String {
    if check.problems.is_empty() {
        return format!("{GOOD}✓{RESET} {name}: the engine has everything that it needs\n");
    }
    let mut page = format!("{STRONG}{name}{RESET}\n");
    for problem in &check.problems {
        let what = match problem.kind {
            ProblemKind::Operator => format!("operator {}", problem.operator),
            ProblemKind::Attribute => format!("attribute of {}", problem.operator),
            ProblemKind::Type if problem.operator.is_empty() => "type".to_owned(),
            ProblemKind::Type => format!("type in {}", problem.operator),
        };
        let _ = writeln!(page, "\n{BAD}✗{RESET} {STRONG}{what}{RESET}: {}", problem.reason);
        let more = problem.names.len().saturating_sub(NAMES);
        let names: Vec<_> = problem.names.iter().take(NAMES).map(String::as_str).collect();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let label = if problem.operator.is_empty() { "in" } else { "nodes" };
        let _ = writeln!(page, "  {FAINT}{label:<6}{RESET}{}{more}", names.join(", "));
        let _ = writeln!(page, "  {FAINT}{:<6}{RESET}{}", "do", problem.advice);
    }
    page
}

fn as_json(judged: &[Judged]) -> serde_json::Value {
    let passed = judged.iter().filter(|j| j.failure.is_none()).count();
    json!({
        "total": judged.len(),
        "passed": passed,
        "operators": conformance::table(judged),
        "cases": judged,
    })
}

fn table(judged: &[Judged], failures: bool) -> String {
    let rows = conformance::table(judged);
    let width = rows.iter().map(|r| r.operator.len()).max().unwrap_or(0).min(48);
    let mut text = format!("{STRONG}{:<width$}  opset   pass   fail{RESET}\n", "operator");
    for row in &rows {
        let mark = if row.failed.is_empty() { GOOD } else { BAD };
        let _ = writeln!(
            text,
            "{mark}{:<width$}{RESET}  {:>5}  {:>5}  {:>5}",
            row.operator,
            row.opset,
            row.passed,
            row.failed.len()
        );
    }
    if failures {
        text.push('\n');
        for verdict in judged {
            if let Some(failure) = &verdict.failure {
                let _ = writeln!(text, "{BAD}✗{RESET} {}: {failure}", verdict.case);
            }
        }
    }
    let passed = judged.iter().filter(|j| j.failure.is_none()).count();
    let _ = writeln!(text, "\n{STRONG}{passed} of {} pass{RESET}", judged.len());
    text
}
