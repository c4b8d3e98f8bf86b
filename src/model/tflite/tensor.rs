//! The tensors of a TensorFlow Lite graph.
//!
//! In: the file's tensor table. Out: names, types, shapes, quantisation and constant bytes.

use std::borrow::Cow;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::prelude::f16;

use super::flat::Table;
use super::sparse::dense;

/// Integers that stand for `scale * (value - zero)`, along `axis` where there are several.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quantisation {
    pub(super) scale: Vec<f32>,
    pub(super) zero: Vec<i64>,
    pub(super) axis: usize,
}

#[derive(Clone, Debug)]
pub(super) struct TensorInfo<'a> {
    pub(super) name: String,
    /// ONNX's type.
    pub(super) dtype: DataType,
    pub(super) shape: Vec<usize>,
    /// The declared shape, -1 where it is free.
    pub(super) declared: Vec<i32>,
    pub(super) quantisation: Option<Quantisation>,
    data: Option<Cow<'a, [u8]>>,
    /// Whether its value outlives a run, as a recurrent layer's state may.
    pub(super) is_variable: bool,
}

/// By TensorFlow Lite's number.
const TYPES: &[DataType] = &[
    DataType::Float,
    DataType::Float16,
    DataType::Int32,
    DataType::Uint8,
    DataType::Int64,
    DataType::String,
    DataType::Bool,
    DataType::Int16,
    DataType::Complex64,
    DataType::Int8,
    DataType::Double,
    DataType::Complex128,
    DataType::Uint64,
    DataType::Undefined,
    DataType::Undefined,
    DataType::Uint32,
    DataType::Uint16,
    DataType::Int4,
];

pub(super) fn dtype(code: i8) -> DataType {
    let found = usize::try_from(code).ok().and_then(|code| TYPES.get(code));
    found.copied().unwrap_or(DataType::Undefined)
}

/// Bytes of an element; none where elements are no whole bytes.
pub(super) fn width(dtype: DataType) -> Option<usize> {
    Some(match dtype {
        DataType::Float | DataType::Int32 | DataType::Uint32 => 4,
        DataType::Float16 | DataType::Int16 | DataType::Uint16 => 2,
        DataType::Int64 | DataType::Uint64 | DataType::Double => 8,
        DataType::Int8 | DataType::Uint8 | DataType::Bool => 1,
        _ => return None,
    })
}

impl<'a> TensorInfo<'a> {
    pub(super) fn read(table: &Table<'a>, buffers: &[Table<'a>]) -> Result<Self, String> {
        let name = table.text(3);
        let shape = table.ints(0);
        let sizes = shape.iter().map(|d| usize::try_from(*d)).collect::<Result<Vec<_>, _>>();
        let sizes = sizes.map_err(|_| format!("has a bad shape at `{name}`"))?;
        let declared = match table.ints(7) {
            declared if declared.len() == shape.len() => declared,
            _ => shape,
        };
        let buffer = usize::try_from(table.int(2, 0)).ok().filter(|b| *b > 0);
        let dtype = dtype(table.int8(1));
        let data = buffer.and_then(|b| buffers.get(b)).and_then(|b| b.bytes(0));
        let data = data.filter(|d| !d.is_empty());
        let data = match table.table(6) {
            None => data.map(Cow::Borrowed),
            Some(sparsity) => {
                let dense =
                    width(dtype).zip(data).and_then(|(w, d)| dense(&sparsity, &sizes, w, d));
                Some(Cow::Owned(dense.ok_or_else(|| format!("has a bad sparse tensor `{name}`"))?))
            }
        };
        Ok(Self {
            name,
            dtype,
            shape: sizes,
            declared,
            quantisation: table.table(4).and_then(|q| quantisation(&q)),
            data,
            is_variable: table.int8(5) != 0,
        })
    }

    /// Elements; none where there are more than can be.
    pub(super) fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d))
    }

    /// The bytes of a constant whose length fits its shape.
    pub(super) fn constant(&self) -> Option<&[u8]> {
        let size = self.count()?.checked_mul(width(self.dtype)?)?;
        self.data.as_deref().filter(|d| d.len() == size)
    }

    /// Bytes that its constant takes beside the file: of a sparse one.
    pub(super) fn unpacked(&self) -> usize {
        match &self.data {
            Some(Cow::Owned(data)) => data.len(),
            _ => 0,
        }
    }

    /// A constant as whole numbers: shapes, axes, paddings.
    pub(super) fn ints(&self) -> Option<Vec<i64>> {
        let data = self.constant()?;
        match self.dtype {
            DataType::Int32 => {
                Some(data.as_chunks().0.iter().map(|b| i64::from(i32::from_le_bytes(*b))).collect())
            }
            DataType::Int64 => {
                Some(data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect())
            }
            _ => None,
        }
    }

    /// Whether the integers stand for other numbers.
    pub(super) fn is_quantised(&self) -> bool {
        self.quantisation.is_some()
    }

    /// A constant as the float32 numbers that it stands for.
    pub(super) fn floats(&self) -> Option<Vec<f32>> {
        let data = self.constant()?;
        let plain: Vec<f32> = match self.dtype {
            DataType::Float => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            DataType::Float16 => {
                let halves = data.as_chunks().0.iter();
                halves.map(|b| f16::from_bits(u16::from_le_bytes(*b)).to_f32()).collect()
            }
            _ => return self.scaled(data),
        };
        Some(plain)
    }

    fn scaled(&self, data: &[u8]) -> Option<Vec<f32>> {
        let q = self.quantisation.as_ref()?;
        let inner =
            self.shape.get(q.axis + 1..).unwrap_or_default().iter().product::<usize>().max(1);
        let at = |i: usize| if q.scale.len() > 1 { i / inner % q.scale.len() } else { 0 };
        let value = |(i, v): (usize, i64)| {
            let zero = q.zero.get(at(i)).or(q.zero.first()).copied().unwrap_or(0);
            (v - zero) as f32 * q.scale[at(i)]
        };
        let integers: Vec<i64> = match self.dtype {
            DataType::Int8 => data.iter().map(|b| i64::from(*b as i8)).collect(),
            DataType::Uint8 => data.iter().map(|b| i64::from(*b)).collect(),
            DataType::Int16 => {
                data.as_chunks().0.iter().map(|b| i64::from(i16::from_le_bytes(*b))).collect()
            }
            DataType::Int32 => self.ints()?,
            DataType::Int64 => self.ints()?,
            _ => return None,
        };
        Some(integers.into_iter().enumerate().map(value).collect())
    }
}

fn quantisation(table: &Table) -> Option<Quantisation> {
    let scale = table.floats(2);
    let axis = usize::try_from(table.int(6, 0)).unwrap_or(0);
    (!scale.is_empty()).then(|| Quantisation { scale, zero: table.longs(3), axis })
}
