//! Operators that are computed by plain code on the host, where no combination of the engine's own
//! operators says the same.
//!
//! In: a [`Host`]: the facts of its outputs, and a function on tensors. Out: an operator for import and
//! for the plan. Shapes are concrete when a plan is made, so a host operator may ask for them, and for
//! the values of inputs that steer shapes; where those are unknown it fails and the session binds by value.
//! Arithmetic is done in f64 and cast back: small code for operators that are rarely the hot ones.

use std::any::Any;
use std::fmt::Debug;

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use crate::limit;

/// The inputs in ONNX's positions; an omitted one is `None`.
pub(super) type Facts<'a> = [Option<&'a TypedFact>];
pub(super) type Values<'a> = [Option<&'a Tensor>];

/// An operator as code. It gives every output that ONNX defines, in order, whether asked for or not.
pub(super) trait Host: Any + Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>>;
    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>>;
    /// Whether an output's shape depends on data: it then carries a symbol.
    fn mints(&self) -> bool {
        false
    }
    /// An operator of the engine's that says the same wherever it gives the same shape, and constants that it reads
    /// after the node's inputs.
    fn core(&self) -> Option<(Box<dyn TypedOp>, TVec<Tensor>)> {
        None
    }
}

pub(super) type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

/// The operator for `node`.
pub(super) fn host(node: &NodeProto, code: impl Host + 'static) -> Built {
    let mut real = 0..;
    let slots = node.input.iter().map(|n| (!n.is_empty()).then(|| real.next()).flatten()).collect();
    let kept = (0..node.output.len()).filter(|o| !node.output[*o].is_empty()).collect();
    Ok((Box::new(HostOp { code: Arc::new(code), slots, kept }), vec![]))
}

/// A node's code, and how the node has it.
pub(crate) struct Coded<'a, T> {
    pub(crate) code: &'a T,
    /// For each ONNX position of an input the node's own.
    pub(crate) slots: &'a [Option<usize>],
    /// The outputs of ONNX's that the node has.
    pub(crate) kept: &'a [usize],
}

/// The code of a node, if it is of this kind.
pub(crate) fn code_of<T: 'static>(node: &TypedNode) -> Option<Coded<'_, T>> {
    let op = node.op_as::<HostOp>()?;
    let code: &dyn Any = &*op.code;
    Some(Coded { code: code.downcast_ref()?, slots: &op.slots, kept: &op.kept })
}

#[derive(Debug, Clone)]
struct HostOp {
    code: Arc<dyn Host>,
    /// For each ONNX position the input's own.
    slots: Vec<Option<usize>>,
    /// The outputs that the graph uses.
    kept: Vec<usize>,
}

impl PartialEq for HostOp {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.code, &other.code) && self.kept == other.kept
    }
}
impl Eq for HostOp {}

impl HostOp {
    fn kept<T: Clone>(&self, all: &[T]) -> TractResult<TVec<T>> {
        let pick = |at: &usize| all.get(*at).cloned().context("the operator has no such output");
        self.kept.iter().map(pick).collect()
    }

    fn slots<'a, T>(&self, inputs: &[&'a T]) -> Vec<Option<&'a T>> {
        self.slots.iter().map(|s| s.and_then(|s| inputs.get(s).copied())).collect()
    }
}

impl Op for HostOp {
    fn name(&self) -> StaticName {
        self.code.name().into()
    }

    fn mints_runtime_symbols(&self) -> bool {
        self.code.mints()
    }

    op_as_typed_op!();
}

impl EvalOp for HostOp {
    fn eval_out_of_plan(&self, inputs: TVec<TValue>) -> TractResult<Option<TVec<TValue>>> {
        // No graph has been typed, which would have asked for these.
        let facts = inputs.iter().map(|i| TypedFact::try_from(i.clone().into_arc_tensor()));
        let facts = facts.collect::<TractResult<Vec<_>>>()?;
        for fact in TypedOp::output_facts(self, &facts.iter().collect::<Vec<_>>())? {
            limit::check_fact(|| self.code.name().to_owned(), &fact)?;
        }
        self.eval(&EvalContext::out_of_plan(), inputs).map(Some)
    }

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        // Shapes travel as symbolic dimensions inside the engine; here they are integers.
        let inputs = inputs.iter().map(|t| plain(t)).collect::<TractResult<Vec<_>>>()?;
        let outputs = self.code.compute(&self.slots(&inputs.iter().collect::<Vec<_>>()))?;
        Ok(self.kept(&outputs)?.into_iter().map(Tensor::into_tvalue).collect())
    }
}

fn plain(tensor: &Tensor) -> TractResult<Tensor> {
    if tensor.datum_type() == TDim::datum_type() {
        tensor.cast_to::<i64>().map(std::borrow::Cow::into_owned)
    } else {
        Ok(tensor.clone())
    }
}

impl TypedOp for HostOp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let inputs = inputs
            .iter()
            .map(|fact| {
                let mut fact = (*fact).clone();
                if fact.datum_type == TDim::datum_type() {
                    fact.datum_type = i64::datum_type();
                    // What has symbols is known to no code.
                    let known = fact.konst.and_then(|k| plain(&k).ok());
                    fact.konst = known.map(Tensor::into_arc_tensor);
                    fact.uniform = None;
                }
                Ok(fact)
            })
            .collect::<TractResult<Vec<_>>>()?;
        self.kept(&self.code.facts(&self.slots(&inputs.iter().collect::<Vec<_>>()))?)
    }

    fn declutter(
        &self,
        model: &TypedModel,
        node: &TypedNode,
    ) -> TractResult<Option<TypedModelPatch>> {
        rule_if_some!((op, constants) = self.code.core());
        let mut patch = TypedModelPatch::default();
        let mut inputs = patch.taps(model, &node.inputs)?;
        for (at, constant) in constants.into_iter().enumerate() {
            inputs.push(patch.add_const(format!("{}.constant.{at}", node.name), constant)?);
        }
        let facts =
            inputs.iter().map(|i| patch.outlet_fact(*i)).collect::<TractResult<Vec<_>>>()?;
        let Ok(outputs) = op.output_facts(&facts) else { return Ok(None) };
        let same = |(ours, theirs): (&TypedFact, &Outlet<TypedFact>)| {
            ours.shape == theirs.fact.shape && ours.datum_type == theirs.fact.datum_type
        };
        rule_if!(outputs.iter().zip(&node.outputs).all(same));
        let wires = patch.wire_node(&node.name, op, &inputs)?;
        for (slot, wire) in wires.iter().enumerate() {
            patch.shunt_outside(model, OutletId::new(node.id, slot), *wire)?;
        }
        Ok(Some(patch))
    }

    as_op!();
}

impl InferenceOp for HostOp {
    fn infer_facts(
        &mut self,
        inputs: TVec<&InferenceFact>,
        outputs: TVec<&InferenceFact>,
        observed: TVec<&InferenceFact>,
    ) -> TractResult<(TVec<InferenceFact>, TVec<InferenceFact>, TVec<InferenceFact>)> {
        let known: TractResult<Vec<TypedFact>> =
            inputs.iter().map(|f| TypedFact::try_from(*f)).collect();
        let mut outputs: TVec<InferenceFact> = outputs.into_iter().cloned().collect();
        // What fails here fails again, and then for good, when the graph is typed.
        let facts = known.and_then(|k| TypedOp::output_facts(self, &k.iter().collect::<Vec<_>>()));
        if let Ok(facts) = facts {
            for (output, fact) in outputs.iter_mut().zip(&facts) {
                output.datum_type.unify_with(&fact.datum_type.into())?;
                // A symbol that this operator mints says nothing to inference.
                let known = |d: &TDim| d.to_i64().is_ok() || !self.code.mints();
                let dim = |d: &TDim| {
                    if known(d) { GenericFactoid::Only(d.clone()) } else { GenericFactoid::Any }
                };
                let shape = ShapeFactoid::closed(fact.shape.iter().map(dim).collect());
                output.shape.unify_with(&shape)?;
            }
        }
        let all = |facts: TVec<&InferenceFact>| facts.into_iter().cloned().collect();
        Ok((all(inputs), outputs, all(observed)))
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.kept.len())
    }

    fn to_typed(
        &self,
        _source: &InferenceModel,
        node: &InferenceNode,
        target: &mut TypedModel,
        mapping: &HashMap<OutletId, OutletId>,
    ) -> TractResult<TVec<OutletId>> {
        let inputs: TVec<_> = node.inputs.iter().map(|o| mapping[o]).collect();
        target.wire_node(&node.name, self.clone(), &inputs)
    }

    as_op!();
}

/// An input that must be there.
pub(super) fn need<T: Copy>(inputs: &[Option<T>], at: usize) -> TractResult<T> {
    inputs.get(at).copied().flatten().with_context(|| format!("input {at} is missing"))
}

/// An input that may be there.
pub(super) fn maybe<T: Copy>(inputs: &[Option<T>], at: usize) -> Option<T> {
    inputs.get(at).copied().flatten()
}

pub(super) fn dims(fact: &TypedFact) -> TractResult<Vec<usize>> {
    Ok(fact.shape.as_concrete().context("the shape depends on data")?.to_vec())
}

/// The integers of an input that steers shapes.
pub(super) fn steering(inputs: &Facts, at: usize) -> TractResult<Vec<i64>> {
    let konst = need(inputs, at)?.konst.as_ref();
    i64s(konst.with_context(|| format!("input {at} must be constant"))?)
}

pub(super) fn f64s(tensor: &Tensor) -> TractResult<Vec<f64>> {
    let cast = tensor.cast_to::<f64>()?;
    Ok(cast.try_as_plain_ram()?.as_slice::<f64>()?.to_vec())
}

pub(super) fn i64s(tensor: &Tensor) -> TractResult<Vec<i64>> {
    let cast = tensor.cast_to::<i64>()?;
    Ok(cast.try_as_plain_ram()?.as_slice::<i64>()?.to_vec())
}

pub(super) fn strings(tensor: &Tensor) -> TractResult<&[String]> {
    tensor.try_as_plain_ram()?.as_slice::<String>()
}

pub(super) fn from_strings(shape: &[usize], values: Vec<String>) -> TractResult<Tensor> {
    Ok(tract_ndarray::ArrayD::from_shape_vec(shape, values)?.into())
}

/// Sizes from untrusted integers.
pub(super) fn sizes(values: &[i64]) -> TractResult<Vec<usize>> {
    let size = |v: &i64| usize::try_from(*v).with_context(|| format!("{v} is no size"));
    values.iter().map(size).collect()
}

pub(super) fn from_f64(shape: &[usize], values: &[f64], dt: DatumType) -> TractResult<Tensor> {
    Ok(Tensor::from_shape(shape, values)?.cast_to_dt(dt)?.into_owned())
}

/// A tensor of `shape` whose elements are those of `from` at `index`, or zero.
pub(super) fn take(from: &Tensor, shape: &[usize], index: &[Option<usize>]) -> TractResult<Tensor> {
    ensure!(volume(shape)? == index.len(), "wrong number of elements");
    ensure!(index.iter().flatten().all(|i| *i < from.len()), "an index is out of range");
    let dt = from.datum_type();
    if dt == String::datum_type() {
        let from = strings(from)?;
        let pick = |i: &Option<usize>| i.map_or_else(String::new, |i| from[i].clone());
        return from_strings(shape, index.iter().map(pick).collect());
    }
    ensure!(dt.is_copy(), "{dt:?} cannot be moved");
    let mut to = Tensor::zero_dt(dt, shape)?;
    if index.is_empty() || from.len() == 0 {
        return Ok(to);
    }
    let size = dt.size_of();
    let bytes = from.as_bytes();
    for (to, index) in to.as_bytes_mut().chunks_exact_mut(size).zip(index) {
        if let Some(at) = index {
            to.copy_from_slice(&bytes[at * size..][..size]);
        }
    }
    Ok(to)
}

pub(super) fn volume(shape: &[usize]) -> TractResult<usize> {
    shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).context("too many elements")
}

/// `axis` counted from the front.
pub(super) fn axis_of(axis: i64, rank: usize) -> TractResult<usize> {
    let from_front = if axis < 0 { axis + rank as i64 } else { axis };
    let axis = usize::try_from(from_front).ok().filter(|a| *a < rank);
    axis.with_context(|| format!("axis {from_front} of a tensor of rank {rank}"))
}

/// The shape around an axis: how many elements before it, along it and behind it.
pub(super) fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

/// Every coordinate of `shape`, row by row.
pub(super) fn coordinates(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    let count = shape.iter().product::<usize>();
    (0..count).map(move |flat| {
        let mut rest = flat;
        let mut at = vec![0; shape.len()];
        for (axis, size) in shape.iter().enumerate().rev() {
            at[axis] = rest % size;
            rest /= size;
        }
        at
    })
}

/// Where a coordinate lies in a row-major tensor.
pub(super) fn flat(at: &[usize], shape: &[usize]) -> usize {
    at.iter().zip(shape).fold(0, |flat, (at, size)| flat * size + at)
}
