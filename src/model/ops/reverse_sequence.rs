//! `ReverseSequence`: the first elements of each sequence in reverse.
//!
//! In: a tensor with a time and a batch axis, and a length for each batch entry. Out: the same shape.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct ReverseSequence {
    time: i64,
    batch: i64,
}

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    let time = node.get_attr_opt("time_axis")?.unwrap_or(0);
    host(node, ReverseSequence { time, batch: node.get_attr_opt("batch_axis")?.unwrap_or(1) })
}

impl Host for ReverseSequence {
    fn name(&self) -> &'static str {
        "ReverseSequence"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let input = need(inputs, 0)?;
        Ok(tvec!(input.datum_type.fact(input.shape.clone())))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (input, lengths) = (need(inputs, 0)?, sizes(&i64s(need(inputs, 1)?)?)?);
        let shape = input.shape();
        let (time, batch) = (axis_of(self.time, shape.len())?, axis_of(self.batch, shape.len())?);
        ensure!(lengths.len() == shape[batch], "one length for each batch entry");
        ensure!(lengths.iter().all(|l| *l <= shape[time]), "a length is over the input's");
        let index: Vec<Option<usize>> = coordinates(shape)
            .map(|mut at| {
                let length = lengths[at[batch]];
                if at[time] < length {
                    at[time] = length - 1 - at[time];
                }
                Some(flat(&at, shape))
            })
            .collect();
        Ok(tvec!(take(input, shape, &index)?))
    }
}
