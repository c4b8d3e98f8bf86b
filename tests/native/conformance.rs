//! Both sets of ONNX node tests on the native engine.
//!
//! In: the archives (`NEARSIDE_CONFORMANCE`, else `../shared/conformance`) and the known failures,
//! `tests/cases/conformance-*.json`. Out: one test an operator, which judges each of its cases: a new
//! failure and an unexpected pass both fail it. `NEARSIDE_BLESS=1` rewrites the known failures instead;
//! reasons that are there stay.

mod panics;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use nearside::conformance::{Case, Expected, Judged, judge, read};

/// (set, archive)
const SETS: [(&str, &str); 2] =
    [("1.17", "onnx-node-tests-1.17.tar.gz"), ("1.23", "onnx-node-tests.tar.gz")];

const LIMIT: Duration = Duration::from_secs(20);

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("NEARSIDE_CONFORMANCE")
        .map_or_else(|| root.join("../shared/conformance"), PathBuf::from);
    let bless = std::env::var_os("NEARSIDE_BLESS").is_some();
    let mut trials = vec![];
    for (set, archive) in SETS {
        let (archive, rows) =
            (folder.join(archive), root.join(format!("tests/cases/conformance-{set}.json")));
        if !archive.exists() {
            trials.push(Trial::test(set, || Ok(())).with_ignored_flag(true));
        } else if bless {
            trials.push(Trial::test(format!("{set}::bless"), move || rewrite(&archive, &rows)));
        } else {
            trials.extend(operators(set, &archive, &rows));
        }
    }
    panics::watch();
    panics::none(libtest_mimic::run(&arguments, trials));
}

fn expected(rows: &Path) -> Result<Expected, Failed> {
    let text = std::fs::read_to_string(rows)
        .unwrap_or_else(|_| "{\"total\":0,\"passing\":0,\"failures\":[]}".to_owned());
    Ok(serde_json::from_str(&text)?)
}

fn rewrite(archive: &Path, rows: &Path) -> Result<(), Failed> {
    let judged = judge(read(archive)?, LIMIT, |_| {});
    Ok(std::fs::write(rows, expected(rows)?.bless(&judged).to_text())?)
}

fn operators(set: &str, archive: &Path, rows: &Path) -> Vec<Trial> {
    let loaded = read(archive).map_err(Failed::from).and_then(|c| Ok((c, expected(rows)?)));
    let (cases, expected) = match loaded {
        Ok(loaded) => loaded,
        Err(e) => return vec![Trial::test(set, move || Err(e))],
    };
    let names: Vec<String> = cases.iter().map(|c| c.name.clone()).collect();
    let mut families: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for (case, operator) in cases.iter().zip(nearside::conformance::operators(&cases)) {
        families.entry(operator).or_default().push(case.clone());
    }
    let strangers = expected.strangers(&names);
    let whole = Trial::test(format!("{set}::rows"), move || match &strangers[..] {
        [] => Ok(()),
        some => Err(format!("no such cases: {}", some.join(", ")).into()),
    });
    let trial = |(operator, cases): (String, Vec<Case>)| {
        let expected = expected.clone();
        Trial::test(format!("{set}::{operator}"), move || {
            let judged: Vec<Judged> = judge(cases, LIMIT, |_| {});
            match &expected.surprises(&judged)[..] {
                [] => Ok(()),
                some => Err(some.join("\n").into()),
            }
        })
    };
    std::iter::once(whole).chain(families.into_iter().map(trial)).collect()
}
