//! `nearside run MODEL --input …`: one run, or many, on this machine.
//!
//! In: a model and its inputs. Out: a summary for people, JSON, or files.

use std::path::PathBuf;
use std::time::Instant;

use nearside::{ErrorKind, Session, Tensor};
use serde::Serialize;
use serde_json::Value;

use crate::device::DeviceArgs;
use crate::failure::Failure;
use crate::inputs::{Feeder, FillOptions, ImageOptions};
use crate::output;
use crate::read::ReadArgs;
use crate::style::Progress;
use crate::summary;
use crate::times::Times;
use crate::values::element;

const EXAMPLES: &str = "\
Values of --input:
  FILE.npy        a NumPy array, of the input's type and shape
  FILE.npz        all inputs by name, or NAME=FILE.npz for one of them
  FILE.png, .jpg  a picture, brought to the input's size, layout and channels
  FILE.json       nested arrays; without a name an object of them by name
  16000, [[1,2]]  a JSON literal; a list takes the model's shape if it fills it
  random          or zeros or ones: made up; with a shape: random:1x3x224x224
  -               any of the files above, from standard input

Examples:
  nearside run digits.onnx --input image=three.png
  nearside run mnist.onnx --input digit.npy --fetch logits --json
  nearside run vad.onnx --input input=chunk.npy --input sr=16000 --fill zeros
  nearside run resnet.onnx --input cat.jpg --fit crop \\
      --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --labels imagenet.txt
  nearside run model.onnx --fill random --repeat 100
  nearside run model.onnx --input inputs.npz --output outputs.npz
  curl -s https://example.org/model.onnx | nearside run - --fill zeros";

/// Runs a model and shows or writes its outputs
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A model file, or `-` for standard input
    model: String,
    /// What to feed (see below); the name may be left out where there is one input
    #[arg(short, long = "input", value_name = "[NAME=]VALUE", allow_hyphen_values = true)]
    inputs: Vec<String>,
    /// Give only this output; may be repeated [default: all]
    #[arg(short, long, value_name = "NAME")]
    fetch: Vec<String>,
    /// Write the outputs: to FILE.npz, one to FILE.npy, or each to a file in a folder
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Print JSON: outputs as name, type, shape and flat data (unless written to --output), and times
    #[arg(long)]
    pub(crate) json: bool,
    /// Run so many times and show how long that takes
    #[arg(short, long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Show so many of the largest elements of a vector
    #[arg(long, value_name = "N", default_value_t = 5)]
    top: usize,
    /// A text file with a name a line for the elements of a vector
    #[arg(long, value_name = "FILE")]
    labels: Option<String>,
    #[command(flatten)]
    read: ReadArgs,
    /// With --device gpu: show where each part of the model ran, and why
    #[cfg(feature = "gpu")]
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    images: ImageOptions,
    #[command(flatten)]
    fills: FillOptions,
}

pub(crate) fn call(args: Args) -> Result<String, Failure> {
    let reader = args.read.reader();
    let progress = reader.progress;
    if args.model == "-" && args.inputs.iter().any(|i| i == "-" || i.ends_with("=-")) {
        let text = "the model and an input cannot both come from standard input";
        return Err(Failure::new(ErrorKind::InvalidInput, text));
    }
    let labels = match &args.labels {
        Some(file) => {
            String::from_utf8_lossy(&reader.file(file)?).lines().map(str::to_owned).collect()
        }
        None => vec![],
    };
    let options = args.device.options()?;
    let file = reader.whole_model(&args.model)?;
    let since = Instant::now();
    let session = {
        let _bar = progress.work("loading");
        Session::from_file(file, &options)
    };
    let session = session?;
    let load = ms(since);
    let signature = session.signature();
    if let Some(path) = &args.output {
        let count = if args.fetch.is_empty() { signature.outputs.len() } else { args.fetch.len() };
        output::prepare(path, count)?;
    }
    let feeder = Feeder { signature, reader, images: &args.images, fills: &args.fills };
    let advice = |f: Failure| advice(f, &args.model);
    let (feeds, assumed) = feeder.feeds(&args.inputs).map_err(advice)?;
    let ran = repeat(&session, &feeds, &args, load, progress);
    let (outputs, times) = ran.map_err(|f| sizes(f, &assumed)).map_err(advice)?;
    let files = match &args.output {
        Some(path) => output::write(path, &outputs)?,
        None => vec![],
    };
    Ok(if args.json {
        as_json(&outputs, &times, &files)?
    } else {
        page(&outputs, &times, &files, &args, &labels)
    })
}

/// What helps where a tensor and the model disagree.
fn advice(failure: Failure, model: &str) -> Failure {
    match failure.error.kind() {
        ErrorKind::TypeMismatch => failure.help("in Python, array.astype(\"float32\") converts"),
        ErrorKind::InvalidInput | ErrorKind::ShapeMismatch => {
            failure.help(format!("`nearside inspect {model}` shows what the model takes"))
        }
        _ => failure,
    }
}

/// Made-up inputs of the wrong size are a likely cause of anything.
fn sizes(failure: Failure, assumed: &[String]) -> Failure {
    if assumed.is_empty() {
        return failure;
    }
    let names = assumed.join(", ");
    failure.help(format!("these dimensions were taken as 1: {names}; --dim NAME=N sets one"))
}

type Outputs = Vec<(String, Tensor)>;

fn repeat(
    session: &Session,
    feeds: &[(String, Tensor)],
    args: &Args,
    load: f64,
    progress: Progress,
) -> Result<(Outputs, Times), Failure> {
    let spinner = progress.work("planning and running");
    let first = session.run(feeds.to_vec(), &args.fetch)?;
    drop(spinner);
    #[cfg(feature = "gpu")]
    tell(&first.gpu, args.plan)?;
    let mut times = Times { load, plan: first.plan_ms, runs: vec![first.run_ms] };
    let bar = progress.count("running", args.repeat.into());
    for _ in 1..args.repeat {
        bar.inc(1);
        times.runs.push(session.run(feeds.to_vec(), &args.fetch)?.run_ms);
    }
    Ok((first.outputs, times))
}

/// Why the GPU did not run the model, or, where asked for, what it ran of it.
#[cfg(feature = "gpu")]
fn tell(report: &nearside::GpuReport, plan: bool) -> Result<(), Failure> {
    let why = report.error.as_ref().map(ToString::to_string);
    if let Some(why) = why.as_ref().or(report.cpu_chosen.as_ref()) {
        // Where standard error is gone, nobody reads it.
        let _ = crate::style::print_error(&format!("the CPU ran it, not the GPU: {why}\n"));
    }
    if plan {
        crate::style::print(&crate::placement::pages(report))?;
    }
    Ok(())
}

fn page(
    outputs: &[(String, Tensor)],
    times: &Times,
    files: &[PathBuf],
    args: &Args,
    labels: &[String],
) -> String {
    let mut page = String::new();
    for (name, tensor) in outputs {
        page += &summary::tensor(name, tensor, args.top, labels);
    }
    page += "\n";
    for file in files {
        page += &format!("wrote  {}\n", file.display());
    }
    page + &times.line()
}

/// The JSON of one run; its field names are those of the JavaScript package.
#[derive(Serialize)]
struct Answer<'a> {
    outputs: Vec<Output<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    files: &'a [PathBuf],
    times: Value,
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'a str,
    r#type: &'static str,
    shape: &'a [usize],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
}

fn as_json(
    outputs: &[(String, Tensor)],
    times: &Times,
    files: &[PathBuf],
) -> Result<String, Failure> {
    let data = |tensor| (0..Tensor::len(tensor)).map(|i| element(tensor, i).json()).collect();
    let each = outputs.iter().map(|(name, tensor)| Output {
        name,
        r#type: tensor.dtype().name(),
        shape: tensor.shape(),
        data: files.is_empty().then(|| data(tensor)),
    });
    serde_json::to_string(&Answer { outputs: each.collect(), files, times: times.json() })
        .map(|text| text + "\n")
        .map_err(|e| Failure::new(ErrorKind::Internal, e.to_string()))
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
