//! An operator that looks at what it is given before the engine's code does.
//!
//! In: an operator of the importer and the rules for its type. Out: the same operator, whose shapes, axes and steering
//! values are checked as soon as they are known; what does not fit is an error that says so. The engine's own rules and
//! wiring index and divide by what they take for granted, and a panic ends a page's instance. Results that are large are
//! not computed while shapes are inferred, when no limit is known.

use std::collections::HashMap as Map;

use tract_onnx::pb::{NodeProto, attribute_proto::AttributeType};
use tract_onnx::tract_hir::internal::*;

use super::engines::{MOST_AHEAD, ahead, forget_values, is_void, wired};
use super::host::i64s;
use super::lower::Built;
use super::rules::{self, Rule};
use crate::limit;

/// Operators that the engine multiplies for.
const PRODUCTS: &[&str] = &["Einsum", "FusedMatMul", "Gemm", "MatMul", "MatMulInteger"];
/// What steers no shape, and is made of operators that a plan has checks for.
const LATE: &[&str] = &[
    "Attention",
    "DecoderMaskedMultiHeadAttention",
    "EmbedLayerNormalization",
    "GroupQueryAttention",
    "MRotaryEmbedding",
    "MultiHeadAttention",
    "QEmbedLayerNormalization",
    "RotaryEmbedding",
];

fn has_kernels(datum_type: DatumType) -> bool {
    use DatumType::{F16, F32, F64, I8, I32, U8};
    matches!(datum_type, F16 | F32 | F64 | I8 | I32 | U8)
}

/// What a rule sees of a node.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) op_type: String,
    /// Integers and lists of them.
    attributes: Map<String, Vec<i64>>,
    /// Of a sum over products.
    pub(super) equation: Option<String>,
    /// Of a pad.
    pub(super) mode: Option<String>,
    pub(super) outputs: usize,
    pub(super) opset: i64,
    /// For each ONNX input position, the engine's (which leaves absent ones out).
    positions: Vec<Option<usize>>,
}

/// An input as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Seen {
    dtype: Option<DatumType>,
    shape: Option<Vec<Option<i64>>>,
    value: Option<Arc<Tensor>>,
}

/// A node and its inputs by ONNX position.
pub(super) struct Known<'a> {
    pub(super) site: &'a Site,
    inputs: Vec<Option<Seen>>,
}

/// `built`, the operator of `node`, with the rules of its type before it.
pub(super) fn checked(node: &NodeProto, opset: i64, built: Built) -> Built {
    let (inner, captures) = built?;
    let subgraph = node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty());
    if subgraph || !captures.is_empty() || node.input.is_empty() {
        return Ok((inner, captures));
    }
    let mut real = 0..;
    let positions = node.input.iter().map(|n| (!n.is_empty()).then(|| real.next()).flatten());
    let ints = |a: &tract_onnx::pb::AttributeProto| match AttributeType::try_from(a.r#type) {
        Ok(AttributeType::Int) => Some((a.name.clone(), vec![a.i])),
        Ok(AttributeType::Ints) => Some((a.name.clone(), a.ints.clone())),
        _ => None,
    };
    // Ours of other domains are registered as `domain.Type`.
    let op_type = node.op_type.rsplit('.').next().unwrap_or_default();
    let text = |name: &str| {
        let attribute = node.attribute.iter().find(|a| a.name == name);
        attribute.and_then(|a| String::from_utf8(a.s.clone()).ok())
    };
    let site = Site {
        equation: text("equation"),
        mode: text("mode"),
        op_type: op_type.to_owned(),
        attributes: node.attribute.iter().filter_map(ints).collect(),
        outputs: node.output.len(),
        opset,
        positions: positions.collect(),
    };
    let rules = rules::of(&node.op_type);
    let of_nothing = rules::of_nothing(&node.op_type);
    let site = Arc::new(site);
    let checked = Checked { inner, site, rules, of_nothing, large: false, nothing: None };
    Ok((Box::new(checked), captures))
}

/// The operator behind the check.
pub(super) fn unchecked(op: &dyn InferenceOp) -> &dyn Op {
    let op = op.as_op();
    op.downcast_ref::<Checked>().map_or(op, |c| c.inner.as_op())
}

impl Known<'_> {
    fn seen(&self, at: usize) -> Option<&Seen> {
        self.inputs.get(at)?.as_ref()
    }

    pub(super) fn is_given(&self, at: usize) -> bool {
        self.seen(at).is_some()
    }

    pub(super) fn dtype(&self, at: usize) -> Option<DatumType> {
        self.seen(at)?.dtype
    }

    pub(super) fn rank(&self, at: usize) -> Option<usize> {
        Some(self.seen(at)?.shape.as_ref()?.len())
    }

    pub(super) fn dim(&self, at: usize, axis: usize) -> Option<i64> {
        *self.seen(at)?.shape.as_ref()?.get(axis)?
    }

    /// All of its extents.
    pub(super) fn dims(&self, at: usize) -> Option<Vec<i64>> {
        self.seen(at)?.shape.as_ref()?.iter().copied().collect()
    }

    /// The integers that it holds.
    pub(super) fn ints(&self, at: usize) -> Option<Vec<i64>> {
        let value = self.value(at)?;
        let whole = value.datum_type().is_integer() || value.datum_type() == TDim::datum_type();
        i64s(value).ok().filter(|_| whole)
    }

    pub(super) fn value(&self, at: usize) -> Option<&Arc<Tensor>> {
        self.seen(at)?.value.as_ref()
    }

    pub(super) fn list(&self, name: &str) -> Option<&[i64]> {
        self.site.attributes.get(name).map(Vec::as_slice)
    }

    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.list(name)?.first().copied()
    }
}

#[derive(Debug, Clone)]
struct Checked {
    inner: Box<dyn InferenceOp>,
    site: Arc<Site>,
    rules: &'static [Rule],
    /// What it makes of no elements.
    of_nothing: Option<f32>,
    /// Whether what it makes is too large to be computed ahead.
    large: bool,
    /// All that it makes, where that is nothing, or what no elements add up to.
    nothing: Option<Vec<Arc<Tensor>>>,
}

impl Checked {
    /// The engine's inputs by ONNX position.
    fn known(&self, mut inputs: Vec<Option<Seen>>) -> Known<'_> {
        let mut given = |at: &Option<usize>| at.and_then(|at| inputs.get_mut(at)?.take());
        let inputs = self.site.positions.iter().map(&mut given).collect();
        Known { site: &self.site, inputs }
    }

    fn check(&self, known: &Known) -> TractResult<()> {
        self.rules.iter().try_for_each(|rule| rule.check(known))
    }

    /// What no elements add up to along axes that no inference knew.
    fn reduced_nothing(&self, known: &Known) -> TractResult<Option<Arc<Tensor>>> {
        let Some((value, mut dims)) = self.of_nothing.zip(known.dims(0)) else { return Ok(None) };
        if !dims.contains(&0) {
            return Ok(None);
        }
        let axes = match known.list("axes") {
            Some(axes) => axes.to_vec(),
            None if known.is_given(1) => known.ints(1).context("the axes of nothing are open")?,
            None => vec![],
        };
        let flag = |name: &str, default| known.int(name).unwrap_or(default) != 0;
        let all = axes.is_empty() && !flag("noop_with_empty_axes", 0);
        let rank = dims.len() as i64;
        let summed = |at: i64| all || axes.contains(&at) || axes.contains(&(at - rank));
        dims.iter_mut().zip(0..).filter(|(_, at)| summed(*at)).for_each(|(dim, _)| *dim = 1);
        if !flag("keepdims", 1) {
            let mut at = 0..;
            dims.retain(|_| !at.next().is_some_and(summed));
        }
        let dt = known.dtype(0).context("nothing of no type")?;
        let shape = dims.iter().map(|d| usize::try_from(*d)).collect::<Result<TVec<_>, _>>()?;
        limit::check(|| self.site.op_type.clone(), dt, &shape)?;
        let value = tensor0(value).cast_to_dt(dt)?.into_owned();
        Ok(Some(value.broadcast_to_shape(&shape)?.into_arc_tensor()))
    }
}

impl Checked {
    /// Whether an index counts from the end, which the engine's `ScatterND` knows in a plan only.
    fn counts_from_end(&self, inputs: &[TValue]) -> bool {
        let scatter = self.site.op_type == "ScatterND";
        let indices = inputs.get(1).filter(|_| scatter).map(|i| i64s(i));
        indices.is_some_and(|i| i.is_ok_and(|i| i.iter().any(|i| *i < 0)))
    }
}

fn seen(fact: &InferenceFact) -> Seen {
    let rank = fact.shape.rank().concretize().and_then(|r| usize::try_from(r).ok());
    let dim = |axis: usize| fact.shape.dim(axis)?.concretize()?.to_i64().ok();
    Seen {
        dtype: fact.datum_type.concretize(),
        shape: rank.map(|rank| (0..rank).map(dim).collect()),
        value: fact.value.concretize(),
    }
}

/// What an output is that has no elements, or that is `value` throughout.
fn made_of_nothing(fact: &InferenceFact, value: Option<f32>) -> Option<Arc<Tensor>> {
    let dt = fact.datum_type.concretize().filter(|dt| *dt != TDim::datum_type())?;
    let shape = fact.shape.as_concrete_finite().ok()??;
    if shape.contains(&0) {
        return Some(Tensor::zero_dt(dt, &shape).ok()?.into_arc_tensor());
    }
    limit::check(|| "a reduction of nothing".to_owned(), dt, &shape).ok()?;
    let one = tensor0(value?).cast_to_dt(dt).ok()?.into_owned();
    Some(one.broadcast_to_shape(&shape).ok()?.into_arc_tensor())
}

impl PartialEq for Checked {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}
impl Eq for Checked {}

impl Op for Checked {
    fn name(&self) -> StaticName {
        self.inner.as_op().name()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        self.inner.as_op().info()
    }

    not_a_typed_op!();
}

impl EvalOp for Checked {
    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        self.inner.as_op().eval(ctx, inputs)
    }

    fn eval_out_of_plan(&self, inputs: TVec<TValue>) -> TractResult<Option<TVec<TValue>>> {
        if let Some(nothing) = &self.nothing {
            return Ok(Some(nothing.iter().map(|t| Arc::clone(t).into_tvalue()).collect()));
        }
        // There it would be computed as the engine does, which has no kernels for some integers, and divides by how many
        // there are where there are none.
        let is_of = |list: &[&str]| list.contains(&self.site.op_type.as_str());
        let odd = || inputs.iter().any(|i| !has_kernels(i.datum_type()));
        let late = self.large
            || is_of(LATE)
            || is_of(PRODUCTS) && odd()
            || inputs.iter().any(|i| is_void(i))
            || self.counts_from_end(&inputs);
        if late { Ok(None) } else { ahead(self.inner.as_ref(), inputs) }
    }

    fn state(&self, ctx: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        self.inner.as_op().state(ctx)
    }
}

impl InferenceOp for Checked {
    fn infer_facts(
        &mut self,
        inputs: TVec<&InferenceFact>,
        outputs: TVec<&InferenceFact>,
        observed: TVec<&InferenceFact>,
    ) -> TractResult<(TVec<InferenceFact>, TVec<InferenceFact>, TVec<InferenceFact>)> {
        self.check(&self.known(inputs.iter().map(|f| Some(seen(f))).collect()))?;
        let finite = |f: &InferenceFact| f.shape.as_concrete_finite().ok().flatten();
        let empty = inputs.first().and_then(|f| finite(f)).is_some_and(|s| s.contains(&0));
        let facts = self.inner.infer_facts(inputs, outputs, observed)?;
        for fact in &facts.1 {
            // The engine takes each extent for one that is.
            let shape = seen(fact).shape.unwrap_or_default();
            let fits = shape.iter().flatten().all(|dim| *dim >= 0);
            ensure!(fits, "{} makes a tensor of shape {:?}", self.site.op_type, fact.shape);
        }
        let value = self.of_nothing.filter(|_| empty);
        let made = facts.1.iter().map(|fact| made_of_nothing(fact, value));
        self.nothing = made.collect::<Option<Vec<_>>>().filter(|made| !made.is_empty());
        let bytes = |fact: &InferenceFact| {
            let size = fact.datum_type.concretize().map_or(8, |d| d.size_of().max(1));
            Some(finite(fact)?.iter().fold(size, |n, d| n.saturating_mul(*d)))
        };
        self.large = facts.1.iter().filter_map(bytes).any(|b| b > MOST_AHEAD);
        Ok(facts)
    }

    fn observe_outlets(
        &self,
        model: &InferenceModel,
        node: &InferenceNode,
    ) -> TractResult<Vec<OutletId>> {
        self.inner.observe_outlets(model, node)
    }

    fn incorporate(
        &self,
        model: &InferenceModel,
        node: &InferenceNode,
    ) -> TractResult<Option<InferenceModelPatch>> {
        self.inner.incorporate(model, node)
    }

    fn nboutputs(&self) -> TractResult<usize> {
        self.inner.nboutputs()
    }

    fn to_typed(
        &self,
        source: &InferenceModel,
        node: &InferenceNode,
        target: &mut TypedModel,
        mapping: &HashMap<OutletId, OutletId>,
    ) -> TractResult<TVec<OutletId>> {
        let typed = |outlet: &OutletId| {
            let fact = target.outlet_fact(*mapping.get(outlet)?).ok()?;
            Some(Seen {
                dtype: Some(fact.datum_type),
                shape: Some(fact.shape.iter().map(|d| d.to_i64().ok()).collect()),
                value: fact.konst.clone(),
            })
        };
        let known = self.known(node.inputs.iter().map(typed).collect());
        self.check(&known)?;
        if let Some(nothing) = &self.nothing {
            let named = nothing.iter().enumerate();
            return named
                .map(|(at, t)| {
                    target.add_const(format!("{}.nothing.{at}", node.name), Arc::clone(t))
                })
                .collect();
        }
        if let Some(nothing) = self.reduced_nothing(&known)? {
            return Ok(tvec!(target.add_const(node.name.clone(), nothing)?));
        }
        let product = PRODUCTS.contains(&self.site.op_type.as_str());
        forget_values(target, &node.inputs, mapping, product)?;
        wired(self.inner.as_ref(), source, node, target, mapping)
    }

    as_op!();
}
