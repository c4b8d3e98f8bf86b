//! What most of our operators are made of: a function that wires an operator's node out of engine
//! operators that exist already.
//!
//! In: a node of the file and a closure over its attributes. Out: an operator for the importer. Its
//! output shapes are those that wiring gives on a scratch graph, so no operator states its shape
//! rules a second time; that is why wiring must be cheap and must need no constant for a shape.

use std::sync::Arc;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::TypedConcat;
use tract_onnx::tract_core::ops::cast;
use tract_onnx::tract_core::ops::change_axes::wire_with_rank_broadcast;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};
use tract_onnx::tract_core::ops::{binary::TypedBinOp, math};
use tract_onnx::tract_hir::internal::*;

use super::quotient::Quotient;

/// What a builder of the operator table gives.
pub(super) type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

/// An operator's inputs by ONNX position; one left out is `None`.
pub(super) struct Inputs(Vec<Option<OutletId>>);

impl Inputs {
    /// An input that the operator cannot do without.
    pub(super) fn need(&self, at: usize) -> TractResult<OutletId> {
        self.get(at).with_context(|| format!("input {at} is missing"))
    }

    pub(super) fn get(&self, at: usize) -> Option<OutletId> {
        self.0.get(at).copied().flatten()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

type Wire = dyn Fn(&mut Wires<'_>, &Inputs) -> TractResult<TVec<OutletId>> + Send + Sync;

#[derive(Clone)]
struct Lowered {
    name: Arc<str>,
    /// For each ONNX input position, the engine's (which leaves absent ones out).
    positions: Arc<[Option<usize>]>,
    /// Which of the outputs that wiring gives the node names.
    outputs: Arc<[usize]>,
    wire: Arc<Wire>,
}

/// The operator that `wire` wires. It must give at least as many outputs as the node names.
pub(super) fn lowered(
    node: &NodeProto,
    wire: impl Fn(&mut Wires<'_>, &Inputs) -> TractResult<TVec<OutletId>> + Send + Sync + 'static,
) -> Built {
    let mut next = 0;
    let positions = node.input.iter().map(|name| {
        let present = !name.is_empty();
        next += usize::from(present);
        present.then(|| next - 1)
    });
    let named = node.output.iter().enumerate().filter(|(_, name)| !name.is_empty());
    let op = Lowered {
        // Ours of other domains are registered as `domain.Type`.
        name: node.op_type.rsplit('.').next().unwrap_or_default().into(),
        positions: positions.collect(),
        outputs: named.map(|(at, _)| at).collect(),
        wire: Arc::new(wire),
    };
    Ok((Box::new(op), vec![]))
}

impl std::fmt::Debug for Lowered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Lowered {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.wire, &other.wire)
    }
}
impl Eq for Lowered {}

impl Lowered {
    fn wire_into(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let inputs = self.positions.iter().map(|p| p.and_then(|p| inputs.get(p).copied()));
        let mut wires = Wires { model, prefix, count: 0 };
        let outputs = (self.wire)(&mut wires, &Inputs(inputs.collect()))
            .with_context(|| format!("wiring {} `{prefix}`", self.name))?;
        self.outputs
            .iter()
            .map(|at| outputs.get(*at).copied().with_context(|| format!("no output {at}")))
            .collect()
    }

    fn scratch(
        &self,
        facts: impl Iterator<Item = TractResult<TypedFact>>,
    ) -> TractResult<TypedModel> {
        let mut model = TypedModel::default();
        let mut inputs: TVec<OutletId> = tvec!();
        for (at, fact) in facts.enumerate() {
            let fact = fact?;
            inputs.push(match &fact.konst {
                Some(value) => model.add_const(format!("input.{at}"), Arc::clone(value))?,
                None => model.add_source(format!("input.{at}"), fact)?,
            });
        }
        let outputs = self.wire_into("scratch", &mut model, &inputs)?;
        model.select_output_outlets(&outputs)?;
        Ok(model)
    }
}

impl Op for Lowered {
    fn name(&self) -> StaticName {
        self.name.to_string().into()
    }

    not_a_typed_op!();
}

impl EvalOp for Lowered {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let facts = inputs.iter().map(|i| TypedFact::try_from(i.clone().into_arc_tensor()));
        self.scratch(facts)?.into_runnable()?.run(tvec!())
    }
}

impl InferenceOp for Lowered {
    fn infer_facts(
        &mut self,
        inputs: TVec<&InferenceFact>,
        outputs: TVec<&InferenceFact>,
        observed: TVec<&InferenceFact>,
    ) -> TractResult<(TVec<InferenceFact>, TVec<InferenceFact>, TVec<InferenceFact>)> {
        let mut outputs: TVec<InferenceFact> = outputs.into_iter().cloned().collect();
        let known = |f: &&InferenceFact| f.datum_type.is_concrete() && f.shape.is_concrete();
        let settled = outputs.iter().all(|o| known(&o));
        if !settled && inputs.iter().all(known) {
            let model = self.scratch(inputs.iter().map(|f| TypedFact::try_from(*f)))?;
            for (fact, outlet) in outputs.iter_mut().zip(model.output_outlets()?) {
                let wired = model.outlet_fact(*outlet)?;
                fact.unify_with(&InferenceFact::dt_shape(wired.datum_type, wired.shape.iter()))?;
            }
        }
        let inputs = inputs.into_iter().cloned().collect();
        Ok((inputs, outputs, observed.into_iter().cloned().collect()))
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.outputs.len())
    }

    fn to_typed(
        &self,
        _source: &InferenceModel,
        node: &InferenceNode,
        target: &mut TypedModel,
        mapping: &HashMap<OutletId, OutletId>,
    ) -> TractResult<TVec<OutletId>> {
        let inputs: TVec<OutletId> = node.inputs.iter().map(|i| mapping[i]).collect();
        self.wire_into(&node.name, target, &inputs)
    }

    as_op!();
}

/// Another ONNX operator, as part of one of ours.
pub(super) struct Part(Box<dyn InferenceOp>);

/// The importer's `op_type` with the attributes of `node`, of which it sees `inputs` inputs.
pub(super) fn part(
    ctx: &ParsingContext,
    node: &NodeProto,
    op_type: &str,
    inputs: usize,
) -> TractResult<Part> {
    let build = ctx.framework.op_register.0.get(op_type).context("no such operator")?;
    let node = NodeProto {
        op_type: op_type.to_owned(),
        input: (0..inputs).map(|i| i.to_string()).collect(),
        output: vec!["y".to_owned()],
        ..node.clone()
    };
    Ok(Part(build(ctx, &node)?.0))
}

/// A graph under construction, below one node's name.
pub(super) struct Wires<'a> {
    model: &'a mut TypedModel,
    prefix: &'a str,
    count: usize,
}

impl Wires<'_> {
    fn name(&mut self) -> String {
        self.count += 1;
        format!("{}.{}", self.prefix, self.count)
    }

    pub(super) fn fact(&self, x: OutletId) -> TractResult<&TypedFact> {
        self.model.outlet_fact(x)
    }

    pub(super) fn shape(&self, x: OutletId) -> TractResult<TVec<TDim>> {
        Ok(self.fact(x)?.shape.to_tvec())
    }

    pub(super) fn rank(&self, x: OutletId) -> TractResult<usize> {
        Ok(self.fact(x)?.rank())
    }

    pub(super) fn dtype(&self, x: OutletId) -> TractResult<DatumType> {
        Ok(self.fact(x)?.datum_type)
    }

    /// An axis as ONNX gives it, negative from the end.
    pub(super) fn axis(&self, x: OutletId, axis: i64) -> TractResult<usize> {
        let rank = self.rank(x)?;
        let at = if axis < 0 { axis + rank as i64 } else { axis };
        let at = usize::try_from(at).ok().filter(|at| *at < rank);
        at.with_context(|| format!("axis {axis} is not one of {rank}"))
    }

    pub(super) fn op(
        &mut self,
        op: impl Into<Box<dyn TypedOp>>,
        inputs: &[OutletId],
    ) -> TractResult<OutletId> {
        let name = self.name();
        Ok(self.model.wire_node(name, op, inputs)?[0])
    }

    pub(super) fn part(&mut self, part: &Part, inputs: &[OutletId]) -> TractResult<OutletId> {
        let name = self.name();
        let expansion = part.0.as_op().downcast_ref::<Box<dyn Expansion>>();
        Ok(expansion.context("not an expansion")?.wire(&name, self.model, inputs)?[0])
    }

    pub(super) fn constant(&mut self, value: impl IntoArcTensor) -> TractResult<OutletId> {
        let name = self.name();
        self.model.add_const(name, value)
    }

    pub(super) fn scalar(&mut self, value: f32) -> TractResult<OutletId> {
        self.constant(tensor0(value))
    }

    pub(super) fn cast(&mut self, x: OutletId, to: DatumType) -> TractResult<OutletId> {
        if self.dtype(x)? == to { Ok(x) } else { self.op(cast::cast(to), &[x]) }
    }

    pub(super) fn f32(&mut self, x: OutletId) -> TractResult<OutletId> {
        self.cast(x, DatumType::F32)
    }

    /// A binary operator with NumPy's broadcasting.
    pub(super) fn binary(
        &mut self,
        op: TypedBinOp,
        a: OutletId,
        b: OutletId,
    ) -> TractResult<OutletId> {
        let name = self.name();
        Ok(wire_with_rank_broadcast(name, self.model, op, &[a, b])?[0])
    }

    pub(super) fn add(&mut self, a: OutletId, b: OutletId) -> TractResult<OutletId> {
        self.binary(math::add(), a, b)
    }

    pub(super) fn sub(&mut self, a: OutletId, b: OutletId) -> TractResult<OutletId> {
        self.binary(math::sub(), a, b)
    }

    pub(super) fn mul(&mut self, a: OutletId, b: OutletId) -> TractResult<OutletId> {
        self.binary(math::mul(), a, b)
    }

    /// A float32 quotient to the last bit.
    pub(super) fn div(&mut self, mut a: OutletId, mut b: OutletId) -> TractResult<OutletId> {
        let rank = self.rank(a)?.max(self.rank(b)?);
        for side in [&mut a, &mut b] {
            while self.rank(*side)? < rank {
                *side = self.add_axis(*side, 0)?;
            }
        }
        self.op(Quotient, &[a, b])
    }

    /// Times a constant; nothing for 1.
    pub(super) fn scaled(&mut self, x: OutletId, by: f32) -> TractResult<OutletId> {
        if by == 1.0 {
            return Ok(x);
        }
        let by = self.like(x, by)?;
        self.mul(x, by)
    }

    /// A constant of `x`'s type.
    pub(super) fn like(&mut self, x: OutletId, value: f32) -> TractResult<OutletId> {
        let value = tensor0(value).cast_to_dt(self.dtype(x)?)?.into_owned();
        self.constant(value)
    }

    /// At least `low` and at most `high`.
    pub(super) fn clip(
        &mut self,
        mut x: OutletId,
        low: Option<f32>,
        high: Option<f32>,
    ) -> TractResult<OutletId> {
        for (end, op) in [(low, math::max()), (high, math::min())] {
            if let Some(end) = end {
                let end = self.like(x, end)?;
                x = self.binary(op, x, end)?;
            }
        }
        Ok(x)
    }

    pub(super) fn reduce(
        &mut self,
        x: OutletId,
        reducer: Reducer,
        axes: &[usize],
    ) -> TractResult<OutletId> {
        self.op(Reduce::new(axes.into(), reducer), &[x])
    }

    pub(super) fn concat(&mut self, axis: usize, parts: &[OutletId]) -> TractResult<OutletId> {
        self.op(TypedConcat::new(axis), parts)
    }

    pub(super) fn slice(
        &mut self,
        x: OutletId,
        axis: usize,
        start: TDim,
        end: TDim,
    ) -> TractResult<OutletId> {
        self.op(tract_onnx::tract_core::ops::array::Slice::new(axis, start, end), &[x])
    }

    pub(super) fn move_axis(
        &mut self,
        x: OutletId,
        from: usize,
        to: usize,
    ) -> TractResult<OutletId> {
        if from == to { Ok(x) } else { self.op(AxisOp::Move(from, to), &[x]) }
    }

    pub(super) fn add_axis(&mut self, x: OutletId, at: usize) -> TractResult<OutletId> {
        self.op(AxisOp::Add(at), &[x])
    }

    pub(super) fn remove_axis(&mut self, x: OutletId, at: usize) -> TractResult<OutletId> {
        self.op(AxisOp::Rm(at), &[x])
    }

    /// Axes `at..` of extents `from` become axes of extents `to`.
    pub(super) fn reshape(
        &mut self,
        x: OutletId,
        at: usize,
        from: TVec<TDim>,
        to: TVec<TDim>,
    ) -> TractResult<OutletId> {
        if from == to { Ok(x) } else { self.op(AxisOp::Reshape(at, from, to), &[x]) }
    }

    /// One dimension for all elements.
    pub(super) fn flat(&mut self, x: OutletId) -> TractResult<OutletId> {
        let shape = self.shape(x)?;
        let volume = shape.iter().product::<TDim>();
        self.reshape(x, 0, shape, tvec!(volume))
    }

    /// `a · b` over the innermost axes, NumPy's rules for ranks 1 and for batches.
    pub(super) fn matmul(
        &mut self,
        mut a: OutletId,
        mut b: OutletId,
        transpose_a: bool,
        transpose_b: bool,
    ) -> TractResult<OutletId> {
        let vectors = (self.rank(a)? == 1, self.rank(b)? == 1);
        if vectors.0 {
            a = self.add_axis(a, usize::from(transpose_a))?;
        }
        if vectors.1 {
            b = self.add_axis(b, usize::from(!transpose_b))?;
        }
        let rank = self.rank(a)?.max(self.rank(b)?);
        for side in [&mut a, &mut b] {
            while self.rank(*side)? < rank {
                *side = self.add_axis(*side, 0)?;
            }
        }
        let axes = AxesMapping::for_numpy_matmul(rank, transpose_a, transpose_b, false)?;
        let dtype = self.dtype(a)?;
        ensure!(dtype == self.dtype(b)?, "a product of {dtype:?} and {:?}", self.dtype(b)?);
        let mut y = self.op(EinSum::new(axes, dtype), &[a, b])?;
        if vectors.1 {
            y = self.remove_axis(y, rank - 1)?;
        }
        if vectors.0 {
            y = self.remove_axis(y, rank - 2)?;
        }
        Ok(y)
    }
}
