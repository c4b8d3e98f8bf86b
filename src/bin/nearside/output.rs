//! Outputs -> files.
//!
//! In: named tensors and a path: `x.npz` for all in one, `x.npy` for a single one, else a folder with a file
//! each. Out: the paths that were written.

use std::fs;
use std::path::{Path, PathBuf};

use nearside::{ErrorKind, Tensor, npy};

use crate::failure::Failure;

/// Refuses, before any work is done, what [`write`] would refuse afterwards.
pub(crate) fn prepare(path: &Path, count: usize) -> Result<(), Failure> {
    let folder = match extension(path) {
        "npy" if count != 1 => {
            let text = format!("{} holds one array, the run gives {count}", path.display());
            return Err(Failure::new(ErrorKind::InvalidInput, text)
                .help("write an .npz file or a folder, or choose one output with --fetch NAME"));
        }
        "npy" | "npz" => path.parent().unwrap_or(Path::new("")),
        _ => path,
    };
    // The parent of a bare file name is empty, and there.
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|e| failed(folder, &e))
}

/// Writes the outputs.
pub(crate) fn write(path: &Path, outputs: &[(String, Tensor)]) -> Result<Vec<PathBuf>, Failure> {
    match (extension(path), outputs) {
        ("npy", [(_, tensor)]) => Ok(vec![save(path.to_owned(), &npy::write_npy(tensor)?)?]),
        ("npy" | "npz", _) => Ok(vec![save(path.to_owned(), &npy::write_npz(outputs)?)?]),
        _ => {
            let names = file_names(outputs);
            let each = outputs.iter().zip(names);
            each.map(|((_, t), name)| save(path.join(name), &npy::write_npy(t)?)).collect()
        }
    }
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|e| e.to_str()).unwrap_or_default()
}

fn save(path: PathBuf, bytes: &[u8]) -> Result<PathBuf, Failure> {
    fs::write(&path, bytes).map_err(|e| failed(&path, &e))?;
    Ok(path)
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        ErrorKind::Io,
        format!("cannot write {}: {}", path.display(), crate::read::text(error)),
    )
}

/// Names in a graph may hold `/`, `:` and anything else, and may differ only in that.
fn file_names(outputs: &[(String, Tensor)]) -> Vec<String> {
    let mut taken: Vec<String> = vec![];
    for (name, _) in outputs {
        let safe = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let name: String = name.chars().map(safe).collect();
        let name = match name.trim_start_matches('.') {
            "" => "output",
            name => name,
        };
        let free = |n: &String| !taken.contains(n);
        let numbered = (2..).map(|n| format!("{name}_{n}.npy"));
        taken.extend(std::iter::once(format!("{name}.npy")).chain(numbered).find(free));
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_distinct() -> nearside::Result<()> {
        let scalar = Tensor::from_bytes(nearside::DType::Uint8, &[], &[1])?;
        let outputs: Vec<_> =
            ["../a:0", "../a_0", "logits", "..", ""].map(|n| (n.to_owned(), scalar.clone())).into();
        let names = file_names(&outputs);
        assert_eq!(names, ["_a_0.npy", "_a_0_2.npy", "logits.npy", "output.npy", "output_2.npy"]);
        Ok(())
    }
}
