//! `MaxUnpool`: the inverse of a `MaxPool` that told its places.
//!
//! In: the maxima, where each lay in the unpooled tensor, and perhaps a larger shape. Out: the maxima at
//! their places, zero elsewhere.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct MaxUnpool {
    kernel: Vec<usize>,
    strides: Vec<usize>,
    pads: Vec<usize>,
}

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    let kernel: Vec<usize> = node.get_attr_vec("kernel_shape")?;
    let axes = kernel.len();
    let strides = node.get_attr_opt_vec("strides")?.unwrap_or_else(|| vec![1; axes]);
    let pads = node.get_attr_opt_vec("pads")?.unwrap_or_else(|| vec![0; 2 * axes]);
    ensure!(
        strides.len() == axes && pads.len() == 2 * axes,
        "an attribute does not fit the kernel"
    );
    host(node, MaxUnpool { kernel, strides, pads })
}

impl MaxUnpool {
    /// The shape before pooling, as far as the pooled one tells.
    fn unpooled(&self, shape: &[usize]) -> TractResult<Vec<usize>> {
        let axes = self.kernel.len();
        ensure!(shape.len() == axes + 2, "the kernel does not fit the input");
        let mut out = shape.to_vec();
        for (axis, size) in out[2..].iter_mut().enumerate() {
            let whole = (size.max(&mut 1).saturating_sub(1)).checked_mul(self.strides[axis]);
            let whole =
                whole.and_then(|w| w.checked_add(self.kernel[axis])).context("too large")?;
            let pads = self.pads[axis] + self.pads[axis + axes];
            *size = whole.checked_sub(pads).context("more padding than input")?;
        }
        Ok(out)
    }
}

impl Host for MaxUnpool {
    fn name(&self) -> &'static str {
        "MaxUnpool"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let input = need(inputs, 0)?;
        let shape = match maybe(inputs, 2) {
            Some(_) => sizes(&steering(inputs, 2)?)?,
            None => self.unpooled(&dims(input)?)?,
        };
        Ok(tvec!(input.datum_type.fact(shape)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (input, places) = (need(inputs, 0)?, i64s(need(inputs, 1)?)?);
        let inner = self.unpooled(input.shape())?;
        let shape = match maybe(inputs, 2) {
            Some(shape) => sizes(&i64s(shape)?)?,
            None => inner.clone(),
        };
        ensure!(
            shape.len() == inner.len() && shape.iter().zip(&inner).all(|(a, b)| a >= b),
            "the output's shape is smaller than what was pooled"
        );
        ensure!(places.len() == input.len(), "one place for each maximum");
        let mut index = vec![None; volume(&shape)?];
        for (from, place) in places.iter().enumerate() {
            // Places count in the unpooled tensor, which lies at the start of a larger one.
            let mut rest = usize::try_from(*place).context("a negative place")?;
            let mut at = vec![0; inner.len()];
            for (at, size) in at.iter_mut().zip(&inner).rev() {
                ensure!(*size > 0, "an empty output");
                (*at, rest) = (rest % size, rest / size);
            }
            ensure!(rest == 0, "a place is out of range");
            index[flat(&at, &shape)] = Some(from);
        }
        Ok(tvec!(take(input, &shape, &index)?))
    }
}
