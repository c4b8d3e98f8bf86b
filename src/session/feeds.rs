//! What a run is given and asked for, held against the model's signature.
//!
//! In: feeds and names as the caller has them. Out: values in the signature's order, or an error that names the input.

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Dim, Kind, Signature, ValueInfo};
use crate::tensor::DType;
use crate::value::Value;

fn names(values: &[ValueInfo]) -> String {
    values.iter().map(|v| v.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The wanted outputs by name, each with its place among all.
pub(super) fn pick_outputs(
    signature: &Signature,
    fetches: &[String],
) -> Result<Vec<(String, usize)>> {
    if fetches.is_empty() {
        return Ok(signature
            .outputs
            .iter()
            .enumerate()
            .map(|(i, o)| (o.name.clone(), i))
            .collect());
    }
    let mut picks: Vec<(String, usize)> = Vec::with_capacity(fetches.len());
    for name in fetches {
        let at = signature.outputs.iter().position(|o| o.name == *name).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("unknown output `{name}`; the outputs are: {}", names(&signature.outputs)),
            )
        })?;
        if picks.iter().any(|(_, p)| *p == at) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("output `{name}` is asked for twice"),
            ));
        }
        picks.push((name.clone(), at));
    }
    Ok(picks)
}

/// The feeds in the signature's order, checked against it.
pub(super) fn order_feeds(
    signature: &Signature,
    feeds: Vec<(String, Value)>,
) -> Result<Vec<Value>> {
    let mut slots: Vec<Option<Value>> = vec![None; signature.inputs.len()];
    for (name, value) in feeds {
        let at = signature.inputs.iter().position(|i| i.name == name).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("unknown input `{name}`; the inputs are: {}", names(&signature.inputs)),
            )
        })?;
        if slots[at].replace(value).is_some() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("input `{name}` is given twice"),
            ));
        }
    }
    let mut symbols: Vec<(&str, usize, &str)> = vec![];
    signature
        .inputs
        .iter()
        .zip(slots)
        .map(|(info, slot)| {
            let value = slot.ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidInput,
                    format!(
                        "input `{}` is missing; the inputs are: {}",
                        info.name,
                        names(&signature.inputs)
                    ),
                )
            })?;
            check_value(info, &value, &mut symbols)?;
            Ok(value)
        })
        .collect()
}

/// What the model takes under this name, and each of its tensors.
fn check_value<'a>(
    info: &'a ValueInfo,
    value: &Value,
    symbols: &mut Vec<(&'a str, usize, &'a str)>,
) -> Result<()> {
    match (value, info.kind) {
        (Value::Tensor(tensor), Kind::Tensor | Kind::Optional) => {
            check_input(info, tensor.dtype(), tensor.shape(), symbols)
        }
        #[cfg(feature = "gpu")]
        (Value::Gpu(tensor), Kind::Tensor | Kind::Optional) => {
            check_input(info, tensor.dtype(), tensor.shape(), symbols)
        }
        // Symbols of elements are those of each one.
        (Value::Sequence(list), Kind::Sequence | Kind::Optional) => {
            list.iter().try_for_each(|t| check_input(info, t.dtype(), t.shape(), &mut vec![]))
        }
        (Value::Absent, Kind::Optional) => Ok(()),
        (_, wanted) => Err(Error::new(
            ErrorKind::TypeMismatch,
            format!(
                "input `{}` is {}, the model wants {}",
                info.name,
                value.kind(),
                match wanted {
                    Kind::Tensor => "a tensor",
                    Kind::Sequence => "a sequence",
                    Kind::Optional => "an optional",
                }
            ),
        )),
    }
}

fn check_input<'a>(
    info: &'a ValueInfo,
    dtype: DType,
    shape: &[usize],
    symbols: &mut Vec<(&'a str, usize, &'a str)>,
) -> Result<()> {
    if dtype != info.dtype {
        return Err(Error::new(
            ErrorKind::TypeMismatch,
            format!(
                "input `{}` is {}, the model wants {}",
                info.name,
                dtype.name(),
                info.dtype.name()
            ),
        ));
    }
    if !info.ranked {
        return Ok(());
    }
    let mismatch = |detail: String| {
        let wanted = info.shape.iter().map(|d| match d {
            Dim::Known(n) => n.to_string(),
            Dim::Symbol(s) => s.clone(),
            Dim::Unknown => "?".to_owned(),
        });
        Error::new(
            ErrorKind::ShapeMismatch,
            format!(
                "input `{}` has shape {:?}, the model wants [{}]{detail}",
                info.name,
                shape,
                wanted.collect::<Vec<_>>().join(", ")
            ),
        )
    };
    if shape.len() != info.shape.len() {
        return Err(mismatch(String::new()));
    }
    for (dim, size) in info.shape.iter().zip(shape) {
        match dim {
            Dim::Known(n) if n != size => return Err(mismatch(String::new())),
            Dim::Symbol(symbol) => match symbols.iter().find(|(s, _, _)| s == symbol) {
                Some((_, bound, by)) if bound != size => {
                    return Err(mismatch(format!("; `{symbol}` is already {bound} by `{by}`")));
                }
                Some(_) => {}
                None => symbols.push((symbol, *size, &info.name)),
            },
            _ => {}
        }
    }
    Ok(())
}
