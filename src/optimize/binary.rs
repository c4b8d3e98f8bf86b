//! Binary operators that the engine's optimiser would change for the worse.
//!
//! In: a graph with the engine's `Rem`, and with products and powers of integers. Out: the same with operators around
//! them that compute the same and stay. The engine takes every binary operator that does not say otherwise for
//! commutative, `Rem` among them, and puts the larger operand first; and it makes a square of `x · x` and of `x²`,
//! which it has for floats only.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::math::{Mul, Pow, Rem};

macro_rules! kept {
    ($name:ident, $of:ident, $word:literal, commutative: $commutative:literal) => {
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub(crate) struct $name;

        crate::codec::fields! { $name {} }

        impl BinMiniOp for $name {
            fn name(&self) -> &'static str {
                $word
            }

            fn result_datum_type(&self, a: DatumType, b: DatumType) -> TractResult<DatumType> {
                $of.result_datum_type(a, b)
            }

            fn eval_in_a(&self, a: &mut Tensor, b: &Tensor) -> TractResult<()> {
                $of.eval_in_a(a, b)
            }

            fn eval_out_of_place(&self, c: &mut Tensor, a: &Tensor, b: &Tensor) -> TractResult<()> {
                $of.eval_out_of_place(c, a, b)
            }

            fn eval(&self, a: TValue, b: TValue, c_dt: DatumType) -> TractResult<Tensor> {
                $of.eval(a, b, c_dt)
            }

            fn is_commutative(&self) -> bool {
                $commutative
            }
        }
    };
}

kept!(Ordered, Rem, "OrderedRem", commutative: false);
kept!(Times, Mul, "Mul", commutative: true);
kept!(Power, Pow, "Pow", commutative: false);

/// What stands for an operator on operands of some type.
fn stand_in(op: &dyn BinMiniOp, of: DatumType) -> Option<Box<dyn BinMiniOp>> {
    let whole = of.is_integer() && !of.is_quantized();
    match op {
        op if op.is::<Rem>() => Some(Box::new(Ordered)),
        op if op.is::<Mul>() && whole => Some(Box::new(Times)),
        op if op.is::<Pow>() && whole => Some(Box::new(Power)),
        _ => None,
    }
}

pub(super) fn keep_binary(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let Some(op) = node.op_as::<TypedBinOp>() else { continue };
        let of = model.outlet_fact(node.inputs[0])?.datum_type;
        let Some(mini) = stand_in(&*op.0, of) else { continue };
        let op = TypedBinOp(mini, op.1);
        let patch = TypedModelPatch::replace_single_op(&model, node, &node.inputs, op)?;
        patch.apply(&mut model)?;
    }
    Ok(model)
}
