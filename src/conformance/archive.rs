//! An archive or a folder -> [`Case`]s.
//!
//! In: a path. Out: the cases by name. Folders above a case's own are ignored, so an archive may be
//! unpacked anywhere.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use super::{Case, DataSet};
use crate::error::{Error, ErrorKind, Result};

/// No node test comes near; an archive that does is none.
const MAX_FILE: u64 = 256 << 20;

/// The cases of an archive or a folder, sorted by name.
///
/// # Errors
/// `Io` when it cannot be read, `InvalidInput` when it holds no case.
pub fn read(path: &Path) -> Result<Vec<Case>> {
    let mut cases = Cases::default();
    if path.is_dir() { cases.folder(path) } else { cases.archive(path) }.map_err(|e| {
        Error::new(ErrorKind::Io, format!("cannot read {}", path.display())).with_source(e)
    })?;
    let cases: Vec<Case> = cases.0.into_values().filter(|c| !c.model.is_empty()).collect();
    if cases.is_empty() {
        let text = format!("{} holds no node tests (NAME/model.onnx)", path.display());
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    Ok(cases)
}

#[derive(Default)]
struct Cases(BTreeMap<String, Case>);

impl Cases {
    fn archive(&mut self, path: &Path) -> std::io::Result<()> {
        let mut archive = tar::Archive::new(GzDecoder::new(File::open(path)?));
        for entry in archive.entries()? {
            let mut entry = entry?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let name = entry.path()?.into_owned();
            let mut bytes = vec![];
            entry.by_ref().take(MAX_FILE).read_to_end(&mut bytes)?;
            self.file(&name, bytes);
        }
        Ok(())
    }

    fn folder(&mut self, path: &Path) -> std::io::Result<()> {
        for entry in std::fs::read_dir(path)? {
            let path = entry?.path();
            if path.is_dir() {
                self.folder(&path)?;
            } else if matches!(path.extension().and_then(|e| e.to_str()), Some("onnx" | "pb")) {
                let bytes = std::fs::read(&path)?;
                self.file(&path, bytes);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, bytes: Vec<u8>) {
        let parts: Vec<&str> = path.iter().filter_map(|p| p.to_str()).collect();
        match parts[..] {
            [.., case, "model.onnx"] => self.case(case).model = bytes,
            [.., case, set, file] => {
                let Some(set) = set.strip_prefix("test_data_set_").and_then(|n| n.parse().ok())
                else {
                    return;
                };
                let set: &mut DataSet = grown(&mut self.case(case).sets, set);
                let number = |prefix: &str| {
                    file.strip_prefix(prefix)?.strip_suffix(".pb")?.parse::<usize>().ok()
                };
                if let Some(n) = number("input_") {
                    *grown(&mut set.inputs, n) = bytes;
                } else if let Some(n) = number("output_") {
                    *grown(&mut set.outputs, n) = bytes;
                }
            }
            _ => {}
        }
    }

    fn case(&mut self, name: &str) -> &mut Case {
        let case = self.0.entry(name.to_owned()).or_default();
        case.name = name.to_owned();
        case
    }
}

/// Element `at`, after making the list long enough; numbers in names are small or the file is odd.
fn grown<T: Default>(list: &mut Vec<T>, at: usize) -> &mut T {
    let at = at.min(255);
    if list.len() <= at {
        list.resize_with(at + 1, T::default);
    }
    &mut list[at]
}
