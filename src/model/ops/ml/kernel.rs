//! What every operator of this domain is to the engine.
//!
//! In: a [`Kernel`], which knows its outputs' types and either evaluates or lowers itself. Out: one
//! importable and one runnable operator for all of them, so that none repeats the engine's traits.

use std::fmt::Debug;

use tract_onnx::tract_hir::internal::*;

/// Element type and shape.
pub(super) type Fact = (DatumType, TVec<TDim>);

/// What a builder returns.
pub(super) type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

pub(super) trait Kernel: Debug + Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// The outputs' types for the inputs' types; refuses what the operator does not take.
    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>>;

    fn outputs(&self) -> usize {
        1
    }

    /// The same in operators of the engine; `None`: there are none for it, [`Kernel::eval`] is it.
    fn lower(&self, _: &mut Wiring, _: &[OutletId]) -> TractResult<Option<TVec<OutletId>>> {
        Ok(None)
    }

    fn eval(&self, _: &[TValue]) -> TractResult<TVec<Tensor>> {
        bail!("{} is made of other operators", self.name())
    }
}

/// Makes an operator of a kernel.
pub(super) fn operator(kernel: impl Kernel) -> Built {
    Ok((expand(KernelOp(Arc::new(kernel))), vec![]))
}

/// The graph that a kernel lowers itself into.
pub(super) struct Wiring<'a> {
    prefix: &'a str,
    model: &'a mut TypedModel,
    count: usize,
}

impl Wiring<'_> {
    fn name(&mut self) -> String {
        self.count += 1;
        format!("{}.{}", self.prefix, self.count)
    }

    pub(super) fn fact(&self, wire: OutletId) -> TractResult<&TypedFact> {
        self.model.outlet_fact(wire)
    }

    pub(super) fn constant(&mut self, tensor: Tensor) -> TractResult<OutletId> {
        let name = self.name();
        self.model.add_const(name, tensor)
    }

    pub(super) fn wire(
        &mut self,
        op: impl Into<Box<dyn TypedOp>>,
        inputs: &[OutletId],
    ) -> TractResult<OutletId> {
        let name = self.name();
        Ok(self.model.wire_node(name, op, inputs)?[0])
    }

    /// A kernel as a node of its own.
    pub(super) fn kernel(
        &mut self,
        kernel: impl Kernel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let name = self.name();
        self.model.wire_node(name, KernelOp(Arc::new(kernel)), inputs)
    }

    pub(super) fn cast(&mut self, wire: OutletId, to: DatumType) -> TractResult<OutletId> {
        if self.fact(wire)?.datum_type == to {
            return Ok(wire);
        }
        self.wire(tract_onnx::tract_core::ops::cast::cast(to), &[wire])
    }
}

/// The rows and columns of a table; a vector is one row.
pub(super) fn table<D: Clone + From<usize>>(shape: &[D]) -> TractResult<(D, D)> {
    match shape {
        [columns] => Ok((D::from(1), columns.clone())),
        [rows, columns] => Ok((rows.clone(), columns.clone())),
        _ => bail!("wants a table [rows, columns], not {} dimensions", shape.len()),
    }
}

/// The types that the specification calls numeric here.
pub(super) fn numeric(fact: &Fact) -> TractResult<()> {
    let dt = fact.0;
    ensure!(dt.is_float() || dt.is_integer(), "wants numbers, not {dt:?}");
    Ok(())
}

/// One value for all, or one for each column, ready to meet a tensor of `shape`.
pub(super) fn per_column<T: Datum>(values: &[T], shape: &[TDim]) -> TractResult<Tensor> {
    let mut wanted = vec![1; shape.len()];
    if values.len() > 1 {
        let (_, columns) = table(shape)?;
        ensure!(
            columns == values.len().to_dim(),
            "it has values for {} columns, its input has {columns}",
            values.len()
        );
        if let Some(last) = wanted.last_mut() {
            *last = values.len();
        }
    }
    tensor1(values).into_shape(&wanted)
}

#[derive(Debug, Clone)]
struct KernelOp(Arc<dyn Kernel>);

impl PartialEq for KernelOp {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for KernelOp {}

/// The engine's own type for sizes is an integer here, which [`Expansion::wire`] makes of it.
fn plain(datum_type: DatumType) -> DatumType {
    if datum_type == DatumType::TDim { DatumType::I64 } else { datum_type }
}

impl KernelOp {
    fn checked(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        self.0.facts(inputs).with_context(|| format!("operator {}", self.0.name()))
    }
}

impl Expansion for KernelOp {
    fn name(&self) -> StaticName {
        self.0.name().into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.0.outputs())
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        ensure!(!inputs.is_empty(), "operator {} has no inputs", self.0.name());
        s.given_all(inputs.iter().map(|i| (&i.datum_type).bex()), move |s, types| {
            s.given_all(inputs.iter().map(|i| (&i.shape).bex()), move |s, shapes| {
                let facts: Vec<Fact> = types.iter().map(|t| plain(*t)).zip(shapes).collect();
                for ((datum, shape), output) in self.checked(&facts)?.into_iter().zip(outputs) {
                    s.equals(&output.datum_type, datum)?;
                    s.equals(&output.shape, shape)?;
                }
                Ok(())
            })
        })
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let mut wiring = Wiring { prefix, model, count: 0 };
        let mut plain_inputs: TVec<OutletId> = tvec!();
        for input in inputs {
            let to = plain(wiring.fact(*input)?.datum_type);
            plain_inputs.push(wiring.cast(*input, to)?);
        }
        match self.0.lower(&mut wiring, &plain_inputs)? {
            Some(wires) => Ok(wires),
            None => model.wire_node(prefix, self.clone(), &plain_inputs),
        }
    }
}

impl Op for KernelOp {
    fn name(&self) -> StaticName {
        self.0.name().into()
    }

    op_as_typed_op!();
}

impl EvalOp for KernelOp {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        Ok(self.0.eval(&inputs)?.into_iter().map(IntoTValue::into_tvalue).collect())
    }
}

impl TypedOp for KernelOp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let inputs: Vec<Fact> = inputs.iter().map(|f| (f.datum_type, f.shape.to_tvec())).collect();
        Ok(self.checked(&inputs)?.into_iter().map(|(dt, shape)| dt.fact(shape)).collect())
    }

    as_op!();
}
