//! Numbers, texts, lists and tensors.

use std::collections::BTreeMap;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

#[cfg(feature = "native")]
use super::Writer;
use super::{Field, Reader};
use crate::tensor::DType;

/// Smaller constants lie where they are used.
#[cfg(feature = "native")]
pub(crate) const LEAST_BYTES: usize = 1024;

/// A number as LEB128, at most 64 bits.
impl Field for u64 {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        let mut value = *self;
        while value >= 0x80 {
            to.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        to.bytes.push(value as u8);
        Ok(())
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = from.take(1)?.first().copied().unwrap_or_default();
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        bail!("a number of more than 64 bits")
    }
}

/// Types that are written as another one: (type, that, there, back).
macro_rules! through {
    ($($type:ty, $other:ty, $there:expr, $back:expr;)*) => {$(
        impl Field for $type {
            #[cfg(feature = "native")]
            fn write(&self, to: &mut Writer) -> TractResult<()> {
                let there: fn(&$type) -> $other = $there;
                there(self).write(to)
            }

            fn read(from: &mut Reader<'_>) -> TractResult<Self> {
                let back: fn($other) -> TractResult<$type> = $back;
                back(<$other>::read(from)?)
            }
        }
    )*};
}

through! {
    usize, u64, |v| *v as u64, |v| Ok(v.try_into()?);
    u32, u64, |v| u64::from(*v), |v| Ok(v.try_into()?);
    u8, u64, |v| u64::from(*v), |v| Ok(v.try_into()?);
    // Zigzag: the sign is the lowest bit.
    i64, u64, |v| (*v << 1 ^ *v >> 63) as u64, |v| Ok((v >> 1) as i64 ^ -((v & 1) as i64));
    i32, i64, |v| i64::from(*v), |v| Ok(v.try_into()?);
    i8, i64, |v| i64::from(*v), |v| Ok(v.try_into()?);
    isize, i64, |v| *v as i64, |v| Ok(v.try_into()?);
    bool, u64, |v| u64::from(*v), |v| match v { 0 => Ok(false), 1 => Ok(true), _ => bail!("no truth value") };
    DType, String, |v| v.name().to_owned(), |v| DType::from_name(&v).context("an unknown element type");
}

impl Field for f32 {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        to.bytes.extend(self.to_le_bytes());
        Ok(())
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        Ok(Self::from_le_bytes(from.take(4)?.try_into()?))
    }
}

impl Field for String {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        self.len().write(to)?;
        to.bytes.extend(self.as_bytes());
        Ok(())
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        let length = usize::read(from)?;
        Ok(std::str::from_utf8(from.take(length)?)?.to_owned())
    }
}

impl<T: Field> Field for Option<T> {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        self.is_some().write(to)?;
        self.iter().try_for_each(|value| value.write(to))
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        bool::read(from)?.then(|| T::read(from)).transpose()
    }
}

/// Each element has a byte at least, so that a length cannot promise more than there is.
fn list<T: Field>(from: &mut Reader<'_>) -> impl Iterator<Item = TractResult<T>> {
    let count = usize::read(from).and_then(|count| {
        ensure!(count <= from.rest.len(), "a list of {count} in {} bytes", from.rest.len());
        Ok(count)
    });
    let (count, failed) = match count {
        Ok(count) => (count, None),
        Err(error) => (0, Some(Err(error))),
    };
    failed.into_iter().chain((0..count).map(|_| T::read(from)))
}

macro_rules! lists {
    ($($list:ty),*) => {$(
        impl<T: Field> Field for $list {
            #[cfg(feature = "native")]
            fn write(&self, to: &mut Writer) -> TractResult<()> {
                self.len().write(to)?;
                self.iter().try_for_each(|value| value.write(to))
            }

            fn read(from: &mut Reader<'_>) -> TractResult<Self> {
                list(from).collect()
            }
        }
    )*};
}
lists!(Vec<T>, TVec<T>);

impl<K: Field + Ord, V: Field> Field for BTreeMap<K, V> {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        self.len().write(to)?;
        self.iter().try_for_each(|(key, value)| {
            key.write(to)?;
            value.write(to)
        })
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        list(from).collect()
    }
}

impl<A: Field, B: Field> Field for (A, B) {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        self.0.write(to)?;
        self.1.write(to)
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        Ok((A::read(from)?, B::read(from)?))
    }
}

impl<T: Field, const N: usize> Field for [T; N] {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        self.iter().try_for_each(|value| value.write(to))
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        let values: Vec<T> = (0..N).map(|_| T::read(from)).collect::<TractResult<_>>()?;
        values.try_into().map_err(|_| format_err!("a list of another length"))
    }
}

/// A constant: by its number in the store, or here.
impl Field for Arc<Tensor> {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()> {
        ensure!(self.is_plain_ram(), "a packed constant has no bytes");
        let datum = self.datum_type();
        let plain = DType::from_datum(datum).is_some_and(|d| d.size() > 0);
        if plain && self.len() * datum.size_of() >= LEAST_BYTES {
            let store = to.constants.as_mut().context("a constant where there may be none")?;
            let number = store.keep(self)?;
            return Some(number).write(to);
        }
        None::<usize>.write(to)?;
        datum.write(to)?;
        TVec::from_slice(self.shape()).write(to)?;
        if datum == DatumType::String {
            let strings = self.try_as_plain_ram()?;
            return strings.as_slice::<String>()?.to_vec().write(to);
        }
        if datum == DatumType::TDim {
            let dims = self.try_as_plain_ram()?;
            return dims.as_slice::<TDim>()?.to_vec().write(to);
        }
        if self.len() > 0 {
            to.bytes.extend(self.as_bytes());
        }
        Ok(())
    }

    fn read(from: &mut Reader<'_>) -> TractResult<Self> {
        if let Some(number) = Option::<usize>::read(from)? {
            return from.constant(number);
        }
        let datum = DatumType::read(from)?;
        let shape = TVec::<usize>::read(from)?;
        ensure!(shape.iter().all(|d| i32::try_from(*d).is_ok()), "a constant of shape {shape:?}");
        let count = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        let count = count.context("a constant with too many elements")?;
        if datum == DatumType::String {
            let strings = Vec::<String>::read(from)?;
            return Ok(tract_ndarray::ArrayD::from_shape_vec(&*shape, strings)
                .map(Tensor::from)?
                .into_arc_tensor());
        }
        if datum == DatumType::TDim {
            let dims = Vec::<i64>::read(from)?.into_iter().map(TDim::from).collect();
            let dims = tract_ndarray::ArrayD::from_shape_vec(&*shape, dims)?;
            return Ok(Tensor::from(dims).into_arc_tensor());
        }
        let length = count.checked_mul(datum.size_of()).context("a constant is too large")?;
        let bytes = from.take(length)?;
        ensure!(
            datum.unquantized() != DatumType::Bool || bytes.iter().all(|b| *b < 2),
            "a truth value of {bytes:?}"
        );
        let mut tensor = Tensor::zero_dt(datum, &shape)?;
        if length > 0 {
            tensor.as_bytes_mut().copy_from_slice(bytes);
        }
        Ok(tensor.into_arc_tensor())
    }
}
