//! Where the nodes of a plan ran, as lines for people.

use std::fmt::Write;

use nearside::Placement;

use crate::style::{FAINT, RESET, STRONG};

/// One line a segment and one a node of the CPU, with the reason.
pub(crate) fn page(placement: &Placement) -> String {
    let mut page = format!(
        "{STRONG}plan{RESET} {FAINT}{}, {} dispatches{RESET}\n",
        placement.adapter, placement.dispatches
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
