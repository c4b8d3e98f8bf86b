//! `BitCast`: the same bits as another type of the same width.
//!
//! In: a tensor. Out: the same shape.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct BitCast {
    to: DatumType,
}

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    let code: i32 = node.get_attr("to")?;
    let narrow = node.get_attr_opt::<i64>(super::NARROW)?;
    ensure!(narrow.is_none(), "the bits of bfloat16, float8 and 4-bit types are not kept");
    let dtype =
        super::super::signature::dtype_of(code).context("the wanted type is unknown here")?;
    let to = dtype.to_datum();
    ensure!(to.is_copy(), "strings have no bits");
    host(node, BitCast { to })
}

impl Host for BitCast {
    fn name(&self) -> &'static str {
        "BitCast"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let input = need(inputs, 0)?;
        ensure!(
            input.datum_type.is_copy() && input.datum_type.size_of() == self.to.size_of(),
            "{:?} and {:?} differ in width",
            input.datum_type,
            self.to
        );
        Ok(tvec!(self.to.fact(input.shape.clone())))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let input = need(inputs, 0)?;
        let from = input.datum_type();
        ensure!(from.is_copy() && from.size_of() == self.to.size_of(), "the types differ in width");
        let mut out = Tensor::zero_dt(self.to, input.shape())?;
        if input.len() > 0 {
            let bool = self.to == bool::datum_type();
            for (to, from) in out.as_bytes_mut().iter_mut().zip(input.as_bytes()) {
                // A bool of any other bits is undefined behaviour.
                *to = if bool { u8::from(*from != 0) } else { *from };
            }
        }
        Ok(tvec!(out))
    }
}
