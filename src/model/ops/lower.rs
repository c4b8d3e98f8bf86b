//! What most of our operators are made of: a function that wires an operator's node out of engine
//! operators that exist already.
//!
//! In: a node of the file and a closure over its attributes. Out: an operator for the importer. Its
//! output shapes are those that wiring gives on a scratch graph, so no operator states its shape
//! rules a second time; that is why wiring must be cheap and must need no constant for a shape.

use std::sync::Arc;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::checked::unchecked;
use super::engines::is_void;
use super::wires::Wires;
use crate::optimize;

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

    /// The value of an input, which must be known when a plan is made.
    pub(super) fn known(&self, g: &Wires<'_>, at: usize) -> TractResult<Option<Arc<Tensor>>> {
        self.get(at).map(|x| g.known(x, format_args!("input {at}"))).transpose()
    }

    /// Those that are not left out, in order.
    pub(super) fn present(&self) -> TVec<OutletId> {
        self.0.iter().copied().flatten().collect()
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
    /// Other results in every run, so that nothing may be computed beforehand.
    by_chance: bool,
}

/// The operator that `wire` wires. It must give at least as many outputs as the node names.
pub(super) fn lowered(
    node: &NodeProto,
    wire: impl Fn(&mut Wires<'_>, &Inputs) -> TractResult<TVec<OutletId>> + Send + Sync + 'static,
) -> Built {
    Ok((Box::new(Lowered::new(node, Arc::new(wire), false)), vec![]))
}

/// The same for an operator whose results are drawn.
pub(super) fn by_chance(
    node: &NodeProto,
    wire: impl Fn(&mut Wires<'_>, &Inputs) -> TractResult<TVec<OutletId>> + Send + Sync + 'static,
) -> Built {
    Ok((Box::new(Lowered::new(node, Arc::new(wire), true)), vec![]))
}

impl Lowered {
    fn new(node: &NodeProto, wire: Arc<Wire>, by_chance: bool) -> Self {
        let mut next = 0;
        let positions = node.input.iter().map(|name| {
            let present = !name.is_empty();
            next += usize::from(present);
            present.then(|| next - 1)
        });
        let named = node.output.iter().enumerate().filter(|(_, name)| !name.is_empty());
        Lowered {
            // Ours of other domains are registered as `domain.Type`.
            name: node.op_type.rsplit('.').next().unwrap_or_default().into(),
            positions: positions.collect(),
            outputs: named.map(|(at, _)| at).collect(),
            wire,
            by_chance,
        }
    }
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
        let mut wires = Wires::new(model, prefix);
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
            inputs.push(match fact.konst.as_ref().filter(|value| !is_void(value)) {
                Some(value) => model.add_const(format!("input.{at}"), Arc::clone(value))?,
                None => model.add_source(format!("input.{at}"), fact.without_value())?,
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
    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let facts = inputs.iter().map(|i| TypedFact::try_from(i.clone().into_arc_tensor()));
        optimize::guarded(self.scratch(facts)?)?.into_runnable()?.run(tvec!())
    }

    fn eval_out_of_plan(&self, inputs: TVec<TValue>) -> TractResult<Option<TVec<TValue>>> {
        if self.by_chance {
            return Ok(None);
        }
        Ok(Some(self.eval(&EvalContext::out_of_plan(), inputs)?))
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
            // What fails here fails again, and then for good, when the graph is typed: a value that
            // steers the shape may yet become known.
            let model = self.scratch(inputs.iter().map(|f| TypedFact::try_from(*f)));
            let Ok(model) = model else {
                let all = |facts: TVec<&InferenceFact>| facts.into_iter().cloned().collect();
                return Ok((all(inputs), outputs, all(observed)));
            };
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

/// The same, of the engine's own operators.
pub(super) fn their_part(
    ctx: &ParsingContext,
    node: &NodeProto,
    op_type: &str,
    inputs: usize,
) -> TractResult<Part> {
    their_whole(ctx, &part_node(node, op_type, inputs))
}

/// The engine's own operator of a node as it is.
pub(super) fn their_whole(ctx: &ParsingContext, node: &NodeProto) -> TractResult<Part> {
    Ok(Part(super::theirs(ctx, node)?.0))
}

/// The importer's `op_type` with the attributes of `node`, of which it sees `inputs` inputs.
pub(super) fn part(
    ctx: &ParsingContext,
    node: &NodeProto,
    op_type: &str,
    inputs: usize,
) -> TractResult<Part> {
    let build = ctx.framework.op_register.0.get(op_type).context("no such operator")?;
    Ok(Part(build(ctx, &part_node(node, op_type, inputs))?.0))
}

fn part_node(node: &NodeProto, op_type: &str, inputs: usize) -> NodeProto {
    NodeProto {
        op_type: op_type.to_owned(),
        input: (0..inputs).map(|i| i.to_string()).collect(),
        output: vec!["y".to_owned()],
        ..node.clone()
    }
}

impl Part {
    /// Wires it below `prefix`.
    pub(super) fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let op = unchecked(self.0.as_ref());
        if let Some(ours) = op.downcast_ref::<Lowered>() {
            return ours.wire_into(prefix, model, inputs);
        }
        let expansion = op.downcast_ref::<Box<dyn Expansion>>().context("not an expansion")?;
        expansion.wire(prefix, model, inputs)
    }
}
