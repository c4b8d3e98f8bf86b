//! Elements between the engine's memory and the GPU's 32-bit carriers, or its f16.
//!
//! In: tensors of any carried type. Out: 32-bit words, and back. A 64-bit integer that does not fit is
//! told, never cut.

use tract_onnx::prelude::*;

use super::kernel::Param;
use super::value::Carrier;
use crate::error::{Error, ErrorKind, Result};

/// The elements as carrier words, little-endian; `None` when a number does not fit.
pub(crate) fn words(tensor: &Tensor) -> Option<std::borrow::Cow<'_, [u8]>> {
    use std::borrow::Cow;
    let bytes = if tensor.len() == 0 { &[][..] } else { tensor.as_bytes() };
    let datum = tensor.datum_type();
    fn each<const N: usize>(
        bytes: &[u8],
        widen: impl Fn([u8; N]) -> Option<[u8; 4]>,
    ) -> Option<Cow<'static, [u8]>> {
        let mut words = Vec::with_capacity(bytes.len() / N * 4);
        for chunk in bytes.chunks_exact(N) {
            words.extend(widen(chunk.try_into().ok()?)?);
        }
        Some(Cow::Owned(words))
    }
    match datum {
        DatumType::F32 | DatumType::I32 | DatumType::U32 => Some(Cow::Borrowed(bytes)),
        DatumType::I8 => {
            each(bytes, |b: [u8; 1]| Some(i32::from(b[0].cast_signed()).to_le_bytes()))
        }
        DatumType::I16 => each(bytes, |b| Some(i32::from(i16::from_le_bytes(b)).to_le_bytes())),
        DatumType::I64 => {
            each(bytes, |b| i32::try_from(i64::from_le_bytes(b)).ok().map(i32::to_le_bytes))
        }
        DatumType::U8 | DatumType::Bool => {
            each(bytes, |b: [u8; 1]| Some(u32::from(b[0]).to_le_bytes()))
        }
        DatumType::U16 => each(bytes, |b| Some(u32::from(u16::from_le_bytes(b)).to_le_bytes())),
        DatumType::U64 => {
            each(bytes, |b| u32::try_from(u64::from_le_bytes(b)).ok().map(u32::to_le_bytes))
        }
        _ => None,
    }
}

/// Constants shorter than this are not worth an f16's widening.
const LEAST_HALVES: usize = 256;

/// Whether a constant of some size is one of f16, be its type what it may: weights of a float16 model, which are
/// computed with in float32, and are none the worse for lying as they came.
pub(crate) fn is_half(tensor: &Tensor) -> bool {
    // What has no more digits and an exponent in range is told without any conversion.
    let plain = |bits: u32| bits & 0x1fff == 0 && (113..=142).contains(&(bits >> 23 & 0xff));
    let exact = |x: &f32| {
        plain(x.to_bits()) || x.is_finite() && f16::from_f32(*x).to_f32().to_bits() == x.to_bits()
    };
    tensor.len() >= LEAST_HALVES && floats_of(tensor).is_some_and(|all| all.iter().all(exact))
}

/// The elements of float32 as they lie.
pub(crate) fn floats_of(tensor: &Tensor) -> Option<&[f32]> {
    if tensor.datum_type() != DatumType::F32 {
        return None;
    }
    tensor.try_as_plain_ram().ok()?.as_slice().ok()
}

/// The elements as f16, in whole words; what is out of range becomes infinite.
pub(crate) fn halves(tensor: &Tensor) -> Option<std::borrow::Cow<'_, [u8]>> {
    if tensor.datum_type() == DatumType::F16 && tensor.len() > 0 {
        let mut bytes = tensor.as_bytes().to_vec();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        return Some(bytes.into());
    }
    Some(halved(floats_of(tensor)?.iter().copied()).into())
}

/// Numbers as f16, in whole words.
pub(crate) fn halved(all: impl Iterator<Item = f32>) -> Vec<u8> {
    let mut bytes: Vec<u8> = all.flat_map(|x| f16::from_f32(x).to_le_bytes()).collect();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Whether the GPU can carry every element.
pub(crate) fn fits(tensor: &Tensor) -> bool {
    match tensor.datum_type() {
        DatumType::I64 | DatumType::U64 => words(tensor).is_some(),
        datum => Carrier::of(datum).is_some(),
    }
}

/// The only element, as a parameter.
pub(crate) fn scalar(tensor: &Tensor) -> Option<Param> {
    let words = words(tensor)?;
    let word: [u8; 4] = words.get(..4)?.try_into().ok()?;
    Some(match Carrier::of(tensor.datum_type())? {
        Carrier::F32 => Param::F(f32::from_le_bytes(word)),
        Carrier::I32 => Param::I(i32::from_le_bytes(word)),
        Carrier::U32 => Param::U(u32::from_le_bytes(word)),
    })
}

/// The numbers of a constant that steers a kernel.
pub(crate) fn floats(tensor: &Tensor) -> Option<Vec<f32>> {
    let cast = tensor.cast_to::<f32>().ok()?;
    Some(cast.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.to_vec())
}

/// What [`words`] or, with `half`, [`halves`] makes -> a tensor of the graph's type.
pub(crate) fn tensor(
    (datum, half): (DatumType, bool),
    shape: &[usize],
    words: &[u8],
) -> Result<Tensor> {
    let mut tensor = Tensor::zero_dt(datum, shape).map_err(|e| {
        Error::new(ErrorKind::OutOfMemory, "no room for a result of the GPU").with_source(e)
    })?;
    if tensor.len() == 0 {
        return Ok(tensor);
    }
    let size = datum.size_of();
    let bytes = tensor.as_bytes_mut();
    if half {
        for (to, from) in bytes.chunks_exact_mut(4).zip(words.chunks_exact(2)) {
            let [low, high] = [from[0], from[1]];
            to.copy_from_slice(&f16::from_le_bytes([low, high]).to_f32().to_le_bytes());
        }
    } else if size == 4 {
        bytes.copy_from_slice(words.get(..bytes.len()).unwrap_or(words));
    } else {
        for (to, from) in bytes.chunks_exact_mut(size).zip(words.chunks_exact(4)) {
            if size < 4 {
                to.copy_from_slice(&from[..size]);
            } else {
                let (low, high) = to.split_at_mut(4);
                low.copy_from_slice(from);
                let negative = datum == DatumType::I64 && from[3] & 0x80 != 0;
                high.fill(if negative { 0xff } else { 0 });
            }
        }
    }
    Ok(tensor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_go_there_and_back_or_are_refused() -> Result<()> {
        let there = tensor1(&[-3i64, 2_147_483_647]);
        let back = tensor((DatumType::I64, false), &[2], &words(&there).unwrap())?;
        assert_eq!(back, there);
        assert!(!fits(&tensor1(&[2_147_483_648i64])) && words(&tensor1(&[1f64])).is_none());
        let quarters: Vec<f32> = (0..300u16).map(|n| f32::from(n) / 4.0).collect();
        assert!(is_half(&tensor1(&quarters)) && !is_half(&tensor1(&[0.1f32; 300])));
        assert_eq!(halves(&tensor1(&quarters)).map(|h| h.len()), Some(600));
        let far = tensor1(&[0.1f32, 1e6, -2.0]);
        let odd = halves(&far).unwrap();
        assert_eq!(odd.len(), 8);
        let back = tensor((DatumType::F32, true), &[3], &odd)?;
        assert_eq!(back, tensor1(&[f16::from_f32(0.1).to_f32(), f32::INFINITY, -2.0]));
        let bytes = tensor1(&[-1i8, 5]);
        assert_eq!(tensor((DatumType::I8, false), &[2], &words(&bytes).unwrap())?, bytes);
        Ok(())
    }
}
