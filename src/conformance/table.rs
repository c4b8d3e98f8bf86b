//! Verdicts -> the table by operator and operator set.
//!
//! In: cases, or verdicts. Out: which operator a case tests, and how many cases of it pass. A case
//! named `…_expanded` holds the operator as a function of others; it counts for the operator.

use std::collections::BTreeMap;

use prost::Message;
use serde::Serialize;
use tract_onnx::pb;

use super::{Case, Judged};
use crate::model::domain_name;

/// How an operator does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    /// `domain.Type`.
    pub operator: String,
    /// The operator set of its domain that the models import.
    pub opset: i64,
    /// Cases that pass.
    pub passed: usize,
    /// Cases that fail, by name.
    pub failed: Vec<String>,
}

/// One row for each operator and operator set.
pub fn table(judged: &[Judged]) -> Vec<Row> {
    let mut rows: BTreeMap<(&str, i64), Row> = BTreeMap::new();
    for verdict in judged {
        let row = rows.entry((&verdict.operator, verdict.opset)).or_default();
        row.operator.clone_from(&verdict.operator);
        row.opset = verdict.opset;
        match verdict.failure {
            None => row.passed += 1,
            Some(_) => row.failed.push(verdict.case.clone()),
        }
    }
    rows.into_values().collect()
}

/// For each case the operator that it tests.
pub fn operators(cases: &[Case]) -> Vec<String> {
    subjects(cases).into_iter().map(|(operator, _)| operator).collect()
}

/// For each case the operator that it tests and its operator set.
pub(super) fn subjects(cases: &[Case]) -> Vec<(String, i64)> {
    let own: BTreeMap<&str, (String, i64)> =
        cases.iter().map(|c| (c.name.as_str(), operator(&c.model))).collect();
    let of = |case: &Case| {
        let (operator, opset) = own.get(case.name.as_str()).cloned().unwrap_or_default();
        let base = case.name.split("_expanded").next().filter(|b| *b != case.name);
        let named = base.and_then(|b| own.get(b)).map_or(operator, |(o, _)| o.clone());
        (named, opset)
    };
    cases.iter().map(of).collect()
}

/// The last node's operator: what a model of several nodes prepares for.
fn operator(model: &[u8]) -> (String, i64) {
    let proto = pb::ModelProto::decode(model).unwrap_or_default();
    let last = proto.graph.iter().flat_map(|g| &g.node).rfind(|n| n.op_type != "Constant");
    let Some(node) = last else { return ("ai.onnx.Constant".to_owned(), 0) };
    let domain = domain_name(&node.domain);
    let opset = proto.opset_import.iter().find(|o| domain_name(&o.domain) == domain);
    (format!("{domain}.{}", node.op_type), opset.map_or(0, |o| o.version))
}
