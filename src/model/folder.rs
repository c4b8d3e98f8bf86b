//! The files beside a model on a disk.
//!
//! In: a decoded file and its folder. Out: the same with the bytes of every file that its constants lie
//! in. Only what lies below the folder is read, whatever links say.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::file::ModelFile;
use crate::error::{Error, ErrorKind, Result};

const CHUNK: usize = 1 << 20;

impl ModelFile {
    /// Reads the files beside the model from its folder; gives how many bytes they have.
    ///
    /// # Errors
    /// `Io` when one is missing or cannot be read, `InvalidModel` when it is a link that leaves the folder,
    /// `TooLarge` when all together have more than `limit` bytes.
    pub fn read_external(&mut self, folder: &Path, limit: u64) -> Result<u64> {
        let locations: Vec<_> = self.external().map(str::to_owned).collect();
        let mut total = 0;
        let mut chunk = vec![0; if locations.is_empty() { 0 } else { CHUNK }];
        for location in locations {
            let mut file = open(folder, &location)?;
            self.begin(&location)?;
            loop {
                let read = file.read(&mut chunk).map_err(|e| unreadable(&location, e))?;
                if read == 0 {
                    break;
                }
                total += read as u64;
                if total > limit {
                    let text = format!("the model's files have more than {limit} bytes");
                    return Err(Error::new(ErrorKind::TooLarge, text));
                }
                self.append(&location, &chunk[..read])?;
            }
        }
        Ok(total)
    }
}

fn unreadable(location: &str, error: std::io::Error) -> Error {
    let what = match error.kind() {
        std::io::ErrorKind::NotFound => "is not beside the model",
        _ => "cannot be read",
    };
    let text = format!("the model keeps constants in the file `{location}`, which {what}");
    Error::new(ErrorKind::Io, text).with_source(error)
}

fn open(folder: &Path, location: &str) -> Result<File> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let failed = |e| unreadable(location, e);
    let folder = folder.canonicalize().map_err(failed)?;
    let path = folder.join(location).canonicalize().map_err(failed)?;
    if !path.starts_with(&folder) {
        return Err(Error::new(
            ErrorKind::InvalidModel,
            format!("`{location}` is a link that leads out of the model's folder"),
        ));
    }
    File::open(path).map_err(failed)
}
