//! A graph whose facts are known -> a graph of the operators that the optimiser works on.
//!
//! In: an analysed graph. Out: its typed form. The one decision: the engine's own translation compares each new node
//! and each constant, by value, with all that are there, and analyses the graph twice more before it begins; here each
//! node is translated in a graph of its own, whose nodes then move.

use std::collections::{HashMap, HashSet};
use std::fmt::{Debug, Display};
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_hir::infer::InferenceNode;
use tract_onnx::tract_hir::internal::Factoid;

use crate::limit;
use crate::optimize;

/// Bytes of a constant up to which equal ones become one.
const SHARED: usize = 64;

pub(super) fn typed(graph: InferenceModel) -> TractResult<TypedModel> {
    let source = graph.into_compact()?;
    let _proofs = source.symbols.proof_cache_session();
    let model = TypedModel { symbols: source.symbols.clone(), ..TypedModel::default() };
    let mut target = Target { model, ..Target::default() };
    for id in order(&source)? {
        target.take(&source, source.node(id))?;
    }
    let mut model = target.finished(source.input_outlets()?, source.output_outlets()?)?;
    model.properties.clone_from(&source.properties);
    Ok(model)
}

/// `source` with numbers for its symbols.
#[cfg(feature = "gpu")]
pub(super) fn concrete(
    source: &TypedModel,
    numbers: &HashMap<Symbol, TDim>,
) -> TractResult<TypedModel> {
    let model = TypedModel { symbols: source.symbols.clone(), ..TypedModel::default() };
    let mut target = Target { model, ..Target::default() };
    for id in order(source)? {
        target.take_with(source, source.node(id), numbers)?;
    }
    target.finished(source.input_outlets()?, source.output_outlets()?)
}

/// The nodes in the order in which they run; inputs stay, even those that nobody reads.
fn order<F, O>(source: &tract_onnx::prelude::Graph<F, O>) -> TractResult<Vec<usize>>
where
    F: Fact + Clone + 'static,
    O: Debug + Display + AsRef<dyn Op> + AsMut<dyn Op> + Clone + 'static,
{
    let mut order = source.eval_order()?;
    let read: HashSet<usize> = order.iter().copied().collect();
    let inputs = source.input_outlets()?.iter().map(|input| input.node);
    order.extend(inputs.filter(|node| !read.contains(node)));
    Ok(order)
}

/// What is translated so far.
#[derive(Default)]
struct Target {
    model: TypedModel,
    /// By the outlets of the source.
    mapping: HashMap<OutletId, OutletId>,
    names: HashSet<String>,
    /// Small ones, by type, shape and bytes.
    constants: HashMap<(DatumType, TVec<usize>, Vec<u8>), OutletId>,
}

impl Target {
    fn take(&mut self, source: &InferenceModel, node: &InferenceNode) -> TractResult<()> {
        let outlets = self
            .translated(source, node)
            .with_context(|| format!("Translating node {} ({})", node.name, node.op.name()))?;
        for (slot, outlet) in outlets.into_iter().enumerate() {
            let from = OutletId::new(node.id, slot);
            self.mapping.insert(from, outlet);
            if let Some(label) = source.outlet_label(from) {
                self.model.set_outlet_label(outlet, label.to_string())?;
            }
        }
        Ok(())
    }

    #[cfg(feature = "gpu")]
    fn take_with(
        &mut self,
        source: &TypedModel,
        node: &TypedNode,
        numbers: &HashMap<Symbol, TDim>,
    ) -> TractResult<()> {
        let outlets = self.substituted(source, node, numbers).with_context(|| {
            format!("Numbers for the symbols of {} ({})", node.name, node.op.name())
        })?;
        let slots = outlets.into_iter().enumerate();
        self.mapping.extend(slots.map(|(slot, outlet)| (OutletId::new(node.id, slot), outlet)));
        for slot in 0..node.outputs.len() {
            let from = OutletId::new(node.id, slot);
            if let (Some(label), Some(to)) = (source.outlet_label(from), self.mapping.get(&from)) {
                self.model.set_outlet_label(*to, label.to_owned())?;
            }
        }
        Ok(())
    }

    fn translated(
        &mut self,
        source: &InferenceModel,
        node: &InferenceNode,
    ) -> TractResult<TVec<OutletId>> {
        let is_source = source.inputs.iter().any(|i| i.node == node.id);
        if is_source {
            self.names.insert(node.name.clone());
            return node.op.to_typed(source, node, &mut self.model, &self.mapping);
        }
        let values: Option<TVec<_>> =
            node.outputs.iter().map(|o| o.fact.value.concretize()).collect();
        if let Some(values) = values
            && node.op.state(&EvalContext::out_of_plan())?.is_none()
        {
            let named = values.into_iter().enumerate();
            return named.map(|(ix, v)| self.constant(format!("{}.{ix}", node.name), v)).collect();
        }
        // Operators make constants while they are translated.
        for output in &node.outputs {
            if let Some(datum_type) = output.fact.datum_type.concretize()
                && let Ok(Some(shape)) = output.fact.shape.as_concrete_finite()
            {
                let maker = || format!("node `{}` ({})", node.name, node.op.name());
                limit::check(maker, datum_type, &shape)?;
            }
        }
        let (mut patch, taps) = self.around(&node.inputs)?;
        let outlets = node.op.to_typed(source, node, &mut patch.model, &taps)?;
        self.moved(patch, &outlets)
    }

    #[cfg(feature = "gpu")]
    fn substituted(
        &mut self,
        source: &TypedModel,
        node: &TypedNode,
        numbers: &HashMap<Symbol, TDim>,
    ) -> TractResult<TVec<OutletId>> {
        if let Some(konst) = node.op_as::<Const>()
            && konst.exotic_fact().is_none()
            && konst.val().datum_type() != TDim::datum_type()
        {
            return Ok(tvec!(self.constant(node.name.clone(), Arc::clone(konst.val()))?));
        }
        let (mut patch, taps) = self.around(&node.inputs)?;
        let outlets = node.op.set_symbols(source, node, &mut patch.model, &taps, numbers)?;
        self.moved(patch, &outlets)
    }

    /// A graph that has nothing but what a node reads, and where that is.
    fn around(
        &self,
        inputs: &[OutletId],
    ) -> TractResult<(TypedModelPatch, HashMap<OutletId, OutletId>)> {
        let mut patch = TypedModelPatch::default();
        patch.model.symbols = self.model.symbols.clone();
        let mut taps = HashMap::new();
        for input in inputs {
            if !taps.contains_key(input) {
                let outlet = self.mapping.get(input).context("an input of no node")?;
                taps.insert(*input, patch.tap_model(&self.model, *outlet)?);
            }
        }
        Ok((patch, taps))
    }

    /// The graph between these wires of the source.
    fn finished(self, inputs: &[OutletId], outputs: &[OutletId]) -> TractResult<TypedModel> {
        let Self { mut model, mapping, .. } = self;
        let mapped = |outlets: &[OutletId]| {
            let wire = |o| mapping.get(o).copied().context("a wire of no node");
            outlets.iter().map(wire).collect::<TractResult<Vec<_>>>()
        };
        model.inputs = mapped(inputs)?;
        model.outputs = mapped(outputs)?;
        Ok(model)
    }

    /// The nodes of a patch become the model's; where `outlets` of it are afterwards.
    fn moved(
        &mut self,
        patch: TypedModelPatch,
        outlets: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let TypedModelPatch { model: patch, taps: mut wires, .. } = patch;
        // Each node comes after those that it reads.
        for node in patch.nodes {
            let id = node.id;
            let first = OutletId::new(id, 0);
            if wires.contains_key(&first) {
                continue;
            }
            if let Some(konst) = node.op_as::<Const>()
                && konst.exotic_fact().is_none()
            {
                let outlet = self.constant(node.name.clone(), Arc::clone(konst.val()))?;
                wires.insert(first, outlet);
                continue;
            }
            let slots = node.outputs.len();
            let inputs = node.inputs.iter().map(|i| wires.get(i).copied());
            let inputs = inputs.collect::<Option<TVec<_>>>().context("a patch without a wire")?;
            let read = inputs.iter().map(|i| self.model.outlet_fact(*i));
            optimize::check(node.op.as_ref(), &read.collect::<TractResult<TVec<_>>>()?)
                .with_context(|| format!("`{}` ({})", node.name, node.op.name()))?;
            let name = self.free(node.name);
            let facts = node.outputs.into_iter().map(|o| o.fact).collect();
            let new = self.model.add_node(name, node.op, facts)?;
            for (slot, input) in inputs.into_iter().enumerate() {
                self.model.add_edge(input, InletId::new(new, slot))?;
            }
            wires.extend((0..slots).map(|s| (OutletId::new(id, s), OutletId::new(new, s))));
        }
        let found = outlets.iter().map(|o| wires.get(o).copied().context("a wire of no node"));
        found.collect()
    }

    fn constant(&mut self, name: String, value: Arc<Tensor>) -> TractResult<OutletId> {
        let bytes = value.len() * value.datum_type().size_of();
        let plain = value.datum_type().is_copy() && value.is_plain_ram();
        let key = (plain && bytes <= SHARED)
            .then(|| (value.datum_type(), value.shape().into(), value.as_bytes().to_vec()));
        if let Some(known) = key.as_ref().and_then(|key| self.constants.get(key)) {
            return Ok(*known);
        }
        let fact = TypedFact::try_from(Arc::clone(&value))?;
        let op = match &fact.exotic_fact {
            Some(exotic) => Const::new_with_exotic_fact(value, exotic.clone())?,
            None => Const::new(value)?,
        };
        let name = self.free(name);
        let outlet = self.model.add_node(name, op, tvec!(fact))?.into();
        if let Some(key) = key {
            self.constants.insert(key, outlet);
        }
        Ok(outlet)
    }

    /// A name that no other node has.
    fn free(&mut self, name: String) -> String {
        if self.names.insert(name.clone()) {
            return name;
        }
        let mut numbered = (1..).map(|n: usize| format!("{name}.{n}"));
        let free = numbered.find(|name| !self.names.contains(name)).unwrap_or(name);
        self.names.insert(free.clone());
        free
    }
}
