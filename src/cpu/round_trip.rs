//! A quantisation that is taken back at once.
//!
//! In: float32. Out: float32, as it comes back from 8 bits: `round(x / scale)`, within the range of the type, times
//! the scale to come back with. In place where nobody else reads the input.

use nearside_kernels::{Activation, quantize};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use crate::codec::fields;
use crate::model::ops::RoundTo;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RoundTrip {
    pub(crate) scale: f32,
    /// uint8 or int8.
    pub(crate) round: RoundTo,
    pub(crate) back: f32,
}

fields! { RoundTrip { scale, round, back } }

// A scale of NaN is merely never equal.
impl Eq for RoundTrip {}

impl RoundTrip {
    /// The same as what a convolution or a chain ends with.
    pub(crate) fn activation(&self) -> Activation {
        let (least, most) = match self.round.dtype {
            DatumType::I8 => (-128, 127),
            _ => (0, 255),
        };
        Activation::RoundTrip {
            scale: self.scale,
            low: (least - self.round.zero) as f32,
            high: (most - self.round.zero) as f32,
            back: self.back,
        }
    }
}

impl Op for RoundTrip {
    fn name(&self) -> StaticName {
        "RoundTrip".into()
    }

    op_as_typed_op!();
}

impl EvalOp for RoundTrip {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, mut inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut x = inputs.remove(0).into_tensor();
        {
            let mut view = x.try_as_plain_ram_mut()?;
            let signed = self.round.dtype == DatumType::I8;
            quantize::round_trip(
                view.as_slice_mut()?,
                self.scale,
                signed,
                self.round.zero,
                self.back,
            );
        }
        Ok(tvec!(x.into_tvalue()))
    }
}

impl TypedOp for RoundTrip {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure!(
            inputs[0].datum_type == DatumType::F32,
            "a round trip of {:?}",
            inputs[0].datum_type
        );
        Ok(tvec!(inputs[0].without_value()))
    }

    fn axes_mapping(
        &self,
        inputs: &[&TypedFact],
        outputs: &[&TypedFact],
    ) -> TractResult<AxesMapping> {
        AxesMapping::natural(inputs, outputs)
    }

    fn change_axes(
        &self,
        model: &TypedModel,
        node: &TypedNode,
        _io: InOut,
        change: &AxisOp,
    ) -> TractResult<Option<AxisChangeConsequence>> {
        Ok(Some(AxisChangeConsequence::new(model, node, None, change)))
    }

    as_op!();
}
