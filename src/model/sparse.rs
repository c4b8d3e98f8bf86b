//! Sparse constants, made dense.
//!
//! In: a decoded file. Out: the same, with each of its sparse initialisers, and of its `Constant`s of a `sparse_value`, as a
//! tensor of all elements. What cannot be told is left, and the check lists it. Bounded: a constant takes a multiple of
//! what of it is there.

use tract_onnx::pb::{
    self, SparseTensorProto, TensorProto, attribute_proto::AttributeType, tensor_proto::DataType,
};

use super::signature::dtype_of;

/// Elements for each one that is there.
const THINNEST: usize = 256;
/// What a constant may take in bytes where there is next to nothing.
const SMALL: usize = 1 << 20;

/// Makes the constants of a graph dense, and of those nested in it.
pub(super) fn densify(graph: &mut pb::GraphProto) {
    for sparse in std::mem::take(&mut graph.sparse_initializer) {
        match dense(&sparse) {
            Some(tensor) => graph.initializer.push(tensor),
            None => graph.sparse_initializer.push(sparse),
        }
    }
    for node in &mut graph.node {
        for attribute in &mut node.attribute {
            if let Some(tensor) = attribute.sparse_tensor.as_ref().and_then(dense) {
                // Where the importer looks for it.
                "value".clone_into(&mut attribute.name);
                attribute.r#type = AttributeType::Tensor as i32;
                attribute.sparse_tensor = None;
                attribute.t = Some(tensor);
            }
            attribute.g.iter_mut().chain(&mut attribute.graphs).for_each(densify);
        }
    }
}

/// All elements; none where the description is inconsistent, or too much is not there.
fn dense(sparse: &SparseTensorProto) -> Option<TensorProto> {
    let (values, indices) = (sparse.values.as_ref()?, sparse.indices.as_ref()?);
    let width = dtype_of(values.data_type)?.size();
    let sizes: Vec<usize> =
        sparse.dims.iter().map(|d| usize::try_from(*d).ok()).collect::<Option<_>>()?;
    let held = elements(values, width)?;
    let count = held.len() / width;
    let places = places(indices, &sizes, count)?;
    let most = held.len().checked_mul(THINNEST)?.max(SMALL);
    let length = sizes.iter().try_fold(width, |n, d| n.checked_mul(*d)).filter(|n| *n <= most)?;
    let mut data = vec![0; length];
    for (place, value) in places.iter().zip(held.chunks_exact(width)) {
        let start = place.checked_mul(width)?;
        data.get_mut(start..start.checked_add(width)?)?.copy_from_slice(value);
    }
    Some(TensorProto {
        name: values.name.clone(),
        dims: sparse.dims.clone(),
        data_type: values.data_type,
        raw_data: data,
        ..TensorProto::default()
    })
}

/// Where the elements lie, row by row: so they are numbered, or each has an index an axis.
fn places(indices: &TensorProto, sizes: &[usize], count: usize) -> Option<Vec<usize>> {
    let bytes = elements(indices, 8).filter(|_| indices.data_type == DataType::Int64 as i32)?;
    let numbers = bytes.as_chunks().0.iter();
    let numbers: Vec<usize> =
        numbers.map(|b| usize::try_from(i64::from_le_bytes(*b)).ok()).collect::<Option<_>>()?;
    if indices.dims.len() < 2 {
        return Some(numbers).filter(|n| n.len() == count);
    }
    let flat = |index: &[usize]| {
        index.iter().zip(sizes).try_fold(0usize, |flat, (at, size)| {
            flat.checked_mul(*size)?.checked_add(*at).filter(|_| at < size)
        })
    };
    let rank = sizes.len().max(1);
    Some(numbers)
        .filter(|n| count.checked_mul(rank) == Some(n.len()))?
        .chunks_exact(rank)
        .map(flat)
        .collect()
}

/// The bytes of a tensor's elements, in whichever field they are.
fn elements(tensor: &TensorProto, width: usize) -> Option<Vec<u8>> {
    if width == 0 {
        return None;
    }
    let count = usize::try_from(tensor.dims.iter().product::<i64>()).ok()?;
    let bytes: Vec<u8> = if !tensor.raw_data.is_empty() {
        tensor.raw_data.clone()
    } else {
        let floats = tensor.float_data.iter().flat_map(|v| v.to_le_bytes());
        let doubles = tensor.double_data.iter().flat_map(|v| v.to_le_bytes());
        let longs = tensor.int64_data.iter().flat_map(|v| v.to_le_bytes());
        let unsigned =
            tensor.uint64_data.iter().flat_map(|v| v.to_le_bytes()[..width.min(8)].to_vec());
        let whole = tensor.int32_data.iter().flat_map(|v| v.to_le_bytes()[..width.min(4)].to_vec());
        floats.chain(doubles).chain(longs).chain(unsigned).chain(whole).collect()
    };
    Some(bytes).filter(|b| count.checked_mul(width) == Some(b.len()))
}
