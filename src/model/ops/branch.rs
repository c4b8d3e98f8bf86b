//! `If`: the branch that a known condition picks, inlined.
//!
//! In: two subgraphs. Out: the nodes of the chosen one. tract's own `If` infers shapes in both
//! branches, and a branch that is dead for these inputs (a 16 kHz graph fed 8 kHz shapes, say) then
//! fails the whole model. Here nothing is inferred in a branch before the condition is known; only
//! when it depends on data to the end are both branches kept, as tract's `IfThenElse`, and an extent in which they differ is one
//! that a run finds.

use crate::optimize;
use crate::scalar::Scalar as _;
use tract_onnx::model::{ParseResult, ParsingContext};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::logic::IfThenElse;
use tract_onnx::tract_hir::internal::*;

/// One branch: its graph, and for each of its inputs the input of the `If` node that feeds it.
#[derive(Debug, Clone)]
struct Branch {
    body: InferenceModel,
    inputs: Vec<usize>,
}

#[derive(Debug, Clone)]
struct If {
    then_branch: Branch,
    else_branch: Branch,
    /// Where extents that a run finds are named.
    symbols: SymbolScope,
}

impl PartialEq for If {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}
impl Eq for If {}

pub(super) fn build(
    ctx: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let then_graph = ctx.parse_graph(node.get_attr("then_branch")?)?;
    let else_graph = ctx.parse_graph(node.get_attr("else_branch")?)?;
    ensure!(
        then_graph.model.outputs.len() == else_graph.model.outputs.len(),
        "then_branch and else_branch have different numbers of outputs"
    );
    let mut captured: Vec<String> =
        then_graph.unresolved_inputs.iter().chain(&else_graph.unresolved_inputs).cloned().collect();
    captured.sort();
    captured.dedup();
    let branch = |parsed: ParseResult| -> Branch {
        let inputs = parsed
            .unresolved_inputs
            .iter()
            .filter_map(|name| captured.iter().position(|c| c == name).map(|p| p + 1))
            .collect();
        Branch { body: parsed.model, inputs }
    };
    let op = If {
        then_branch: branch(then_graph),
        else_branch: branch(else_graph),
        symbols: ctx.template.symbols.clone(),
    };
    Ok((Box::new(op), captured))
}

impl Branch {
    /// Infers facts inside the branch from those outside, both ways. The dead branch never comes here.
    fn unify(
        &mut self,
        inputs: &mut TVec<InferenceFact>,
        outputs: &mut TVec<InferenceFact>,
    ) -> TractResult<()> {
        loop {
            let mut changed = false;
            for (inner, outer) in self.inputs.iter().enumerate() {
                changed |= self.body.input_fact_mut(inner)?.unify_with_mut(&mut inputs[*outer])?;
            }
            changed |= self.body.analyse(false)?;
            for (ix, output) in outputs.iter_mut().enumerate() {
                changed |= self.body.output_fact_mut(ix)?.unify_with_mut(output)?;
            }
            if !changed {
                return Ok(());
            }
        }
    }

    /// The branch that reads these of the node's inputs, of which more is known by now than while shapes were inferred.
    fn typed(&self, read: &[TypedFact]) -> TractResult<TypedModel> {
        let mut body = self.body.clone();
        let mut more = false;
        for (inner, outer) in self.inputs.iter().enumerate() {
            let inferred = body.input_fact(inner)?;
            if inferred.datum_type.is_concrete() && inferred.shape.is_concrete() {
                continue;
            }
            let fact = read.get(*outer).context("a branch reads no input of its node")?;
            body.set_input_fact(inner, InferenceFact::from(fact))?;
            more = true;
        }
        if more {
            body.analyse(false)?;
        }
        body.into_typed()
    }
}

impl If {
    fn chosen(&self, condition: &Tensor) -> TractResult<&Branch> {
        decides(Some(condition.shape()))?;
        Ok(if condition.number::<bool>()? { &self.then_branch } else { &self.else_branch })
    }
}

impl Op for If {
    fn name(&self) -> StaticName {
        "If".into()
    }

    not_a_typed_op!();
}

impl EvalOp for If {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let branch = self.chosen(&inputs[0])?;
        let feeds = branch.inputs.iter().map(|ix| inputs[*ix].clone()).collect();
        optimize::guarded(branch.body.clone().into_typed()?)?.into_runnable()?.run(feeds)
    }
}

impl InferenceOp for If {
    fn infer_facts(
        &mut self,
        inputs: TVec<&InferenceFact>,
        outputs: TVec<&InferenceFact>,
        observed: TVec<&InferenceFact>,
    ) -> TractResult<(TVec<InferenceFact>, TVec<InferenceFact>, TVec<InferenceFact>)> {
        let mut inputs: TVec<InferenceFact> = inputs.into_iter().cloned().collect();
        let mut outputs: TVec<InferenceFact> = outputs.into_iter().cloned().collect();
        inputs[0].datum_type.unify_with(&bool::datum_type().into())?;
        if let Some(condition) = inputs[0].value.concretize() {
            decides(Some(condition.shape()))?;
            let branch = if condition.number::<bool>()? {
                &mut self.then_branch
            } else {
                &mut self.else_branch
            };
            branch.unify(&mut inputs, &mut outputs)?;
        } else {
            self.agree(&mut inputs, &mut outputs);
        }
        Ok((inputs, outputs, observed.into_iter().cloned().collect()))
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.then_branch.body.outputs.len())
    }

    fn to_typed(
        &self,
        source: &InferenceModel,
        node: &InferenceNode,
        target: &mut TypedModel,
        mapping: &HashMap<OutletId, OutletId>,
    ) -> TractResult<TVec<OutletId>> {
        let condition = source.outlet_fact(node.inputs[0])?.value.concretize();
        if let Some(condition) = condition {
            let branch = self.chosen(&condition)?;
            return inline(branch, node, target, mapping);
        }
        let read = node.inputs.iter().map(|o| target.outlet_fact(mapping[o]).cloned());
        let read = read.collect::<TractResult<TVec<_>>>()?;
        let op = IfThenElse {
            then_body: self.then_branch.typed(&read)?,
            then_input_mapping: self.then_branch.inputs.clone(),
            else_body: self.else_branch.typed(&read)?,
            else_input_mapping: self.else_branch.inputs.clone(),
        };
        let inputs: TVec<_> = node.inputs.iter().map(|o| mapping[o]).collect();
        let outputs = (0..op.then_body.outputs.len())
            .map(|at| self.common(op.then_body.output_fact(at)?, op.else_body.output_fact(at)?))
            .collect::<TractResult<_>>()?;
        target.wire_node(&node.name, Choice { op, outputs }, &inputs)
    }

    as_op!();
}

impl If {
    /// What is known of a result that either branch may give.
    fn common(&self, a: &TypedFact, b: &TypedFact) -> TractResult<TypedFact> {
        ensure!(a.datum_type == b.datum_type, "{:?} or {:?}", a.datum_type, b.datum_type);
        ensure!(a.rank() == b.rank(), "branches give {} or {} axes", a.rank(), b.rank());
        let shape = a.shape.iter().zip(b.shape.iter());
        let open = || self.symbols.new_with_prefix("x").to_dim();
        let shape: TVec<TDim> =
            shape.map(|(a, b)| if a == b { a.clone() } else { open() }).collect();
        Ok(a.datum_type.fact(shape))
    }

    /// While the condition is unknown: what both branches agree on. A branch whose inference fails
    /// may be the dead one, so its failure says nothing yet.
    fn agree(&mut self, inputs: &mut TVec<InferenceFact>, outputs: &mut TVec<InferenceFact>) {
        let facts = [&mut self.then_branch, &mut self.else_branch].map(|branch| {
            let mut trial = branch.clone();
            let mut free: TVec<InferenceFact> = outputs.clone();
            trial.unify(&mut inputs.clone(), &mut free).is_ok().then(|| {
                *branch = trial;
                free
            })
        });
        let [Some(then_facts), Some(else_facts)] = facts else { return };
        for (output, (a, b)) in outputs.iter_mut().zip(then_facts.iter().zip(&else_facts)) {
            if a.datum_type == b.datum_type {
                output.datum_type = a.datum_type;
            }
            if a.shape == b.shape {
                output.shape = a.shape.clone();
            }
        }
    }
}

/// tract's choice at run time, which takes a constant of the first branch for the result of both, and wants results of one
/// shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) op: IfThenElse,
    outputs: TVec<TypedFact>,
}

impl Op for Choice {
    fn name(&self) -> StaticName {
        "If".into()
    }

    fn mints_runtime_symbols(&self) -> bool {
        self.outputs.iter().any(|fact| !fact.shape.is_concrete())
    }

    op_as_typed_op!();
}

impl EvalOp for Choice {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        decides(inputs.first().map(|condition| condition.shape()))?;
        self.op.eval(ctx, inputs)
    }
}

/// A condition is one truth: the engine reads what lies behind one without elements.
fn decides(condition: Option<&[usize]>) -> TractResult<()> {
    let count = condition.map(|shape| shape.iter().product::<usize>());
    ensure!(count.is_none_or(|count| count == 1), "a condition of shape {condition:?}");
    Ok(())
}

impl TypedOp for Choice {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        decides(inputs.first().and_then(|condition| condition.shape.as_concrete()))?;
        Ok(self.outputs.clone())
    }

    fn declutter(
        &self,
        model: &TypedModel,
        node: &TypedNode,
    ) -> TractResult<Option<TypedModelPatch>> {
        decides(model.outlet_fact(node.inputs[0])?.konst.as_ref().map(|k| k.shape()))?;
        self.op.declutter(model, node)
    }

    as_op!();
}

/// Copies the branch's nodes into `target`.
fn inline(
    branch: &Branch,
    node: &InferenceNode,
    target: &mut TypedModel,
    mapping: &HashMap<OutletId, OutletId>,
) -> TractResult<TVec<OutletId>> {
    let body = branch.body.clone().into_typed()?;
    let mut inner: HashMap<OutletId, OutletId> = HashMap::new();
    for (outlet, outer) in body.input_outlets()?.iter().zip(&branch.inputs) {
        inner.insert(*outlet, mapping[&node.inputs[*outer]]);
    }
    for id in body.eval_order()? {
        let inner_node = body.node(id);
        if inner.contains_key(&OutletId::new(id, 0)) {
            continue;
        }
        let inputs: TVec<_> = inner_node.inputs.iter().map(|o| inner[o]).collect();
        let name = format!("{}.{}", node.name, inner_node.name);
        let wires = target.wire_node(name, inner_node.op.clone(), &inputs)?;
        for (slot, wire) in wires.iter().enumerate() {
            inner.insert(OutletId::new(id, slot), *wire);
        }
    }
    body.output_outlets()?
        .iter()
        .map(|o| inner.get(o).copied().context("a branch output is not wired"))
        .collect()
}
