//! The node tests that ONNX Runtime runs on its WebGPU engine, on ours.
//!
//! In: the names, `ort-web-webgpu-node-tests.json` beside the archives; the archives of node tests, and the cases
//! `older::…`, for names that none of them holds, or not of the set of operators that the name starts with.
//! Out: how many run wholly on the GPU and are right, and what is wrong with each other one. The one decision: every
//! form of a name must be right, in both archives.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use nearside::SessionOptions;
use nearside::conformance::{judge_on, read};

use super::{case, text};

const ARCHIVES: [&str; 2] = ["onnx-node-tests-1.17.tar.gz", "onnx-node-tests.tar.gz"];
pub(crate) const LIST: &str = "ort-web-webgpu-node-tests.json";

/// `(right, wrong)`: their names, the wrong ones with the reason.
pub(crate) fn count(
    folder: &Path,
    options: &SessionOptions,
) -> Result<(Vec<String>, BTreeMap<String, String>), String> {
    let list = std::fs::read_to_string(folder.join(LIST)).map_err(text)?;
    let list: Vec<String> = serde_json::from_str(&list).map_err(text)?;
    let older: BTreeMap<String, case::Case> = case::read()
        .into_iter()
        .filter_map(|case| Some((case.name.strip_prefix("older::")?.to_owned(), case)))
        .collect();
    let bare = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let mut judged: BTreeMap<String, Option<String>> = BTreeMap::new();
    for archive in ARCHIVES {
        let mut nodes = read(&folder.join(archive)).map_err(text)?;
        nodes.retain(|node| list.iter().any(|n| bare(n) == node.name && !older.contains_key(n)));
        for judgement in judge_on(nodes, Duration::from_secs(20), options, |_| {}) {
            let failure = judged.entry(judgement.case).or_default();
            *failure = failure.take().or(judgement.failure);
        }
    }
    let (mut right, mut wrong) = (vec![], BTreeMap::new());
    for name in list {
        let failure = match (older.get(&name), judged.get(&bare(&name))) {
            (Some(case), _) => case::run(case, options).err(),
            (None, Some(failure)) => failure.clone(),
            (None, None) => Some("there is no such case".to_owned()),
        };
        match failure {
            Some(why) => drop(wrong.insert(name, why)),
            None => right.push(name),
        }
    }
    Ok((right, wrong))
}
