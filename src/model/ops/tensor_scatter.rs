//! `TensorScatter`: an update written into a cache at a place of its own for each batch entry.
//!
//! In: the cache, the update and where to write. Out: the new cache. The GPU has a kernel for it.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
pub(crate) struct TensorScatter {
    /// Negative counts from the end.
    pub(crate) axis: i64,
    pub(crate) circular: bool,
}

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    let circular = match node.get_attr_opt("mode")?.unwrap_or("linear") {
        "linear" => false,
        "circular" => true,
        other => bail!("mode {other} is unknown"),
    };
    host(node, TensorScatter { axis: node.get_attr_opt("axis")?.unwrap_or(-2), circular })
}

impl Host for TensorScatter {
    fn name(&self) -> &'static str {
        "TensorScatter"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let cache = need(inputs, 0)?;
        Ok(tvec!(cache.datum_type.fact(cache.shape.clone())))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (cache, update) = (need(inputs, 0)?, need(inputs, 1)?);
        let (shape, new) = (cache.shape(), update.shape());
        let axis = axis_of(self.axis, shape.len())?;
        let fits = |a: usize| new[a] == shape[a] || a == axis && new[a] <= shape[a];
        ensure!(
            new.len() == shape.len() && (0..new.len()).all(fits) && axis > 0,
            "the update does not fit"
        );
        let starts = match maybe(inputs, 2) {
            Some(starts) => sizes(&i64s(starts)?)?,
            None => vec![0; shape[0]],
        };
        ensure!(starts.len() == shape[0], "one place for each batch entry");
        let size = shape[axis];
        let room = |s: &usize| self.circular || s.checked_add(new[axis]).is_some_and(|e| e <= size);
        ensure!(starts.iter().all(room), "the update goes over the cache's end");
        // Both in one, so that an element is taken from either.
        let both = Tensor::stack_tensors(0, &[flatten(cache)?, flatten(update)?])?;
        let index: Vec<Option<usize>> = coordinates(shape)
            .enumerate()
            .map(|(here, mut at)| {
                let step = (at[axis] + size - starts[at[0]] % size) % size;
                if step >= new[axis] {
                    return Some(here);
                }
                at[axis] = step;
                Some(cache.len() + flat(&at, new))
            })
            .collect();
        Ok(tvec!(take(&both, shape, &index)?))
    }
}

fn flatten(tensor: &Tensor) -> TractResult<Tensor> {
    let mut flat = tensor.clone();
    flat.set_shape(&[tensor.len()])?;
    Ok(flat)
}
