//! The cloud tier: a models folder behind the Open Inference Protocol.
//!
//! In: [`ServeOptions`]. Out: an HTTP server that runs until SIGINT or SIGTERM. The one decision: it
//! keeps no state of its own; what it serves is what lies in the folder at the moment of a request.

mod gate;
mod http;
mod listen;
mod metrics;
mod scan;
mod store;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::Cors;
use crate::serve::http::App;
use crate::serve::listen::listen;
use crate::session::SessionOptions;

/// What `nearside serve` can be told.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Folder of models, `<name>/<version>/model.onnx`, or `model.nearside` or `model.tflite`.
    pub models: PathBuf,
    /// Address to listen on.
    pub host: String,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// Largest request body in bytes, after decompression.
    pub body_limit: usize,
    /// Largest model file in bytes.
    pub max_model_bytes: u64,
    /// Loaded models are kept up to this sum of their files' bytes; the one in use always stays.
    pub cache_bytes: u64,
    /// Runs and loads at the same time.
    pub concurrency: usize,
    /// Requests for inference that may wait beyond those; the next ones get 503.
    pub queue: usize,
    /// Longest time for one request, from its first byte to the answer; then 504.
    pub timeout: Duration,
    /// Longest time for requests in flight to finish after a signal.
    pub drain: Duration,
    /// Pages of which origins may call.
    pub cors: Cors,
    /// Load the latest version of every model before listening.
    pub preload: bool,
    /// How models run.
    pub session: SessionOptions,
}

impl ServeOptions {
    /// The defaults, for the models in `models`.
    pub fn new(models: impl Into<PathBuf>) -> Self {
        Self {
            models: models.into(),
            host: "127.0.0.1".to_owned(),
            port: 8000,
            body_limit: 64 << 20,
            max_model_bytes: 2 << 30,
            cache_bytes: 2 << 30,
            concurrency: std::thread::available_parallelism().map_or(2, usize::from),
            queue: 64,
            timeout: Duration::from_secs(60),
            drain: Duration::from_secs(20),
            cors: Cors::Any,
            preload: false,
            session: SessionOptions::default(),
        }
    }
}

/// Serves until SIGINT or SIGTERM; then requests in flight finish, for `drain` at most.
///
/// Prints `listening on http://HOST:PORT` on standard output once it answers; logs go to standard error.
///
/// # Errors
/// `Io` when the models folder cannot be read or the address is taken.
pub fn run(options: ServeOptions) -> Result<()> {
    start_log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| io_error("cannot start threads", e))?;
    let result = runtime.block_on(serve(options));
    // A run that outlives the drain must not keep the process.
    runtime.shutdown_background();
    result
}

async fn serve(options: ServeOptions) -> Result<()> {
    let app = Arc::new(App::new(&options));
    let listener = TcpListener::bind((options.host.as_str(), options.port))
        .await
        .map_err(|e| io_error(&format!("cannot listen on {}:{}", options.host, options.port), e))?;
    let address = listener.local_addr().map_err(|e| io_error("cannot listen", e))?;
    let models = app.store.check().await?;
    tracing::info!(models, folder = %options.models.display(), "models found");
    if options.preload {
        app.store.preload().await?;
    }
    let (stop, mut stopped) = watch::channel(());
    let mut signals = Signals::listen();
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("stopping: requests in flight finish");
        drop(stop);
        signals.next().await;
        tracing::warn!("second signal: stopping at once");
        std::process::exit(130);
    });
    let mut stdout = std::io::stdout();
    // Nobody may be reading; that is no reason not to serve.
    let _ = writeln!(stdout, "listening on http://{address}").and_then(|()| stdout.flush());
    let until = async move { while stopped.changed().await.is_ok() {} };
    listen(listener, http::router(app), until, options.drain).await;
    tracing::info!("stopped");
    Ok(())
}

/// Requests to stop. They are heard from its making on, which is before the address is printed: whoever
/// reads that may stop the server at once.
struct Signals {
    #[cfg(unix)]
    streams: Option<(tokio::signal::unix::Signal, tokio::signal::unix::Signal)>,
}

impl Signals {
    fn listen() -> Self {
        Self {
            #[cfg(unix)]
            streams: {
                use tokio::signal::unix::{SignalKind, signal};
                signal(SignalKind::terminate()).ok().zip(signal(SignalKind::interrupt()).ok())
            },
        }
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some((term, int)) = &mut self.streams {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            return;
        }
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Logs to standard error; `RUST_LOG` chooses what.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,nearside=info"));
    // An embedding program may have a subscriber already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .try_init();
}

fn io_error(what: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{what}: {error}")).with_source(error)
}
