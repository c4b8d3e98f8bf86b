//! The only value that crosses a boundary: an element type, a shape and the elements, row-major.
//!
//! In: bytes of a request, a typed array of a page, a file. Out: the same. It wraps the engine's own
//! tensor, so that nothing is copied between a face and the engine; no other engine type is public.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tract_onnx::prelude as tract;
use tract_onnx::prelude::{DatumType, IntoArcTensor};

use crate::error::{Error, ErrorKind, Result};
use crate::reuse;

/// Element types, named as onnxruntime's JavaScript API names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum DType {
    Float32,
    Float64,
    Float16,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Bool,
    String,
}

/// Every element type: (type, JavaScript word, Open Inference Protocol word, bytes, engine type).
/// A string has no fixed size: 0.
const TYPES: [(DType, &str, &str, usize, DatumType); 13] = [
    (DType::Float32, "float32", "FP32", 4, DatumType::F32),
    (DType::Float64, "float64", "FP64", 8, DatumType::F64),
    (DType::Float16, "float16", "FP16", 2, DatumType::F16),
    (DType::Int8, "int8", "INT8", 1, DatumType::I8),
    (DType::Int16, "int16", "INT16", 2, DatumType::I16),
    (DType::Int32, "int32", "INT32", 4, DatumType::I32),
    (DType::Int64, "int64", "INT64", 8, DatumType::I64),
    (DType::Uint8, "uint8", "UINT8", 1, DatumType::U8),
    (DType::Uint16, "uint16", "UINT16", 2, DatumType::U16),
    (DType::Uint32, "uint32", "UINT32", 4, DatumType::U32),
    (DType::Uint64, "uint64", "UINT64", 8, DatumType::U64),
    (DType::Bool, "bool", "BOOL", 1, DatumType::Bool),
    (DType::String, "string", "BYTES", 0, DatumType::String),
];

impl DType {
    fn row(self) -> &'static (DType, &'static str, &'static str, usize, DatumType) {
        // The table is in the order of the enum; a test holds it there.
        &TYPES[self as usize]
    }

    /// The word of onnxruntime's JavaScript API: `float32`, `int64`, `bool`, …
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The word of the Open Inference Protocol: `FP32`, `INT64`, `BYTES`, …
    pub fn oip_name(self) -> &'static str {
        self.row().2
    }

    /// Bytes of one element; 0 for strings.
    pub fn size(self) -> usize {
        self.row().3
    }

    /// By the JavaScript word.
    pub fn from_name(name: &str) -> Option<Self> {
        TYPES.iter().find(|t| t.1 == name).map(|t| t.0)
    }

    /// By the Open Inference Protocol word.
    pub fn from_oip_name(name: &str) -> Option<Self> {
        TYPES.iter().find(|t| t.2 == name).map(|t| t.0)
    }

    pub(crate) fn to_datum(self) -> DatumType {
        self.row().4
    }

    pub(crate) fn from_datum(datum: DatumType) -> Option<Self> {
        TYPES.iter().find(|t| t.4 == datum).map(|t| t.0)
    }
}

/// A dense tensor, row-major, little-endian.
#[derive(Clone, Debug)]
pub struct Tensor(Arc<tract::Tensor>);

/// Product of the dimensions, refusing shapes whose volume overflows.
pub(crate) fn volume(shape: &[usize]) -> Result<usize> {
    shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).ok_or_else(|| {
        Error::new(ErrorKind::ShapeMismatch, format!("shape {shape:?} has too many elements"))
    })
}

impl Tensor {
    /// A tensor of `shape` from little-endian `bytes` (for [`DType::Bool`] one byte an element).
    ///
    /// # Errors
    /// `ShapeMismatch` when the bytes do not fill the shape, `TypeMismatch` for strings.
    pub fn from_bytes(dtype: DType, shape: &[usize], bytes: &[u8]) -> Result<Self> {
        Self::from_bytes_with(dtype, shape, bytes.len(), |room| room.copy_from_slice(bytes))
    }

    /// The same from a source that writes its `length` bytes straight into the tensor.
    pub(crate) fn from_bytes_with(
        dtype: DType,
        shape: &[usize],
        length: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<Self> {
        if dtype == DType::String {
            return Err(Error::new(
                ErrorKind::TypeMismatch,
                "string tensors hold strings, not raw bytes",
            ));
        }
        let expected = volume(shape)?.checked_mul(dtype.size());
        if expected != Some(length) {
            return Err(Error::new(
                ErrorKind::ShapeMismatch,
                format!(
                    "shape {shape:?} of {} needs {} bytes, {length} given",
                    dtype.name(),
                    expected.unwrap_or(usize::MAX),
                ),
            ));
        }
        let mut tensor = reuse::tensor(dtype.to_datum(), shape).map_err(|e| {
            Error::new(ErrorKind::OutOfMemory, format!("cannot hold a tensor of shape {shape:?}"))
                .with_source(e)
        })?;
        if length > 0 {
            write(tensor.as_bytes_mut());
        }
        if dtype == DType::Bool {
            // A bool must be 0 or 1 whatever the sender wrote.
            for byte in tensor.as_bytes_mut() {
                *byte = u8::from(*byte != 0);
            }
        }
        Ok(Self(Arc::new(tensor)))
    }

    /// A tensor of strings.
    pub fn from_strings(shape: &[usize], strings: Vec<String>) -> Result<Self> {
        if volume(shape)? != strings.len() {
            return Err(Error::new(
                ErrorKind::ShapeMismatch,
                format!("shape {shape:?} does not hold {} strings", strings.len()),
            ));
        }
        let array = tract::tract_ndarray::ArrayD::from_shape_vec(shape, strings)
            .map_err(|e| Error::new(ErrorKind::ShapeMismatch, e.to_string()))?;
        Ok(Self(Arc::new(array.into())))
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        // Construction admits only types of the table.
        DType::from_datum(self.0.datum_type()).unwrap_or(DType::Uint8)
    }

    /// Dimensions, outermost first; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a dimension is zero.
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// The elements as little-endian bytes; empty for strings.
    pub fn bytes(&self) -> &[u8] {
        if self.0.datum_type() == DatumType::String || self.0.len() == 0 {
            &[]
        } else {
            self.0.as_bytes()
        }
    }

    /// The elements of a tensor of strings.
    pub fn strings(&self) -> Option<&[String]> {
        self.0.as_plain_ram()?.as_slice::<String>().ok()
    }

    /// The same elements under another shape of the same volume.
    pub fn reshaped(self, shape: &[usize]) -> Result<Self> {
        if volume(shape)? != self.len() {
            return Err(Error::new(
                ErrorKind::ShapeMismatch,
                format!("{} elements do not fill the shape {shape:?}", self.len()),
            ));
        }
        let mut tensor = Arc::unwrap_or_clone(self.0);
        tensor.set_shape(shape).map_err(|e| Error::new(ErrorKind::ShapeMismatch, e.to_string()))?;
        Ok(Self(Arc::new(tensor)))
    }

    /// As the engine takes it: of the element type in which a plan computes.
    pub(crate) fn cast_for_engine(self, wanted: DatumType) -> Result<tract::TValue> {
        Ok(tract::TValue::from_const(cast(self.0, wanted)?))
    }

    pub(crate) fn as_tract(&self) -> &Arc<tract::Tensor> {
        &self.0
    }

    /// Lets the room be used by tensors to come, where nobody else holds it.
    #[cfg(feature = "web")]
    pub(crate) fn let_go(self) {
        reuse::give(tract::TValue::from_const(self.0));
    }

    /// Takes an engine tensor over as it is.
    pub(crate) fn from_arc(tensor: Arc<tract::Tensor>) -> Result<Self> {
        let datum = tensor.datum_type();
        DType::from_datum(datum).map(|_| Self(tensor)).ok_or_else(|| {
            Error::unsupported_type(format!("a constant is of the engine's own type {datum:?}"))
        })
    }

    /// Takes an engine tensor over, as the element type that the model declares.
    pub(crate) fn from_tract(value: tract::TValue, declared: DType) -> Result<Self> {
        Ok(Self(cast(value.into_arc_tensor(), declared.to_datum())?))
    }
}

/// The tensor itself where the type fits already. A quantised value keeps its stored integers.
fn cast(tensor: Arc<tract::Tensor>, wanted: DatumType) -> Result<Arc<tract::Tensor>> {
    let datum = tensor.datum_type();
    if datum == wanted {
        return Ok(tensor);
    }
    let plain = if datum.is_quantized() && datum.unquantized() == wanted {
        tract::Tensor::zero_dt(wanted, tensor.shape()).map(|mut t| {
            t.as_bytes_mut().copy_from_slice(tensor.as_bytes());
            t
        })
    } else {
        tensor.cast_to_dt(wanted).map(std::borrow::Cow::into_owned)
    };
    plain.map(Arc::new).map_err(|e| {
        Error::new(ErrorKind::Internal, format!("cannot give {datum:?} as {wanted:?}"))
            .with_source(e)
    })
}

/// A tensor whose bytes come bit by bit.
pub(crate) struct Filling {
    tensor: tract::Tensor,
    at: usize,
}

impl Filling {
    /// Room for a tensor; of any type but strings and booleans.
    pub(crate) fn new(dtype: DType, shape: &[usize]) -> Result<Self> {
        let bytes = volume(shape)?.saturating_mul(dtype.size());
        // The engine would end the process where there is no memory.
        let mut room = Vec::<u8>::new();
        let lacking = || {
            Error::new(ErrorKind::OutOfMemory, format!("no room for {bytes} bytes of the model"))
        };
        room.try_reserve_exact(bytes).map_err(|_| lacking())?;
        std::hint::black_box(&room);
        drop(room);
        let tensor = tract::Tensor::zero_dt(dtype.to_datum(), shape);
        Ok(Self { tensor: tensor.map_err(|e| lacking().with_source(e))?, at: 0 })
    }

    /// The next bytes; what does not fit is dropped.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let room = self.tensor.as_bytes_mut().get_mut(self.at..).unwrap_or_default();
        let count = bytes.len().min(room.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.at += count;
    }

    /// How many bytes are still to come.
    pub(crate) fn left(&self) -> usize {
        self.tensor.as_bytes().len() - self.at
    }

    pub(crate) fn done(self) -> Tensor {
        Tensor(Arc::new(self.tensor))
    }
}

macro_rules! from_slice {
    ($($t:ty => $dtype:ident),*) => {$(
        impl TryFrom<(&[usize], &[$t])> for Tensor {
            type Error = Error;
            fn try_from((shape, values): (&[usize], &[$t])) -> Result<Self> {
                let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                Tensor::from_bytes(DType::$dtype, shape, &bytes)
            }
        }
    )*};
}
from_slice!(f32 => Float32, f64 => Float64, i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64,
            u8 => Uint8, u16 => Uint16, u32 => Uint32, u64 => Uint64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, row) in TYPES.iter().enumerate() {
            assert_eq!(row.0 as usize, index);
            assert_eq!(DType::from_name(row.1), Some(row.0));
            assert_eq!(DType::from_oip_name(row.2), Some(row.0));
            assert_eq!(DType::from_datum(row.4), Some(row.0));
            assert_eq!(row.4.size_of().min(8), if row.3 == 0 { 8 } else { row.3 });
        }
    }

    #[test]
    fn bytes_go_in_and_out() -> Result<()> {
        let tensor = Tensor::try_from((&[2usize, 2][..], &[1f32, 2., 3., 4.][..]))?;
        assert_eq!(
            (tensor.dtype(), tensor.shape(), tensor.len()),
            (DType::Float32, &[2, 2][..], 4)
        );
        assert_eq!(tensor.bytes()[4..8], 2f32.to_le_bytes());
        let tensor = tensor.reshaped(&[4])?;
        assert_eq!(tensor.shape(), [4]);
        assert_eq!(tensor.reshaped(&[3]).unwrap_err().row().code, "SHAPE_MISMATCH");
        Ok(())
    }

    #[test]
    fn bad_lengths_and_volumes_are_refused() {
        for shape in [&[3usize][..], &[usize::MAX, 2], &[usize::MAX]] {
            let error = Tensor::from_bytes(DType::Float32, shape, &[0; 8]).unwrap_err();
            assert_eq!(error.row().code, "SHAPE_MISMATCH", "{shape:?}");
        }
    }

    #[test]
    fn strings_bools_and_empty_tensors() -> Result<()> {
        let strings = Tensor::from_strings(&[2], vec!["a".into(), "b".into()])?;
        assert_eq!(strings.strings().map(<[String]>::len), Some(2));
        assert!(strings.bytes().is_empty());
        let bools = Tensor::from_bytes(DType::Bool, &[3], &[0, 1, 255])?;
        assert_eq!(bools.bytes(), [0, 1, 1]);
        let empty = Tensor::from_bytes(DType::Float32, &[0, 4], &[])?;
        assert!(empty.is_empty() && empty.bytes().is_empty());
        Ok(())
    }
}
