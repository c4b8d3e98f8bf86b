//! Python's onnxruntime as a child that answers line by line.
//!
//! In: an interpreter, the model and the feeds, by way of a temporary folder. Out: its outputs and its milliseconds.
//! Arrays are numbered, because a graph's names need not be good names of files.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nearside::{ErrorKind, Tensor, npy};
use serde_json::{Value, json};

use super::unavailable;
use crate::failure::Failure;

const SCRIPT: &str = include_str!("ort.py");

pub(super) struct Ort {
    pub(super) version: String,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    folder: Folder,
    /// For each output whether there is an array.
    given: Vec<bool>,
}

/// Goes with its content.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Drop for Ort {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ort {
    pub(super) fn start(
        python: &str,
        model: &[u8],
        feeds: &[(String, Tensor)],
        outputs: &[(String, Tensor)],
    ) -> Result<Self, Failure> {
        let folder =
            Folder(std::env::temp_dir().join(format!("nearside-bench-{}", std::process::id())));
        let file = |name: &str| folder.0.join(name);
        fs::create_dir_all(&folder.0).map_err(|e| failed(&folder.0, &e))?;
        let numbered: Vec<_> =
            feeds.iter().enumerate().map(|(i, (_, t))| (i.to_string(), t.clone())).collect();
        for (path, bytes) in
            [(file("model.onnx"), model), (file("inputs.npz"), &npy::write_npz(&numbered)?)]
        {
            fs::write(&path, bytes).map_err(|e| failed(&path, &e))?;
        }
        let names = |list: &[(String, Tensor)]| {
            list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        let job = json!({
            "model": file("model.onnx"), "inputs": file("inputs.npz"), "outputs": file("outputs.npz"),
            "feeds": names(feeds), "fetches": names(outputs),
        });

        let mut child = Command::new(python)
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| {
                unavailable(format!("cannot start {python}: {}", crate::read::text(&e)))
                    .help("name a Python that has onnxruntime with --python or NEARSIDE_PYTHON")
            })?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(unavailable(format!("{python} has no standard input or output")));
        };
        let from = BufReader::new(from);
        let mut ort = Self { version: String::new(), child, to, from, folder, given: vec![] };
        let hello = ort.ask(&job.to_string())?;
        ort.version = hello["version"].as_str().unwrap_or_default().to_owned();
        let given = hello["given"].as_array().cloned().unwrap_or_default();
        ort.given = (0..outputs.len()).map(|at| given.contains(&at.to_string().into())).collect();
        Ok(ort)
    }

    /// One by one as asked for; none where it is no array.
    pub(super) fn outputs(&self) -> Result<Vec<Option<Tensor>>, Failure> {
        let path = self.folder.0.join("outputs.npz");
        let mut arrays = npy::read_npz(&fs::read(&path).map_err(|e| failed(&path, &e))?)?;
        let take = |(at, given): (usize, &bool)| {
            let found = arrays.iter().position(|(name, _)| *given && *name == at.to_string())?;
            Some(arrays.swap_remove(found).1)
        };
        Ok(self.given.iter().enumerate().map(take).collect())
    }

    /// Milliseconds of making a session, and of its first run.
    pub(super) fn create(&mut self) -> Result<(f64, f64), Failure> {
        let answer = self.ask("create")?;
        Ok((number(&answer, "create")?, number(&answer, "first")?))
    }

    pub(super) fn run(&mut self) -> Result<f64, Failure> {
        number(&self.ask("run")?, "run")
    }

    fn ask(&mut self, line: &str) -> Result<Value, Failure> {
        let mut answer = String::new();
        let io = writeln!(self.to, "{line}")
            .and_then(|()| self.to.flush())
            .and_then(|()| self.from.read_line(&mut answer));
        let value: Value = io
            .ok()
            .and_then(|_| serde_json::from_str(&answer).ok())
            .ok_or_else(|| unavailable("Python ended early; it may have said why"))?;
        match value["error"].as_str() {
            Some(error) => Err(unavailable(format!("onnxruntime: {error}"))),
            None => Ok(value),
        }
    }
}

fn number(answer: &Value, key: &str) -> Result<f64, Failure> {
    answer[key].as_f64().ok_or_else(|| unavailable(format!("Python's answer lacks `{key}`")))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(ErrorKind::Io, format!("{}: {}", path.display(), crate::read::text(error)))
}
