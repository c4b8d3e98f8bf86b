//! A graph on its way to the GPU: the values and dispatches that lowering makes, node by node.
//!
//! In: nodes in order, each lowered by its row of the table ([`super::lower`]). Out: [`Kernel`]s in
//! order over dense values. The one decision: an element-wise node joins the dispatch that makes its
//! operand whenever nobody else reads that operand, and a concatenation has its parts written in place.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tract_onnx::prelude::*;

use super::chain::{Arg, Chain};
use super::kernel::{Body, Kernel, MAX_STORAGE_BINDINGS, Param};
use super::value::{Carrier, ValueId, View, dense_strides};

/// Why a node is not on the GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason(pub(crate) Cow<'static, str>);

pub(crate) type Lowered<T> = Result<T, Reason>;

/// `Err` with a reason.
pub(crate) fn because<T>(reason: impl Into<Cow<'static, str>>) -> Lowered<T> {
    Err(Reason(reason.into()))
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// The host writes it before the dispatches that read it.
    Upload,
    /// Written once, when the program is made.
    Constant(Arc<Tensor>),
    /// A dispatch writes it.
    Made,
}

/// A dense value.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) len: usize,
    pub(crate) origin: Origin,
}

/// An outlet of the graph as far as it is on the GPU.
#[derive(Clone, Debug)]
struct Operand {
    view: View,
    /// Whether one reader, and nobody else, wants it: then its dispatch may be changed.
    exclusive: bool,
}

/// What an element-wise expression reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum In {
    /// An input of the node.
    Node(usize),
    /// A number.
    Number(Param),
}

/// Limits of an adapter that decide what can be lowered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of one value.
    pub(crate) max_value_bytes: u64,
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
            since: 0,
        }
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
        let bytes = len.and_then(|n| (n as u64).checked_mul(4));
        match (len, bytes) {
            (Some(0), _) => because("an empty tensor"),
            (Some(len), Some(bytes)) if bytes <= self.limits.max_value_bytes => {
                self.values.push(Value { len, origin });
                let value = ValueId(self.values.len() - 1);
                let (shape, strides) = (shape.to_vec(), dense_strides(shape));
                Ok(View { value, datum, carrier, offset: 0, shape, strides })
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
        if !super::transfer::fits(&tensor) {
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
        let output = self.value(view.datum, &view.shape, Origin::Made)?;
        self.push(Kernel::elements(label, Chain::copy(view), output.clone()));
        Ok(output)
    }

    /// The dispatch that makes `operand`, if its chain may grow over `shape`.
    fn growable(&self, operand: &Operand, shape: &[usize]) -> Option<(usize, Chain)> {
        if !operand.exclusive
            || !operand.view.is_dense()
            || operand.view.len() != shape.iter().product::<usize>()
        {
            return None;
        }
        let [at] = self.writers.get(&operand.view.value)?[..] else { return None };
        let kernel = self.kernels.get(at)?.as_ref()?;
        if at < self.since || !kernel.more.is_empty() || !kernel.output.is_dense() {
            return None;
        }
        Some((at, kernel.chain.reshaped(shape)?))
    }
}

/// One node while it is lowered.
pub(crate) struct Cx<'b, 'm> {
    pub(crate) builder: &'b mut Builder<'m>,
    pub(crate) node: &'m TypedNode,
}

impl Cx<'_, '_> {
    pub(crate) fn inputs(&self) -> usize {
        self.node.inputs.len()
    }

    fn outlet(&self, ix: usize) -> Lowered<OutletId> {
        self.node.inputs.get(ix).copied().map_or_else(|| because("an input is missing"), Ok)
    }

    /// An input, as any view.
    pub(crate) fn input(&mut self, ix: usize) -> Lowered<View> {
        let outlet = self.outlet(ix)?;
        self.builder.view(outlet)
    }

    /// An input in row-major order, copied where it is not.
    pub(crate) fn dense_input(&mut self, ix: usize) -> Lowered<View> {
        let view = self.input(ix)?;
        self.dense(view)
    }

    pub(crate) fn dense(&mut self, view: View) -> Lowered<View> {
        self.builder.dense(&self.node.name, view)
    }

    /// An input that is known when planning.
    pub(crate) fn konst(&self, ix: usize) -> Option<Arc<Tensor>> {
        self.builder.konst(*self.node.inputs.get(ix)?)
    }

    pub(crate) fn input_fact(&self, ix: usize) -> Lowered<(DatumType, Vec<usize>)> {
        self.builder.fact(self.outlet(ix)?)
    }

    pub(crate) fn output_fact(&self, slot: usize) -> Lowered<(DatumType, Vec<usize>)> {
        self.builder.fact(OutletId::new(self.node.id, slot))
    }

    /// A value that no outlet of the graph is.
    pub(crate) fn temporary(&mut self, datum: DatumType, shape: &[usize]) -> Lowered<View> {
        self.builder.value(datum, shape, Origin::Made)
    }

    /// A value for an output of the node.
    pub(crate) fn output(&mut self, slot: usize) -> Lowered<View> {
        let (datum, shape) = self.output_fact(slot)?;
        let view = self.temporary(datum, &shape)?;
        self.is(slot, view.clone(), true);
        Ok(view)
    }

    /// An output of the node is this view. `fresh`: of a value that nothing else reads.
    pub(crate) fn is(&mut self, slot: usize, view: View, fresh: bool) {
        let outlet = OutletId::new(self.node.id, slot);
        let exclusive = fresh && self.builder.exclusive(outlet);
        self.builder.outlets.insert(outlet, Operand { view, exclusive });
    }

    /// The output is the first input, seen otherwise: no work at all.
    pub(crate) fn alias(&mut self, see: impl FnOnce(View) -> Lowered<View>) -> Lowered<()> {
        let outlet = self.outlet(0)?;
        let Operand { view, exclusive } = self.builder.operand(outlet)?;
        let view = see(view)?;
        self.is(0, view, exclusive);
        Ok(())
    }

    /// Has the host fail the run unless `count`, of indices of `user`, is 0.
    pub(crate) fn must_be_zero(&mut self, count: View, user: &str) {
        self.builder.checks.push((count, user.to_owned()));
    }

    /// Adds a dispatch.
    pub(crate) fn run(&mut self, kernel: Kernel) {
        self.builder.push(kernel);
    }

    /// A kernel of this node with a body, whose result is `output`.
    pub(crate) fn kernel(&self, body: String, groups: [u32; 3], output: View) -> Kernel {
        Kernel {
            label: self.node.name.clone(),
            body: Body::Text(body, groups),
            params: vec![],
            reads: vec![],
            wide: vec![],
            acc: output.carrier,
            chain: Chain::plain(&output.shape),
            output,
            more: vec![],
        }
    }

    /// Adds a dispatch of nothing but `chain`.
    pub(crate) fn run_elements(&mut self, chain: Chain, output: View) {
        let label = self.node.name.clone();
        self.run(Kernel::elements(&label, chain, output));
    }

    /// Has `view` written to `target`, a part of another value: by its own dispatch where that is
    /// possible, else by a copy.
    pub(crate) fn place(&mut self, ix: usize, target: View) -> Lowered<()> {
        let outlet = self.outlet(ix)?;
        let operand = self.builder.operand(outlet)?;
        if let Some((at, chain)) = self.builder.growable(&operand, &target.shape)
            && let Some(kernel) = self.builder.kernels.get_mut(at).and_then(Option::take)
        {
            self.run(Kernel { chain, output: target, ..kernel });
        } else {
            self.run_elements(Chain::copy(operand.view), target);
        }
        Ok(())
    }

    /// The whole of an element-wise node: `text` over `inputs`, broadcast, as output 0.
    pub(crate) fn elementwise(&mut self, text: &str, inputs: &[In]) -> Lowered<()> {
        let (datum, shape) = self.output_fact(0)?;
        let Some(carrier) = Carrier::of(datum) else {
            return because(format!("the element type {datum:?} has no kernels"));
        };
        let mut operands = vec![];
        for input in inputs {
            operands.push(match input {
                In::Number(number) => Err(*number),
                In::Node(ix) => self.scalar_or_operand(*ix, &shape)?,
            });
        }
        let output = self.output(0)?;
        // With all that can be joined, then with less, until the bindings suffice.
        for joined in [usize::MAX, 1, 0] {
            if let Some((kernel, taken)) = self.join(text, &operands, &shape, carrier, joined) {
                for at in taken {
                    if let Some(slot) = self.builder.kernels.get_mut(at) {
                        *slot = None;
                    }
                }
                let mut kernel = kernel;
                wrap(&mut kernel.chain, datum);
                kernel.output = output;
                self.run(kernel);
                return Ok(());
            }
        }
        because("more operands than the adapter binds")
    }

    /// A constant of one element is a parameter; the rest is seen over the output's shape.
    fn scalar_or_operand(&mut self, ix: usize, shape: &[usize]) -> Lowered<Result<Operand, Param>> {
        if let Some(konst) = self.konst(ix)
            && konst.len() == 1
            && let Some(number) = super::transfer::scalar(&konst)
        {
            return Ok(Err(number));
        }
        let outlet = self.outlet(ix)?;
        let operand = self.builder.operand(outlet)?;
        match operand.view.broadcast(shape) {
            Some(view) => Ok(Ok(Operand { view, ..operand })),
            None => because("operands that do not broadcast"),
        }
    }

    /// The kernel that computes `text`, joined with at most `limit` of those that make its operands,
    /// and which those are; `None` when it would bind too much.
    fn join(
        &self,
        text: &str,
        operands: &[Result<Operand, Param>],
        shape: &[usize],
        carrier: Carrier,
        limit: usize,
    ) -> Option<(Kernel, Vec<usize>)> {
        let growable: Vec<Option<(usize, Chain)>> = operands
            .iter()
            .map(|o| o.as_ref().ok().and_then(|o| self.builder.growable(o, shape)))
            .collect();
        let body =
            |at: usize| self.builder.kernels.get(at).and_then(Option::as_ref).map(|k| &k.body);
        let is_text = |g: &Option<(usize, Chain)>| {
            g.as_ref().is_some_and(|(at, _)| matches!(body(*at), Some(Body::Text(..))))
        };
        let host =
            growable.iter().position(is_text).or_else(|| growable.iter().position(Option::is_some));
        let host = host.filter(|_| limit > 0);
        let mut taken = vec![];
        let mut kernel = match host.and_then(|h| growable[h].clone()) {
            Some((at, chain)) => {
                taken.push(at);
                let label =
                    format!("{} {}", self.builder.kernels[at].as_ref()?.label, self.node.name);
                Kernel { chain, label, ..self.builder.kernels[at].clone()? }
            }
            None => {
                let first = operands.iter().find_map(|o| o.as_ref().ok())?;
                Kernel::elements(&self.node.name, Chain::plain(shape), first.view.clone())
            }
        };
        let mut args = vec![];
        for (ix, operand) in operands.iter().enumerate() {
            let arg = match (operand, &growable[ix]) {
                (Err(number), _) => kernel.chain.number(*number),
                (Ok(_), Some(_)) if host == Some(ix) => kernel.chain.result,
                (Ok(_), Some((at, other))) if taken.len() < limit && !is_text(&growable[ix]) => {
                    taken.push(*at);
                    kernel.chain.inline(other)
                }
                (Ok(operand), _) => kernel.chain.load(operand.view.clone()),
            };
            args.push(arg);
        }
        kernel.chain.push(text, args, carrier);
        (kernel.bindings() <= MAX_STORAGE_BINDINGS).then_some((kernel, taken))
    }
}

/// Narrow integers overflow as their type does, not as the carrier does.
fn wrap(chain: &mut Chain, datum: DatumType) {
    let last: Arg = chain.result;
    match datum {
        DatumType::U8 => chain.push("$0 & U(255u)", vec![last], Carrier::U32),
        DatumType::U16 => chain.push("$0 & U(65535u)", vec![last], Carrier::U32),
        DatumType::I8 => chain.push("($0 << U(24u)) >> U(24u)", vec![last], Carrier::I32),
        DatumType::I16 => chain.push("($0 << U(16u)) >> U(16u)", vec![last], Carrier::I32),
        _ => last,
    };
}
