//! What lies in the models folder.
//!
//! In: the folder and a model's name. Out: its versions and the identity of a version's file. Nothing is
//! remembered: a version that is copied into the folder is there with the next request.

use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::ModelRef;
use crate::protocol::route::{is_model_name, parse_version};

/// The model's own file in a version's folder; the first one that is there.
const FILES: [&str; 3] = ["model.nearside", "model.onnx", "model.tflite"];

/// One state of one version's files: a changed file is another model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) bytes: u64,
    /// Of what the system says of each file.
    pub(crate) state: u64,
}

/// A version that was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) identity: Identity,
    pub(crate) path: PathBuf,
    /// All versions, ascending.
    pub(crate) versions: Vec<u64>,
}

/// Finds a model's wanted or latest version.
pub(crate) fn find(root: &Path, model: &ModelRef) -> Result<Found> {
    let unknown = |what: String| Error::new(ErrorKind::ModelNotFound, what);
    let name = &model.name;
    let versions = versions(root, name);
    let latest = *versions.last().ok_or_else(|| unknown(format!("there is no model `{name}`")))?;
    let version = model.version.unwrap_or(latest);
    if !versions.contains(&version) {
        let list = versions.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        return Err(unknown(format!("model `{name}` has no version {version}, only: {list}")));
    }
    let path = file_in(&root.join(name).join(version.to_string()))
        .ok_or_else(|| unknown(format!("model `{name}` version {version} is gone")))?;
    let identity = identity(&path, name, version)?;
    Ok(Found { identity, path, versions })
}

/// The state of all files in the version's folder: weights may lie beside the model.
pub(crate) fn identity(path: &Path, name: &str, version: u64) -> Result<Identity> {
    let failed = |e| {
        Error::new(ErrorKind::Io, format!("model `{name}` version {version} cannot be read"))
            .with_source(e)
    };
    let mut identity = Identity { name: name.to_owned(), version, bytes: 0, state: 0 };
    let mut add = |path: &Path, file: &Metadata| {
        identity.bytes += file.len();
        // A sum, because a folder lists its files in any order.
        identity.state = identity.state.wrapping_add(state(path, file));
    };
    add(path, &std::fs::metadata(path).map_err(failed)?);
    for entry in path.parent().into_iter().flat_map(std::fs::read_dir).flatten().flatten() {
        if entry.path() != path
            && !unfinished(&entry.path())
            && let Ok(file) = std::fs::metadata(entry.path())
            && file.is_file()
        {
            add(&entry.path(), &file);
        }
    }
    Ok(identity)
}

/// What is still being written, as by `nearside optimize`, belongs to no state yet: what is there serves
/// meanwhile.
fn unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "part")
}

/// A file that took another's place may be as large and as old: its place on the disk, or when it came
/// there, is another.
fn state(path: &Path, file: &Metadata) -> u64 {
    let mut hasher = DefaultHasher::new();
    (path, file.len(), file.modified().ok()).hash(&mut hasher);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (file.dev(), file.ino(), file.ctime(), file.ctime_nsec()).hash(&mut hasher);
    }
    hasher.finish()
}

fn file_in(folder: &Path) -> Option<PathBuf> {
    FILES.iter().map(|file| folder.join(file)).find(|path| path.is_file())
}

fn versions(root: &Path, name: &str) -> Vec<u64> {
    let Ok(entries) = std::fs::read_dir(root.join(name)) else { return vec![] };
    let mut versions: Vec<u64> = entries
        .flatten()
        .filter(|entry| file_in(&entry.path()).is_some())
        .filter_map(|entry| parse_version(entry.file_name().to_str()?))
        .collect();
    versions.sort_unstable();
    versions
}

/// Every model with its versions, by name.
pub(crate) fn all(root: &Path) -> Result<Vec<(String, Vec<u64>)>> {
    let entries = std::fs::read_dir(root).map_err(|e| {
        Error::new(ErrorKind::Io, format!("cannot read the models folder {}", root.display()))
            .with_source(e)
    })?;
    let mut models: Vec<_> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_model_name(name))
        .map(|name| (versions(root, &name), name))
        .filter(|(versions, _)| !versions.is_empty())
        .map(|(versions, name)| (name, versions))
        .collect();
    models.sort_unstable();
    Ok(models)
}
