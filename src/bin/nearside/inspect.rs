//! `nearside inspect MODEL`: what a model takes, gives and is made of, and whether the engine has it all.
//!
//! In: a file. Out: a page for people, or the library's [`Inspection`] as JSON.

use std::fmt::Write;

use nearside::{Format, Inspection, ModelFile, ValueInfo};

use crate::failure::Failure;
use crate::read::{Reader, parse_size, size};
use crate::style::{BAD, FAINT, GOOD, Progress, RESET, STRONG};
use crate::summary::shape;

const EXAMPLES: &str = "\
A model with operators that the engine lacks can be inspected too: they are marked, with the \
reason, and the exit code is 0.

Examples:
  nearside inspect model.onnx
  nearside inspect model.onnx --json | jq '.operators[] | select(.supported | not)'
  curl -s https://example.org/model.onnx | nearside inspect -";

/// Shows a model's inputs, outputs, operators, size and origin
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A model file, or `-` for standard input
    model: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Refuse larger files
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = parse_size)]
    max_size: u64,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn call(args: Args) -> Result<String, Failure> {
    let progress = Progress { quiet: args.quiet };
    let bytes = Reader { limit: args.max_size, progress }.model(&args.model)?;
    let inspection = {
        let _bar = progress.work("decoding");
        nearside::inspect(&ModelFile::decode(bytes)?)?
    };
    if args.json {
        let json = serde_json::to_string_pretty(&inspection)
            .map_err(|e| Failure::new(nearside::ErrorKind::Internal, e.to_string()))?;
        return Ok(json + "\n");
    }
    let name = if args.model == "-" { "standard input" } else { &args.model };
    Ok(page(name, &inspection))
}

fn page(name: &str, about: &Inspection) -> String {
    let mut page = format!("{STRONG}{name}{RESET}\n");
    let opsets: Vec<_> = about.opsets.iter().map(|(d, v)| format!("{d} {v}")).collect();
    let mut row = |label: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(page, "  {FAINT}{label:<12}{RESET}{value}");
        }
    };
    row(
        "format",
        &match about.format {
            Format::Onnx => format!("ONNX, IR {}, opset {}", about.ir_version, opsets.join(", ")),
            Format::Tflite => format!("TensorFlow Lite, read as opset {}", opsets.join(", ")),
        },
    );
    row("producer", &about.producer);
    row("size", &size(about.bytes as u64));
    row("parameters", &thousands(about.parameters));
    let lacking = about.operators.iter().filter(|o| !o.supported).count();
    row(
        "engine",
        &match lacking {
            0 => format!("{GOOD}has every operator{RESET}"),
            1 => format!("{BAD}lacks 1 operator{RESET}"),
            n => format!("{BAD}lacks {n} operators{RESET}"),
        },
    );
    values(&mut page, "inputs", &about.signature.inputs);
    values(&mut page, "outputs", &about.signature.outputs);
    operators(&mut page, about);
    page
}

fn values(page: &mut String, title: &str, values: &[ValueInfo]) {
    let _ = writeln!(page, "\n{STRONG}{title}{RESET}");
    let width = width(values.iter().map(|v| v.name.as_str()));
    for value in values {
        let dims = if value.ranked { shape(&value.shape) } else { "any shape".to_owned() };
        let dtype = value.dtype.name();
        let _ = writeln!(page, "  {:<width$}  {dtype:<8} {dims}", value.name);
    }
    if values.is_empty() {
        page.push_str("  none\n");
    }
}

fn operators(page: &mut String, about: &Inspection) {
    let (types, nodes) = (about.operators.len(), about.nodes);
    let _ = writeln!(page, "\n{STRONG}operators{RESET} {FAINT}{types} types, {nodes} nodes{RESET}");
    let label = |o: &nearside::OperatorUse| match o.domain.as_str() {
        "ai.onnx" => o.op_type.clone(),
        domain => format!("{domain}.{}", o.op_type),
    };
    // What is lacking first: it is what one looks for.
    let (lacking, has): (Vec<_>, Vec<_>) = about.operators.iter().partition(|o| !o.supported);
    let rows: Vec<_> = lacking.into_iter().chain(has).map(|o| (o, label(o))).collect();
    let width = width(rows.iter().map(|(_, label)| label.as_str()));
    for (o, label) in &rows {
        let mark =
            if o.supported { format!("{GOOD}✓{RESET}") } else { format!("{BAD}✗{RESET}") };
        let reason = o.reason.as_deref().unwrap_or_default();
        let line = format!("  {mark} {label:<width$} {:>5}  {reason}", o.count);
        let _ = writeln!(page, "{}", line.trim_end());
    }
}

fn width<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    // One very long name must not push the others off the screen.
    names.map(|n| n.chars().count()).max().unwrap_or(0).min(40)
}

fn thousands(n: u64) -> String {
    indicatif::HumanCount(n).to_string()
}
