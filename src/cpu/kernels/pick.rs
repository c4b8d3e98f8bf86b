//! Elements that indices name, to be taken or to be changed, and where elements are that are not zero.
//!
//! In: elements, and int64 indices. Out: elements, or int64 places. What an index is out of is a
//! [`Misfit`](crate::Misfit); the least ones may count from the end.

use crate::{Result, fits};

/// For each index the element at its own place, but along `axis` at the index. `shape` is of the data, `wanted` of the
/// indices, which are no more than the data along each other axis.
pub fn elements<T: Copy>(
    axis: usize,
    shape: &[usize],
    wanted: &[usize],
    data: &[T],
    indices: &[i64],
    to: &mut [T],
) -> Result<()> {
    fits(data.len() == shape.iter().product() && to.len() == indices.len())?;
    along(axis, shape, wanted, indices, |number, place| to[number] = data[place])
}

/// Puts each update at its own place in the data, but along `axis` at its index, in their order: `put` makes of what is
/// there and the update what will be.
pub fn scatter<T: Copy>(
    axis: usize,
    shape: &[usize],
    wanted: &[usize],
    data: &mut [T],
    indices: &[i64],
    updates: &[T],
    put: impl Fn(T, T) -> T,
) -> Result<()> {
    fits(data.len() == shape.iter().product() && updates.len() == indices.len())?;
    along(axis, shape, wanted, indices, |number, place| {
        data[place] = put(data[place], updates[number]);
    })
}

/// Calls `each` with the number of every index and the place in the data that it names.
fn along(
    axis: usize,
    shape: &[usize],
    wanted: &[usize],
    indices: &[i64],
    mut each: impl FnMut(usize, usize),
) -> Result<()> {
    let rank = shape.len();
    fits(axis < rank && wanted.len() == rank && indices.len() == wanted.iter().product())?;
    fits((0..rank).all(|a| a == axis || wanted[a] <= shape[a]))?;
    if indices.is_empty() {
        return Ok(());
    }
    let mut strides = vec![1; rank];
    for a in (0..rank - 1).rev() {
        strides[a] = strides[a + 1] * shape[a + 1];
    }
    let (length, stride, wide) = (shape[axis], strides[axis], wanted[rank - 1]);
    // Along the last axis a place goes on by this.
    let step = usize::from(axis != rank - 1);
    let mut at = vec![0; rank];
    for (row, indices) in indices.chunks_exact(wide).enumerate() {
        let outer = (0..rank - 1).filter(|a| *a != axis);
        let first: usize = outer.map(|a| at[a] * strides[a]).sum();
        for (column, index) in indices.iter().enumerate() {
            let index = if *index < 0 { index.wrapping_add(length as i64) } else { *index };
            fits((index as u64) < length as u64)?;
            each(row * wide + column, first + index as usize * stride + column * step);
        }
        for a in (0..rank - 1).rev() {
            at[a] += 1;
            if at[a] < wanted[a] {
                break;
            }
            at[a] = 0;
        }
    }
    Ok(())
}

/// For each tuple of indices, one for each of `lengths`, what lies at it: `inner` bytes. All that again for each of
/// `batches`.
pub fn tuples(
    batches: usize,
    lengths: &[usize],
    inner: usize,
    data: &[u8],
    indices: &[i64],
    to: &mut [u8],
) -> Result<()> {
    let depth = lengths.len();
    let volume = lengths.iter().product::<usize>() * inner;
    fits(depth > 0 && batches > 0 && data.len() == batches * volume)?;
    fits(indices.len().is_multiple_of(depth) && to.len() == indices.len() / depth * inner)?;
    if to.is_empty() {
        return Ok(());
    }
    let each = indices.len() / batches;
    fits(each > 0 && each.is_multiple_of(depth) && indices.len() == each * batches)?;
    let tuples = indices.chunks_exact(depth);
    for (number, (tuple, to)) in tuples.zip(to.chunks_exact_mut(inner)).enumerate() {
        let mut place = number * depth / each;
        for (index, length) in tuple.iter().zip(lengths) {
            let index = if *index < 0 { index.wrapping_add(*length as i64) } else { *index };
            fits((index as u64) < *length as u64)?;
            place = place * length + index as usize;
        }
        let from = &data[place * inner..][..inner];
        match (from.as_chunks::<4>(), to.as_chunks_mut::<4>()) {
            (([x], []), ([to], [])) => *to = *x,
            _ => to.copy_from_slice(from),
        }
    }
    Ok(())
}

/// Elements that may be zero.
pub enum Elements<'a> {
    /// float32, of which -0 is zero.
    F32(&'a [f32]),
    /// int64.
    I64(&'a [i64]),
    /// int32.
    I32(&'a [i32]),
    /// Bytes of any kind.
    Bytes(&'a [u8]),
}

/// The places of those that are not zero, a row for each axis.
pub fn places(shape: &[usize], elements: &Elements<'_>) -> Result<Vec<i64>> {
    fn found(set: impl Iterator<Item = bool>) -> Vec<u32> {
        set.zip(0..).filter(|(set, _)| *set).map(|(_, at)| at).collect()
    }
    let count = match elements {
        Elements::F32(x) => x.len(),
        Elements::I64(x) => x.len(),
        Elements::I32(x) => x.len(),
        Elements::Bytes(x) => x.len(),
    };
    fits(count == shape.iter().product() && count < u32::MAX as usize)?;
    let found = match elements {
        Elements::F32(x) => found(x.iter().map(|x| *x != 0.)),
        Elements::I64(x) => found(x.iter().map(|x| *x != 0)),
        Elements::I32(x) => found(x.iter().map(|x| *x != 0)),
        Elements::Bytes(x) => found(x.iter().map(|x| *x != 0)),
    };
    let mut places = Vec::with_capacity(shape.len() * found.len());
    for axis in 0..shape.len() {
        let inner = shape[axis + 1..].iter().product::<usize>().max(1) as u32;
        let length = shape[axis].max(1) as u32;
        if axis == 0 {
            places.extend(found.iter().map(|at| i64::from(at / inner)));
        } else {
            places.extend(found.iter().map(|at| i64::from(at / inner % length)));
        }
    }
    Ok(places)
}

/// Clears what lies on the other side of a diagonal: in matrices of `rows` by `columns` elements of `width` bytes, the
/// columns before `row + k` where the `upper` part stays, else those behind it.
pub fn triangle(
    [rows, columns]: [usize; 2],
    width: usize,
    k: i64,
    upper: bool,
    matrices: &mut [u8],
) -> Result<()> {
    let line = columns * width;
    if rows * line == 0 {
        return fits(matrices.is_empty());
    }
    fits(matrices.len().is_multiple_of(rows * line))?;
    for (at, row) in matrices.chunks_exact_mut(line).enumerate() {
        let diagonal = k.saturating_add((at % rows) as i64);
        let first = if upper { diagonal } else { diagonal.saturating_add(1) };
        let first = first.clamp(0, columns as i64) as usize * width;
        if upper { row[..first].fill(0) } else { row[first..].fill(0) }
    }
    Ok(())
}
