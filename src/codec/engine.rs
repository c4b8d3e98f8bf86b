//! The engine's own types: what its operators are made of.
//!
//! One row a type. A size that is not known when the model is published has no bytes; the graph is then left to
//! import.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{
    CumSum, DynSlice, FiniteReshape, Gather, GatherElements, GatherNd, MultiBroadcastTo, OneHot,
    Pad, PadMode, ScatterElements, ScatterNd, ScatterReduction, Slice, StridedSlice, Tile, Topk,
    Trilu, TypedConcat,
};
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::cnn::{
    Conv, Deconv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool,
};
use tract_onnx::tract_core::ops::downsample::Downsample;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::fft::{Fft, Stft};
use tract_onnx::tract_core::ops::gru_cell::GruEpilogue;
use tract_onnx::tract_core::ops::identity::Identity;
use tract_onnx::tract_core::ops::logic::Iff;
use tract_onnx::tract_core::ops::lstm_cell::LstmEpilogue;
use tract_onnx::tract_core::ops::math::{IsInf, PowConst};
use tract_onnx::tract_core::ops::nn::{
    CoordTransformer, DataFormat, GeluApproximate, GridSample, InterpolationMode, Interpolator,
    LeakyRelu, Nearest, NearestUpsample, PaddingMode, Reduce, Reducer, Resize, RmsNorm,
    ScaledRmsNorm, Softmax, SoftmaxKind,
};
use tract_onnx::tract_core::ops::quant::{DequantizeLinearF32, QuantizeLinearI8, QuantizeLinearU8};
use tract_onnx::tract_core::ops::scan::{InputMapping, OutputMapping, ScanInfo};

#[cfg(feature = "native")]
use super::Writer;
use super::{Field, Reader, choices, fields};

/// The number of a type, for ever.
const TYPES: [(u64, DatumType); 14] = [
    (0, DatumType::Bool),
    (1, DatumType::U8),
    (2, DatumType::U16),
    (3, DatumType::U32),
    (4, DatumType::U64),
    (5, DatumType::I8),
    (6, DatumType::I16),
    (7, DatumType::I32),
    (8, DatumType::I64),
    (9, DatumType::F16),
    (10, DatumType::F32),
    (11, DatumType::F64),
    (12, DatumType::TDim),
    (13, DatumType::String),
];

impl Field for DatumType {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        let row = TYPES.iter().find(|(_, datum)| datum == self);
        row.with_context(|| format!("values of the type {self:?} have no bytes"))?.0.write(to)
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        let number = u64::read(from)?;
        let row = TYPES.iter().find(|(of, _)| *of == number);
        Ok(row.with_context(|| format!("no type has the number {number}"))?.1)
    }
}

impl Field for TDim {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        self.to_i64().context("a size is known only when the model runs")?.write(to)
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        let size = i64::read(from)?;
        ensure!((0..=i64::from(i32::MAX)).contains(&size), "a size of {size}");
        Ok(Self::from(size))
    }
}

impl Field for ShapeFact {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        TVec::from_slice(self.as_concrete().context("a shape is known only in a run")?).write(to)
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        let shape = TVec::<usize>::read(from)?;
        ensure!(shape.iter().all(|d| i32::try_from(*d).is_ok()), "a size of {shape:?}");
        Ok(Self::from_dims(shape))
    }
}

/// Without a value.
impl Field for TypedFact {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        ensure!(self.exotic_fact.is_none(), "a packed input has no bytes");
        self.datum_type.write(to)?;
        self.shape.write(to)
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        let datum = DatumType::read(from)?;
        Ok(datum.fact(ShapeFact::read(from)?))
    }
}

impl Field for AxesMapping {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        let (inputs, outputs) = self.to_strs();
        inputs.write(to)?;
        outputs.write(to)
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        let (inputs, outputs) = (TVec::<String>::read(from)?, TVec::<String>::read(from)?);
        ensure!(!outputs.is_empty(), "a product without an output");
        Self::from_strs(&inputs, &outputs)
    }
}

impl Field for OutputMapping<TDim> {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        let Self { scan, full_dim_hint, last_value_slot, state } = self;
        scan.write(to)?;
        full_dim_hint.write(to)?;
        last_value_slot.write(to)?;
        state.write(to)
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        Ok(Self {
            scan: Field::read(from)?,
            full_dim_hint: Field::read(from)?,
            last_value_slot: Field::read(from)?,
            state: Field::read(from)?,
        })
    }
}

choices! {
    AxisOp { 0 => Add(axis), 1 => Rm(axis), 2 => Move(from_axis, to_axis), 3 => Reshape(axis, old, new) }
    CoordTransformer {
        0 => HalfPixel, 1 => AlignCorners, 2 => Asymmetric, 3 => PytorchHalfPixel, 4 => HalfPixelSymmetric,
        5 => TfHalfPixelForNn,
    }
    DataFormat { 0 => NCHW, 1 => NHWC, 2 => CHW, 3 => HWC }
    InputMapping { 0 => Full, 1 => State, 2 => Scan(info) }
    InterpolationMode { 0 => Bilinear, 1 => Nearest, 2 => Bicubic }
    Interpolator { 0 => Linear, 1 => Nearest, 2 => Cubic }
    KernelFormat { 0 => OIHW, 1 => HWIO, 2 => OHWI }
    Nearest { 0 => Floor, 1 => RoundPreferCeil }
    PadMode { 0 => Constant(value), 1 => Reflect, 2 => Edge }
    PaddingMode { 0 => Zeros, 1 => Border, 2 => Reflection }
    PaddingSpec {
        0 => Explicit(before, after), 1 => ExplicitOnnxPool(before, after, ceil), 2 => Valid, 3 => SameUpper,
        4 => SameLower,
    }
    Reducer {
        0 => ArgMax(last), 1 => ArgMin(last), 2 => Max, 3 => Min, 4 => Prod, 5 => Sum, 6 => MeanOfSquares, 7 => All,
        8 => Any,
    }
    ScatterReduction { 0 => None, 1 => Add, 2 => Mul, 3 => Min, 4 => Max }
    SoftmaxKind { 0 => Softmax, 1 => LogSoftmax }
}

fields! {
    Cast { to }
    Conv { pool_spec, kernel_fmt, group, q_params }
    CumSum { axis, exclusive, reverse }
    Deconv { pool_spec, kernel_format, adjustments, group }
    DequantizeLinearF32 { scale, zero_point }
    Downsample { axis, stride, modulo }
    DynSlice { axis, len }
    EinSum { axes, operating_dt, q_params }
    Fft { axis, inverse }
    FiniteReshape { shape }
    Gather { axis, output_type }
    GatherElements { axis }
    GatherNd { batch_dims }
    GeluApproximate { fast_impl }
    GridSample { mode, padding_mode, align_corners }
    GruEpilogue { hidden }
    Identity {}
    Iff {}
    IsInf { detect_positive, detect_negative }
    LeakyRelu { alpha }
    LstmEpilogue { hidden }
    MaxPool { pool_spec, with_index_outputs }
    MultiBroadcastTo { shape }
    NearestUpsample { scales }
    OneHot { axis, dim, off, on }
    Pad { pads, mode }
    PoolSpec { data_format, kernel_shape, padding, dilations, strides, input_channels, output_channels }
    PowConst { exponent }
    QuantizeLinearI8 { scale, zero_point }
    QuantizeLinearU8 { scale, zero_point }
    Reduce { axes, reducer }
    Resize { coord_transformer, interpolator, nearest, optional_scales_input, optional_sizes_input }
    RmsNorm { axis, eps }
    ScaledRmsNorm { axis, eps, out_dt, scale_dt }
    ScanInfo { axis, chunk }
    ScatterElements { axis, reduction }
    ScatterNd { reduction }
    Slice { axis, start, end }
    Softmax { axes, quant_output_dt, kind }
    Stft { axis, frame, stride, window }
    StridedSlice { optional_axes_input, optional_steps_input, begin_mask, end_mask, shrink_axis_mask }
    SumPool { pool_spec, count_include_pad, normalize }
    Tile { multipliers }
    Topk { axis, largest, fallback_k }
    Trilu { upper }
    TypedConcat { axis }
}
