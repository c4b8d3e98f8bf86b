//! A broadcast before a product, as an operator that stays where it is.
//!
//! In: a graph with the engine's `MultiBroadcastTo`. Out: the same with [`Repeat`] in the place of those that the
//! engine's optimiser would take away though the product needs them: where the broadcast makes new axes, where
//! the product has an axis from it alone, where it sums up along one, and where it is put together with others first. It
//! takes each broadcast before a product for one that the product does by itself, and then gives up with an error, or sums
//! up too little. What else it finds to be a broadcast and takes away, as a `Tile` or a `Where`, is put back.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{MultiBroadcastTo, TypedConcat};
use tract_onnx::tract_core::ops::einsum::EinSum;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Repeat(MultiBroadcastTo);

impl Op for Repeat {
    fn name(&self) -> StaticName {
        "Repeat".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Repeat {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        self.0.eval(ctx, inputs)
    }
}

impl TypedOp for Repeat {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.0.output_facts(inputs)
    }

    as_op!();
}

/// Whether a product sums up along an axis.
fn is_summed(axis: &Axis) -> bool {
    axis.outputs.iter().all(|places| places.is_empty())
}

/// Puts broadcasts back along axes that a product sums up.
pub(super) fn restore(model: &mut TypedModel) -> TractResult<()> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let Some(op) = node.op_as::<EinSum>() else { continue };
        let sides = node.inputs.len().min(2);
        let mut shapes = (0..sides)
            .map(|slot| Ok(model.outlet_fact(node.inputs[slot])?.shape.to_tvec()))
            .collect::<TractResult<Vec<_>>>()?;
        let mut longer = vec![false; sides];
        for axis in op.axes.iter_all_axes().filter(|axis| is_summed(axis)) {
            let places =
                (0..sides).flat_map(|slot| axis.inputs[slot].iter().map(move |at| (slot, *at)));
            let places: TVec<(usize, usize)> = places.collect();
            let length = places.iter().map(|(slot, at)| shapes[*slot][*at].clone());
            let Some(length) = length.into_iter().find(|length| !length.is_one()) else { continue };
            for (slot, at) in places {
                if shapes[slot][at].is_one() {
                    shapes[slot][at] = length.clone();
                    longer[slot] = true;
                }
            }
        }
        if !longer.contains(&true) {
            continue;
        }
        let mut patch = TypedModelPatch::default();
        let mut inputs = patch.taps(model, &node.inputs)?;
        for (slot, shape) in shapes.into_iter().enumerate().filter(|(slot, _)| longer[*slot]) {
            let repeat = Repeat(MultiBroadcastTo::new(ShapeFact::from_dims(shape)));
            let name = format!("{}.repeated.{slot}", node.name);
            inputs[slot] = patch.wire_node(name, repeat, &[inputs[slot]])?[0];
        }
        let outputs = patch.wire_node(&node.name, node.op.clone(), &inputs)?;
        patch.shunt_outside(model, id.into(), outputs[0])?;
        patch.apply(model)?;
    }
    Ok(())
}

/// Whether what is made at `outlet`, with `axes` that a broadcast made longer, reaches a product that has one of
/// them from nowhere else. The optimiser moves a broadcast behind changes of axes that keep those apart.
fn is_needed(model: &TypedModel, outlet: OutletId, axes: &[usize]) -> bool {
    model.node(outlet.node).outputs[outlet.slot].successors.iter().any(|reader| {
        let node = model.node(reader.node);
        if let Some(op) = node.op_as::<AxisOp>() {
            let moved: Option<Vec<usize>> = axes.iter().map(|a| op.transform_axis(*a)).collect();
            return moved.is_some_and(|m| is_needed(model, OutletId::new(reader.node, 0), &m));
        }
        // Of a product of what is put together the optimiser makes products of the parts.
        if node.op_is::<TypedConcat>() {
            return true;
        }
        let Some(op) = node.op_as::<EinSum>() else { return false };
        axes.iter().any(|at| {
            let Ok(axis) = op.axes.axis((InOut::In(reader.slot), *at)) else { return true };
            if is_summed(axis) {
                return true;
            }
            let size = |slot: usize, at: usize| {
                model.outlet_fact(node.inputs[slot]).ok().map(|fact| fact.shape[at].clone())
            };
            let whole = size(reader.slot, *at);
            let others = axis.inputs.iter().enumerate().filter(|(slot, _)| *slot != reader.slot);
            let mut sizes =
                others.flat_map(|(slot, ats)| ats.iter().map(move |at| size(slot, *at)));
            !sizes.any(|other| other == whole)
        })
    })
}

/// Gives the engine its own operator back, once no optimiser comes any more.
#[cfg(feature = "gpu")]
pub(crate) fn release_broadcasts(model: &mut TypedModel) -> TractResult<()> {
    for node in &mut model.nodes {
        if let Some(Repeat(op)) = node.op_as::<Repeat>().cloned() {
            node.op = Box::new(op);
        }
    }
    Ok(())
}

pub(super) fn keep_broadcasts(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let Some(op) = node.op_as::<MultiBroadcastTo>() else { continue };
        let input = &model.outlet_fact(node.inputs[0])?.shape;
        let new = op.shape.rank().saturating_sub(input.rank());
        let longer = (new..op.shape.rank()).filter(|at| input[at - new] != op.shape[*at]);
        let axes: Vec<usize> = (0..new).chain(longer).collect();
        let to_product = |reader: &InletId| model.node(reader.node).op_is::<EinSum>();
        let raised = new > 0 && node.outputs[0].successors.iter().any(to_product);
        if raised || is_needed(&model, id.into(), &axes) {
            let op = Repeat(op.clone());
            let patch = TypedModelPatch::replace_single_op(&model, node, &node.inputs, op)?;
            patch.apply(&mut model)?;
        }
    }
    Ok(model)
}
