//! `nearside inspect MODEL`: what a model takes, gives and is made of, and whether the engine has it all.
//!
//! In: a file. Out: a page for people, or the library's [`Inspection`] as JSON.

use std::fmt::Write;

use nearside::{ErrorKind, Format, Inspection, ModelFile, ValueInfo};

use crate::failure::Failure;
use crate::inputs::parse_dim;
use crate::read::{ReadArgs, size};
use crate::style::{BAD, FAINT, GOOD, RESET, STRONG};
use crate::summary::shape;

const EXAMPLES: &str = "\
A model with operators that the engine lacks can be inspected too: they are marked, with the \
reason, and the exit code is 0.

With --plan the model is run once on zeros, so that it is known which of its operators the GPU \
runs, which the CPU, and why.

Examples:
  nearside inspect model.onnx
  nearside inspect model.onnx --plan --dim batch=8
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
    #[command(flatten)]
    read: ReadArgs,
    /// Show what of it runs on the GPU, what on the CPU, and why
    #[arg(long)]
    plan: bool,
    /// With --plan: the size of a named dimension (1 unless given)
    #[arg(long = "dim", value_name = "NAME=N", value_parser = parse_dim)]
    dims: Vec<(String, usize)>,
}

pub(crate) fn call(args: Args) -> Result<String, Failure> {
    let reader = args.read.reader();
    let progress = reader.progress;
    let bytes = reader.model(&args.model)?;
    let copy = args.plan.then(|| bytes.clone());
    let inspection = {
        let _bar = progress.work("decoding");
        nearside::inspect(&ModelFile::decode(bytes)?)?
    };
    let plan = match copy {
        Some(bytes) => {
            let _bar = progress.work("planning");
            Some(planned(bytes, args.dims)?)
        }
        None => None,
    };
    if args.json {
        let about = Answer { about: &inspection, plan: plan.map(|(_, plan)| plan) };
        let json = serde_json::to_string_pretty(&about)
            .map_err(|e| Failure::new(ErrorKind::Internal, e.to_string()))?;
        return Ok(json + "\n");
    }
    let name = if args.model == "-" { "standard input" } else { &args.model };
    let page = page(name, &inspection);
    Ok(match plan {
        Some((plan, _)) => format!("{page}\n{plan}"),
        None => page,
    })
}

/// The inspection's fields, and the plan where it was asked for.
#[derive(serde::Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    about: &'a Inspection,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<serde_json::Value>,
}

/// A plan as text and as JSON.
type Plan = (String, serde_json::Value);

#[cfg(feature = "gpu")]
fn planned(bytes: Vec<u8>, dims: Vec<(String, usize)>) -> Result<Plan, Failure> {
    let gpu = pollster::block_on(nearside::Gpu::open())?;
    let options = nearside::SessionOptions {
        gpu: Some(gpu),
        check_gpu: false,
        ..nearside::SessionOptions::default()
    };
    let session = nearside::Session::from_bytes(bytes, &options)?;
    let feeds = crate::inputs::zeros(session.signature(), &dims)?;
    let report = session.run(feeds, &[])?.gpu;
    if let Some(error) = report.error {
        return Err(error.into());
    }
    let placements: Vec<_> = report.placements.iter().map(|p| &**p).collect();
    let json = serde_json::to_value(&placements)
        .map_err(|e| Failure::new(ErrorKind::Internal, e.to_string()))?;
    Ok((crate::placement::pages(&report), json))
}

#[cfg(not(feature = "gpu"))]
fn planned(_: Vec<u8>, _: Vec<(String, usize)>) -> Result<Plan, Failure> {
    Err(crate::device::no_gpu())
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
            Format::Nearside => format!(
                "nearside's published form of IR {}, opset {}",
                about.ir_version,
                opsets.join(", ")
            ),
            Format::Tflite => format!("TensorFlow Lite, read as opset {}", opsets.join(", ")),
        },
    );
    row("producer", &about.producer);
    row("size", &size(about.bytes as u64));
    for plan in &about.plans {
        let sizes = |shape: &Vec<usize>| {
            shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
        };
        row("planned for", &plan.iter().map(sizes).collect::<Vec<_>>().join(", "));
    }
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
