//! `Squeeze` of axes in any order, of which the engine's own takes each away where it was before the others went.
//!
//! In: a tensor, and the axes as an attribute or an input. Out: the tensor without them; each has one place.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::i64s;
use super::lower::Built;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Squeeze {
    /// Where they are an attribute.
    axes: Option<Vec<i64>>,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    Ok((expand(Squeeze { axes: node.get_attr_opt_vec("axes")? }), vec![]))
}

/// The axes from the last to the first.
fn descending(axes: &[i64], shape: &[TDim]) -> TractResult<Vec<usize>> {
    let rank = shape.len() as i64;
    let mut places = vec![];
    for axis in axes {
        let at = if *axis < 0 { axis.saturating_add(rank) } else { *axis };
        let at = usize::try_from(at).ok().filter(|at| *at < shape.len());
        let at = at.with_context(|| format!("axis {axis} of {rank}"))?;
        let gone = shape.get(at).is_none_or(|dim| dim.to_i64().is_ok_and(|dim| dim != 1));
        ensure!(!gone, "axis {axis} of shape {shape:?} has more than one place, or none");
        places.push(at);
    }
    places.sort_unstable();
    places.dedup();
    places.reverse();
    Ok(places)
}

impl Expansion for Squeeze {
    fn name(&self) -> StaticName {
        "Squeeze".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, 1)?;
        s.equals(&outputs[0].datum_type, &inputs[0].datum_type)?;
        let without = |mut shape: TVec<TDim>, axes: &[i64]| -> TractResult<TVec<TDim>> {
            for at in descending(axes, &shape)? {
                shape.remove(at);
            }
            Ok(shape)
        };
        match (&self.axes, inputs.get(1)) {
            (Some(axes), _) => s.given(&inputs[0].shape, move |s, shape| {
                s.equals(&outputs[0].shape, without(shape, axes)?)
            }),
            (None, Some(axes)) => {
                s.given_2(&inputs[0].shape, &axes.value, move |s, shape, axes| {
                    s.equals(&outputs[0].shape, without(shape, &i64s(&axes)?)?)
                })
            }
            (None, None) => bail!("no axes"),
        }
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let mut x = *inputs.first().context("no input")?;
        let axes = match (&self.axes, inputs.get(1)) {
            (Some(axes), _) => axes.clone(),
            (None, Some(axes)) => {
                let konst = model.outlet_fact(*axes)?.konst.clone();
                i64s(konst.context("the axes must be constant")?.as_ref())?
            }
            (None, None) => bail!("no axes"),
        };
        let shape = model.outlet_fact(x)?.shape.to_tvec();
        for at in descending(&axes, &shape)? {
            x = model.wire_node(format!("{prefix}.axis-{at}"), AxisOp::Rm(at), &[x])?[0];
        }
        Ok(tvec!(x))
    }
}
