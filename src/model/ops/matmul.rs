//! `MatMul` and `MatMulInteger`, with products of vectors and of large integers, which the engine's own lack.
//!
//! In: two tensors. Out: their product by NumPy's rules.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::matmul::MatMulInference;

use super::host::either;
use super::lower::{Built, lowered};
use super::wires::Wires;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct MatMul(MatMulInference);

/// `MatMulInteger`, of vectors as well, for which the engine's own gives another shape than it tells.
pub(super) fn integer(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let ours = lowered(node, |g, inputs| {
        let (mut a, mut b) = (inputs.need(0)?, inputs.need(1)?);
        let (row, column) = (g.rank(a)? == 1, g.rank(b)? == 1);
        if row {
            a = g.add_axis(a, 0)?;
        }
        if column {
            b = g.add_axis(b, 1)?;
        }
        let mut y = g.integer_matmul(a, inputs.get(2), b, inputs.get(3), (false, false))?;
        if column {
            y = g.remove_axis(y, g.rank(y)? - 1)?;
        }
        if row {
            y = g.remove_axis(y, g.rank(y)? - if column { 1 } else { 2 })?;
        }
        Ok(tvec!(y))
    })?;
    either(super::theirs(ctx, node)?, ours, |inputs| inputs.iter().take(2).all(|f| f.rank() > 1))
}

pub(super) fn build(_: &ParsingContext, _: &NodeProto) -> Built {
    Ok((expand(MatMul(MatMulInference::default())), vec![]))
}

impl Expansion for MatMul {
    fn name(&self) -> StaticName {
        "MatMul".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        self.0.rules(solver, inputs, outputs)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let whole = |f: &TypedFact| f.datum_type.is_integer() && f.datum_type.size_of() > 2;
        let theirs = |f: &TypedFact| f.rank() > 1 && !whole(f);
        if inputs.iter().any(|i| model.outlet_fact(*i).is_ok_and(theirs)) {
            return self.0.wire(prefix, model, inputs);
        }
        let mut wires = Wires::new(model, prefix);
        Ok(tvec!(wires.matmul(inputs[0], inputs[1], false, false)?))
    }
}
