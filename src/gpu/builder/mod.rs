//! A graph on its way to the GPU: the values and dispatches that lowering makes, node by node.
//!
//! In: nodes in order, each lowered by its row of the table ([`super::lower`]). Out: [`Kernel`]s in
//! order over dense values. The one decision: an element-wise node joins the dispatch that makes its
//! operand whenever nobody else reads that operand, and a concatenation has its parts written in place.

mod cx;
mod join;
mod origin;
mod pattern;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tract_onnx::prelude::*;

pub(crate) use cx::Cx;
pub(crate) use join::In;
pub(crate) use origin::{Derived, Origin, Value};

use super::chain::Chain;
use super::kernel::{Body, Kernel};
use super::transfer;
use super::value::{Carrier, ValueId, View, bytes, dense_strides};
use crate::optimize::HALF;

/// Why a node is not on the GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason(pub(crate) Cow<'static, str>);

pub(crate) type Lowered<T> = Result<T, Reason>;

/// `Err` with a reason.
pub(crate) fn because<T>(reason: impl Into<Cow<'static, str>>) -> Lowered<T> {
    Err(Reason(reason.into()))
}

/// An outlet of the graph as far as it is on the GPU.
#[derive(Clone, Debug)]
struct Operand {
    view: View,
    /// Whether one reader, and nobody else, wants it: then its dispatch may be changed.
    exclusive: bool,
}

/// What of an adapter decides what can be lowered, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of one value.
    pub(crate) max_value_bytes: u64,
    /// The same of one that a dispatch makes: more where it is seen in the end whether it lies in memory at all.
    pub(crate) max_made_bytes: u64,
    /// Whether memory may hold f16.
    pub(crate) half: bool,
    /// Whether what lies as f16 is computed with as such, where that is sound.
    pub(crate) half_math: bool,
    /// How many invocations make a subgroup at least, a power of two, where there are subgroups.
    pub(crate) subgroup: Option<usize>,
    /// Invocations below which a larger share of the work for each would leave parts of the adapter idle.
    pub(crate) busy: usize,
}

pub(crate) struct Builder<'m> {
    pub(crate) model: &'m TypedModel,
    limits: Limits,
    pub(crate) values: Vec<Value>,
    pub(crate) kernels: Vec<Option<Kernel>>,
    outlets: HashMap<OutletId, Operand>,
    constants: HashMap<OutletId, View>,
    /// The dispatches that write a value.
    writers: HashMap<ValueId, Vec<usize>>,
    /// Outlets that the host reads.
    exported: HashSet<OutletId>,
    /// Counts that the host must find to be 0, and what is said where they are not.
    checks: Vec<(View, String)>,
    /// What was seen to already, by any node.
    done: HashSet<String>,
    /// Dispatches before this one belong to earlier segments: done when this one is lowered.
    since: usize,
}

impl<'m> Builder<'m> {
    pub(crate) fn new(model: &'m TypedModel, limits: Limits, exported: HashSet<OutletId>) -> Self {
        Self {
            model,
            limits,
            values: vec![],
            kernels: vec![],
            outlets: HashMap::new(),
            constants: HashMap::new(),
            writers: HashMap::new(),
            exported,
            checks: vec![],
            done: HashSet::new(),
            since: 0,
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Starts another segment and gives the index of its first dispatch.
    pub(crate) fn segment(&mut self) -> usize {
        self.since = self.kernels.len();
        self.since
    }

    /// What was to be checked since the last call.
    pub(crate) fn take_checks(&mut self) -> Vec<(View, String)> {
        std::mem::take(&mut self.checks)
    }

    /// Whether a node before this one has seen to `what`; from now on one has.
    pub(crate) fn once(&mut self, what: String) -> bool {
        !self.done.insert(what)
    }

    fn exclusive(&self, outlet: OutletId) -> bool {
        self.model.node(outlet.node).outputs[outlet.slot].successors.len() == 1
            && !self.exported.contains(&outlet)
    }

    /// Whether an outlet is float16 in the model, and may lie so.
    pub(crate) fn is_half(&self, outlet: OutletId) -> bool {
        self.limits.half
            && self.model.outlet_label(outlet) == Some(HALF)
            && self.model.outlet_fact(outlet).is_ok_and(|f| f.datum_type == DatumType::F32)
    }

    /// A value for `shape`, if the GPU can hold it; constants lie as f16 where they lose nothing by it.
    pub(crate) fn value(
        &mut self,
        datum: DatumType,
        shape: &[usize],
        origin: Origin,
    ) -> Lowered<View> {
        let half = match &origin {
            Origin::Constant(tensor) => self.limits.half && transfer::is_half(tensor),
            Origin::Derived(Derived { source, sorted: true, .. }) => {
                self.limits.half && transfer::is_half(source)
            }
            _ => false,
        };
        self.value_as((datum, half), shape, origin)
    }

    /// The same, as f16 or not.
    pub(crate) fn value_as(
        &mut self,
        (datum, half): (DatumType, bool),
        shape: &[usize],
        origin: Origin,
    ) -> Lowered<View> {
        let Some(carrier) = Carrier::of(datum) else {
            return because(format!("the element type {datum:?} has no kernels"));
        };
        let len = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        let most = match origin {
            Origin::Made => self.limits.max_made_bytes,
            _ => self.limits.max_value_bytes,
        };
        match len {
            Some(0) => because("an empty tensor"),
            Some(len) if bytes(len, half) <= most => {
                self.values.push(Value { len, half, origin });
                let value = ValueId(self.values.len() - 1);
                let (shape, strides) = (shape.to_vec(), dense_strides(shape));
                Ok(View { value, datum, carrier, half, offset: 0, shape, strides })
            }
            _ => because(format!(
                "a tensor of shape {shape:?}, over the adapter's limit of {most} bytes"
            )),
        }
    }

    /// By node: what of it is float16, its result in memory, or what its dispatch multiplies and adds as well.
    pub(crate) fn halves(&self) -> HashMap<String, &'static str> {
        let mut halves = HashMap::new();
        for kernel in self.kernels.iter().flatten() {
            let way = match (kernel.narrow, kernel.output.half) {
                (true, _) => "arithmetic",
                (false, true) => "memory",
                _ => continue,
            };
            // A dispatch has the names of all nodes that it computes.
            halves.extend(kernel.label.split(' ').map(|name| (name.to_owned(), way)));
        }
        halves
    }

    /// Shape and type of an outlet.
    pub(crate) fn fact(&self, outlet: OutletId) -> Lowered<(DatumType, Vec<usize>)> {
        let Ok(fact) = self.model.outlet_fact(outlet) else { return because("no such outlet") };
        match fact.shape.as_concrete() {
            Some(shape) => Ok((fact.datum_type, shape.to_vec())),
            None => because("a shape that depends on the data"),
        }
    }

    /// The host will write this outlet.
    pub(crate) fn upload(&mut self, outlet: OutletId) -> Lowered<View> {
        self.given(outlet, Origin::Upload)
    }

    /// This outlet is there, from somewhere.
    pub(crate) fn given(&mut self, outlet: OutletId, origin: Origin) -> Lowered<View> {
        let (datum, shape) = self.fact(outlet)?;
        let half = self.is_half(outlet);
        let view = self.value_as((datum, half), &shape, origin)?;
        self.outlets.insert(outlet, Operand { view: view.clone(), exclusive: false });
        Ok(view)
    }

    /// The view of an outlet that is on the GPU.
    pub(crate) fn view(&mut self, outlet: OutletId) -> Lowered<View> {
        Ok(self.operand(outlet)?.view)
    }

    fn operand(&mut self, outlet: OutletId) -> Lowered<Operand> {
        if let Some(operand) = self.outlets.get(&outlet) {
            return Ok(operand.clone());
        }
        if let Some(view) = self.constants.get(&outlet) {
            return Ok(Operand { view: view.clone(), exclusive: false });
        }
        let Some(konst) = self.konst(outlet) else { return because("an input is not on the GPU") };
        let view = self.constant(konst)?;
        self.constants.insert(outlet, view.clone());
        Ok(Operand { view, exclusive: false })
    }

    pub(crate) fn konst(&self, outlet: OutletId) -> Option<Arc<Tensor>> {
        let konst = self.model.outlet_fact(outlet).ok()?.konst.clone()?;
        // Block-quantised weights are no plain memory.
        konst.try_as_plain_ram().is_ok().then_some(konst)
    }

    /// A constant of the program.
    pub(crate) fn constant(&mut self, tensor: Arc<Tensor>) -> Lowered<View> {
        if !transfer::fits(&tensor) {
            return because("a constant beyond 32 bits");
        }
        let (datum, shape) = (tensor.datum_type(), tensor.shape().to_vec());
        self.value(datum, &shape, Origin::Constant(tensor))
    }

    fn push(&mut self, mut kernel: Kernel) {
        if matches!(kernel.body, Body::Elements) {
            kernel.narrow = self.limits.half_math && kernel.is_narrow();
        }
        let at = self.kernels.len();
        for view in std::iter::once(&kernel.output).chain(&kernel.more) {
            self.writers.entry(view.value).or_default().push(at);
        }
        self.kernels.push(Some(kernel));
    }

    /// `view` in row-major order, copied where it is not.
    pub(crate) fn dense(&mut self, label: &str, view: View) -> Lowered<View> {
        if view.is_dense() {
            return Ok(view);
        }
        let half = view.half;
        self.copy(label, view, half)
    }

    /// `view` in row-major order, as f16 or as words of 32 bits.
    pub(crate) fn stored(&mut self, label: &str, view: View, half: bool) -> Lowered<View> {
        if view.is_dense() && view.half == half {
            return Ok(view);
        }
        self.copy(label, view, half)
    }

    fn copy(&mut self, label: &str, view: View, half: bool) -> Lowered<View> {
        let output = self.value_as((view.datum, half), &view.shape, Origin::Made)?;
        self.push(Kernel::elements(label, Chain::copy(view), output.clone()));
        Ok(output)
    }
}
