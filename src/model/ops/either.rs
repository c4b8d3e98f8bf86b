//! The engine's own operator where it fits, and ours where it does not.
//!
//! In: both, and which inputs the engine's own runs with, and runs right. Out: one operator, which is the one or the other
//! once it is typed. The one decision: which of them infers for both until then is said for each operator.

use std::cell::Cell;
use std::fmt::Debug;

use tract_onnx::tract_hir::internal::*;

use super::engines::{ahead, wired};
use super::host::Built;

/// An operator as its node is read.
pub(super) type Parsed = (Box<dyn InferenceOp>, Vec<String>);

/// Whether the engine's own form of an operator runs with these inputs, and runs right.
type Fits = Arc<dyn Fn(&[&TypedFact]) -> bool + Send + Sync>;

/// The engine's own operator where it fits, else ours.
pub(super) fn either(
    theirs: Parsed,
    ours: Parsed,
    fits: impl Fn(&[&TypedFact]) -> bool + Send + Sync + 'static,
) -> Built {
    choice(theirs, ours, Arc::new(fits), Infers::Ours)
}

/// The same, where ours has kernels of the GPU, for which it stays what it is.
pub(super) fn unless_on_gpu(
    theirs: Parsed,
    ours: Parsed,
    infers: Infers,
    fits: impl Fn(&[&TypedFact]) -> bool + Send + Sync + 'static,
) -> Built {
    let fits = move |inputs: &[&TypedFact]| !FOR_GPU.get() && fits(inputs);
    choice(theirs, ours, Arc::new(fits), infers)
}

thread_local! {
    /// Whether this thread types a graph for the GPU: the importer calls operators, to which nobody could hand it.
    static FOR_GPU: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, in which a graph is typed for the GPU.
#[cfg(feature = "gpu")]
pub(crate) fn for_gpu<T>(work: impl FnOnce() -> T) -> T {
    struct Former(bool);
    impl Drop for Former {
        fn drop(&mut self) {
            FOR_GPU.set(self.0);
        }
    }
    let _former = Former(FOR_GPU.replace(true));
    work()
}

/// The same, where theirs infers for both, since it follows dimensions through.
pub(super) fn as_theirs(
    theirs: Parsed,
    ours: Parsed,
    fits: impl Fn(&[&TypedFact]) -> bool + Send + Sync + 'static,
) -> Built {
    choice(theirs, ours, Arc::new(fits), Infers::Theirs)
}

/// The same, where ours infers as soon as all that it needs is known, and theirs before.
pub(super) fn as_chosen(
    theirs: Parsed,
    ours: Parsed,
    fits: impl Fn(&[&TypedFact]) -> bool + Send + Sync + 'static,
) -> Built {
    choice(theirs, ours, Arc::new(fits), Infers::Chosen)
}

/// The same of operators whose output is of the type and the shape of their first input.
pub(super) fn like_first(
    theirs: Parsed,
    ours: Parsed,
    fits: impl Fn(&[&TypedFact]) -> bool + Send + Sync + 'static,
) -> Built {
    choice(theirs, ours, Arc::new(fits), Infers::LikeFirst)
}

fn choice(theirs: Parsed, ours: Parsed, fits: Fits, infers: Infers) -> Built {
    ensure!(theirs.1.is_empty(), "an operator with subgraphs");
    Ok((Box::new(Either { theirs: theirs.0, ours: ours.0, fits, infers }), vec![]))
}

/// Which of two operators infers for both.
#[derive(Clone, Copy)]
pub(super) enum Infers {
    /// As it knows every form.
    Ours,
    Theirs,
    Chosen,
    /// Neither.
    LikeFirst,
}

#[derive(Clone)]
struct Either {
    theirs: Box<dyn InferenceOp>,
    ours: Box<dyn InferenceOp>,
    fits: Fits,
    infers: Infers,
}

impl Either {
    fn choose(&self, inputs: &[&TypedFact]) -> &dyn InferenceOp {
        let op = if (self.fits)(inputs) { &self.theirs } else { &self.ours };
        op.as_ref()
    }
}

impl Debug for Either {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} or {:?}", self.theirs, self.ours)
    }
}

impl PartialEq for Either {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}
impl Eq for Either {}

impl Op for Either {
    fn name(&self) -> StaticName {
        self.ours.name()
    }

    not_a_typed_op!();
}

impl EvalOp for Either {
    fn eval_out_of_plan(&self, inputs: TVec<TValue>) -> TractResult<Option<TVec<TValue>>> {
        let facts = inputs.iter().map(|i| TypedFact::try_from(i.clone().into_arc_tensor()));
        let facts = facts.collect::<TractResult<Vec<_>>>()?;
        ahead(self.choose(&facts.iter().collect::<Vec<_>>()), inputs)
    }

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        self.eval_out_of_plan(inputs)?.with_context(|| format!("{self:?} runs in a plan only"))
    }
}

impl InferenceOp for Either {
    fn infer_facts(
        &mut self,
        inputs: TVec<&InferenceFact>,
        outputs: TVec<&InferenceFact>,
        observed: TVec<&InferenceFact>,
    ) -> TractResult<(TVec<InferenceFact>, TVec<InferenceFact>, TVec<InferenceFact>)> {
        let all = |facts: &TVec<&InferenceFact>| facts.iter().map(|fact| (*fact).clone()).collect();
        let theirs = match self.infers {
            Infers::LikeFirst => {
                let (mut read, mut made): (TVec<InferenceFact>, TVec<InferenceFact>) =
                    (all(&inputs), all(&outputs));
                if let (Some(x), Some(y)) = (read.first_mut(), made.first_mut()) {
                    x.datum_type.unify_with_mut(&mut y.datum_type)?;
                    x.shape.unify_with_mut(&mut y.shape)?;
                }
                return Ok((read, made, all(&observed)));
            }
            Infers::Ours => false,
            Infers::Theirs => true,
            Infers::Chosen => {
                let facts = inputs.iter().map(|f| TypedFact::try_from(*f));
                let facts = facts.collect::<TractResult<Vec<_>>>();
                facts.map_or(true, |facts| (self.fits)(&facts.iter().collect::<Vec<_>>()))
            }
        };
        let op = if theirs { &mut self.theirs } else { &mut self.ours };
        op.infer_facts(inputs, outputs, observed)
    }

    fn nboutputs(&self) -> TractResult<usize> {
        self.ours.nboutputs()
    }

    fn to_typed(
        &self,
        source: &InferenceModel,
        node: &InferenceNode,
        target: &mut TypedModel,
        mapping: &HashMap<OutletId, OutletId>,
    ) -> TractResult<TVec<OutletId>> {
        let facts = node.inputs.iter().map(|o| target.outlet_fact(mapping[o]));
        let facts = facts.collect::<TractResult<Vec<_>>>()?;
        wired(self.choose(&facts), source, node, target, mapping)
    }

    as_op!();
}
