//! Single elements of a tensor: for printing, and from numbers.
//!
//! In: a tensor and an index, or a number and a type. Out: the element as text, number or JSON; or its bytes.

use half::f16;
use nearside::{DType, Tensor};
use serde_json::{Value, json};

/// One element, in the widest type that holds it exactly and prints it shortest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Element<'a> {
    F32(f32),
    F64(f64),
    Int(i64),
    Uint(u64),
    Bool(bool),
    Text(&'a str),
}

fn raw<const N: usize>(bytes: &[u8], index: usize) -> [u8; N] {
    let mut raw = [0; N];
    if let Some(bytes) = bytes.get(index * N..(index + 1) * N) {
        raw.copy_from_slice(bytes);
    }
    raw
}

/// The element at a flat, row-major index.
pub(crate) fn element(tensor: &Tensor, index: usize) -> Element<'_> {
    let b = tensor.bytes();
    match tensor.dtype() {
        DType::Float32 => Element::F32(f32::from_le_bytes(raw(b, index))),
        DType::Float64 => Element::F64(f64::from_le_bytes(raw(b, index))),
        DType::Float16 => Element::F32(f16::from_le_bytes(raw(b, index)).to_f32()),
        DType::Int8 => Element::Int(i8::from_le_bytes(raw(b, index)).into()),
        DType::Int16 => Element::Int(i16::from_le_bytes(raw(b, index)).into()),
        DType::Int32 => Element::Int(i32::from_le_bytes(raw(b, index)).into()),
        DType::Int64 => Element::Int(i64::from_le_bytes(raw(b, index))),
        DType::Uint8 => Element::Uint(u8::from_le_bytes(raw(b, index)).into()),
        DType::Uint16 => Element::Uint(u16::from_le_bytes(raw(b, index)).into()),
        DType::Uint32 => Element::Uint(u32::from_le_bytes(raw(b, index)).into()),
        DType::Uint64 => Element::Uint(u64::from_le_bytes(raw(b, index))),
        DType::Bool => Element::Bool(raw::<1>(b, index) != [0]),
        DType::String => {
            Element::Text(tensor.strings().and_then(|s| s.get(index)).map_or("", String::as_str))
        }
    }
}

impl Element<'_> {
    /// As a number; text and bools are none.
    pub(crate) fn number(self) -> Option<f64> {
        match self {
            Self::F32(v) => Some(v.into()),
            Self::F64(v) => Some(v),
            Self::Int(v) => Some(v as f64),
            Self::Uint(v) => Some(v as f64),
            Self::Bool(_) | Self::Text(_) => None,
        }
    }

    /// For people: floats to six digits.
    pub(crate) fn brief(self) -> String {
        match self {
            Self::F32(v) => six_digits(v.into()),
            Self::F64(v) => six_digits(v),
            Self::Int(v) => v.to_string(),
            Self::Uint(v) => v.to_string(),
            Self::Bool(v) => v.to_string(),
            Self::Text(v) => format!("{v:?}"),
        }
    }

    /// For tools: exact; what JSON has no number for is a string.
    pub(crate) fn json(self) -> Value {
        match self {
            Self::F32(v) if v.is_finite() => {
                v.to_string().parse().map_or(Value::Null, Value::Number)
            }
            Self::F64(v) if v.is_finite() => json!(v),
            Self::F32(v) => json!(not_finite(v.into())),
            Self::F64(v) => json!(not_finite(v)),
            Self::Int(v) => json!(v),
            Self::Uint(v) => json!(v),
            Self::Bool(v) => json!(v),
            Self::Text(v) => json!(v),
        }
    }
}

fn not_finite(v: f64) -> &'static str {
    if v.is_nan() {
        "NaN"
    } else if v > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// Six significant digits, without trailing zeros.
pub(crate) fn six_digits(v: f64) -> String {
    if !v.is_finite() {
        return not_finite(v).to_owned();
    }
    let size = v.abs();
    if v == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e9).contains(&size) {
        return format!("{v:.4e}");
    }
    let before = size.log10().floor() as i32 + 1;
    let decimals = usize::try_from(6 - before).unwrap_or(0);
    let text = format!("{v:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Appends a number as an element of `dtype`; integers are rounded and clamped. Nothing for strings.
pub(crate) fn push(dtype: DType, number: f64, to: &mut Vec<u8>) {
    let n = number;
    let whole = n.round();
    match dtype {
        DType::Float32 => to.extend((n as f32).to_le_bytes()),
        DType::Float64 => to.extend(n.to_le_bytes()),
        DType::Float16 => to.extend(f16::from_f64(n).to_le_bytes()),
        DType::Int8 => to.extend((whole as i8).to_le_bytes()),
        DType::Int16 => to.extend((whole as i16).to_le_bytes()),
        DType::Int32 => to.extend((whole as i32).to_le_bytes()),
        DType::Int64 => to.extend((whole as i64).to_le_bytes()),
        DType::Uint8 => to.extend((whole as u8).to_le_bytes()),
        DType::Uint16 => to.extend((whole as u16).to_le_bytes()),
        DType::Uint32 => to.extend((whole as u32).to_le_bytes()),
        DType::Uint64 => to.extend((whole as u64).to_le_bytes()),
        DType::Bool => to.push(u8::from(n != 0.0)),
        DType::String => {}
    }
}

/// Whether elements of this type have a fraction.
pub(crate) fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::Float16 | DType::Float32 | DType::Float64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_are_enough_for_people() {
        for (v, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-0.5, "-0.5"),
            (0.941_691_9, "0.941692"),
            (1_234.567_89, "1234.57"),
            (0.000_012_34, "1.2340e-5"),
            (123_456_789.0, "123456789"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(six_digits(v), text);
        }
    }

    #[test]
    fn numbers_of_every_type_come_back() -> nearside::Result<()> {
        let types = "float32 float64 float16 int8 int16 int32 int64 uint8 uint16 uint32 uint64";
        for dtype in types.split(' ').filter_map(DType::from_name) {
            let mut bytes = vec![];
            push(dtype, 1.0, &mut bytes);
            push(dtype, 100.0, &mut bytes);
            let tensor = Tensor::from_bytes(dtype, &[2], &bytes)?;
            assert_eq!(element(&tensor, 1).number(), Some(100.0), "{dtype:?}");
            assert_eq!(element(&tensor, 1).json().to_string().trim_end_matches(".0"), "100");
        }
        let mut clamped = vec![];
        push(DType::Uint8, 300.0, &mut clamped);
        push(DType::Int8, -300.0, &mut clamped);
        assert_eq!(clamped, [255, 128]);
        Ok(())
    }
}
