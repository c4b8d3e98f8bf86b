//! `Upsample` (operator sets 7 to 9), the forerunner of `Resize`.
//!
//! In: a tensor and a scale for each axis. Out: the nearest element before, or interpolated.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::nn::{CoordTransformer, Interpolator, Nearest, Resize};
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct Upsample {
    linear: bool,
    /// Before operator set 9 the scales are an attribute.
    scales: Option<Vec<f32>>,
}

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    let linear = match node.get_attr_opt("mode")?.unwrap_or("nearest") {
        "nearest" => false,
        "linear" => true,
        other => bail!("mode {other} is unknown"),
    };
    host(node, Upsample { linear, scales: node.get_attr_opt_vec("scales")? })
}

impl Upsample {
    fn shape(&self, from: &[usize], scales: &[f64]) -> TractResult<Vec<usize>> {
        ensure!(from.len() == scales.len(), "one scale for each axis");
        ensure!(scales.iter().all(|s| *s > 0.0 && *s < 1e6), "a scale is out of range");
        let shape: Vec<usize> =
            from.iter().zip(scales).map(|(d, s)| (*d as f64 * s).floor() as usize).collect();
        volume(&shape)?;
        Ok(shape)
    }

    fn scales(&self, input: Option<&Tensor>) -> TractResult<Vec<f64>> {
        match (&self.scales, input) {
            (_, Some(input)) => f64s(input),
            (Some(scales), None) => Ok(scales.iter().map(|s| f64::from(*s)).collect()),
            (None, None) => bail!("the scales must be constant"),
        }
    }
}

impl Host for Upsample {
    fn name(&self) -> &'static str {
        "Upsample"
    }

    fn core(&self) -> Option<(Box<dyn TypedOp>, TVec<Tensor>)> {
        let op = Resize {
            coord_transformer: CoordTransformer::Asymmetric,
            interpolator: if self.linear { Interpolator::Linear } else { Interpolator::Nearest },
            nearest: Nearest::Floor,
            optional_scales_input: Some(1),
            optional_sizes_input: None,
        };
        Some((Box::new(op), self.scales.iter().map(|scales| tensor1(scales)).collect()))
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let input = need(inputs, 0)?;
        let scales = self.scales(maybe(inputs, 1).and_then(|s| s.konst.as_deref()))?;
        Ok(tvec!(input.datum_type.fact(self.shape(&dims(input)?, &scales)?)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let input = need(inputs, 0)?;
        let (from, scales) = (input.shape(), self.scales(maybe(inputs, 1))?);
        let shape = self.shape(from, &scales)?;
        // For each axis and place: the element before, the one behind, and the share of that.
        let places: Vec<Vec<(usize, usize, f64)>> = (0..shape.len())
            .map(|axis| {
                let last = from[axis].saturating_sub(1);
                let place = |at: usize| {
                    let exact = at as f64 / scales[axis];
                    let before = (exact.floor() as usize).min(last);
                    (before, (before + 1).min(last), exact - before as f64)
                };
                (0..shape[axis]).map(place).collect()
            })
            .collect();
        if !self.linear {
            let index: Vec<Option<usize>> = coordinates(&shape)
                .map(|at| {
                    let at: Vec<_> = at.iter().zip(&places).map(|(at, p)| p[*at].0).collect();
                    Some(flat(&at, from))
                })
                .collect();
            return Ok(tvec!(take(input, &shape, &index)?));
        }
        // One axis after the other.
        let (mut values, mut now) = (f64s(input)?, from.to_vec());
        for (axis, places) in places.iter().enumerate().filter(|(a, _)| scales[*a] != 1.0) {
            let (before, along, behind) = around(&now, axis);
            let mut next = Vec::with_capacity(before * places.len() * behind);
            for b in 0..before {
                for (low, high, share) in places {
                    for i in 0..behind {
                        let at = |p: usize| values[(b * along + p) * behind + i];
                        next.push(at(*low) * (1.0 - share) + at(*high) * share);
                    }
                }
            }
            now[axis] = places.len();
            values = next;
        }
        Ok(tvec!(from_f64(&shape, &values, input.datum_type())?))
    }
}
