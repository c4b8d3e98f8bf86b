//! `MatMul`, with the product of two vectors and products of large integers, which the engine's own lacks.
//!
//! In: two tensors. Out: their product by NumPy's rules.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::matmul::MatMulInference;

use super::lower::Built;
use super::wires::Wires;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct MatMul(MatMulInference);

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
