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
use super::kernel::Kernel;
use super::transfer;
use super::value::{Carrier, ValueId, View, dense_strides};

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
    /// Whether memory may hold f16.
    pub(crate) half: bool,
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
    /// Counts that the host must find to be 0, and whose indices they count.
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

    /// A value for `shape`, if the GPU can hold it.
    pub(crate) fn value(
        &mut self,
        datum: DatumType,
        shape: &[usize],
        origin: Origin,
    ) -> Lowered<View> {
        let Some(carrier) = Carrier::of(datum) else {
            return because(format!("the element type {datum:?} has no kernels"));
        };
        let len = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        let half = match &origin {
            Origin::Constant(tensor) => self.limits.half && transfer::is_half(tensor),
            Origin::Derived(Derived { source, sorted: true, .. }) => {
                self.limits.half && transfer::is_half(source)
            }
            _ => false,
        };
        let bytes = len.and_then(|n| (n as u64).checked_mul(if half { 2 } else { 4 }));
        match (len, bytes) {
            (Some(0), _) => because("an empty tensor"),
            (Some(len), Some(bytes)) if bytes <= self.limits.max_value_bytes => {
                self.values.push(Value { len, half, origin });
                let value = ValueId(self.values.len() - 1);
                let (shape, strides) = (shape.to_vec(), dense_strides(shape));
                Ok(View { value, datum, carrier, half, offset: 0, shape, strides })
            }
            _ => because(format!(
                "a tensor of shape {shape:?}, over the adapter's limit of {} bytes",
                self.limits.max_value_bytes
            )),
        }
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
        let (datum, shape) = self.fact(outlet)?;
        let view = self.value(datum, &shape, Origin::Upload)?;
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

    fn push(&mut self, kernel: Kernel) {
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
        self.copy(label, view)
    }

    /// `view` as the host reads it: in row-major order, in the words of [`transfer`].
    pub(crate) fn words(&mut self, label: &str, view: View) -> Lowered<View> {
        if view.is_dense() && !view.half {
            return Ok(view);
        }
        self.copy(label, view)
    }

    fn copy(&mut self, label: &str, view: View) -> Lowered<View> {
        let output = self.value(view.datum, &view.shape, Origin::Made)?;
        self.push(Kernel::elements(label, Chain::copy(view), output.clone()));
        Ok(output)
    }
}
