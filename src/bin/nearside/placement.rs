//! Where the nodes of a plan ran, as lines for people.

use std::fmt::Write;

use nearside::{GpuReport, Placement};

use crate::style::{FAINT, RESET, STRONG};

/// Every graph that the GPU has a part of, and what is known of that GPU.
pub(crate) fn pages(report: &GpuReport) -> String {
    let mut pages: String = report.placements.iter().map(|p| page(p)).collect();
    for verdict in &report.verdicts {
        let apart = verdict.apart.map_or("not compared with the CPU".to_owned(), |apart| {
            format!("at most {apart:.1e} of an output's range away from the CPU")
        });
        let ms = |ms: Option<f64>| ms.map_or("?".to_owned(), |ms| format!("{ms:.2}"));
        let (gpu, cpu) = (ms(verdict.gpu_ms), ms(verdict.cpu_ms));
        let _ = writeln!(pages, "  {FAINT}{apart}; GPU {gpu} ms, CPU {cpu} ms{RESET}");
    }
    pages
}

/// One line a segment and one a node of the CPU, with the reason.
fn page(placement: &Placement) -> String {
    let mut page = format!(
        "{STRONG}plan{RESET} {FAINT}{}, {} dispatches{}{RESET}\n",
        [&[placement.adapter.as_str()], &placement.features[..]].concat().join(", "),
        placement.dispatches,
        halves(placement)
    );
    for segment in &placement.segments {
        let _ = writeln!(page, "  {}  {} nodes", segment.device, segment.nodes.len());
        for node in segment.nodes.iter().filter(|n| n.reason.is_some()) {
            let reason = node.reason.as_deref().unwrap_or_default();
            let _ = writeln!(page, "    {} ({}): {reason}", node.name, node.operator);
        }
    }
    page
}

/// How many nodes hold or multiply float16, where any does.
fn halves(placement: &Placement) -> String {
    let nodes = placement.segments.iter().flat_map(|s| &s.nodes);
    let ways: Vec<&str> = nodes.filter_map(|node| node.f16).collect();
    let computed = ways.iter().filter(|way| **way == "arithmetic").count();
    match (ways.len(), computed) {
        (0, _) => String::new(),
        (held, 0) => format!("; {held} nodes in float16, none computes in it"),
        (held, computed) => format!("; {held} nodes in float16, {computed} compute in it"),
    }
}
