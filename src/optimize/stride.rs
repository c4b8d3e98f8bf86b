//! Every n-th element along an axis, as an operator that stays where it is.
//!
//! In: a graph with the engine's `Downsample`, and with convolutions of one tap that skip. Out: the same
//! graph with [`Stride`] instead. The engine's optimiser pulls a `Downsample` up through whatever makes its
//! input; through a softmax it thereby skips terms of the sum, and over a reshape it gives up with an error.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::Downsample;
use tract_onnx::tract_core::ops::array::StridedSlice;
use tract_onnx::tract_core::ops::cnn::Conv;

use crate::codec::Field;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Stride(pub(crate) Downsample);

impl Field for Stride {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut crate::codec::Writer) -> TractResult<()> {
        self.0.write(to)
    }

    fn read(from: &mut crate::codec::Reader<'_>) -> TractResult<Self> {
        let down = Downsample::read(from)?;
        ensure!(down.stride != 0, "a stride of 0");
        Ok(Self(down))
    }
}

impl Op for Stride {
    fn name(&self) -> StaticName {
        "Stride".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        self.0.info()
    }

    op_as_typed_op!();
}

impl EvalOp for Stride {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        self.0.eval(ctx, inputs)
    }
}

impl TypedOp for Stride {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.0.output_facts(inputs)
    }

    as_op!();
}

/// A convolution that looks at one place of each window along some axis skips the others: the axis, the
/// step of the skipping and what remains of the convolution.
fn skipping(conv: &Conv) -> Option<(usize, usize, Conv)> {
    let pool = &conv.pool_spec;
    let axis = (0..pool.kernel_shape.len()).find(|ax| {
        let stride = pool.stride(*ax);
        stride > 1
            && pool.padding.valid_dim(*ax, false)
            && (pool.kernel_shape[*ax] == 1 || pool.dilation(*ax).is_multiple_of(stride))
    })?;
    let step = pool.stride(axis);
    let mut rest = conv.clone();
    if let Some(dilation) = rest.pool_spec.dilations.as_mut().and_then(|d| d.get_mut(axis)) {
        *dilation = dilation.div_ceil(step);
    }
    *rest.pool_spec.strides.as_mut()?.get_mut(axis)? = 1;
    Some((axis, step, rest))
}

pub(super) fn keep_strides(mut model: TypedModel) -> TractResult<TypedModel> {
    for id in model.eval_order()? {
        let node = model.node(id);
        if node.op_is::<StridedSlice>() {
            // It becomes slices and downsamples, where its bounds are known.
            if let Ok(Some(patch)) = node.op.declutter(&model, node) {
                patch.apply(&mut model)?;
            }
        }
    }
    for id in model.eval_order()? {
        let mut op = model.node(id).op.clone();
        if let Some(down) = op.downcast_ref::<Downsample>() {
            let stride = Stride(down.clone());
            let node = model.node(id);
            let patch = TypedModelPatch::replace_single_op(&model, node, &node.inputs, stride)?;
            patch.apply(&mut model)?;
            continue;
        }
        let node = model.node(id);
        let mut patch = TypedModelPatch::default();
        let mut inputs = patch.taps(&model, &node.inputs)?;
        let mut changed = false;
        while let Some((axis, step, rest)) = op.downcast_ref::<Conv>().and_then(skipping) {
            let shape = patch.outlet_fact(inputs[0])?.shape.to_tvec();
            let axis = rest.pool_spec.data_format.shape(shape)?.h_axis() + axis;
            let stride = Stride(Downsample::new(axis, step as isize, 0));
            let name = format!("{}.stride.{axis}", node.name);
            inputs[0] = patch.wire_node(name, stride, &[inputs[0]])?[0];
            op = Box::new(rest);
            changed = true;
        }
        if changed {
            let outputs = patch.wire_node(&node.name, op, &inputs)?;
            patch.shunt_outside(&model, OutletId::new(id, 0), outputs[0])?;
            patch.apply(&mut model)?;
        }
    }
    Ok(model)
}
