//! Remainders keep the order of their operands.
//!
//! In: a graph with the engine's `Rem`. Out: the same with [`Ordered`] around it. The engine takes every
//! binary operator that does not say otherwise for commutative, `Rem` among them, and puts the larger
//! operand first.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::math::Rem;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Ordered;

impl BinMiniOp for Ordered {
    fn name(&self) -> &'static str {
        "OrderedRem"
    }

    fn result_datum_type(&self, a: DatumType, b: DatumType) -> TractResult<DatumType> {
        Rem.result_datum_type(a, b)
    }

    fn eval_in_a(&self, a: &mut Tensor, b: &Tensor) -> TractResult<()> {
        Rem.eval_in_a(a, b)
    }

    fn eval_out_of_place(&self, c: &mut Tensor, a: &Tensor, b: &Tensor) -> TractResult<()> {
        Rem.eval_out_of_place(c, a, b)
    }

    fn eval(&self, a: TValue, b: TValue, c_dt: DatumType) -> TractResult<Tensor> {
        Rem.eval(a, b, c_dt)
    }

    fn is_commutative(&self) -> bool {
        false
    }
}

pub(super) fn keep_order(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let Some(op) = node.op_as::<TypedBinOp>().filter(|op| op.0.is::<Rem>()) else { continue };
        let op = TypedBinOp(Box::new(Ordered), op.1);
        let patch = TypedModelPatch::replace_single_op(&model, node, &node.inputs, op)?;
        patch.apply(&mut model)?;
    }
    Ok(model)
}
