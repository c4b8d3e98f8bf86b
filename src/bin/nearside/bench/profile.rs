//! Where a plan's time goes.
//!
//! In: a session and its feeds. Out: each node's time in the fastest of several runs, which bears least of what else the
//! machine does, in the plan's order; and as tables.

use std::fmt::Write;
use std::time::Duration;

use nearside::{Session, Step, Tensor};

use super::rounds;
use crate::failure::Failure;
use crate::style::{FAINT, RESET, STRONG};

pub(super) fn measure(
    session: &Session,
    feeds: &[(String, Tensor)],
    budget: Duration,
) -> Result<Vec<Step>, Failure> {
    let mut best: Option<(f64, Vec<Step>)> = None;
    rounds(budget, || {
        let steps = session.profile(feeds.to_vec(), &[])?.profile;
        let total = steps.iter().map(|step| step.ms).sum();
        if best.as_ref().is_none_or(|(least, _)| total < *least) {
            best = Some((total, steps));
        }
        Ok(())
    })?;
    Ok(best.map(|(_, steps)| steps).unwrap_or_default())
}

pub(super) fn tables(steps: &[Step], top: usize) -> String {
    let total: f64 = steps.iter().map(|s| s.ms).sum();
    let mut text = format!("\n{STRONG}by operator{RESET}  {} nodes, {total:.3} ms\n", steps.len());
    let mut row = |ms: f64, what: &str| {
        let _ = writeln!(text, "  {ms:>10.3} ms {:>5.1} %  {what}", 100.0 * ms / total);
    };
    let mut operators: Vec<(&str, usize, f64)> = vec![];
    for step in steps {
        match operators.iter_mut().find(|(name, ..)| *name == step.operator) {
            Some((_, count, ms)) => (*count, *ms) = (*count + 1, *ms + step.ms),
            None => operators.push((&step.operator, 1, step.ms)),
        }
    }
    operators.sort_by(|a, b| b.2.total_cmp(&a.2));
    for (name, count, ms) in operators {
        row(ms, &format!("{name} x {count}"));
    }
    let mut slowest: Vec<_> = steps.iter().collect();
    slowest.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    let mut nodes = String::new();
    for step in slowest.into_iter().take(top) {
        let shapes = format!("{} -> {}", step.inputs.join(", "), step.outputs.join(", "));
        let (ms, share) = (step.ms, 100.0 * step.ms / total);
        let _ = writeln!(
            nodes,
            "  {ms:>10.3} ms {share:>5.1} %  {}  {shapes}  {FAINT}{}{RESET}",
            step.operator, step.node
        );
    }
    text + &format!("\n{STRONG}by node{RESET}\n{nodes}")
}
