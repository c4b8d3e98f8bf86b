//! How long it took.
//!
//! In: milliseconds of loading, planning and each run. Out: a line for people, an object for tools.

use serde_json::{Value, json};

use crate::style::{FAINT, RESET};
use crate::values::six_digits;

/// Milliseconds.
pub(crate) struct Times {
    pub(crate) load: f64,
    pub(crate) plan: f64,
    pub(crate) runs: Vec<f64>,
}

impl Times {
    fn sorted(&self) -> Vec<f64> {
        let mut runs = self.runs.clone();
        runs.sort_by(f64::total_cmp);
        runs
    }

    pub(crate) fn line(&self) -> String {
        let runs = self.sorted();
        let mut text =
            format!("{FAINT}times{RESET}  load {}, plan {}", ms(self.load), ms(self.plan));
        if let [one] = runs[..] {
            text += &format!(", run {}\n", ms(one));
        } else {
            let (count, median) = (runs.len(), ms(at(&runs, 0.5)));
            let (low, p90, high) = (ms(at(&runs, 0.0)), ms(at(&runs, 0.9)), ms(at(&runs, 1.0)));
            text += &format!(", {count} runs: median {median}, min {low}, p90 {p90}, max {high}\n");
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let runs = self.sorted();
        json!({
            "loadMs": self.load,
            "planMs": self.plan,
            "runMs": self.runs,
            "medianMs": at(&runs, 0.5),
        })
    }
}

/// The quantile of sorted values; the lower neighbour where there is none.
fn at(sorted: &[f64], quantile: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((quantile * last as f64).floor() as usize).copied().unwrap_or(0.0)
}

fn ms(ms: f64) -> String {
    if ms >= 10_000.0 {
        format!("{:.1} s", ms / 1000.0)
    } else if ms >= 100.0 {
        format!("{ms:.0} ms")
    } else if ms >= 0.1 {
        // Two digits after the point are all that repeats.
        format!("{} ms", six_digits((ms * 100.0).round() / 100.0))
    } else {
        format!("{:.1} µs", ms * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_and_many() {
        let one = Times { load: 3.0, plan: 0.02, runs: vec![1.234] };
        let line = anstream::adapter::strip_str(&one.line()).to_string();
        assert_eq!(line, "times  load 3 ms, plan 20.0 µs, run 1.23 ms\n");
        let many = Times { load: 0.5, plan: 150.4, runs: vec![3.0, 1.0, 2.0, 20_000.0] };
        let line = anstream::adapter::strip_str(&many.line()).to_string();
        assert!(line.ends_with("4 runs: median 2 ms, min 1 ms, p90 3 ms, max 20.0 s\n"), "{line}");
        assert!(line.contains("plan 150 ms"), "{line}");
        assert_eq!(many.json()["runMs"][3], 20_000.0);
    }
}
