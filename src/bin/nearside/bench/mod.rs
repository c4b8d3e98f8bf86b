//! `nearside bench MODEL`: how long this machine needs for a model, also beside ONNX Runtime.
//!
//! In: a model and its inputs. Out: loading, planning and running as medians and minima, and with `--profile` each
//! node of the plan. The one decision: with `--vs-ort` both engines take turns on the same inputs, one thread each,
//! and are timed only after their outputs agreed.

mod agree;
mod ort;
mod page;
mod profile;
mod samples;

use std::time::{Duration, Instant};

use nearside::{ErrorKind, Session, SessionOptions, Tensor};

use crate::device::DeviceArgs;
use crate::failure::Failure;
use crate::inputs::{Feeder, FillOptions, ImageOptions};
use crate::read::ReadArgs;
use agree::Agreement;
use ort::Ort;
use samples::Samples;

const EXAMPLES: &str = "\
Values of --input are those of `nearside run`.

Examples:
  nearside bench model.onnx --fill random
  nearside bench model.onnx --input inputs.npz --vs-ort
  nearside bench model.onnx --fill random --dim batch=8 --profile --top 10
  nearside bench model.onnx --fill random --device gpu --profile
  nearside bench model.onnx --fill random --vs-ort --python ~/venv/bin/python --json";

/// Times a model, node by node if asked, also beside ONNX Runtime
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An ONNX file, or `-` for standard input
    model: String,
    /// What to feed; the name may be left out where there is one input
    #[arg(short, long = "input", value_name = "[NAME=]VALUE", allow_hyphen_values = true)]
    inputs: Vec<String>,
    /// Seconds for the runs, and for loading again and again
    #[arg(short, long, value_name = "SECONDS", default_value_t = 3.0, value_parser = positive)]
    seconds: f64,
    /// Time Python's onnxruntime as well, in turns, and compare the outputs
    #[arg(long)]
    vs_ort: bool,
    /// The Python that has onnxruntime and numpy [default: NEARSIDE_PYTHON, else python3]
    #[arg(long, value_name = "PATH")]
    python: Option<String>,
    /// With --vs-ort: how far outputs may differ, as a part of the largest value
    #[arg(long, value_name = "PART", default_value_t = 1e-3, value_parser = positive)]
    tolerance: f64,
    /// Show where the time goes: by operator and by node of the plan
    #[arg(long)]
    profile: bool,
    /// With --profile: show so many nodes
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    images: ImageOptions,
    #[command(flatten)]
    fills: FillOptions,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0);
    number.ok_or_else(|| "a number above 0".to_owned())
}

/// Milliseconds of one engine.
#[derive(Default)]
struct Engine {
    create: Samples,
    /// Ours: planning alone.
    plan: Samples,
    first: Samples,
    run: Samples,
}

/// All that was measured.
struct Outcome {
    ours: Engine,
    ort: Option<(String, Engine, Agreement)>,
    profile: Vec<nearside::Step>,
}

type Feeds = Vec<(String, Tensor)>;

pub(crate) fn call(args: Args) -> Result<String, Failure> {
    let reader = args.read.reader();
    let progress = reader.progress;
    let bytes = reader.model(&args.model)?;
    let options = args.device.measured()?;
    let session = Session::from_bytes(bytes.clone(), &options)?;
    let signature = session.signature();
    let feeder = Feeder { signature, reader, images: &args.images, fills: &args.fills };
    let (feeds, _) = feeder.feeds(&args.inputs)?;
    let ran = session.run(feeds.clone(), &[])?;
    #[cfg(feature = "gpu")]
    if let Some(error) = ran.gpu.error {
        // The CPU's times would pass for the GPU's.
        return Err(error.into());
    }
    let outputs = ran.outputs;

    let mut ort = None;
    let mut agreement = None;
    if args.vs_ort {
        let python = args.python.or_else(|| std::env::var("NEARSIDE_PYTHON").ok());
        let python = python.as_deref().unwrap_or("python3");
        let child = Ort::start(python, &bytes, &feeds, &outputs)?;
        agreement = Some(agree::check(&outputs, &child.outputs()?, args.tolerance)?);
        ort = Some(child);
    }
    let spinner = progress.work("measuring");
    let budget = Duration::from_secs_f64(args.seconds);
    let (mut ours, mut theirs) = (Engine::default(), Engine::default());
    loading((&bytes, &options), &feeds, budget, &mut ours, ort.as_mut(), &mut theirs)?;
    running(&session, &feeds, budget, &mut ours, ort.as_mut(), &mut theirs)?;
    let profile = if args.profile { profile::measure(&session, &feeds, budget)? } else { vec![] };
    drop(spinner);

    let ort = ort.zip(agreement).map(|(o, a)| (o.version.clone(), theirs, a));
    let outcome = Outcome { ours, ort, profile };
    if args.json { page::json(&outcome) } else { Ok(page::text(&outcome, args.top)) }
}

/// At least this often, however long it takes.
const LEAST: usize = 3;

/// Calls `round` until the budget is used up.
fn rounds(budget: Duration, mut round: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    let since = Instant::now();
    let mut done = 0;
    while done < LEAST || since.elapsed() < budget {
        round()?;
        done += 1;
    }
    Ok(())
}

fn loading(
    (bytes, options): (&[u8], &SessionOptions),
    feeds: &Feeds,
    budget: Duration,
    ours: &mut Engine,
    mut ort: Option<&mut Ort>,
    theirs: &mut Engine,
) -> Result<(), Failure> {
    rounds(budget, || {
        let copy = bytes.to_vec();
        let since = Instant::now();
        let session = Session::from_bytes(copy, options)?;
        ours.create.push(ms(since));
        let feeds = feeds.clone();
        let since = Instant::now();
        let result = session.run(feeds, &[])?;
        ours.first.push(ms(since));
        ours.plan.push(result.plan_ms);
        if let Some(ort) = &mut ort {
            let (create, first) = ort.create()?;
            theirs.create.push(create);
            theirs.first.push(first);
        }
        Ok(())
    })
}

fn running(
    session: &Session,
    feeds: &Feeds,
    budget: Duration,
    ours: &mut Engine,
    mut ort: Option<&mut Ort>,
    theirs: &mut Engine,
) -> Result<(), Failure> {
    rounds(budget, || {
        let feeds = feeds.clone();
        let since = Instant::now();
        session.run(feeds, &[])?;
        ours.run.push(ms(since));
        if let Some(ort) = &mut ort {
            theirs.run.push(ort.run()?);
        }
        Ok(())
    })
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// For files of other programs: everything that can fail with them is one kind.
fn unavailable(text: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Unavailable, text)
}
