//! What a tensor is on the GPU: a dense value in memory, and strided views of it.
//!
//! In: shapes and element types of the graph. Out: [`View`], what kernels read. The one decision:
//! every element takes 32 bits (floats as f32, signed integers as i32, the rest as u32), so that one
//! kernel text serves all element types; who uploads checks that 64-bit integers fit. Where the adapter has f16, what
//! is float16 in the model lies as f16, and so do constants that lose nothing by it: reading widens, writing rounds.

use tract_onnx::prelude::DatumType;

/// How an element lies in GPU memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Carrier {
    F32,
    I32,
    U32,
}

impl Carrier {
    /// The carrier of an engine type, if the GPU has one for it.
    pub(crate) fn of(datum: DatumType) -> Option<Self> {
        Some(match datum {
            DatumType::F32 => Self::F32,
            DatumType::I8 | DatumType::I16 | DatumType::I32 | DatumType::I64 => Self::I32,
            DatumType::U8 | DatumType::U16 | DatumType::U32 | DatumType::U64 | DatumType::Bool => {
                Self::U32
            }
            _ => return None,
        })
    }

    /// The scalar type in WGSL.
    pub(crate) fn wgsl(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::I32 => "i32",
            Self::U32 => "u32",
        }
    }
}

/// Index of a dense value of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ValueId(pub(crate) usize);

/// A way to read (or write) a dense value: element `i0, i1, …` lies at `offset + Σ strides[d] * id`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    pub(crate) value: ValueId,
    pub(crate) datum: DatumType,
    pub(crate) carrier: Carrier,
    /// Floats lie in memory as f16; they are f32 to whoever reads or writes them.
    pub(crate) half: bool,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    /// 0 where the axis is broadcast; negative where it runs backwards.
    pub(crate) strides: Vec<isize>,
}

/// Bytes of a dense value, in whole words.
pub(crate) fn bytes(len: usize, half: bool) -> u64 {
    let bytes = (len as u64).saturating_mul(if half { 2 } else { 4 });
    bytes.saturating_add(3) & !3
}

/// Row-major strides.
pub(crate) fn dense_strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis] as isize;
    }
    strides
}

impl View {
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of so many elements as the view has, in a dense value.
    pub(crate) fn bytes(&self) -> u64 {
        bytes(self.len(), self.half)
    }

    /// The scalar type of its memory in WGSL.
    pub(crate) fn stored(&self) -> &'static str {
        if self.half { "f16" } else { self.carrier.wgsl() }
    }

    /// Whether the elements lie in row-major order from the value's start, without gaps.
    pub(crate) fn is_dense(&self) -> bool {
        let dense = dense_strides(&self.shape);
        self.offset == 0
            && self.shape.iter().zip(&self.strides).zip(dense).all(|((n, s), d)| *n == 1 || *s == d)
    }

    /// The same elements under another shape of the same volume, where that needs no copy.
    pub(crate) fn reshaped(&self, shape: &[usize]) -> Option<Self> {
        if self.is_dense() {
            let strides = dense_strides(shape);
            return Some(Self { shape: shape.to_vec(), strides, ..self.clone() });
        }
        if self.strides.iter().zip(&self.shape).all(|(s, n)| *s == 0 || *n == 1) {
            return Some(Self {
                shape: shape.to_vec(),
                strides: vec![0; shape.len()],
                ..self.clone()
            });
        }
        // Axes of length 1 come and go without any copy.
        let real = |shape: &[usize]| shape.iter().copied().filter(|n| *n != 1).collect::<Vec<_>>();
        if real(&self.shape) != real(shape) {
            return None;
        }
        let mut kept = self.shape.iter().zip(&self.strides).filter(|(n, _)| **n != 1);
        let strides = shape
            .iter()
            .map(|n| if *n == 1 { 0 } else { kept.next().map_or(0, |(_, s)| *s) })
            .collect();
        Some(Self { shape: shape.to_vec(), strides, ..self.clone() })
    }

    /// The axes in another order: axis `d` of the result is axis `order[d]` of this.
    pub(crate) fn permuted(&self, order: &[usize]) -> Self {
        Self {
            shape: order.iter().map(|a| self.shape[*a]).collect(),
            strides: order.iter().map(|a| self.strides[*a]).collect(),
            ..self.clone()
        }
    }

    /// Broadcast, by the rule that aligns the last axes; `None` where shapes do not fit.
    pub(crate) fn broadcast(&self, shape: &[usize]) -> Option<Self> {
        let lead = shape.len().checked_sub(self.shape.len())?;
        let mut strides = vec![0; lead];
        for ((have, stride), want) in self.shape.iter().zip(&self.strides).zip(&shape[lead..]) {
            strides.push(match (have, want) {
                (1, _) => 0,
                (a, b) if a == b => *stride,
                _ => return None,
            });
        }
        Some(Self { shape: shape.to_vec(), strides, ..self.clone() })
    }

    /// Every `step`th element of `axis` from `start`, `len` of them.
    pub(crate) fn sliced(&self, axis: usize, start: usize, len: usize, step: isize) -> Self {
        let mut view = self.clone();
        view.offset = view.offset.wrapping_add_signed(view.strides[axis] * start as isize);
        view.shape[axis] = len;
        view.strides[axis] *= step;
        view
    }
}

/// Joins neighbouring axes over which all `strides` run alike, and drops those of length 1.
/// Gives the shape that is left and the strides over it.
pub(crate) fn collapse(shape: &[usize], strides: &[&[isize]]) -> (Vec<usize>, Vec<Vec<isize>>) {
    let mut dims: Vec<usize> = vec![];
    let mut kept: Vec<Vec<isize>> = vec![vec![]; strides.len()];
    for (axis, n) in shape.iter().enumerate() {
        if *n == 1 {
            continue;
        }
        let joins = !dims.is_empty()
            && strides.iter().zip(&kept).all(|(s, k)| k.last() == Some(&(s[axis] * *n as isize)));
        if joins {
            if let Some(last) = dims.last_mut() {
                *last *= n;
            }
            for (s, k) in strides.iter().zip(&mut kept) {
                if let Some(last) = k.last_mut() {
                    *last = s[axis];
                }
            }
        } else {
            dims.push(*n);
            for (s, k) in strides.iter().zip(&mut kept) {
                k.push(s[axis]);
            }
        }
    }
    (dims, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(shape: &[usize]) -> View {
        View {
            value: ValueId(0),
            datum: DatumType::F32,
            carrier: Carrier::F32,
            half: false,
            offset: 0,
            shape: shape.to_vec(),
            strides: dense_strides(shape),
        }
    }

    #[test]
    fn views_need_no_copy_where_strides_tell_it() {
        let v = view(&[2, 3, 4]);
        assert!(v.is_dense());
        assert_eq!(v.reshaped(&[6, 4]).unwrap().strides, [4, 1]);
        let t = v.permuted(&[0, 2, 1]);
        assert_eq!((t.shape.clone(), t.strides.clone()), (vec![2, 4, 3], vec![12, 1, 4]));
        assert!(!t.is_dense() && t.reshaped(&[8, 3]).is_none());
        assert_eq!(t.reshaped(&[1, 2, 4, 1, 3]).unwrap().strides, [0, 12, 1, 0, 4]);
        assert_eq!(view(&[3, 1]).broadcast(&[2, 3, 5]).unwrap().strides, [0, 1, 0]);
        assert!(view(&[3]).broadcast(&[4]).is_none());
        let back = v.sliced(1, 2, 3, -1);
        assert_eq!((back.offset, back.strides[1]), (8, -4));
    }

    #[test]
    fn collapse_joins_what_runs_alike() {
        let dense = dense_strides(&[2, 3, 1, 4]);
        assert_eq!(collapse(&[2, 3, 1, 4], &[&dense]), (vec![24], vec![vec![1]]));
        let (dims, strides) = collapse(&[2, 3, 4], &[&dense_strides(&[2, 3, 4]), &[0, 1, 0]]);
        assert_eq!((dims, strides), (vec![2, 3, 4], vec![vec![12, 4, 1], vec![0, 1, 0]]));
        assert_eq!(collapse(&[1], &[&[1]]), (vec![], vec![vec![]]));
    }
}
