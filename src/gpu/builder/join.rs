//! Element-wise nodes: which dispatches they join.
//!
//! In: an expression over operands. Out: one dispatch that computes it, with as many of those that make its
//! operands as can be joined with it.

use tract_onnx::prelude::*;

use super::{Builder, Cx, Lowered, Operand, because};
use crate::gpu::chain::{Arg, Chain};
use crate::gpu::kernel::{Body, Kernel, MAX_STORAGE_BINDINGS, Param};
use crate::gpu::value::Carrier;

/// What an element-wise expression reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum In {
    /// An input of the node.
    Node(usize),
    /// A number.
    Number(Param),
}

impl Builder<'_> {
    /// The dispatch that makes `operand`, if its chain may grow over `shape`.
    pub(super) fn growable(&self, operand: &Operand, shape: &[usize]) -> Option<(usize, Chain)> {
        if !operand.exclusive
            || !operand.view.is_dense()
            || operand.view.len() != shape.iter().product::<usize>()
        {
            return None;
        }
        let at = self.maker(&operand.view)?;
        Some((at, self.kernel(at)?.chain.reshaped(shape)?))
    }
}

impl Cx<'_, '_> {
    /// The whole of an element-wise node: `text` over `inputs`, broadcast, as output 0.
    pub(crate) fn elementwise(&mut self, text: &str, inputs: &[In]) -> Lowered<()> {
        let (datum, shape) = self.output_fact(0)?;
        let Some(carrier) = Carrier::of(datum) else {
            return because(format!("the element type {datum:?} has no kernels"));
        };
        let mut operands = vec![];
        for input in inputs {
            operands.push(match input {
                In::Number(number) => Err(*number),
                In::Node(ix) => self.scalar_or_operand(*ix, &shape)?,
            });
        }
        let output = self.output(0)?;
        // With all that can be joined, then with less, until the bindings suffice.
        for joined in [usize::MAX, 1, 0] {
            if let Some((kernel, taken)) = self.join(text, &operands, &shape, carrier, joined) {
                for at in taken {
                    if let Some(slot) = self.builder.kernels.get_mut(at) {
                        *slot = None;
                    }
                }
                let mut kernel = kernel;
                wrap(&mut kernel.chain, datum);
                kernel.output = output;
                self.run(kernel);
                return Ok(());
            }
        }
        because("more operands than the adapter binds")
    }

    /// A constant of one element is a parameter; the rest is seen over the output's shape.
    fn scalar_or_operand(&mut self, ix: usize, shape: &[usize]) -> Lowered<Result<Operand, Param>> {
        if let Some(konst) = self.konst(ix)
            && konst.len() == 1
            && let Some(number) = crate::gpu::transfer::scalar(&konst)
        {
            return Ok(Err(number));
        }
        let outlet = self.outlet(ix)?;
        let operand = self.builder.operand(outlet)?;
        match operand.view.broadcast(shape) {
            Some(view) => Ok(Ok(Operand { view, ..operand })),
            None => because("operands that do not broadcast"),
        }
    }

    /// The kernel that computes `text`, joined with at most `limit` of those that make its operands,
    /// and which those are; `None` when it would bind too much.
    fn join(
        &self,
        text: &str,
        operands: &[Result<Operand, Param>],
        shape: &[usize],
        carrier: Carrier,
        limit: usize,
    ) -> Option<(Kernel, Vec<usize>)> {
        let growable: Vec<Option<(usize, Chain)>> = operands
            .iter()
            .map(|o| o.as_ref().ok().and_then(|o| self.builder.growable(o, shape)))
            .collect();
        let body =
            |at: usize| self.builder.kernels.get(at).and_then(Option::as_ref).map(|k| &k.body);
        let is_text = |g: &Option<(usize, Chain)>| {
            g.as_ref().is_some_and(|(at, _)| matches!(body(*at), Some(Body::Text(..))))
        };
        let host =
            growable.iter().position(is_text).or_else(|| growable.iter().position(Option::is_some));
        let host = host.filter(|_| limit > 0);
        let mut taken = vec![];
        let mut kernel = match host.and_then(|h| growable[h].clone()) {
            Some((at, chain)) => {
                taken.push(at);
                let label =
                    format!("{} {}", self.builder.kernels[at].as_ref()?.label, self.node.name);
                Kernel { chain, label, ..self.builder.kernels[at].clone()? }
            }
            None => {
                let first = operands.iter().find_map(|o| o.as_ref().ok())?;
                Kernel::elements(&self.node.name, Chain::plain(shape), first.view.clone())
            }
        };
        let mut args = vec![];
        for (ix, operand) in operands.iter().enumerate() {
            let arg = match (operand, &growable[ix]) {
                (Err(number), _) => kernel.chain.number(*number),
                (Ok(_), Some(_)) if host == Some(ix) => kernel.chain.result,
                (Ok(_), Some((at, other))) if taken.len() < limit && !is_text(&growable[ix]) => {
                    taken.push(*at);
                    kernel.chain.inline(other)
                }
                (Ok(operand), _) => kernel.chain.load(operand.view.clone()),
            };
            args.push(arg);
        }
        kernel.chain.push(text, args, carrier);
        (kernel.bindings() <= MAX_STORAGE_BINDINGS).then_some((kernel, taken))
    }
}

/// Narrow integers overflow as their type does, not as the carrier does.
fn wrap(chain: &mut Chain, datum: DatumType) {
    let last: Arg = chain.result;
    match datum {
        DatumType::U8 => chain.push("$0 & U(255u)", vec![last], Carrier::U32),
        DatumType::U16 => chain.push("$0 & U(65535u)", vec![last], Carrier::U32),
        DatumType::I8 => chain.push("($0 << U(24u)) >> U(24u)", vec![last], Carrier::I32),
        DatumType::I16 => chain.push("($0 << U(16u)) >> U(16u)", vec![last], Carrier::I32),
        _ => last,
    };
}
