//! What the first runs of models showed on a GPU: whether it is right, and whether it is the faster one.
//!
//! In: one [`Verdict`] a graph, size of inputs and adapter. Out: the same in a later run, also of another process
//! where a file keeps them, or, as text, where a page does. What is read back is untrusted: what cannot be read is
//! forgotten.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

use super::device::lock;

/// The oldest go first.
const MOST: usize = 512;
/// Of a file or a page's text; far more than [`MOST`] of ours take.
const MOST_BYTES: usize = 1 << 20;

/// What is known of a graph on one adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whether the GPU's outputs are those of the CPU, within the tolerance; also where they were not compared.
    pub agrees: bool,
    /// How far they are apart at most, as a part of the output's range. Nothing where they were not compared.
    #[serde(default)]
    pub apart: Option<f64>,
    /// Milliseconds of the CPU's run.
    #[serde(default)]
    pub cpu_ms: Option<f64>,
    /// Milliseconds of the GPU's best run, and of how many.
    #[serde(default)]
    pub gpu_ms: Option<f64>,
    /// Of how many runs that is the best.
    #[serde(default)]
    pub gpu_runs: u32,
    /// Whether the GPU rounds to float16 on the way, as the model's types say.
    #[serde(default)]
    pub half: bool,
}

#[derive(Serialize, Deserialize)]
struct Row {
    key: String,
    #[serde(flatten)]
    verdict: Verdict,
}

/// The verdicts of one machine.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// The newest first.
    rows: Mutex<Vec<(String, Verdict)>>,
    changes: AtomicU32,
    #[cfg(not(target_arch = "wasm32"))]
    file: Option<std::path::PathBuf>,
}

impl Verdicts {
    /// Kept in a file; without one for the life of the process.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn of_file(file: Option<std::path::PathBuf>) -> Self {
        let made = Self { file, ..Self::default() };
        let size = |path: &std::path::Path| std::fs::metadata(path).map_or(u64::MAX, |m| m.len());
        if let Some(path) = made.file.as_deref().filter(|path| size(path) <= MOST_BYTES as u64)
            && let Ok(text) = std::fs::read_to_string(path)
        {
            made.learn(&text);
        }
        made
    }

    /// Takes up what [`Verdicts::text`] gave.
    pub fn learn(&self, text: &str) {
        if text.len() > MOST_BYTES {
            return;
        }
        let Ok(read) = serde_json::from_str::<Vec<Row>>(text) else { return };
        let mut rows = lock(&self.rows);
        for row in read {
            if !rows.iter().any(|(key, _)| *key == row.key) {
                rows.push((row.key, row.verdict));
            }
        }
        rows.truncate(MOST);
    }

    /// All of them, to be kept elsewhere.
    pub fn text(&self) -> String {
        let rows = lock(&self.rows);
        let row =
            |(key, verdict): &(String, Verdict)| Row { key: key.clone(), verdict: verdict.clone() };
        serde_json::to_string(&rows.iter().map(row).collect::<Vec<_>>()).unwrap_or_default()
    }

    pub(crate) fn get(&self, key: &str) -> Option<Verdict> {
        lock(&self.rows).iter().find(|(k, _)| k == key).map(|(_, verdict)| verdict.clone())
    }

    pub(crate) fn put(&self, key: &str, verdict: Verdict) {
        {
            let mut rows = lock(&self.rows);
            rows.retain(|(k, _)| k != key);
            rows.insert(0, (key.to_owned(), verdict));
            rows.truncate(MOST);
        }
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.save();
    }

    /// How often something was put: what is kept elsewhere is out of date when this has moved.
    pub fn changes(&self) -> u32 {
        self.changes.load(Ordering::Relaxed)
    }

    #[cfg(target_arch = "wasm32")]
    fn save(&self) {}

    /// A file that cannot be written costs the next process a comparison, and this one nothing.
    #[cfg(not(target_arch = "wasm32"))]
    fn save(&self) {
        let Some(path) = &self.file else { return };
        let Some(folder) = path.parent() else { return };
        let part = path.with_extension(format!("{}.part", std::process::id()));
        let written = std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&part, self.text()))
            .and_then(|()| std::fs::rename(&part, path));
        if written.is_err() {
            let _ = std::fs::remove_file(&part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(ms: f64) -> Verdict {
        Verdict {
            agrees: true,
            apart: Some(0.0),
            cpu_ms: Some(ms),
            gpu_ms: None,
            gpu_runs: 0,
            half: false,
        }
    }

    #[test]
    fn the_newest_are_kept_and_read_again() {
        let verdicts = Verdicts::default();
        for at in 0..MOST + 3 {
            verdicts.put(&format!("k{at}"), verdict(at as f64));
        }
        assert!(verdicts.get("k2").is_none() && verdicts.get("k3").is_some());
        let other = Verdicts::default();
        other.learn(&verdicts.text());
        assert_eq!(other.get("k9"), Some(verdict(9.0)));
    }

    #[test]
    fn nonsense_is_forgotten() {
        let verdicts = Verdicts::default();
        for text in ["", "{}", "[{\"key\":1}]", "[{\"key\":\"a\",\"agrees\":\"yes\"}]"] {
            verdicts.learn(text);
        }
        assert_eq!(verdicts.text(), "[]");
    }
}
