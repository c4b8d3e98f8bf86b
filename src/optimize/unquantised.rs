//! Products and convolutions of 8-bit integers become products of plain numbers.
//!
//! In: the engine's quantised products and convolutions that give int32. Out: the same numbers, by operators that the
//! GPU has: zero points are subtracted beforehand, and the sums are of float32 where the constant weights show that
//! none leaves the range in which float32 holds every integer, else (products only) of int32.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::cast::{Cast, cast};
use tract_onnx::tract_core::ops::change_axes::wire_with_rank_broadcast;
#[cfg(feature = "gpu")]
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math;

use super::constant;
use crate::scalar::Scalar as _;

/// Every integer up to here is a float32.
const EXACT: i64 = 1 << 24;
/// Most that an 8-bit number can differ from its zero point.
const WIDEST: i64 = 255;

/// Products of which neither side is constant, where no sum leaves that range: for the CPU, whose kernels for the others
/// are better, and for these are of float32.
pub(super) fn unquantised_products(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let Some(op) = node.op_as::<EinSum>() else { continue };
        let mut computed = op.q_params.is_some() && node.inputs.len() > 1;
        for input in node.inputs.iter().take(2) {
            computed = computed && constant(&model, *input)?.is_none();
        }
        if computed
            && summed(&model, node, op)?.is_some_and(|k| k <= EXACT / (WIDEST * WIDEST))
            && let Some(patch) = product(&model, node, op)?
        {
            patch.apply(&mut model)?;
        }
    }
    Ok(model)
}

/// How many products are in a sum, where that is known.
fn summed(model: &TypedModel, node: &TypedNode, op: &EinSum) -> TractResult<Option<i64>> {
    let facts = model.node_input_facts(node.id)?;
    let mut k = 1i64;
    for axis in op.axes.iter_all_axes().filter(|axis| axis.outputs[0].is_empty()) {
        let Some(at) = axis.inputs[0].first() else { continue };
        rule_if_some!(shape = facts[0].shape.as_concrete());
        k = k.saturating_mul(shape.get(*at).map_or(i64::MAX, |n| *n as i64));
    }
    Ok(Some(k))
}

#[cfg(feature = "gpu")]
pub(super) fn unquantised(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let patch = if let Some(op) = node.op_as::<EinSum>() {
            product(&model, node, op)?
        } else if let Some(op) = node.op_as::<Conv>() {
            convolution(&model, node, op)?
        } else {
            None
        };
        if let Some(patch) = patch {
            patch.apply(&mut model)?;
        }
    }
    Ok(model)
}

/// Whether a node takes 8-bit integers and their parameters, and gives int32.
fn is_quantised(model: &TypedModel, node: &TypedNode, q: Option<DatumType>) -> TractResult<bool> {
    let facts = model.node_input_facts(node.id)?;
    Ok(q == Some(DatumType::I32)
        && facts.len() == 9
        && facts[..2].iter().all(|f| matches!(f.datum_type, DatumType::U8 | DatumType::I8)))
}

/// `x - zero` in `dtype`.
fn centred(
    patch: &mut TypedModelPatch,
    name: &str,
    x: OutletId,
    zero: OutletId,
    dtype: DatumType,
) -> TractResult<OutletId> {
    let x = patch.wire_node(format!("{name}.wide"), cast(dtype), &[x])?[0];
    let zero = patch.wire_node(format!("{name}.zero"), cast(dtype), &[zero])?[0];
    let name = format!("{name}.centred");
    Ok(wire_with_rank_broadcast(name, patch, math::sub(), &[x, zero])?[0])
}

/// The greatest magnitude that a sum can have in which constant weights meet 8-bit numbers: axes that are `kept` tell
/// the sums apart, the others are summed over; several zero points run along `along`.
fn bound(weights: &Tensor, zero: &Tensor, kept: &[bool], along: usize) -> TractResult<i64> {
    let zeros = zero.cast_to::<i32>()?;
    let zeros = zeros.try_as_plain_ram()?;
    let zeros = zeros.as_slice::<i32>()?;
    let wide = weights.cast_to::<i32>()?;
    let wide = wide.try_as_plain_ram()?;
    let sizes = weights.shape().iter().zip(kept);
    let lines: usize = sizes.map(|(size, kept)| if *kept { *size } else { 1 }).product();
    let mut sums = vec![0i64; lines];
    for (at, weight) in wide.as_slice::<i32>()?.iter().enumerate() {
        let (mut rest, mut line, mut own) = (at, 0, 0);
        for (axis, size) in weights.shape().iter().enumerate().rev() {
            let here = rest % size;
            rest /= size;
            if kept[axis] {
                line = line * size + here;
            }
            if axis == along {
                own = here;
            }
        }
        let zero = if zeros.len() > 1 { zeros.get(own) } else { zeros.first() };
        let far = i64::from(*weight) - i64::from(zero.copied().unwrap_or(0));
        sums[line] += far.abs() * WIDEST;
    }
    Ok(sums.into_iter().max().unwrap_or(0))
}

fn product(
    model: &TypedModel,
    node: &TypedNode,
    op: &EinSum,
) -> TractResult<Option<TypedModelPatch>> {
    rule_if!(is_quantised(model, node, op.q_params)?);
    let bias = constant(model, node.inputs[2])?;
    rule_if!(bias.is_some_and(|b| b.len() == 1 && b.number::<i32>().is_ok_and(|b| b == 0)));
    let facts = model.node_input_facts(node.id)?;
    let (a_rank, b_rank) = (facts[0].rank(), facts[1].rank());
    // Zero points run along the rows of the one and the columns of the other, if along anything.
    let aligned = |io: usize, rank: usize| -> TractResult<Option<usize>> {
        if facts[io].rank() == 0 || facts[io].shape.volume().is_one() {
            return Ok(None);
        }
        let axis = op.axes.axis((InOut::In(io), 0))?;
        let at = axis.inputs[usize::from(io == 5)].first().copied();
        Ok(at.filter(|at| *at < rank))
    };
    let places = [aligned(3, a_rank)?, aligned(5, b_rank)?];
    for (io, place) in [(3, places[0]), (5, places[1])] {
        rule_if!(place.is_some() || facts[io].shape.volume().is_one());
    }
    let mut exact = DatumType::I32;
    if let (Some(w), Some(zero)) =
        (constant(model, node.inputs[1])?, constant(model, node.inputs[5])?)
    {
        let kept = |axis| op.axes.axis((InOut::In(1), axis)).map(|a| !a.outputs[0].is_empty());
        let kept = (0..b_rank).map(kept).collect::<TractResult<Vec<_>>>()?;
        if bound(&w, &zero, &kept, places[1].unwrap_or(0))? < EXACT {
            exact = DatumType::F32;
        }
    } else if summed(model, node, op)?.is_some_and(|k| k <= EXACT / (WIDEST * WIDEST)) {
        exact = DatumType::F32;
    }
    let mut patch = TypedModelPatch::default();
    let taps = patch.taps(model, &node.inputs)?;
    let mut sides = tvec!();
    for (side, (x, zero)) in [(taps[0], taps[3]), (taps[1], taps[5])].into_iter().enumerate() {
        let name = format!("{}.{}", node.name, ["a", "b"][side]);
        let rank = [a_rank, b_rank][side];
        let zero = spread(&mut patch, &name, zero, places[side], rank)?;
        sides.push(centred(&mut patch, &name, x, zero, exact)?);
    }
    let axes = op.axes.iter_all_axes().filter_map(|axis| {
        let mut axis = axis.clone();
        axis.inputs.truncate(2);
        let used = axis.inputs.iter().chain(&axis.outputs).any(|at| !at.is_empty());
        used.then_some(axis)
    });
    let axes = AxesMapping::new(2, 1, axes.collect::<TVec<_>>())?;
    let y = patch.wire_node(&node.name, EinSum::new(axes, exact), &sides)?[0];
    // What makes floats of the sums at once has them.
    let next = model.single_succ(node.id)?.filter(|next| {
        let floats = next.op_as::<Cast>().is_some_and(|cast| cast.to == DatumType::F32);
        floats && exact == DatumType::F32 && !model.outputs.contains(&node.id.into())
    });
    if let Some(next) = next {
        patch.shunt_outside(model, next.id.into(), y)?;
        return Ok(Some(patch));
    }
    let y = patch.wire_node(format!("{}.whole", node.name), cast(DatumType::I32), &[y])?[0];
    patch.shunt_outside(model, node.id.into(), y)?;
    Ok(Some(patch))
}

/// A parameter that broadcasts over a tensor of `rank` axes, along the one at `place`.
fn spread(
    patch: &mut TypedModelPatch,
    name: &str,
    mut x: OutletId,
    place: Option<usize>,
    rank: usize,
) -> TractResult<OutletId> {
    let Some(place) = place else {
        let shape = patch.outlet_fact(x)?.shape.to_tvec();
        if !shape.is_empty() {
            let flat = AxisOp::Reshape(0, shape, tvec!());
            x = patch.wire_node(format!("{name}.flat"), flat, &[x])?[0];
        }
        return Ok(x);
    };
    for at in place + 1..rank {
        x = patch.wire_node(format!("{name}.after.{at}"), AxisOp::Add(1), &[x])?[0];
    }
    for at in 0..place {
        x = patch.wire_node(format!("{name}.before.{at}"), AxisOp::Add(0), &[x])?[0];
    }
    Ok(x)
}

#[cfg(feature = "gpu")]
fn convolution(
    model: &TypedModel,
    node: &TypedNode,
    op: &Conv,
) -> TractResult<Option<TypedModelPatch>> {
    rule_if!(is_quantised(model, node, op.q_params)? && op.kernel_fmt == KernelFormat::OIHW);
    let facts = model.node_input_facts(node.id)?;
    rule_if!(facts[3].shape.volume().is_one() && facts[2].datum_type == DatumType::I32);
    rule_if_some!(weights = constant(model, node.inputs[1])?);
    rule_if_some!(zero = constant(model, node.inputs[5])?);
    rule_if_some!(bias = constant(model, node.inputs[2])?);
    let channels = weights.shape()[0];
    rule_if!(zero.len() == 1 || zero.len() == channels);
    rule_if!(bias.len() == 1 || bias.len() == channels);
    let kept: Vec<bool> = (0..weights.rank()).map(|axis| axis == 0).collect();
    rule_if!(bound(&weights, &zero, &kept, 0)? < EXACT);
    let mut patch = TypedModelPatch::default();
    let taps = patch.taps(model, &node.inputs)?;
    let name = &node.name;
    let single = DatumType::F32;
    let x_zero = spread(&mut patch, &format!("{name}.x"), taps[3], None, 0)?;
    let x = centred(&mut patch, &format!("{name}.x"), taps[0], x_zero, single)?;
    let place = (zero.len() > 1).then_some(0);
    let zero = patch.add_const(format!("{name}.w.zeros"), zero)?;
    let w_zero = spread(&mut patch, &format!("{name}.w"), zero, place, weights.rank())?;
    let w = centred(&mut patch, &format!("{name}.w"), taps[1], w_zero, single)?;
    let none = patch.add_const(format!("{name}.no_bias"), tensor0(0f32))?;
    let plain = Conv { q_params: None, ..op.clone() };
    let mut y = patch.wire_node(name, plain, &[x, w, none])?[0];
    y = patch.wire_node(format!("{name}.whole"), cast(DatumType::I32), &[y])?[0];
    let rank = patch.outlet_fact(y)?.rank();
    let c_axis = rank - op.pool_spec.rank() - 1;
    let c_axis = if op.pool_spec.data_format.c_is_last() { rank - 1 } else { c_axis };
    let place = (bias.len() > 1).then_some(c_axis);
    let bias = patch.add_const(format!("{name}.biases"), bias)?;
    let bias = spread(&mut patch, &format!("{name}.bias"), bias, place, rank)?;
    let biased = format!("{name}.biased");
    let y = wire_with_rank_broadcast(biased, &mut patch, math::add(), &[y, bias])?[0];
    patch.shunt_outside(model, node.id.into(), y)?;
    Ok(Some(patch))
}
