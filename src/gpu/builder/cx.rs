//! One node while it is lowered: what its kernel family reads and writes.
//!
//! In: a node. Out: views of its operands, values for its results, dispatches.

use std::sync::Arc;

use tract_onnx::prelude::*;

use super::{Builder, Lowered, Operand, Origin, because};
use crate::gpu::chain::Chain;
use crate::gpu::kernel::{Body, Kernel, Pattern};
use crate::gpu::value::{Carrier, View};

/// One node while it is lowered.
pub(crate) struct Cx<'b, 'm> {
    pub(crate) builder: &'b mut Builder<'m>,
    pub(crate) node: &'m TypedNode,
}

impl Cx<'_, '_> {
    pub(crate) fn inputs(&self) -> usize {
        self.node.inputs.len()
    }

    pub(super) fn outlet(&self, ix: usize) -> Lowered<OutletId> {
        self.node.inputs.get(ix).copied().map_or_else(|| because("an input is missing"), Ok)
    }

    /// An input, as any view.
    pub(crate) fn input(&mut self, ix: usize) -> Lowered<View> {
        let outlet = self.outlet(ix)?;
        self.builder.view(outlet)
    }

    /// The bits of an input of floats, as integers.
    pub(crate) fn bits(&mut self, ix: usize) -> Lowered<View> {
        let view = self.input(ix)?;
        let view =
            if view.half { self.builder.stored(&self.node.name, view, false)? } else { view };
        Ok(View { carrier: Carrier::U32, ..view })
    }

    /// An input in row-major order, copied where it is not.
    pub(crate) fn dense_input(&mut self, ix: usize) -> Lowered<View> {
        let view = self.input(ix)?;
        self.dense(view)
    }

    pub(crate) fn dense(&mut self, view: View) -> Lowered<View> {
        self.builder.dense(&self.node.name, view)
    }

    /// An input that is known when planning.
    pub(crate) fn konst(&self, ix: usize) -> Option<Arc<Tensor>> {
        self.builder.konst(*self.node.inputs.get(ix)?)
    }

    pub(crate) fn input_fact(&self, ix: usize) -> Lowered<(DatumType, Vec<usize>)> {
        self.builder.fact(self.outlet(ix)?)
    }

    pub(crate) fn output_fact(&self, slot: usize) -> Lowered<(DatumType, Vec<usize>)> {
        self.builder.fact(OutletId::new(self.node.id, slot))
    }

    /// A value that no outlet of the graph is.
    pub(crate) fn temporary(&mut self, datum: DatumType, shape: &[usize]) -> Lowered<View> {
        self.builder.value(datum, shape, Origin::Made)
    }

    /// A value for an output of the node.
    pub(crate) fn output(&mut self, slot: usize) -> Lowered<View> {
        let (datum, shape) = self.output_fact(slot)?;
        let half = self.builder.is_half(OutletId::new(self.node.id, slot));
        let view = self.builder.value_as((datum, half), &shape, Origin::Made)?;
        self.is(slot, view.clone(), true);
        Ok(view)
    }

    /// A value that becomes an output of the node in some way, or none.
    pub(crate) fn value_of(
        &mut self,
        slot: Option<usize>,
        datum: DatumType,
        shape: &[usize],
    ) -> Lowered<View> {
        let outlet = slot.map(|slot| OutletId::new(self.node.id, slot));
        let half = outlet.is_some_and(|outlet| self.builder.is_half(outlet));
        self.builder.value_as((datum, half), shape, Origin::Made)
    }

    /// An output of the node is this view. `fresh`: of a value that nothing else reads.
    pub(crate) fn is(&mut self, slot: usize, view: View, fresh: bool) {
        let outlet = OutletId::new(self.node.id, slot);
        let exclusive = fresh && self.builder.exclusive(outlet);
        self.builder.outlets.insert(outlet, Operand { view, exclusive });
    }

    /// The output is the first input, seen otherwise: no work at all.
    pub(crate) fn alias(&mut self, see: impl FnOnce(View) -> Lowered<View>) -> Lowered<()> {
        let outlet = self.outlet(0)?;
        let Operand { view, exclusive } = self.builder.operand(outlet)?;
        let view = see(view)?;
        self.is(0, view, exclusive);
        Ok(())
    }

    /// Has the host fail the run with `told` unless `count` is 0.
    pub(crate) fn must_be_zero(&mut self, count: View, told: String) {
        self.builder.checks.push((count, told));
    }

    /// Adds a dispatch.
    pub(crate) fn run(&mut self, kernel: Kernel) {
        self.builder.push(kernel);
    }

    /// A kernel of this node with a body, whose result is `output`.
    pub(crate) fn kernel(&self, body: String, groups: [u32; 3], output: View) -> Kernel {
        Kernel {
            label: self.node.name.clone(),
            body: Body::Text(body, groups),
            params: vec![],
            reads: vec![],
            wide: vec![],
            narrow: false,
            acc: output.carrier,
            chain: Chain::plain(&output.shape),
            output,
            more: vec![],
            score: None,
            pattern: Pattern::None,
        }
    }

    /// Whether operands are multiplied as f16: both lie so, and the adapter is better at it.
    pub(crate) fn narrow(&self, a: &View, b: &View) -> bool {
        a.half && b.half && self.builder.limits().half_math
    }

    /// Adds a dispatch of nothing but `chain`.
    pub(crate) fn run_elements(&mut self, chain: Chain, output: View) {
        let label = self.node.name.clone();
        self.run(Kernel::elements(&label, chain, output));
    }

    /// Has `view` written to `target`, a part of another value: by its own dispatch where that is
    /// possible, else by a copy.
    pub(crate) fn place(&mut self, ix: usize, target: View) -> Lowered<()> {
        let outlet = self.outlet(ix)?;
        let operand = self.builder.operand(outlet)?;
        if let Some((at, chain)) = self.builder.growable(&operand, &target.shape)
            && let Some(kernel) = self.builder.kernels.get_mut(at).and_then(Option::take)
        {
            self.run(Kernel { chain, output: target, ..kernel });
        } else {
            self.run_elements(Chain::copy(operand.view), target);
        }
        Ok(())
    }
}
