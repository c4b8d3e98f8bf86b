//! Files and standard input -> bytes, with a limit and a progress bar.
//!
//! In: a path, or `-`. Out: all bytes, or one typed error that names the path; of a model also the files
//! beside it.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;

use nearside::{ErrorKind, ModelFile};

use crate::failure::Failure;
use crate::style::Progress;

const CHUNK: usize = 1 << 20;

/// What each command that reads files takes.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct ReadArgs {
    /// Refuse larger files
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = parse_size)]
    max_size: u64,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

impl ReadArgs {
    pub(crate) fn reader(self) -> Reader {
        Reader { limit: self.max_size, progress: Progress { quiet: self.quiet } }
    }
}

/// How files are read.
#[derive(Clone, Copy)]
pub(crate) struct Reader {
    /// The most bytes that one file may have.
    pub(crate) limit: u64,
    pub(crate) progress: Progress,
}

impl Reader {
    /// A model's bytes: a missing file is a missing model.
    pub(crate) fn model(self, path: &str) -> Result<Vec<u8>, Failure> {
        if path != "-" && !std::path::Path::new(path).exists() {
            return Err(Failure::new(ErrorKind::ModelNotFound, format!("there is no file {path}")));
        }
        self.file(path)
    }

    /// A model with the files beside it. What comes from standard input has none.
    pub(crate) fn whole_model(self, path: &str) -> Result<ModelFile, Failure> {
        let bytes = self.model(path)?;
        let left = self.limit.saturating_sub(bytes.len() as u64);
        let mut file = ModelFile::decode(bytes)?;
        if path != "-" && file.external().next().is_some() {
            let _bar = self.progress.work("reading the files beside the model");
            file.read_external(Path::new(path).parent().unwrap_or(Path::new(".")), left)?;
        }
        Ok(file)
    }

    pub(crate) fn file(self, path: &str) -> Result<Vec<u8>, Failure> {
        let failed = |e: std::io::Error| {
            Failure::new(ErrorKind::Io, format!("cannot read {path}: {}", text(&e)))
        };
        if path == "-" {
            if std::io::stdin().is_terminal() {
                return Err(Failure::new(ErrorKind::Io, "standard input is a terminal")
                    .help("pipe a file into it, or name a file instead of `-`"));
            }
            return self.all("standard input", std::io::stdin().lock(), None).map_err(
                |e| match e {
                    Ended::Io(e) => failed(e),
                    Ended::TooLarge => self.too_large("standard input", None),
                },
            );
        }
        let file = File::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if about.is_dir() {
            return Err(Failure::new(ErrorKind::Io, format!("cannot read {path}: it is a folder")));
        }
        // Pipes and devices have no length.
        let length = about.is_file().then_some(about.len());
        if length.is_some_and(|l| l > self.limit) {
            return Err(self.too_large(path, length));
        }
        self.all(path, file, length).map_err(|e| match e {
            Ended::Io(e) => failed(e),
            Ended::TooLarge => self.too_large(path, None),
        })
    }

    fn all(self, name: &str, from: impl Read, length: Option<u64>) -> Result<Vec<u8>, Ended> {
        let bar = match length {
            Some(length) => self.progress.bytes(&format!("reading {name}"), length),
            None => self.progress.work(&format!("reading {name}")),
        };
        let mut from = bar.wrap_read(from);
        let mut bytes = Vec::with_capacity(usize::try_from(length.unwrap_or(0)).unwrap_or(0));
        loop {
            let read =
                from.by_ref().take(CHUNK as u64).read_to_end(&mut bytes).map_err(Ended::Io)?;
            if read == 0 {
                return Ok(bytes);
            }
            if bytes.len() as u64 > self.limit {
                return Err(Ended::TooLarge);
            }
        }
    }

    fn too_large(self, name: &str, length: Option<u64>) -> Failure {
        let has = length.map_or_else(|| "more than".to_owned(), |l| format!("{}, over", size(l)));
        Failure::new(
            ErrorKind::TooLarge,
            format!("{name} has {has} the limit of {}", size(self.limit)),
        )
        .help("raise the limit with --max-size, for example --max-size 4GiB")
    }
}

enum Ended {
    Io(std::io::Error),
    TooLarge,
}

/// Without the system's number, which says nothing to people.
pub(crate) fn text(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// `38.1 KiB`
pub(crate) fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// `64MiB`, `2G`, `1048576` -> bytes; the letters mean powers of 1024.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(format!("`{unit}` is no unit; use KiB, MiB or GiB")),
    };
    let number: u64 = number.parse().map_err(|_| "a size looks like 512MiB".to_owned())?;
    number.checked_shl(shift).filter(|n| n >> shift == number).ok_or_else(|| "too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size("2g"), Ok(2 << 30));
        assert_eq!(parse_size("17"), Ok(17));
        for bad in ["", "MiB", "1.5G", "3 parsecs", "99999999999G"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert_eq!(size(39_014), "38.10 KiB");
    }
}
