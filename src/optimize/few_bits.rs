//! Products with constant weights of few bits become ours.
//!
//! In: `MatMulNBits` as imported. Out: [`FewBits`] where weights, scales and zero points are constants.

use std::sync::Arc;

use nearside_kernels::nbits::Packed;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::constant;
use crate::cpu::nbits::FewBits;
use crate::model::ops::MatMulNBits;

pub(super) fn few_bits(
    model: &TypedModel,
    node: &TypedNode,
) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!(op = node.op_as::<MatMulNBits>());
    rule_if_some!(shape = model.outlet_fact(node.id.into())?.shape.as_concrete());
    let operands = node.inputs[1..].iter().map(|input| constant(model, *input));
    rule_if_some!(operands = operands.collect::<TractResult<Option<Vec<_>>>>()?);
    rule_if_some!(weights = packed(op, &operands)?);
    let op = FewBits { shape: shape.into(), weights: Arc::new(weights) };
    TypedModelPatch::replace_single_op(model, node, &node.inputs[..1], op).map(Some)
}

/// The weights in our order; nothing where rows of K are out of order.
fn packed(op: &MatMulNBits, operands: &[Arc<Tensor>]) -> TractResult<Option<Packed>> {
    rule_if!(!op.groups);
    let (size, bits, block) = ([op.k, op.n], op.bits, op.block);
    let blocks = op.k.div_ceil(block);
    let plain = operands.iter().map(|o| o.try_as_plain_ram()).collect::<TractResult<Vec<_>>>()?;
    let (codes, scales) = (plain[0].as_slice::<u8>()?, plain[1].as_slice::<f32>()?);
    let scale = |column: usize, at: usize| scales[column * blocks + at];
    let packed = match plain.get(2) {
        None => Packed::new(size, bits, block, codes, scale, |_, _| (1 << (bits - 1)) as f32)?,
        Some(zeros) if operands[2].datum_type() == DatumType::U8 => {
            let stride = (blocks * bits).div_ceil(8);
            let zeros = zeros.as_slice::<u8>()?;
            let zero = |column: usize, at| op.code(&zeros[column * stride..][..stride], at).into();
            Packed::new(size, bits, block, codes, scale, zero)?
        }
        Some(zeros) => {
            let zeros = zeros.as_slice::<f32>()?;
            let zero = |column: usize, at: usize| zeros[column * blocks + at];
            Packed::new(size, bits, block, codes, scale, zero)?
        }
    };
    Ok(Some(packed))
}
