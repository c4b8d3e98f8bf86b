//! The loaded models.
//!
//! In: a model's name and version. Out: its session. A model is loaded at its first use, once whoever
//! asks meanwhile, and kept until newer ones need its room. A file that cannot be a model is not read
//! again until it changes.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::error::{Error, ErrorKind, Result};
use crate::model::ModelFile;
use crate::protocol::{IndexEntry, ModelRef, Opened};
use crate::serve::ServeOptions;
use crate::serve::gate::Gate;
use crate::serve::scan::{self, Found, Identity};
use crate::session::{Session, SessionOptions};

/// An error can be given to many; the parts of one can be kept.
type Outcome = std::result::Result<Arc<Session>, (ErrorKind, String)>;
type Slot = Arc<OnceCell<Outcome>>;

pub(crate) struct Store {
    root: PathBuf,
    max_model_bytes: u64,
    cache_bytes: u64,
    session: SessionOptions,
    gate: Arc<Gate>,
    /// The most recently used first.
    slots: Arc<Mutex<Vec<(Identity, Slot)>>>,
}

impl Store {
    pub(crate) fn new(options: &ServeOptions, gate: Arc<Gate>) -> Self {
        Self {
            root: options.models.clone(),
            max_model_bytes: options.max_model_bytes,
            cache_bytes: options.cache_bytes,
            session: options.session.clone(),
            gate,
            slots: Arc::default(),
        }
    }

    /// How many models there are; an error when the folder cannot be read.
    pub(crate) async fn check(&self) -> Result<usize> {
        self.scan(scan::all).await.map(|models| models.len())
    }

    /// Loads the latest version of every model. One that fails is logged and left for its callers.
    pub(crate) async fn preload(&self) -> Result<()> {
        for (name, _) in self.scan(scan::all).await? {
            if let Err(error) = self.open(&ModelRef { name: name.clone(), version: None }).await {
                tracing::error!(model = name, code = error.row().code, "{error}");
            }
        }
        Ok(())
    }

    /// Whether a model of this name was found before; callers ask for all sorts of names.
    pub(crate) fn knows(&self, name: &str) -> bool {
        lock(&self.slots).iter().any(|(id, _)| id.name == name)
    }

    pub(crate) async fn index(&self) -> Result<Vec<IndexEntry>> {
        let models = self.scan(scan::all).await?;
        let slots = lock(&self.slots);
        let failure = |name: &str, version: u64| {
            let slot = slots.iter().find(|(id, _)| id.name == name && id.version == version)?;
            slot.1.get()?.as_ref().err().map(|(_, message)| message.clone())
        };
        let entries = models.iter().flat_map(|(name, versions)| {
            versions.iter().map(|version| {
                let reason = failure(name, *version);
                IndexEntry {
                    name: name.clone(),
                    version: version.to_string(),
                    state: if reason.is_none() { "READY" } else { "UNAVAILABLE" }.to_owned(),
                    reason: reason.unwrap_or_default(),
                }
            })
        });
        Ok(entries.collect())
    }

    pub(crate) async fn open(&self, model: &ModelRef) -> Result<Opened> {
        let wanted = model.clone();
        let found = self.scan(move |root| scan::find(root, &wanted)).await?;
        let Identity { name, version, bytes, .. } = found.identity.clone();
        if bytes > self.max_model_bytes {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "model `{name}` version {version} has {bytes} bytes, the limit is {}",
                    self.max_model_bytes
                ),
            ));
        }
        let versions = found.versions.clone();
        let outcome = self.session(found).await;
        let session = outcome.map_err(|(kind, message)| {
            Error::new(kind, format!("model `{name}` version {version}: {message}"))
        })?;
        Ok(Opened { name, version, versions, session })
    }

    async fn session(&self, found: Found) -> Outcome {
        let slot = self.slot(&found.identity);
        if let Some(outcome) = slot.get() {
            return outcome.clone();
        }
        let (gate, slots, limit) =
            (Arc::clone(&self.gate), Arc::clone(&self.slots), self.cache_bytes);
        let options = self.session.clone();
        let largest = self.max_model_bytes;
        // A task of its own: a caller that gives up must not make the next one load again.
        let load = tokio::spawn(async move {
            let identity = found.identity.clone();
            let work =
                || async { gate.run(move || load(&found, &options, largest)).await.map_err(parts) };
            let outcome = slot.get_or_init(work).await.clone();
            settle(&mut lock(&slots), &identity, &outcome, limit);
            outcome
        });
        load.await.unwrap_or_else(|e| Err((ErrorKind::Internal, e.to_string())))
    }

    /// The slot of a file, which becomes the most recently used one.
    fn slot(&self, identity: &Identity) -> Slot {
        let mut slots = lock(&self.slots);
        let known = slots.iter().position(|(id, _)| id == identity).map(|at| slots.remove(at));
        // An older state of the same file is of no use any more.
        slots.retain(|(id, _)| id.name != identity.name || id.version != identity.version);
        let entry = known.unwrap_or_else(|| (identity.clone(), Slot::default()));
        let slot = Arc::clone(&entry.1);
        slots.insert(0, entry);
        slot
    }

    async fn scan<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let root = self.root.clone();
        let task = tokio::task::spawn_blocking(move || work(&root));
        task.await.map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn parts(error: Error) -> (ErrorKind, String) {
    (error.kind().clone(), error.to_string())
}

/// Forgets failures that may pass, and makes room.
fn settle(slots: &mut Vec<(Identity, Slot)>, identity: &Identity, outcome: &Outcome, limit: u64) {
    if let Err((kind, _)) = outcome {
        let lasting = matches!(
            kind,
            ErrorKind::InvalidModel
                | ErrorKind::UnsupportedOperator(_)
                | ErrorKind::UnsupportedType(_)
        );
        if !lasting {
            slots.retain(|(id, _)| id != identity);
        }
        return;
    }
    let mut total = 0;
    let mut index = 0;
    slots.retain(|(id, slot)| {
        let loaded = matches!(slot.get(), Some(Ok(_)));
        total += if loaded { id.bytes } else { 0 };
        index += 1;
        let keep = !loaded || total <= limit || index == 1;
        if !keep {
            tracing::info!(model = id.name, version = id.version, "unloaded to make room");
        }
        keep
    });
}

fn load(found: &Found, options: &SessionOptions, limit: u64) -> Result<Arc<Session>> {
    let Identity { name, version, bytes, .. } = &found.identity;
    let started = std::time::Instant::now();
    let unreadable = |e| Error::new(ErrorKind::Io, "cannot be read").with_source(e);
    let file = std::fs::File::open(&found.path).map_err(unreadable)?;
    let mut content = Vec::new();
    let size = file.metadata().map_err(unreadable)?.len();
    let room = usize::try_from(size)
        .map_err(|_| ())
        .and_then(|n| content.try_reserve_exact(n).map_err(|_| ()));
    room.map_err(|()| Error::new(ErrorKind::OutOfMemory, format!("no memory for {size} bytes")))?;
    file.take(size).read_to_end(&mut content).map_err(unreadable)?;
    let mut file = ModelFile::decode(content)?;
    if let Some(folder) = found.path.parent() {
        file.read_external(folder, limit.saturating_sub(size))?;
    }
    if scan::identity(&found.path, name, *version)? != found.identity {
        return Err(Error::new(ErrorKind::Unavailable, "the file is being written; try again"));
    }
    let session = Session::from_file(file, options)?;
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(model = name, version, bytes, ms, "loaded");
    Ok(Arc::new(session))
}
