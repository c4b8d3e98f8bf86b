//! The failures that are known, as data: rows with a reason, and a check against verdicts.
//!
//! In: a JSON file and verdicts. Out: every surprise, both ways: a new failure and an unexpected pass.
//! [`Expected::bless`] rewrites the rows from what fails, keeping reasons that people wrote.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Judged;

/// A file of known failures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// What the file is, for people.
    #[serde(default)]
    pub about: Vec<String>,
    /// Cases in the set.
    pub total: usize,
    /// Cases that pass; never allowed to sink by itself, since each case is judged.
    pub passing: usize,
    /// The failures, by reason.
    pub failures: Vec<Group>,
    /// Cases that end one way or the other, as their results are drawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub random: Vec<Group>,
    /// Cases that end the other way round on wasm than natively.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wasm: Vec<Group>,
}

/// Cases that share a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The operator under test.
    pub operator: String,
    /// Why they fail.
    pub reason: String,
    /// Their names.
    pub cases: Vec<String>,
}

impl Expected {
    /// Why `case` is known to fail.
    pub fn reason(&self, case: &str) -> Option<&str> {
        let group = self.failures.iter().find(|g| g.cases.iter().any(|c| c == case));
        group.map(|g| g.reason.as_str())
    }

    fn is_random(&self, case: &str) -> bool {
        self.random.iter().any(|g| g.cases.iter().any(|c| c == case))
    }

    /// What is not as the rows say; empty when all is.
    pub fn surprises(&self, judged: &[Judged]) -> Vec<String> {
        let known: BTreeMap<&str, &str> = self
            .failures
            .iter()
            .flat_map(|g| g.cases.iter().map(|c| (c.as_str(), g.reason.as_str())))
            .collect();
        let surprise = |j: &Judged| match (&j.failure, known.get(j.case.as_str())) {
            _ if self.is_random(&j.case) => None,
            (Some(failure), None) => Some(format!("{} fails: {failure}", j.case)),
            (None, Some(reason)) => {
                Some(format!("{} passes now: remove it from its row ({reason})", j.case))
            }
            _ => None,
        };
        judged.iter().filter_map(surprise).collect()
    }

    /// Rows of the set that name no case of it.
    pub fn strangers(&self, cases: &[String]) -> Vec<String> {
        let names: BTreeSet<&str> = cases.iter().map(String::as_str).collect();
        let rows =
            self.failures.iter().chain(&self.random).chain(&self.wasm).flat_map(|g| &g.cases);
        rows.filter(|c| !names.contains(c.as_str())).cloned().collect()
    }

    /// The rows as they must be for `judged` to hold no surprise.
    #[must_use]
    pub fn bless(self, judged: &[Judged]) -> Self {
        let mut groups: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for verdict in judged {
            let Some(failure) = &verdict.failure else { continue };
            if self.is_random(&verdict.case) {
                continue;
            }
            let reason = self.reason(&verdict.case).map_or_else(|| short(failure), str::to_owned);
            groups
                .entry((verdict.operator.clone(), reason))
                .or_default()
                .push(verdict.case.clone());
        }
        let failures: Vec<Group> = groups
            .into_iter()
            .map(|((operator, reason), cases)| Group { operator, reason, cases })
            .collect();
        let failing: usize = failures.iter().chain(&self.random).map(|g| g.cases.len()).sum();
        Self { total: judged.len(), passing: judged.len() - failing, failures, ..self }
    }

    /// As the file is kept: one group a line.
    pub fn to_text(&self) -> String {
        let line = |v: serde_json::Result<String>| v.unwrap_or_default();
        let groups = |groups: &[Group]| {
            let lines: Vec<_> =
                groups.iter().map(|g| format!("  {}", line(serde_json::to_string(g)))).collect();
            format!("[\n{}\n ]", lines.join(",\n"))
        };
        let about: Vec<_> =
            self.about.iter().map(|a| format!("  {}", line(serde_json::to_string(a)))).collect();
        let more = |name: &str, list: &[Group]| {
            if list.is_empty() {
                String::new()
            } else {
                format!(",\n \"{name}\": {}", groups(list))
            }
        };
        let (random, wasm) = (more("random", &self.random), more("wasm", &self.wasm));
        format!(
            "{{\n \"about\": [\n{}\n ],\n \"total\": {},\n \"passing\": {},\n \"failures\": {}{random}{wasm}\n}}\n",
            about.join(",\n"),
            self.total,
            self.passing,
            groups(&self.failures)
        )
    }
}

/// A failure without what is of one case only: names of values and shapes.
fn short(failure: &str) -> String {
    let (kind, said) = failure.split_once(": ").unwrap_or((failure, ""));
    match kind {
        "wrong values" | "wrong shape" | "wrong type" | "timeout" | "crash" => kind.to_owned(),
        "UNSUPPORTED_TYPE" if said.contains("is not a tensor") => {
            "a sequence, optional or map: the engine has tensors only".to_owned()
        }
        "UNSUPPORTED_TYPE" => match said.rsplit_once("element type ") {
            Some((_, name)) => format!("the element type {name}"),
            None => said.to_owned(),
        },
        "CANNOT_PLAN" => said.rsplit(": ").next().unwrap_or(said).to_owned(),
        _ => said.to_owned(),
    }
}
