//! Operators of a few lines that the engine has, but not in every form that ONNX allows.
//!
//! In: nodes. Out: wiring, of the engine's own operator where that is right.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::{comp_gt, comp_lt};
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_hir::internal::*;

use super::either::as_theirs;
use super::lower::{Built, Inputs, lowered, their_whole};
use super::wires::Wires;

/// `Cast` to int64: the engine's makes symbolic dimensions of all integers, on which few operators compute.
pub(super) fn to_integer(ctx: &ParsingContext, node: &NodeProto) -> Built {
    if node.get_attr::<DatumType>("to")? == DatumType::I64 {
        return Ok((expand(ToInteger), vec![]));
    }
    super::theirs(ctx, node)
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ToInteger;

/// What is a symbolic dimension stays one.
fn integer(from: DatumType) -> DatumType {
    if from == TDim::datum_type() { from } else { DatumType::I64 }
}

impl Expansion for ToInteger {
    fn name(&self) -> StaticName {
        "Cast".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        s.equals(&outputs[0].shape, &inputs[0].shape)?;
        s.given(&inputs[0].datum_type, move |s, from| {
            s.equals(&outputs[0].datum_type, integer(from))
        })
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let to = integer(model.outlet_fact(inputs[0])?.datum_type);
        model.wire_node(prefix, tract_onnx::tract_core::ops::cast::cast(to), inputs)
    }
}

/// The engine's own takes a vector for a matrix.
pub(super) fn trilu(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let whole = their_whole(ctx, node)?;
    lowered(node, move |g, inputs| {
        ensure!(g.rank(inputs.need(0)?)? >= 2, "a matrix is needed");
        let y = g.part(&whole, &inputs.present())?;
        Ok(tvec!(y))
    })
}

/// The attributes of a `Gemm`. Of any type: the engine's own factors are float32.
pub(super) struct Gemm {
    alpha: f32,
    beta: f32,
    transposed: [bool; 2],
}

impl Gemm {
    pub(super) fn of(node: &NodeProto) -> TractResult<Self> {
        let factor = |name: &str| Ok(node.get_attr_opt(name)?.unwrap_or(1f32)) as TractResult<f32>;
        let flag = |name: &str| Ok(node.get_attr_opt(name)?.unwrap_or(false)) as TractResult<bool>;
        Ok(Self {
            alpha: factor("alpha")?,
            beta: factor("beta")?,
            transposed: [flag("transA")?, flag("transB")?],
        })
    }

    pub(super) fn wire(&self, g: &mut Wires<'_>, inputs: &Inputs) -> TractResult<OutletId> {
        let [flip_a, flip_b] = self.transposed;
        let y = g.matmul(inputs.need(0)?, inputs.need(1)?, flip_a, flip_b)?;
        let y = g.scaled(y, self.alpha)?;
        match inputs.get(2).filter(|_| self.beta != 0.) {
            Some(c) => {
                let c = g.scaled(c, self.beta)?;
                g.add(y, c)
            }
            None => Ok(y),
        }
    }
}

pub(super) fn gemm(_: &ParsingContext, node: &NodeProto) -> Built {
    let gemm = Gemm::of(node)?;
    lowered(node, move |g, inputs| Ok(tvec!(gemm.wire(g, inputs)?)))
}

/// `Mean` of tensors whose ranks differ.
pub(super) fn mean(_: &ParsingContext, node: &NodeProto) -> Built {
    lowered(node, move |g, inputs| {
        let mut sum = inputs.need(0)?;
        for at in 1..inputs.len() {
            sum = g.add(sum, inputs.need(at)?)?;
        }
        Ok(tvec!(g.scaled(sum, 1. / inputs.len() as f32)?))
    })
}

/// `Squeeze` without axes: all that are of one element.
pub(super) fn squeeze(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let axes: Option<Vec<i64>> = node.get_attr_opt_vec("axes")?;
    if axes.is_some() || node.input.get(1).is_some_and(|n| !n.is_empty()) {
        return super::squeeze::build(ctx, node);
    }
    lowered(node, |g, inputs| {
        let mut x = inputs.need(0)?;
        let shape = g.shape(x)?;
        ensure!(shape.iter().all(|d| d.to_usize().is_ok()), "it depends on data which axes go");
        for axis in (0..shape.len()).rev() {
            if shape[axis].is_one() {
                x = g.remove_axis(x, axis)?;
            }
        }
        Ok(tvec!(x))
    })
}

/// `STFT` of a real signal that has no axis for the parts of its numbers.
pub(super) fn stft(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let plain = their_whole(ctx, node)?;
    lowered(node, move |g, inputs| {
        let mut given = inputs.present();
        let signal = given.first_mut().context("no signal")?;
        if g.rank(*signal)? == 2 {
            *signal = g.add_axis(*signal, 2)?;
        }
        Ok(tvec!(g.part(&plain, &given)?))
    })
}

/// `TopK` as it was before operator set 10, with `k` as an attribute.
pub(super) fn top_k(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let Some(k) = node.get_attr_opt::<i64>("k")? else { return super::theirs(ctx, node) };
    let plain = their_whole(ctx, node)?;
    lowered(node, move |g, inputs| {
        let k = g.constant(tensor1(&[k]))?;
        g.parts(&plain, &[inputs.need(0)?, k])
    })
}

/// `BatchNormalization` by parameters that are computed: a layer normalisation in disguise.
pub(super) fn batch_norm(node: &NodeProto) -> Built {
    let epsilon = node.get_attr_opt("epsilon")?.unwrap_or(1e-5f32);
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let rank = g.rank(x)?;
        let along = |g: &mut Wires<'_>, at: usize| -> TractResult<OutletId> {
            let mut y = inputs.need(at)?;
            y = g.cast(y, g.dtype(x)?)?;
            if rank > 1 {
                y = g.add_axis(y, 0)?;
            }
            for axis in 2..rank {
                y = g.add_axis(y, axis)?;
            }
            Ok(y)
        };
        let (scale, bias, mean, variance) =
            (along(g, 1)?, along(g, 2)?, along(g, 3)?, along(g, 4)?);
        let epsilon = g.like(x, epsilon)?;
        let variance = g.add(variance, epsilon)?;
        let factor = g.op(math::rsqrt(), &[variance])?;
        let factor = g.mul(factor, scale)?;
        let centred = g.sub(x, mean)?;
        let y = g.mul(centred, factor)?;
        Ok(tvec!(g.add(y, bias)?))
    })
}

/// `Shrink` of float16: its bounds are float32.
pub(super) fn shrink(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let lambd = node.get_attr_opt("lambd")?.unwrap_or(0.5f32);
    let bias = node.get_attr_opt("bias")?.unwrap_or(0f32);
    let ours = lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        let dt = g.dtype(x)?;
        let x = g.f32(x)?;
        let (high, low, bias, zero) =
            (g.scalar(lambd)?, g.scalar(-lambd)?, g.scalar(bias)?, g.scalar(0.0)?);
        let above = g.binary(TypedBinOp(comp_gt(), None), x, high)?;
        let below = g.binary(TypedBinOp(comp_lt(), None), x, low)?;
        let (less, more) = (g.sub(x, bias)?, g.add(x, bias)?);
        let y = g.select(below, more, zero)?;
        let y = g.select(above, less, y)?;
        Ok(tvec!(g.cast(y, dt)?))
    })?;
    as_theirs(super::theirs(ctx, node)?, ours, |inputs| {
        inputs.first().is_none_or(|x| matches!(x.datum_type, DatumType::F32 | DatumType::F64))
    })
}
