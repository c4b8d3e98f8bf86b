//! com.microsoft `MatMulBnb4`: a product with weights of four bits in blocks, as bitsandbytes packs them.
//!
//! In: activations, codes two a byte, the first in the upper half, and the greatest magnitude of each block. Out: the
//! product. The one decision: the weights are unpacked for good when a plan is made.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};
use crate::limit;

/// Dettmers et al., QLoRA, 2023: quantiles of the normal distribution.
const NORMAL: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// A float of four bits.
const FLOAT: [f32; 8] = [0.0, 5.208_333_3e-3, 2. / 3., 1.0, 1. / 3., 0.5, 1. / 6., 0.25];

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let (k, n): (usize, usize) = (node.get_attr("K")?, node.get_attr("N")?);
    let (block, kind): (usize, i64) = (node.get_attr("block_size")?, node.get_attr("quant_type")?);
    let turned = node.get_attr_opt("transB")?.unwrap_or(1i64) != 0;
    ensure!(block >= 16 && block.is_power_of_two(), "block_size {block}");
    ensure!(matches!(kind, 0 | 1), "quant_type {kind} is unknown");
    let count = k.checked_mul(n).context("too many weights")?;
    lowered(node, move |g, inputs| {
        let a = inputs.need(0)?;
        let codes = inputs.known(g, 1)?.context("no weights")?;
        let most = inputs.known(g, 2)?.context("no magnitudes")?.cast_to::<f32>()?.into_owned();
        ensure!(codes.datum_type() == DatumType::U8, "weights of {:?}", codes.datum_type());
        let most = most.try_as_plain_ram()?.as_slice::<f32>()?;
        let bytes = codes.as_bytes();
        let fits = bytes.len() == count.div_ceil(2) && most.len() == count.div_ceil(block);
        ensure!(fits, "{} bytes and {} blocks for {count} weights", bytes.len(), most.len());
        limit::check(|| "MatMulBnb4".to_owned(), DatumType::F32, &[n, k])?;
        let value = |at: usize| {
            let byte = bytes[at / 2];
            let code = usize::from(if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 });
            let value = match kind {
                1 => NORMAL[code],
                _ if code >= 8 => -FLOAT[code - 8],
                _ => FLOAT[code],
            };
            value * most[at / block]
        };
        let weights = Tensor::from_shape(&[n, k], &(0..count).map(value).collect::<Vec<_>>())?;
        let weights = weights.cast_to_dt(g.dtype(a)?)?.into_owned();
        let weights = g.constant(weights)?;
        Ok(tvec!(g.matmul(a, weights, false, turned)?))
    })
}
