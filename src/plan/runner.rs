//! A plan that runs, again and again.
//!
//! In: a planned graph, then feeds. Out: outputs. The engine makes a state for each run, with the constants laid out and
//! the feeds held against the graph's facts, which costs more than a small model computes. So one decision: a state
//! that nothing of a run stays in is kept for the next one, and the feeds, which are of the plan's own types and
//! shapes, are put into it as they are. What only a run knows the size of is held against the session's limit before it
//! is made.
//! What large tensors an operator was the last to read stay for those that are made later, see [`reuse`], or become
//! what it makes.

use std::sync::{Arc, Mutex, PoisonError};

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::Range;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::source::TypedSource;
use tract_onnx::tract_core::plan;

use crate::limit;
use crate::optimize;
use crate::reuse::{self, Spare};
use crate::scalar::Scalar as _;

/// Operators that leave their inputs as they are, by their names or what these begin with.
const READERS: &[&str] = &[
    "ArgMax",
    "Concat",
    "Conv",
    "Dense",
    "ElementsBy",
    "FewBits",
    "Gather",
    "Integer",
    "MaxP",
    "Mean",
    "Moved",
    "Normalisation",
    "OptMatMul",
    "Pad",
    "Pointwise",
    "Product",
    "Recurrence",
    "Reduce",
    "Resampling",
    "RoundTo",
    "Sampled",
    "Slice",
    "SumP",
    "Top",
    "Transposed",
    "Volume",
];

/// Those that make their output of the first input that nobody else holds and that is of its type and size.
const WRITERS: &[&str] = &["Normalisation", "Pointwise"];

pub(super) struct Runner {
    runnable: Arc<TypedRunnableModel>,
    /// Where no operator keeps anything, at most one state, and the tensors that its last run left.
    free: Option<Mutex<Option<(TypedSimpleState, Spare)>>>,
    /// By node: what to do about its tensors; empty where nothing is kept.
    leftovers: Vec<Leftovers>,
    /// What a run leaves stays for the next one.
    keeps: bool,
    /// Some size is known in a run only.
    open: bool,
}

/// What is kept of a node's inputs.
#[derive(Clone, Default)]
struct Leftovers {
    /// Which of them.
    slots: TVec<usize>,
    /// Bytes that may be kept while it runs, and behind it.
    room: [usize; 2],
}

impl Runner {
    pub(super) fn new(typed: TypedModel) -> TractResult<Self> {
        optimize::check_all(&typed)?;
        let runnable = typed.into_runnable()?;
        let (mut forgets, mut open) = (true, false);
        for node in runnable.model().nodes() {
            forgets &= node.op.state(&EvalContext::out_of_plan())?.is_none();
            open |= node.outputs.iter().any(|o| o.fact.shape.as_concrete().is_none());
        }
        let (leftovers, most) =
            if forgets && !open { leftovers(&runnable) } else { (vec![], usize::MAX) };
        let keeps = most <= reuse::LITTLE;
        Ok(Self { runnable, free: forgets.then(Mutex::default), leftovers, keeps, open })
    }

    pub(super) fn runnable(&self) -> &Arc<TypedRunnableModel> {
        &self.runnable
    }

    pub(super) fn run(&self, feeds: TVec<TValue>) -> TractResult<TVec<TValue>> {
        if self.open {
            return self.runnable.spawn()?.run_plan_with_eval(feeds, checked);
        }
        let Some(free) = &self.free else { return self.runnable.run(feeds) };
        let kept = free.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (mut state, mut spare, again) = match kept {
            Some((state, spare)) => (state, spare, true),
            None => (self.runnable.spawn()?, Spare::default(), false),
        };
        let run =
            || if again { self.again(&mut state, feeds) } else { self.first(&mut state, feeds) };
        let outputs = reuse::within(&mut spare, self.keeps, run)?;
        // Of a run that failed nothing is kept.
        *free.lock().unwrap_or_else(PoisonError::into_inner) = Some((state, spare));
        Ok(outputs)
    }

    fn first(
        &self,
        state: &mut TypedSimpleState,
        feeds: TVec<TValue>,
    ) -> TractResult<TVec<TValue>> {
        state.run_plan_with_eval(feeds, |context, state, node, inputs| {
            self.evaluated(context, state, node, inputs)
        })
    }

    fn again(
        &self,
        state: &mut TypedSimpleState,
        feeds: TVec<TValue>,
    ) -> TractResult<TVec<TValue>> {
        for (ix, feed) in feeds.into_iter().enumerate() {
            let outlet = *state.model().input_outlets()?.get(ix).context("too many inputs")?;
            state.set_value(outlet.node, feed)?;
        }
        state.exec_plan_with_eval(|context, state, node, inputs| {
            self.evaluated(context, state, node, inputs)
        })?;
        let outputs = state.outputs()?;
        state.reset_turn()?;
        Ok(outputs)
    }

    fn evaluated(
        &self,
        context: &EvalContext,
        state: Option<&mut (dyn OpState + 'static)>,
        node: &TypedNode,
        inputs: TVec<TValue>,
    ) -> TractResult<TVec<TValue>> {
        let Some(Leftovers { slots, room: [now, then] }) = self.leftovers.get(node.id) else {
            return plan::eval(context, state, node, inputs);
        };
        let last: TVec<TValue> =
            slots.iter().filter_map(|slot| inputs.get(*slot).cloned()).collect();
        reuse::room(*now);
        let outputs = plan::eval(context, state, node, inputs)?;
        if !last.is_empty() {
            reuse::room(*then);
            last.into_iter().for_each(reuse::give);
        }
        Ok(outputs)
    }
}

/// What is kept of each node's inputs: the large ones that it is the last to read, and does not write to. Nothing where
/// a run needs much. And how many bytes it needs at once.
fn leftovers(runnable: &TypedRunnableModel) -> (Vec<Leftovers>, usize) {
    let model = runnable.model();
    let order = runnable.order_without_consts();
    let mut last = vec![usize::MAX; model.nodes().len()];
    for (step, id) in order.iter().enumerate() {
        model.node(*id).inputs.iter().for_each(|input| last[input.node] = step);
    }
    model.outputs.iter().for_each(|output| last[output.node] = usize::MAX);
    let (mut live, mut most) = (0usize, 0usize);
    let mut all = vec![Leftovers::default(); model.nodes().len()];
    for (step, id) in order.iter().enumerate() {
        let node = model.node(*id);
        let ends = |from: &usize| last[*from] == step && !model.node(*from).op_is::<Const>();
        let own = written(model, node, ends);
        let made = (0..node.outputs.len()).map(|slot| bytes(model, OutletId::new(*id, slot)));
        let made = made.fold(0, usize::saturating_add);
        // What is written over is there once.
        let twice = if own.is_some() { made } else { 0 };
        live = live.saturating_add(made);
        let during = live.saturating_sub(twice);
        most = most.max(during);
        let mut ended: TVec<usize> = node.inputs.iter().map(|input| input.node).collect();
        ended.sort_unstable();
        ended.dedup();
        for from in ended.into_iter().filter(ends) {
            let slots = 0..model.node(from).outputs.len();
            let of = slots.map(|slot| bytes(model, OutletId::new(from, slot)));
            live = of.fold(live, usize::saturating_sub);
        }
        let name = node.op.name();
        let reads = READERS.iter().any(|reader| name.starts_with(reader));
        let left = |slot: &usize| {
            let input = &node.inputs[*slot];
            reads && own != Some(*slot) && ends(&input.node) && bytes(model, *input) >= reuse::LARGE
        };
        // Until the peak is known, what lives.
        all[*id] = Leftovers {
            slots: (0..node.inputs.len()).filter(left).collect(),
            room: [during, live],
        };
    }
    if most > reuse::MOST {
        return (vec![], most);
    }
    for leftovers in &mut all {
        leftovers.room = leftovers.room.map(|live| most.saturating_sub(live));
    }
    (all, most)
}

fn bytes(model: &TypedModel, outlet: OutletId) -> usize {
    let fact = model.outlet_fact(outlet).ok();
    let shape = fact.and_then(|f| Some((f.datum_type.size_of(), f.shape.as_concrete()?)));
    shape.map_or(0, |(size, shape)| shape.iter().fold(size, |n, d| n.saturating_mul(*d)))
}

/// The input that a node makes its output of: never one that the caller may still hold.
fn written(model: &TypedModel, node: &TypedNode, ends: impl Fn(&usize) -> bool) -> Option<usize> {
    let out = OutletId::from(node.id);
    let fits = |slot: &usize| {
        let input = node.inputs[*slot];
        let from = model.node(input.node);
        let alike = |input| {
            model.outlet_fact(input).ok().map(|fact| fact.datum_type) == Some(DatumType::F32)
        };
        ends(&input.node)
            && from.outputs.len() == 1
            && !from.op_is::<TypedSource>()
            && alike(input)
            && alike(out)
            && bytes(model, input) == bytes(model, out)
            && node.inputs.iter().filter(|other| **other == input).count() == 1
    };
    WRITERS.contains(&&*node.op.name()).then(|| (0..node.inputs.len()).find(fits)).flatten()
}

/// Evaluates a node whose inputs fit each other and whose outputs fit the limit.
pub(super) fn checked(
    context: &EvalContext,
    state: Option<&mut (dyn OpState + 'static)>,
    node: &TypedNode,
    inputs: TVec<TValue>,
) -> TractResult<TVec<TValue>> {
    let maker = || format!("node `{}` ({})", node.name, node.op.name());
    let inputs = optimize::held(node, inputs)?;
    if node.op_is::<Range>()
        && let [start, end, step] = &inputs[..]
    {
        let number = |tensor: &TValue| -> TractResult<f64> {
            if !tensor.datum_type().is_tdim() {
                return tensor.number::<f64>();
            }
            ensure!(tensor.len() > 0, "an end of a range without elements");
            let dim = tensor.try_as_plain_ram()?.to_scalar::<TDim>()?.eval(context.symbols);
            Ok(dim.to_i64()? as f64)
        };
        let count = ((number(end)? - number(start)?) / number(step)?).ceil().max(0.);
        limit::check(maker, node.outputs[0].fact.datum_type, &[count as usize])?;
    }
    for output in &node.outputs {
        if output.fact.shape.as_concrete().is_none()
            && let Ok(shape) = output.fact.shape.eval_to_usize(context.symbols)
        {
            limit::check(maker, output.fact.datum_type, &shape)?;
        }
    }
    plan::eval(context, state, node, inputs)
}
