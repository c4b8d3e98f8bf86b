//! `Compress`: the slices that a mask picks.
//!
//! In: a tensor and a mask along an axis, or over all elements. Out: as many slices as the mask has trues.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct Compress {
    axis: Option<i64>,
    count: Symbol,
}

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let count = ctx.template.symbols.new_with_prefix("x");
    host(node, Compress { axis: node.get_attr_opt("axis")?, count })
}

impl Host for Compress {
    fn name(&self) -> &'static str {
        "Compress"
    }

    fn mints(&self) -> bool {
        true
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let input = need(inputs, 0)?;
        let mut shape = tvec!(TDim::Val(0));
        let mut at = 0;
        if let Some(axis) = self.axis {
            shape = input.shape.iter().cloned().collect();
            at = axis_of(axis, shape.len())?;
        }
        // A known mask makes a known shape, and then nothing depends on data.
        shape[at] = match &need(inputs, 1)?.konst {
            Some(mask) => i64s(mask)?.iter().sum::<i64>().to_dim(),
            None => TDim::Sym(self.count.clone()),
        };
        Ok(tvec!(input.datum_type.fact(shape)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (input, mask) = (need(inputs, 0)?, i64s(need(inputs, 1)?)?);
        let shape = if self.axis.is_some() { input.shape().to_vec() } else { vec![input.len()] };
        let axis = self.axis.map_or(Ok(0), |a| axis_of(a, shape.len()))?;
        ensure!(mask.len() <= shape[axis], "the mask is longer than the input");
        let picked: Vec<usize> = (0..mask.len()).filter(|i| mask[*i] != 0).collect();
        let mut out = shape.clone();
        out[axis] = picked.len();
        let index: Vec<Option<usize>> = coordinates(&out)
            .map(|mut at| {
                at[axis] = picked[at[axis]];
                Some(flat(&at, &shape))
            })
            .collect();
        Ok(tvec!(take(input, &out, &index)?))
    }
}
