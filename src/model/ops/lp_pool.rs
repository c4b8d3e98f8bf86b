//! `LpPool`: the p-norm of each window.
//!
//! In: `[N, C, …]` and the window. Out: one value a window; padding counts as zero.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct LpPool {
    p: f64,
    kernel: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    pads: Vec<usize>,
    auto_pad: String,
    ceil: bool,
}

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    let kernel: Vec<usize> = node.get_attr_vec("kernel_shape")?;
    let axes = kernel.len();
    let list = |name: &str, default: usize, count: usize| -> TractResult<Vec<usize>> {
        let list = node.get_attr_opt_vec(name)?.unwrap_or_else(|| vec![default; count]);
        ensure!(list.len() == count, "{name} does not fit the kernel");
        Ok(list)
    };
    // Before operator set 2 p is a float.
    let p = match node.attribute.iter().find(|a| a.name == "p") {
        Some(a) if a.f != 0.0 => f64::from(a.f),
        Some(a) => a.i as f64,
        None => 2.0,
    };
    ensure!(p > 0.0, "p must be positive");
    let pool = LpPool {
        p,
        strides: list("strides", 1, axes)?,
        dilations: list("dilations", 1, axes)?,
        pads: list("pads", 0, 2 * axes)?,
        auto_pad: node.get_attr_opt::<&str>("auto_pad")?.unwrap_or("NOTSET").to_owned(),
        ceil: node.get_attr_opt("ceil_mode")?.unwrap_or(false),
        kernel,
    };
    host(node, pool)
}

impl LpPool {
    /// For each spatial axis: how many windows, and how much padding before the first element.
    fn windows(&self, shape: &[usize]) -> TractResult<Vec<(usize, usize)>> {
        let axes = self.kernel.len();
        ensure!(shape.len() == axes + 2, "the kernel does not fit the input");
        let window = |axis: usize| {
            let (size, stride) = (shape[axis + 2], self.strides[axis]);
            let span = (self.kernel[axis] - 1) * self.dilations[axis] + 1;
            if self.auto_pad.starts_with("SAME") {
                let count = size.div_ceil(stride);
                let pad = (count.saturating_sub(1) * stride + span).saturating_sub(size);
                let before = if self.auto_pad == "SAME_LOWER" { pad.div_ceil(2) } else { pad / 2 };
                return Ok((count, before));
            }
            let (before, after) = match self.auto_pad.as_str() {
                "VALID" => (0, 0),
                _ => (self.pads[axis], self.pads[axis + axes]),
            };
            let free =
                (size + before + after).checked_sub(span).context("window over the input")?;
            let mut count = if self.ceil { free.div_ceil(stride) } else { free / stride } + 1;
            // A window that would start in the padding behind is left out.
            if self.ceil && (count - 1) * stride >= size + before {
                count -= 1;
            }
            Ok((count, before))
        };
        (0..axes).map(window).collect()
    }
}

impl Host for LpPool {
    fn name(&self) -> &'static str {
        "LpPool"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let mut shape = dims(need(inputs, 0)?)?;
        let windows = self.windows(&shape)?;
        shape[2..].iter_mut().zip(&windows).for_each(|(d, w)| *d = w.0);
        Ok(tvec!(need(inputs, 0)?.datum_type.fact(shape)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let input = need(inputs, 0)?;
        let windows = self.windows(input.shape())?;
        let values = f64s(input)?;
        let space = &input.shape()[2..];
        let mut shape = input.shape().to_vec();
        shape[2..].iter_mut().zip(&windows).for_each(|(d, w)| *d = w.0);
        let area: usize = space.iter().product();
        let mut out = Vec::with_capacity(volume(&shape)?);
        for plane in 0..shape[0] * shape[1] {
            for at in coordinates(&shape[2..]) {
                let inside = |k: &Vec<usize>| {
                    let place = |axis: usize| {
                        let at = at[axis] * self.strides[axis] + k[axis] * self.dilations[axis];
                        at.checked_sub(windows[axis].1).filter(|p| *p < space[axis])
                    };
                    (0..k.len()).map(place).collect::<Option<Vec<usize>>>()
                };
                let sum: f64 = coordinates(&self.kernel)
                    .filter_map(|k| inside(&k))
                    .map(|p| values[plane * area + flat(&p, space)].abs().powf(self.p))
                    .sum();
                out.push(sum.powf(1.0 / self.p));
            }
        }
        Ok(tvec!(from_f64(&shape, &out, input.datum_type())?))
    }
}
