//! Convolution with weights that only a run knows, as networks have them whose weights depend on the input.
//!
//! In: a float32 image in NCHW (or NCW), weights in OIHW, a bias of one value or one a channel. Out: the output. What is
//! packed once for weights that stay is packed in each run here.

use nearside_kernels::Epilogue;
use nearside_kernels::conv::Geometry;
use tract_onnx::prelude::*;

use super::packed::Packed;
use super::work::{Work, blank};
use super::{check, floats, per_channel};

pub(crate) struct Unpacked {
    geometry: Geometry,
}

impl Unpacked {
    /// `shape` is the output's.
    pub(crate) fn new(
        geometry: Geometry,
        shape: &[usize],
        inputs: &[&TypedFact],
    ) -> TractResult<Self> {
        check(&geometry, shape, inputs)?;
        Ok(Self { geometry })
    }
}

impl Work for Unpacked {
    fn name(&self) -> &'static str {
        "ConvolutionUnpacked"
    }

    fn info(&self) -> String {
        format!("{:?}", self.geometry)
    }

    fn run(&self, inputs: TVec<TValue>, facts: &[TypedFact]) -> TractResult<TVec<TValue>> {
        let g = &self.geometry;
        let packed = Packed::new(g, floats(&inputs[1])?)?;
        let bias = per_channel::<f32>(&inputs[2], g.channels_out)?;
        let epilogue = Epilogue { bias: Some(&bias), ..Epilogue::default() };
        let mut output = blank(facts, 0)?;
        let mut view = output.try_as_plain_ram_mut()?;
        packed.run(g, floats(&inputs[0])?, &epilogue, view.as_slice_mut()?)?;
        Ok(tvec!(output.into_tvalue()))
    }
}
