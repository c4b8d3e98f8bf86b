//! Windows that slide over an image: the geometry that convolutions and pools share.
//!
//! In: the engine's pool specification and the views. Out: [`Sliding`], always with three spatial axes
//! (those that a model lacks have length 1), and its parameters.

use tract_onnx::tract_core::ops::cnn::PoolSpec;

use crate::gpu::builder::{Lowered, because};
use crate::gpu::kernel::Param;
use crate::gpu::value::{View, dense_strides};

/// Strides of an image by role.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Layout {
    pub(crate) n: isize,
    pub(crate) c: isize,
    pub(crate) space: [isize; 3],
}

#[derive(Clone, Debug)]
pub(crate) struct Sliding {
    pub(crate) batch: usize,
    pub(crate) size: [usize; 3],
    pub(crate) out: [usize; 3],
    pub(crate) kernel: [usize; 3],
    pub(crate) stride: [usize; 3],
    pub(crate) dilation: [usize; 3],
    pub(crate) before: [usize; 3],
    pub(crate) x: Layout,
    /// Of the dense output.
    pub(crate) y: Layout,
    pub(crate) offset: usize,
    /// The output's channel axis.
    pub(crate) c_axis: usize,
}

/// Right-aligned in three.
fn three<T: Copy>(values: &[T], fill: T) -> [T; 3] {
    let mut all = [fill; 3];
    let lead = 3 - values.len().min(3);
    all[lead..].copy_from_slice(&values[..values.len().min(3)]);
    all
}

impl Sliding {
    /// The geometry of `spec` from `x` to an output of shape `out`.
    pub(crate) fn of(spec: &PoolSpec, x: &View, out: &[usize]) -> Lowered<Self> {
        let rank = spec.rank();
        if rank > 3 {
            return because("more than three spatial axes");
        }
        let lead = usize::from(spec.data_format.has_n());
        let c_axis = if spec.data_format.c_is_last() { lead + rank } else { lead };
        let first = if spec.data_format.c_is_last() { lead } else { lead + 1 };
        let layout = |strides: &[isize]| Layout {
            n: if lead == 1 { strides[0] } else { 0 },
            c: strides[c_axis],
            space: three(&strides[first..first + rank], 0),
        };
        let size = &x.shape[first..first + rank];
        let before: Vec<usize> = spec.computed_padding(size).iter().map(|d| d.pad_before).collect();
        Ok(Self {
            batch: if lead == 1 { x.shape[0] } else { 1 },
            size: three(size, 1),
            out: three(&out[first..first + rank], 1),
            kernel: three(&spec.kernel_shape, 1),
            stride: three(&spec.strides(), 1),
            dilation: three(&spec.dilations(), 1),
            before: three(&before, 0),
            x: layout(&x.strides),
            y: layout(&dense_strides(out)),
            offset: x.offset,
            c_axis,
        })
    }

    /// Whether the window is one element and steps over each.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == [1; 3]
            && self.stride == [1; 3]
            && self.before == [0; 3]
            && self.size == self.out
    }

    /// `i0…i2` sizes, `o0…` outputs, `k0…` windows, `s0…` steps, `d0…` dilations, `b0…` pads, `x_*` and
    /// `y_*` strides.
    pub(crate) fn params(&self) -> Vec<(String, Param)> {
        let mut params = vec![];
        let mut put = |name: String, v: isize| {
            params.push((name, Param::U((v as i32).cast_unsigned())));
        };
        for axis in 0..3 {
            put(format!("i{axis}"), self.size[axis] as isize);
            put(format!("o{axis}"), self.out[axis] as isize);
            put(format!("k{axis}"), self.kernel[axis] as isize);
            put(format!("s{axis}"), self.stride[axis] as isize);
            put(format!("d{axis}"), self.dilation[axis] as isize);
            put(format!("b{axis}"), self.before[axis] as isize);
            put(format!("x_{axis}"), self.x.space[axis]);
            put(format!("y_{axis}"), self.y.space[axis]);
        }
        put("x_o".to_owned(), self.offset as isize);
        put("x_n".to_owned(), self.x.n);
        put("x_c".to_owned(), self.x.c);
        put("y_n".to_owned(), self.y.n);
        put("y_c".to_owned(), self.y.c);
        params
    }
}
