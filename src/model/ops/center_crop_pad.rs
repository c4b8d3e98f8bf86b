//! `CenterCropPad`: crops or pads around the centre.
//!
//! In: a tensor and the wanted sizes, for all axes or for some. Out: a tensor of those sizes.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct CenterCropPad {
    axes: Option<Vec<i64>>,
}

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    host(node, CenterCropPad { axes: node.get_attr_opt_vec("axes")? })
}

impl CenterCropPad {
    fn shape(&self, from: &[usize], wanted: &[i64]) -> TractResult<Vec<usize>> {
        let all = || (0..from.len() as i64).collect();
        let axes: Vec<i64> = self.axes.clone().unwrap_or_else(all);
        ensure!(axes.len() == wanted.len(), "one size for each axis");
        let mut shape = from.to_vec();
        for (axis, size) in axes.iter().zip(sizes(wanted)?) {
            shape[axis_of(*axis, from.len())?] = size;
        }
        Ok(shape)
    }
}

impl Host for CenterCropPad {
    fn name(&self) -> &'static str {
        "CenterCropPad"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let input = need(inputs, 0)?;
        let shape = self.shape(&dims(input)?, &steering(inputs, 1)?)?;
        Ok(tvec!(input.datum_type.fact(shape)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let input = need(inputs, 0)?;
        let from = input.shape();
        let shape = self.shape(from, &i64s(need(inputs, 1)?)?)?;
        // The smaller one lies in the middle of the larger one, an odd rest behind it.
        let place = |axis: usize, at: usize| {
            let (old, new) = (from[axis], shape[axis]);
            let at =
                if new > old { at.checked_sub((new - old) / 2)? } else { at + (old - new) / 2 };
            (at < old).then_some(at)
        };
        let index: Vec<Option<usize>> = coordinates(&shape)
            .map(|at| {
                let at = at.iter().enumerate().map(|(axis, at)| place(axis, *at));
                at.collect::<Option<Vec<_>>>().map(|at| flat(&at, from))
            })
            .collect();
        Ok(tvec!(take(input, &shape, &index)?))
    }
}
