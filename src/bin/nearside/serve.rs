//! `nearside serve --models DIR`: the cloud tier on this machine.
//!
//! In: arguments. Out: the library's server, which says on standard output where it listens and logs to
//! standard error until it is told to stop. Nothing is decided here but the words of the options.

use std::path::PathBuf;
use std::time::Duration;

use nearside::protocol::Cors;
use nearside::serve::{ServeOptions, run};

use crate::device::DeviceArgs;
use crate::failure::Failure;
use crate::read::parse_size;

const EXAMPLES: &str = "\
The folder holds <name>/<version>/model.onnx (or model.nearside, model.tflite), versions being numbers; what is put there or taken \
away is seen at once. Clients speak the Open Inference Protocol v2 over HTTP, with JSON or binary \
tensors. SIGINT and SIGTERM let the requests in flight finish. RUST_LOG chooses what is logged.

Examples:
  nearside serve --models ./models
  nearside serve --models models --host 0.0.0.0 --cors https://app.example
  curl -s http://127.0.0.1:8000/v2/models/digits
  curl -s http://127.0.0.1:8000/v2/models/digits/infer -d @request.json";

/// Serves a folder of models over HTTP
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder of models
    #[arg(short, long, value_name = "DIR")]
    models: PathBuf,
    /// The address to listen on; 0.0.0.0 for every one of the machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: String,
    /// The port to listen on; 0 takes a free one
    #[arg(short, long, value_name = "N", default_value_t = 8000)]
    port: u16,
    /// Pages of these origins may call: `*`, or a list with commas
    #[arg(long, value_name = "ORIGINS", default_value = "*")]
    cors: String,
    /// Load the latest version of every model before listening
    #[arg(long)]
    preload: bool,
    /// Refuse larger requests
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    max_body: u64,
    /// Refuse larger models
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = parse_size)]
    max_size: u64,
    /// Keep loaded models up to this sum of their files
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = parse_size)]
    cache: u64,
    /// Runs and loads at the same time [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    concurrency: Option<usize>,
    /// Requests that may wait beyond those; the next ones are refused with status 503
    #[arg(long, value_name = "N", default_value_t = 64)]
    queue: usize,
    /// Seconds that one request may take
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,
    /// Seconds that requests in flight have to finish when the server is told to stop
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    drain: Duration,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(crate) fn call(args: Args) -> Result<String, Failure> {
    let defaults = ServeOptions::new(args.models);
    run(ServeOptions {
        host: args.host,
        port: args.port,
        cors: Cors::parse(&args.cors),
        preload: args.preload,
        body_limit: usize::try_from(args.max_body).unwrap_or(usize::MAX),
        max_model_bytes: args.max_size,
        cache_bytes: args.cache,
        concurrency: args.concurrency.unwrap_or(defaults.concurrency),
        queue: args.queue,
        timeout: args.timeout,
        drain: args.drain,
        session: args.device.options()?,
        ..defaults
    })?;
    Ok(String::new())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 =
        text.parse().map_err(|_| "a number of seconds, for example 2.5".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "a number from 1 up".to_owned())
}
