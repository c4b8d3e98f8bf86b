//! Mistakes of tensors: their types, shapes and values, and what a run is given.
//!
//! In: a subject and a source of numbers. Out: what was done to it, in words.

use tract_onnx::pb::{
    self, TensorProto,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto::Value,
};

use super::mutate::{Numbers, ODD, REAL, Subject};

pub(crate) const TYPES: &[DataType] = &[
    DataType::Float,
    DataType::Float,
    DataType::Double,
    DataType::Float16,
    DataType::Int64,
    DataType::Int64,
    DataType::Int32,
    DataType::Int8,
    DataType::Uint8,
    DataType::Uint16,
    DataType::Uint64,
    DataType::Bool,
    DataType::String,
];

/// A tensor of this type and shape, of small numbers; nothing where it would be large.
pub(crate) fn fresh(
    data_type: DataType,
    dims: &[i64],
    numbers: &mut Numbers,
) -> Option<TensorProto> {
    let count = dims.iter().try_fold(1i64, |n, d| n.checked_mul(*d))?;
    if !(0..=1 << 16).contains(&count) {
        return None;
    }
    let mut tensor =
        TensorProto { dims: dims.to_vec(), data_type: data_type as i32, ..TensorProto::default() };
    for _ in 0..count {
        let value = numbers.below(4) as u8;
        match data_type {
            DataType::String => tensor.string_data.push(value.to_string().into_bytes()),
            DataType::Float => {
                tensor.raw_data.extend((f32::from(value) / 2.).to_le_bytes());
            }
            DataType::Double => tensor.raw_data.extend((f64::from(value) / 2.).to_le_bytes()),
            DataType::Float16 => {
                tensor.raw_data.extend(half::f16::from_f32(f32::from(value)).to_le_bytes());
            }
            DataType::Bool => tensor.raw_data.push(value & 1),
            DataType::Int8 | DataType::Uint8 => tensor.raw_data.push(value),
            DataType::Uint16 | DataType::Int16 => tensor.raw_data.extend([value, 0]),
            DataType::Int32 | DataType::Uint32 => tensor.raw_data.extend([value, 0, 0, 0]),
            _ => tensor.raw_data.extend([value, 0, 0, 0, 0, 0, 0, 0]),
        }
    }
    Some(tensor)
}

/// A tensor of the subject: an input or a constant.
enum At {
    Input(usize),
    Constant(usize),
}

fn any(subject: &mut Subject, numbers: &mut Numbers) -> Option<At> {
    let (inputs, constants) = (subject.feeds.len(), subject.graph().initializer.len());
    match numbers.below(inputs + constants) {
        _ if inputs + constants == 0 => None,
        at if at < inputs => Some(At::Input(at)),
        at => Some(At::Constant(at - inputs)),
    }
}

fn put(subject: &mut Subject, at: At, mut tensor: TensorProto) -> String {
    let said = format!("{} {:?}", tensor.data_type, tensor.dims);
    match at {
        At::Constant(at) => {
            let old = &mut subject.graph().initializer[at];
            tensor.name = std::mem::take(&mut old.name);
            *old = tensor;
        }
        At::Input(at) => {
            let dims = tensor.dims.iter().map(|d| Dimension {
                value: Some(dimension::Value::DimValue(*d)),
                ..Dimension::default()
            });
            let shape = pb::TensorShapeProto { dim: dims.collect() };
            let info = &mut subject.graph().input[at];
            info.r#type = Some(pb::TypeProto {
                value: Some(Value::TensorType(pb::type_proto::Tensor {
                    elem_type: tensor.data_type,
                    shape: Some(shape),
                })),
                ..pb::TypeProto::default()
            });
            subject.feeds[at] = tensor;
        }
    }
    said
}

fn there<'a>(subject: &'a mut Subject, at: &At) -> &'a mut TensorProto {
    match at {
        At::Input(at) => &mut subject.feeds[*at],
        At::Constant(at) => &mut subject.graph().initializer[*at],
    }
}

pub(crate) fn retype(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let Some(at) = any(subject, numbers) else { return "none".into() };
    let dims = there(subject, &at).dims.clone();
    match fresh(numbers.pick(TYPES), &dims, numbers) {
        Some(tensor) => put(subject, at, tensor),
        None => "none".into(),
    }
}

pub(crate) fn reshape(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let Some(at) = any(subject, numbers) else { return "none".into() };
    let old = there(subject, &at).clone();
    let mut dims = old.dims.clone();
    match numbers.below(7) {
        0 => drop(dims.pop()),
        1 => dims.push(numbers.pick(&[1, 2, 0])),
        2 => dims.clear(),
        3 => dims.insert(0, 1),
        4 => dims = vec![2; numbers.below(7)],
        5 if !dims.is_empty() => drop(dims.remove(0)),
        _ if !dims.is_empty() => {
            let place = numbers.below(dims.len());
            dims[place] = numbers.pick(&[0, 1, 2, 3, 5, 9]);
        }
        _ => {}
    }
    let Some(data_type) = DataType::try_from(old.data_type).ok() else { return "none".into() };
    match fresh(data_type, &dims, numbers) {
        Some(tensor) => put(subject, at, tensor),
        None => "none".into(),
    }
}

/// What a run gives is not what the file shows: extents that it leaves open, another rank, odd numbers.
pub(crate) fn feed(subject: &mut Subject, numbers: &mut Numbers) -> String {
    if subject.feeds.is_empty() {
        return "none".into();
    }
    let at = numbers.below(subject.feeds.len());
    let how = numbers.below(4);
    let info = &mut subject.graph().input[at];
    if let Some(Value::TensorType(tensor)) = info.r#type.as_mut().and_then(|t| t.value.as_mut()) {
        let dims = tensor.shape.iter_mut().flat_map(|s| &mut s.dim);
        match how {
            0 => tensor.shape = None,
            1 => dims.for_each(|dim| dim.value = None),
            _ => dims.enumerate().for_each(|(axis, dim)| {
                dim.value = Some(dimension::Value::DimParam(format!("d{}", axis % how)));
            }),
        }
    }
    let old = subject.feeds[at].clone();
    let mut dims = old.dims.clone();
    match numbers.below(6) {
        0 => drop(dims.pop()),
        1 => dims.push(1),
        2 => {}
        _ if !dims.is_empty() => {
            let place = numbers.below(dims.len());
            dims[place] = numbers.pick(&[0, 0, 1, 2, 3, 17]);
        }
        _ => {}
    }
    if dims == old.dims {
        return format!("open {how}; {}", odd(&mut subject.feeds[at], numbers));
    }
    let made = DataType::try_from(old.data_type).ok().and_then(|t| fresh(t, &dims, numbers));
    if let Some(tensor) = made {
        subject.feeds[at] = tensor;
    }
    format!("open {how}; {dims:?}")
}

/// Puts odd numbers into a small tensor.
pub(crate) fn revalue(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let Some(at) = any(subject, numbers) else { return "none".into() };
    odd(there(subject, &at), numbers)
}

fn odd(tensor: &mut TensorProto, numbers: &mut Numbers) -> String {
    let count = tensor.dims.iter().product::<i64>();
    if !(1..=64).contains(&count) {
        return "none".into();
    }
    let real: Vec<f32> = (0..count).map(|_| numbers.pick(REAL)).collect();
    let whole: Vec<i64> = (0..count).map(|_| numbers.pick(ODD)).collect();
    let raw: Vec<u8> = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float) => real.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Ok(DataType::Double) => real.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect(),
        Ok(DataType::Int64) => whole.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Ok(DataType::Int32) => whole.iter().flat_map(|v| (*v as i32).to_le_bytes()).collect(),
        Ok(DataType::Int8 | DataType::Uint8) => whole.iter().map(|v| *v as u8).collect(),
        _ => return "none".into(),
    };
    *tensor = TensorProto {
        name: tensor.name.clone(),
        dims: tensor.dims.clone(),
        data_type: tensor.data_type,
        raw_data: raw,
        ..TensorProto::default()
    };
    format!("{whole:?}")
}
