//! JSON literals -> tensors of an input's type.
//!
//! In: a number, string, bool or (nested) array. Out: a tensor. The nesting is the shape; a plain list or
//! a single value takes the model's shape where that leaves no choice.

use half::f16;
use nearside::{DType, Dim, Error, ErrorKind, Result, Tensor, ValueInfo};
use serde_json::Value;

use crate::values::is_float;

/// Deeper arrays than any tensor has.
const MAX_RANK: usize = 32;

/// Whether an argument is meant as JSON rather than as a file's name.
pub(crate) fn is_literal(text: &str) -> bool {
    literal(text).is_some()
}

/// An argument as JSON: `./16000` names a file of that name.
pub(crate) fn literal(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().filter(|v: &Value| !v.is_null())
}

/// The tensor that a literal means for an input.
pub(crate) fn tensor(info: &ValueInfo, literal: &Value) -> Result<Tensor> {
    let mut flat = Flat::default();
    flat.walk(literal, 0, info)?;
    let shape = fitted(info, flat.shape, flat.count);
    if info.dtype == DType::String {
        Tensor::from_strings(&shape, flat.strings)
    } else {
        Tensor::from_bytes(info.dtype, &shape, &flat.bytes)
    }
}

#[derive(Default)]
struct Flat {
    shape: Vec<usize>,
    count: usize,
    bytes: Vec<u8>,
    strings: Vec<String>,
}

impl Flat {
    fn walk(&mut self, value: &Value, depth: usize, info: &ValueInfo) -> Result<()> {
        let ragged = || {
            let text = format!("input `{}`: the arrays are not all of the same length", info.name);
            Err(Error::new(ErrorKind::ShapeMismatch, text))
        };
        let Value::Array(items) = value else {
            if depth != self.shape.len() {
                return ragged();
            }
            self.count += 1;
            return self.push(value, info);
        };
        match self.shape.get(depth) {
            // Depths are first met on the way to the first element.
            None if self.count > 0 || depth >= MAX_RANK => return ragged(),
            None => self.shape.push(items.len()),
            Some(length) if *length != items.len() => return ragged(),
            Some(_) => {}
        }
        items.iter().try_for_each(|item| self.walk(item, depth + 1, info))
    }

    fn push(&mut self, value: &Value, info: &ValueInfo) -> Result<()> {
        let dtype = info.dtype;
        if let (DType::String, Value::String(text)) = (dtype, value) {
            self.strings.push(text.clone());
            return Ok(());
        }
        let pushed = match value {
            Value::Bool(b) if dtype == DType::Bool => {
                self.bytes.push(u8::from(*b));
                true
            }
            Value::Number(n) if is_float(dtype) => n.as_f64().is_some_and(|v| self.float(dtype, v)),
            Value::Number(n) => {
                // 3.0 is as good a 3 as any.
                let whole = n.as_f64().filter(|v| v.fract() == 0.0 && v.abs() < 9e15);
                let whole = whole.map(|v| v as i128);
                let exact = n.as_i64().map(i128::from).or(n.as_u64().map(i128::from));
                exact.or(whole).is_some_and(|v| self.integer(dtype, v))
            }
            _ => false,
        };
        if pushed {
            return Ok(());
        }
        let text = value.to_string();
        let short: String = text.chars().take(40).collect();
        let kind = match value {
            // A number of the wrong kind is a bad value, anything else another type.
            Value::Number(_) if dtype != DType::String => ErrorKind::InvalidInput,
            _ => ErrorKind::TypeMismatch,
        };
        Err(Error::new(
            kind,
            format!("input `{}` is {}, which {short} is not", info.name, dtype.name()),
        ))
    }

    fn float(&mut self, dtype: DType, v: f64) -> bool {
        match dtype {
            DType::Float16 => self.bytes.extend(f16::from_f64(v).to_le_bytes()),
            DType::Float32 => self.bytes.extend((v as f32).to_le_bytes()),
            _ => self.bytes.extend(v.to_le_bytes()),
        }
        true
    }

    /// False where the type cannot hold it.
    fn integer(&mut self, dtype: DType, v: i128) -> bool {
        let (low, high): (i128, i128) = match dtype {
            DType::Bool => (0, 1),
            DType::Int8 => (i8::MIN.into(), i8::MAX.into()),
            DType::Int16 => (i16::MIN.into(), i16::MAX.into()),
            DType::Int32 => (i32::MIN.into(), i32::MAX.into()),
            DType::Int64 => (i64::MIN.into(), i64::MAX.into()),
            DType::Uint8 => (0, u8::MAX.into()),
            DType::Uint16 => (0, u16::MAX.into()),
            DType::Uint32 => (0, u32::MAX.into()),
            DType::Uint64 => (0, u64::MAX.into()),
            _ => return false,
        };
        let fits = (low..=high).contains(&v);
        if fits {
            // Little-endian two's complement: the low bytes are the narrower integer.
            self.bytes.extend_from_slice(v.to_le_bytes().split_at(dtype.size()).0);
        }
        fits
    }
}

/// The literal's own shape; but the model's, for a list or single value that just fills it.
fn fitted(info: &ValueInfo, own: Vec<usize>, count: usize) -> Vec<usize> {
    if own.len() > 1 || !info.ranked || info.shape.len() == own.len() {
        return own;
    }
    let known: usize =
        info.shape.iter().map(|d| if let Dim::Known(n) = d { *n } else { 1 }).product();
    let open = info.shape.iter().filter(|d| !matches!(d, Dim::Known(_))).count();
    // One open dimension takes what the known ones leave; several are 1 where nothing is left.
    let rest = count.checked_div(known).unwrap_or(0);
    if known == 0 || rest * known != count || (rest != 1 && open != 1) {
        return own;
    }
    info.shape.iter().map(|d| if let Dim::Known(n) = d { *n } else { rest }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(dtype: DType, shape: &[Dim]) -> ValueInfo {
        ValueInfo {
            name: "x".into(),
            dtype,
            shape: shape.to_vec(),
            ranked: true,
            labels: vec![],
            kind: nearside::Kind::Tensor,
        }
    }

    fn make(dtype: DType, shape: &[Dim], text: &str) -> Result<Tensor> {
        let value = literal(text).ok_or_else(|| Error::new(ErrorKind::Internal, text))?;
        tensor(&info(dtype, shape), &value)
    }

    #[test]
    fn nesting_is_the_shape() -> Result<()> {
        let t = make(DType::Int64, &[Dim::Unknown, Dim::Unknown], "[[1, 2, 3], [4, 5, -6]]")?;
        assert_eq!(t.shape(), [2, 3]);
        assert_eq!(t.bytes()[40..], (-6i64).to_le_bytes());
        assert_eq!(
            make(DType::String, &[Dim::Unknown], r#"["a", "b"]"#)?.strings().map(<[_]>::len),
            Some(2)
        );
        assert_eq!(make(DType::Bool, &[Dim::Known(3)], "[true, 0, 1]")?.bytes(), [1, 0, 1]);
        assert_eq!(make(DType::Uint64, &[], "18446744073709551615")?.bytes(), [255; 8]);
        assert_eq!(make(DType::Float16, &[], "1")?.bytes(), [0, 0x3c]);
        assert_eq!(make(DType::Float32, &[Dim::Unknown, Dim::Known(4)], "[]")?.shape(), [0, 4]);
        Ok(())
    }

    #[test]
    fn a_list_or_a_value_fills_the_models_shape() -> Result<()> {
        let (one, two, open) = (Dim::Known(1), Dim::Known(2), Dim::Unknown);
        let shape =
            |dims: &[Dim], text| make(DType::Float32, dims, text).map(|t| t.shape().to_vec());
        assert_eq!(shape(&[one.clone(), two.clone(), two.clone()], "[1, 2, 3, 4]")?, [1, 2, 2]);
        assert_eq!(shape(&[one.clone(), open.clone()], "[1, 2, 3]")?, [1, 3]);
        assert_eq!(shape(&[], "16000")?, [] as [usize; 0]);
        assert_eq!(shape(&[], "[16000]")?, [] as [usize; 0]);
        assert_eq!(shape(std::slice::from_ref(&open), "16000")?, [1]);
        assert_eq!(shape(&[open.clone(), open.clone()], "7")?, [1, 1]);
        // Two open dimensions leave a choice: the engine will say what it wants.
        assert_eq!(shape(&[open.clone(), open], "[1, 2, 3]")?, [3]);
        assert_eq!(shape(&[one, two], "[1, 2, 3]")?, [3]);
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let open = [Dim::Unknown, Dim::Unknown];
        for (dtype, text, code) in [
            (DType::Float32, "[[1, 2], [3]]", "SHAPE_MISMATCH"),
            (DType::Float32, "[1, [2]]", "SHAPE_MISMATCH"),
            (DType::Float32, "[[1], 2]", "SHAPE_MISMATCH"),
            (DType::Uint8, "[256]", "INVALID_INPUT"),
            (DType::Int64, "[1.5]", "INVALID_INPUT"),
            (DType::Int64, "[\"1\"]", "TYPE_MISMATCH"),
            (DType::String, "[1]", "TYPE_MISMATCH"),
            (DType::Float32, "[null]", "TYPE_MISMATCH"),
        ] {
            let error = make(dtype, &open, text).map(|t| t.shape().to_vec()).unwrap_err();
            assert_eq!(error.row().code, code, "{text}: {error}");
        }
    }
}
