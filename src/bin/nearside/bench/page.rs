//! What was measured, for people and for tools.

use nearside::ErrorKind;
use serde_json::{Value, json};

use super::samples::Samples;
use super::{Engine, Outcome, profile};
use crate::failure::Failure;
use crate::style::{FAINT, RESET, STRONG};

const WIDTH: usize = 14;

pub(super) fn text(outcome: &Outcome, top: usize) -> String {
    let Outcome { ours, ort, profile } = outcome;
    let mut text = match ort {
        None => format!("{STRONG}{:<16}{:>WIDTH$}{:>WIDTH$}{RESET}\n", "ms", "median", "min"),
        Some((version, _, agreement)) => {
            let agreed = format!(
                "{FAINT}the outputs agree: at most {:.1e} of the largest value apart{RESET}\n",
                agreement.0
            );
            agreed
                + &format!("{STRONG}{:<16}{:>WIDTH$}{:>WIDTH$}", "ms, one thread", "median", "min")
                + &format!(
                    "{:>24}{:>WIDTH$}{:>10}{RESET}\n",
                    format!("ort {version}"),
                    "min",
                    "ratio"
                )
        }
    };
    for (label, part) in PARTS {
        let Some(mine) = part(ours) else { continue };
        text += &format!("{label:<16}{:>WIDTH$.3}{:>WIDTH$.3}", mine.median(), mine.min());
        if let Some(theirs) = ort.as_ref().and_then(|(_, engine, _)| part(engine)) {
            let ratio = mine.min() / theirs.min();
            text += &format!("{:>24.3}{:>WIDTH$.3}{ratio:>10.2}", theirs.median(), theirs.min());
        }
        text += "\n";
    }
    let runs = ours.run.count();
    text += &format!("{FAINT}{} loads, {runs} runs{RESET}\n", ours.create.count());
    if profile.is_empty() { text } else { text + &profile::tables(profile, top) }
}

type Part = fn(&Engine) -> Option<&Samples>;

/// What is measured, in its order; an engine may lack a part.
const PARTS: [(&str, Part); 4] = [
    ("load", |e| there(&e.create)),
    ("plan", |e| there(&e.plan)),
    ("first run", |e| there(&e.first)),
    ("run", |e| there(&e.run)),
];

fn there(samples: &Samples) -> Option<&Samples> {
    (samples.count() > 0).then_some(samples)
}

pub(super) fn json(outcome: &Outcome) -> Result<String, Failure> {
    let Outcome { ours, ort, profile } = outcome;
    let engine = |e: &Engine| {
        let keys = ["load", "plan", "first", "run"];
        let parts = keys.iter().zip(PARTS);
        let known = parts.filter_map(|(key, (_, part))| Some(((*key).to_owned(), part(e)?.json())));
        Value::Object(known.collect())
    };
    let mut answer = json!({ "nearside": engine(ours) });
    if let Some((version, theirs, agreement)) = ort {
        answer["onnxruntime"] = engine(theirs);
        answer["onnxruntime"]["version"] = version.clone().into();
        answer["largestDifference"] = agreement.0.into();
        let ratio = |a: &Samples, b: &Samples| json!({ "median": a.median() / b.median(), "min": a.min() / b.min() });
        answer["ratio"] = json!({
            "load": ratio(&ours.create, &theirs.create),
            "first": ratio(&ours.first, &theirs.first),
            "run": ratio(&ours.run, &theirs.run),
        });
    }
    if !profile.is_empty() {
        answer["profile"] = json!(profile);
    }
    let text = serde_json::to_string_pretty(&answer)
        .map_err(|e| Failure::new(ErrorKind::Internal, e.to_string()))?;
    Ok(text + "\n")
}
