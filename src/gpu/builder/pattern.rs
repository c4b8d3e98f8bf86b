//! What the dispatches before a node are, for a node that can do their work as well.
//!
//! In: views of operands. Out: the dispatch that makes one, or the view that it copies.

use std::collections::HashSet;

use super::{Builder, Cx};
use crate::gpu::chain::Arg;
use crate::gpu::kernel::{Body, Kernel};
use crate::gpu::value::{ValueId, View};

impl Builder<'_> {
    /// The only dispatch of this segment that writes `view`'s value, all of it.
    pub(crate) fn maker(&self, view: &View) -> Option<usize> {
        let [at] = self.writers.get(&view.value)?[..] else { return None };
        let kernel = self.kernels.get(at)?.as_ref()?;
        (at >= self.since && kernel.more.is_empty() && kernel.output.is_dense()).then_some(at)
    }

    pub(crate) fn kernel(&self, at: usize) -> Option<&Kernel> {
        self.kernels.get(at)?.as_ref()
    }

    /// What `view`'s value is a dense copy of.
    pub(crate) fn copied(&self, view: &View) -> Option<&View> {
        let kernel = self.kernel(self.maker(view)?)?;
        let plain = kernel.chain.statements.is_empty() && kernel.chain.result == Arg::Load(0);
        match kernel.body {
            Body::Elements if plain => kernel.chain.loads.first(),
            _ => None,
        }
    }

    /// Bytes of the largest value that a dispatch reads or writes, or the host does, in `kept`.
    pub(crate) fn largest(&self, kept: &[ValueId]) -> u64 {
        let written = |kernel: &Kernel| -> Vec<ValueId> {
            std::iter::once(&kernel.output).chain(&kernel.more).map(|view| view.value).collect()
        };
        let kernels = self.kernels.iter().flatten();
        let ids =
            kernels.flat_map(|k| k.views().map(|v| v.value).chain(written(k)).collect::<Vec<_>>());
        let sizes = ids.chain(kept.iter().copied()).filter_map(|id| self.values.get(id.0));
        sizes.map(super::Value::bytes).max().unwrap_or(0)
    }

    /// Removes dispatches whose results nobody reads. `kept` are values that the host reads.
    pub(crate) fn prune(&mut self, kept: &[ValueId]) {
        let mut wanted: HashSet<ValueId> = kept.iter().copied().collect();
        for slot in self.kernels.iter_mut().rev() {
            let Some(kernel) = slot else { continue };
            let writes = std::iter::once(&kernel.output).chain(&kernel.more);
            if !writes.into_iter().any(|view| wanted.contains(&view.value)) {
                *slot = None;
                continue;
            }
            wanted.extend(kernel.views().map(|view| view.value));
        }
    }
}

impl Cx<'_, '_> {
    /// Whether nobody but this node reads an input.
    pub(crate) fn alone(&self, ix: usize) -> bool {
        let operand = self.outlet(ix).ok().and_then(|outlet| self.builder.outlets.get(&outlet));
        operand.is_some_and(|operand| operand.exclusive)
    }

    /// The dispatch `at` is done by another.
    pub(crate) fn drop_kernel(&mut self, at: usize) -> Option<Kernel> {
        self.builder.kernels.get_mut(at).and_then(Option::take)
    }
}
