//! THE table of operators that a published graph may have: what each is called there, and how many inputs it has at
//! the least.
//!
//! To add one: its row in [`fields!`] where it is defined, its name here. A name says the same for ever; an operator
//! that is not here leaves its graph to import.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{
    CumSum, DynSlice, FiniteReshape, Gather, GatherElements, GatherNd, MultiBroadcastTo, OneHot,
    Pad, ScatterElements, ScatterNd, Slice, StridedSlice, Tile, Topk, Trilu, TypedConcat,
};
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::cnn::{Conv, Deconv, MaxPool, SumPool};
use tract_onnx::tract_core::ops::downsample::Downsample;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};
use tract_onnx::tract_core::ops::fft::{Fft, Stft};
use tract_onnx::tract_core::ops::gru_cell::GruEpilogue;
use tract_onnx::tract_core::ops::identity::Identity;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::logic::{
    And, BitAnd, BitNot, BitOr, BitXor, CompEq, CompGT, CompGTE, CompLT, CompLTE, CompNE, Iff, Not,
    Or, Xor,
};
use tract_onnx::tract_core::ops::lstm_cell::LstmEpilogue;
use tract_onnx::tract_core::ops::math::{
    Abs, Acos, Acosh, Add, Asin, Asinh, Atan, Atanh, Ceil, Cos, Cosh, Div, Erf, Exp, Floor, IsInf,
    IsNan, Ln, Max, Min, Mul, Neg, Pow, PowConst, Recip, Rem, Round, RoundHalfToEven, Rsqrt,
    ShiftLeft, ShiftRight, Sign, Sin, Sinh, Sqrt, Square, Sub, SubF, Tan, Tanh,
};
use tract_onnx::tract_core::ops::nn::{
    GeluApproximate, GeluExact, GridSample, HardSwish, LeakyRelu, NearestUpsample, Reduce, Resize,
    RmsNorm, ScaledRmsNorm, Sigmoid, Silu, Softmax,
};
use tract_onnx::tract_core::ops::quant::{
    DequantizeLinearF32, OffsetI8asU8, OffsetU8asI8, QuantizeLinearI8, QuantizeLinearU8, Scale,
};
use tract_onnx::tract_core::ops::scan::Scan;
use tract_onnx::tract_core::ops::source::TypedSource;

#[cfg(feature = "native")]
use crate::codec::Writer;
use crate::codec::{Field, Reader, fields};
use crate::cpu::convolution::Convolution;
use crate::cpu::dense::Dense;
use crate::cpu::integer::IntegerConvolution;
use crate::cpu::integer_dense::IntegerDense;
use crate::cpu::pooling::Pooling;
use crate::cpu::recurrence::Recurrence;
use crate::cpu::round_trip::RoundTrip;
use crate::cpu::volume::Volume;
use crate::model::ops::{Extreme, GatherBlocks, MatMulNBits, Quotient, RoundTo, ToNarrow};
use crate::optimize::{CheckDivisors, CheckIndices, Ordered, Power, Stride, Times};

/// One operator of the kind `O`.
struct Row<O: ?Sized> {
    name: &'static str,
    /// How many inputs it has at the least.
    inputs: usize,
    /// Writes it if it is this one.
    #[cfg(feature = "native")]
    write: fn(&O, &mut Writer) -> Option<TractResult<()>>,
    read: fn(&mut Reader<'_>) -> TractResult<Box<O>>,
}

macro_rules! rows {
    ($kind:ident, $($inputs:literal => $($name:ident),* $(,)?);* $(;)?) => {
        &[$($(Row {
            name: stringify!($name),
            inputs: $inputs,
            #[cfg(feature = "native")]
            write: |op, to| op.downcast_ref::<$name>().map(|op| op.write(to)),
            read: |from| Ok(Box::new($name::read(from)?) as Box<dyn $kind>),
        }),*),*]
    };
}

const OPERATORS: &[Row<dyn TypedOp>] = rows! { TypedOp,
    0 => Const, TypedSource;
    3 => Recurrence;
    1 => AxisOp, Cast, CheckDivisors, CheckIndices, Convolution, CumSum, Dense, DequantizeLinearF32, Downsample,
        ElementWiseOp, Extreme, Fft, FiniteReshape, Identity, MaxPool, Pooling, MultiBroadcastTo, NearestUpsample,
        Pad, Reduce, Resize, RmsNorm, RoundTo, RoundTrip,
        Scan, Slice, Softmax, Stft, Stride, SumPool, Tile, ToNarrow,
        Trilu, TypedConcat, Volume;
    2 => DynSlice, EinSum, Gather, GatherElements, GatherNd, GridSample, IntegerConvolution, IntegerDense,
        LstmEpilogue, OneHot, Quotient, ScaledRmsNorm, Topk, TypedBinOp;
    3 => Conv, Deconv, GatherBlocks, GruEpilogue, Iff, MatMulNBits, ScatterElements, ScatterNd, StridedSlice;
};

const BINARY: &[Row<dyn BinMiniOp>] = rows! { BinMiniOp,
    2 => Add, And, BitAnd, BitOr, BitXor, CompEq, CompGT, CompGTE, CompLT, CompLTE, CompNE, Div, Max, Min, Mul, Or,
        Ordered, Pow, Power, Rem, Scale, ShiftLeft, ShiftRight, Sub, SubF, Times, Xor;
};

const UNARY: &[Row<dyn ElementWiseMiniOp>] = rows! { ElementWiseMiniOp,
    1 => Abs, Acos, Acosh, Asin, Asinh, Atan, Atanh, BitNot, Ceil, Cos, Cosh, Erf, Exp, Floor, GeluApproximate,
        GeluExact, HardSwish, IsInf, IsNan, LeakyRelu, Ln, Neg, Not, OffsetI8asU8, OffsetU8asI8, PowConst,
        QuantizeLinearI8, QuantizeLinearU8, Recip, Round, RoundHalfToEven, Rsqrt, Sigmoid, Sign, Silu, Sin, Sinh,
        Sqrt, Square, Tan, Tanh;
};

// Those without any attribute.
fields! {
    Abs {} Acos {} Acosh {} Add {} And {} Asin {} Asinh {} Atan {} Atanh {} BitAnd {} BitNot {} BitOr {} BitXor {}
    Ceil {} CompEq {} CompGT {} CompGTE {} CompLT {} CompLTE {} CompNE {} Cos {} Cosh {} Div {} Erf {} Exp {}
    Floor {} GeluExact {} HardSwish {} IsNan {} Ln {} Max {} Min {} Mul {} Neg {} Not {} OffsetI8asU8 {}
    OffsetU8asI8 {} Or {} Pow {} Recip {} Rem {} Round {} RoundHalfToEven {} Rsqrt {} Scale {} ShiftLeft {}
    ShiftRight {} Sigmoid {} Sign {} Silu {} Sin {} Sinh {} Sqrt {} Square {} Sub {} SubF {} Tan {} Tanh {} Xor {}
    TypedSource { fact }
}

#[cfg(feature = "native")]
fn write_in<O: ?Sized>(table: &[Row<O>], op: &O, name: &str, to: &mut Writer) -> TractResult<()> {
    for row in table {
        let before = to.bytes.len();
        row.name.to_owned().write(to)?;
        if let Some(written) = (row.write)(op, to) {
            return written;
        }
        to.bytes.truncate(before);
    }
    bail!("the operator {name} has no published form")
}

fn find<'t, O: ?Sized>(table: &'t [Row<O>], name: &str) -> TractResult<&'t Row<O>> {
    let row = table.iter().find(|row| row.name == name);
    row.with_context(|| format!("there is no operator `{name}`"))
}

#[cfg(feature = "native")]
pub(super) fn write(op: &dyn TypedOp, to: &mut Writer) -> TractResult<()> {
    write_in(OPERATORS, op, &op.name(), to)
}

/// An operator that has `inputs` inputs.
pub(super) fn read(inputs: usize, from: &mut Reader<'_>) -> TractResult<Box<dyn TypedOp>> {
    let row = find(OPERATORS, &String::read(from)?)?;
    ensure!(inputs >= row.inputs, "{} of {inputs} inputs", row.name);
    (row.read)(from)
}

impl Field for TypedBinOp {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        self.1.write(to)?;
        write_in(BINARY, self.0.as_ref(), self.0.name(), to)
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        let datum = Field::read(from)?;
        let row = find(BINARY, &String::read(from)?)?;
        Ok(Self((row.read)(from)?, datum))
    }
}

impl Field for ElementWiseOp {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        self.1.write(to)?;
        write_in(UNARY, self.0.as_ref(), &self.0.name(), to)
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        let datum = Field::read(from)?;
        let row = find(UNARY, &String::read(from)?)?;
        Ok(Self((row.read)(from)?, datum))
    }
}

impl Field for Const {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        ensure!(self.exotic_fact().is_none(), "a packed constant has no bytes");
        self.val().write(to)
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        Self::new(Field::read(from)?)
    }
}

impl Field for Scan {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        let Self {
            skip,
            reset_every_turn,
            external_state,
            body,
            decluttered,
            input_mapping,
            output_mapping,
        } = self;
        super::graph::write(body, to)?;
        input_mapping.write(to)?;
        output_mapping.write(to)?;
        skip.write(to)?;
        reset_every_turn.write(to)?;
        external_state.write(to)?;
        decluttered.write(to)
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        let body = from.nested(super::graph::read)?;
        let mut scan = Self::new(body, Field::read(from)?, Field::read(from)?, Field::read(from)?)?;
        scan.reset_every_turn = Field::read(from)?;
        scan.external_state = Field::read(from)?;
        scan.decluttered = Field::read(from)?;
        Ok(scan)
    }
}
