//! Operators on sequences and optionals.
//!
//! In: values. Out: one value. Tensors are shared, not copied, but where they are joined or cut.

use tract_onnx::prelude as tract;
use tract_onnx::prelude::IntoTValue;

use super::{from_bool, from_integer, integers, need, plain, refused, scalar};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Values;
use crate::tensor::{DType, Tensor};
use crate::value::Value;

pub(super) fn run(op: Values, inputs: &[Option<Value>], limit: u64) -> Result<Value> {
    let list = |at: usize| match need(inputs, at)? {
        Value::Sequence(list) => Ok(list),
        other => Err(refused(format!("{} is given where a sequence is needed", other.kind()))),
    };
    let position = |at: usize| inputs.get(at).and_then(Option::as_ref).map(scalar).transpose();
    Ok(match op {
        Values::Same => need(inputs, 0)?.clone(),
        Values::Optional => inputs.first().cloned().flatten().unwrap_or(Value::Absent),
        Values::GetElement => match need(inputs, 0)? {
            Value::Absent => return Err(refused("the optional is empty")),
            value => value.clone(),
        },
        Values::HasElement => {
            let value = inputs.first().and_then(Option::as_ref);
            from_bool(value.is_some_and(|v| !matches!(v, Value::Absent)), 0)?
        }
        Values::Construct => {
            let each = (0..inputs.len()).map(|at| plain(need(inputs, at)?.clone()));
            let list = each.collect::<Result<Vec<_>>>()?;
            same_type(&list)?;
            Value::Sequence(list)
        }
        Values::Empty => Value::Sequence(vec![]),
        Values::At => {
            let list = list(0)?;
            let at = index(scalar(need(inputs, 1)?)?, list.len(), list.len())?;
            Value::Tensor(list.get(at).cloned().ok_or_else(|| refused("no such element"))?)
        }
        Values::Insert => {
            let (mut list, tensor) = (list(0)?.clone(), plain(need(inputs, 1)?.clone())?);
            let at = match position(2)? {
                Some(position) => index(position, list.len(), list.len() + 1)?,
                None => list.len(),
            };
            list.insert(at, tensor);
            same_type(&list)?;
            check_size(&list, limit)?;
            Value::Sequence(list)
        }
        Values::Erase => {
            let mut list = list(0)?.clone();
            let at = position(1)?.unwrap_or(-1);
            let at = index(at, list.len(), list.len())?;
            list.remove(at);
            Value::Sequence(list)
        }
        Values::Length => from_integer(list(0)?.len() as i64, 0)?,
        Values::Concat { axis, new_axis } => {
            let list = list(0)?;
            let first = list.first().ok_or_else(|| refused("the sequence is empty"))?;
            check_size(list, limit)?;
            let rank = first.shape().len() + usize::from(new_axis);
            Value::Tensor(concat(list, axis_of(axis, rank)?, new_axis)?)
        }
        Values::Split { axis, keepdims } => {
            let tensor = plain(need(inputs, 0)?.clone())?;
            let lengths = match inputs.get(1).and_then(Option::as_ref) {
                Some(lengths) => Some(plain(lengths.clone())?),
                None => None,
            };
            let axis = axis_of(axis, tensor.shape().len())?;
            Value::Sequence(split(&tensor, lengths.as_ref(), axis, keepdims)?)
        }
    })
}

/// A position counted from either end, below `bound`.
fn index(position: i64, length: usize, bound: usize) -> Result<usize> {
    let from_front = if position < 0 { position.saturating_add(length as i64) } else { position };
    usize::try_from(from_front)
        .ok()
        .filter(|at| *at < bound)
        .ok_or_else(|| refused(format!("position {position} is outside of a sequence of {length}")))
}

pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize> {
    let from_front = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    let at = usize::try_from(from_front).ok().filter(|at| *at < rank);
    at.ok_or_else(|| refused(format!("axis {axis} of a tensor of rank {rank}")))
}

fn same_type(list: &[Tensor]) -> Result<()> {
    let odd = list.windows(2).find(|two| two[0].dtype() != two[1].dtype());
    odd.map_or(Ok(()), |_| Err(refused("the elements of a sequence are of different types")))
}

pub(super) fn bytes_of(tensor: &Tensor) -> u64 {
    let text = |list: &[String]| list.iter().map(|s| s.len() as u64 + 24).sum::<u64>();
    tensor.strings().map_or(tensor.bytes().len() as u64, text) + 64
}

/// Refuses what would not fit.
pub(super) fn within(bytes: u64, limit: u64) -> Result<()> {
    if bytes <= limit {
        return Ok(());
    }
    let text = format!("what a sequence or a loop collects is over the limit of {limit} bytes");
    Err(Error::new(ErrorKind::OutOfMemory, text))
}

pub(super) fn check_size(list: &[Tensor], limit: u64) -> Result<()> {
    within(list.iter().map(bytes_of).sum(), limit)
}

pub(super) fn empty(dtype: DType, shape: &[usize]) -> Result<Tensor> {
    if dtype == DType::String {
        return Tensor::from_strings(shape, vec![]);
    }
    Tensor::from_bytes(dtype, shape, &[])
}

/// Tensors of one shape under a new first axis.
pub(super) fn stack(list: &[Tensor]) -> Result<Tensor> {
    concat(list, 0, true)
}

pub(super) fn concat(list: &[Tensor], axis: usize, new_axis: bool) -> Result<Tensor> {
    same_type(list)?;
    let fits = |a: &Tensor, b: &Tensor| {
        let differs = |(at, (x, y)): (usize, (&usize, &usize))| x != y && (new_axis || at != axis);
        a.shape().len() == b.shape().len()
            && !a.shape().iter().zip(b.shape()).enumerate().any(differs)
    };
    if list.windows(2).any(|two| !fits(&two[0], &two[1])) {
        return Err(refused("tensors that are joined are of different shapes"));
    }
    let dtype = list.first().map_or(DType::Float32, Tensor::dtype);
    let parts = list.iter().map(|tensor| {
        let mut shape = tensor.shape().to_vec();
        if new_axis {
            shape.insert(axis, 1);
        }
        let tensor = tensor.clone().reshaped(&shape)?;
        Ok(std::sync::Arc::clone(tensor.as_tract()))
    });
    let parts = parts.collect::<Result<Vec<_>>>()?;
    engine(tract::Tensor::stack_tensors(axis, &parts), dtype)
}

fn engine(made: tract::TractResult<tract::Tensor>, dtype: DType) -> Result<Tensor> {
    let made = made.map_err(|e| {
        Error::new(ErrorKind::Internal, "joining or cutting tensors").with_source(e)
    })?;
    Tensor::from_tract(made.into_tvalue(), dtype)
}

pub(super) fn slice(tensor: &Tensor, axis: usize, from: usize, to: usize) -> Result<Tensor> {
    if from == to {
        let mut shape = tensor.shape().to_vec();
        shape[axis] = 0;
        return empty(tensor.dtype(), &shape);
    }
    engine(tensor.as_tract().slice(axis, from, to), tensor.dtype())
}

/// The tensor at one place of an axis, which goes away.
pub(super) fn pick(tensor: &Tensor, axis: usize, at: usize) -> Result<Tensor> {
    let part = slice(tensor, axis, at, at + 1)?;
    let mut shape = part.shape().to_vec();
    shape.remove(axis);
    part.reshaped(&shape)
}

/// Without lengths each part is one thick, and only then may the axis go away.
fn split(
    tensor: &Tensor,
    lengths: Option<&Tensor>,
    axis: usize,
    keepdims: bool,
) -> Result<Vec<Tensor>> {
    let size = tensor.shape()[axis];
    let Some(lengths) = lengths else {
        let one =
            |at| if keepdims { slice(tensor, axis, at, at + 1) } else { pick(tensor, axis, at) };
        return (0..size).map(one).collect();
    };
    let whole = |n: &i64| usize::try_from(*n).map_err(|_| refused(format!("the length {n}")));
    let given = integers(lengths)?.iter().map(whole).collect::<Result<Vec<_>>>()?;
    let ends: Vec<usize> = match given[..] {
        [0] if lengths.shape().is_empty() => return Err(refused("the length 0")),
        [each] if lengths.shape().is_empty() => {
            (1..=size.div_ceil(each)).map(|n| n.saturating_mul(each).min(size)).collect()
        }
        _ => {
            let sum = |end: &mut usize, n: &usize| {
                *end = end.saturating_add(*n);
                Some(*end)
            };
            given.iter().scan(0, sum).collect()
        }
    };
    if ends.last().copied().unwrap_or(0) != size {
        return Err(refused(format!("the lengths {given:?} do not add up to {size}")));
    }
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(&ends).map(|(from, to)| slice(tensor, axis, from, *to)).collect()
}
