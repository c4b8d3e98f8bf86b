//! Counts and times of requests, in Prometheus' text format.
//!
//! In: each answered request. Out: the text of `/metrics`. Models that do not exist have no label of
//! their own, so that callers cannot grow the table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

/// Upper bounds in seconds.
const BUCKETS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

#[derive(Default)]
struct Histogram {
    counts: [u64; BUCKETS.len()],
    count: u64,
    sum: f64,
}

#[derive(Default)]
struct Table {
    requests: BTreeMap<(String, &'static str, u16), u64>,
    times: BTreeMap<(String, &'static str), Histogram>,
}

#[derive(Default)]
pub(crate) struct Metrics(Mutex<Table>);

impl Metrics {
    pub(crate) fn count(&self, model: &str, route: &'static str, status: u16, seconds: f64) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *table.requests.entry((model.to_owned(), route, status)).or_default() += 1;
        let times = table.times.entry((model.to_owned(), route)).or_default();
        for (count, bound) in times.counts.iter_mut().zip(BUCKETS) {
            *count += u64::from(seconds <= bound);
        }
        times.count += 1;
        times.sum += seconds;
    }

    pub(crate) fn text(&self) -> String {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::from(
            "# HELP nearside_requests_total Answered requests.\n# TYPE nearside_requests_total counter\n",
        );
        // Writing to a String cannot fail.
        for ((model, route, status), count) in &table.requests {
            let model = escaped(model);
            let _ = writeln!(
                out,
                "nearside_requests_total{{model=\"{model}\",route=\"{route}\",status=\"{status}\"}} {count}"
            );
        }
        out.push_str(
            "# HELP nearside_request_duration_seconds Time from a request's head to its answer.\n\
             # TYPE nearside_request_duration_seconds histogram\n",
        );
        for ((model, route), times) in &table.times {
            let labels = format!("model=\"{}\",route=\"{route}\"", escaped(model));
            let name = "nearside_request_duration_seconds";
            for (bound, count) in BUCKETS.iter().zip(times.counts) {
                let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
            }
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", times.count);
            let _ = writeln!(out, "{name}_sum{{{labels}}} {}", times.sum);
            let _ = writeln!(out, "{name}_count{{{labels}}} {}", times.count);
        }
        out
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
