//! Elements that indices name, taken or changed, the places of those that are not zero, and triangles.
//!
//! In: numbers, and what picks from them. Out: the chosen ones. An index that is out of range is found on the way; then the
//! check that stood before says which it is.

use nearside_kernels::Misfit;
use nearside_kernels::pick::{self, Elements};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::ScatterReduction;

use super::work::Work;
use crate::optimize::CheckIndices;
use crate::reuse;
use crate::scalar::Scalar as _;

/// At each place the element that an index along one axis names.
pub(crate) struct ByIndex {
    pub(crate) axis: usize,
    pub(crate) check: Option<CheckIndices>,
}

/// What a check has to say of indices that do not fit.
fn told(check: Option<&CheckIndices>, indices: &TValue, misfit: Misfit) -> TractError {
    let told = check.map(|check| check.eval_out_of_plan(tvec!(indices.clone())));
    told.and_then(Result::err).unwrap_or_else(|| misfit.into())
}

impl Work for ByIndex {
    fn name(&self) -> &'static str {
        "ElementsByIndex"
    }

    fn run(&self, inputs: TVec<TValue>, _facts: &[TypedFact]) -> TractResult<TVec<TValue>> {
        let (data, indices) = (&inputs[0], inputs[1].cast_to::<i64>()?);
        let mut output = reuse::tensor(data.datum_type(), indices.shape())?;
        let (from, at) = (data.try_as_plain_ram()?, indices.try_as_plain_ram()?);
        let mut to = output.try_as_plain_ram_mut()?;
        let (shape, wanted) = (data.shape(), indices.shape());
        let (from, at, to) = (from.as_bytes(), at.as_slice()?, to.as_bytes_mut());
        macro_rules! of {
            ($width:literal) => {{
                let ((from, _), (to, _)) = (from.as_chunks::<$width>(), to.as_chunks_mut());
                pick::elements(self.axis, shape, wanted, from, at, to)
            }};
        }
        let done = match data.datum_type().size_of() {
            1 => of!(1),
            2 => of!(2),
            4 => of!(4),
            8 => of!(8),
            other => bail!("elements of {other} bytes"),
        };
        done.map_err(|misfit| told(self.check.as_ref(), &inputs[1], misfit))?;
        Ok(tvec!(output.into_tvalue()))
    }
}

/// Updates at the places that indices along one axis name; float32 may be joined with what is there.
pub(crate) struct AtIndex {
    pub(crate) axis: usize,
    pub(crate) how: ScatterReduction,
    pub(crate) check: Option<CheckIndices>,
}

impl Work for AtIndex {
    fn name(&self) -> &'static str {
        "ElementsAtIndex"
    }

    fn run(&self, mut inputs: TVec<TValue>, _facts: &[TypedFact]) -> TractResult<TVec<TValue>> {
        ensure!(inputs.len() == 3, "data, indices and updates");
        let (given, updates) = (inputs[1].clone(), inputs[2].clone());
        let mut output = inputs.swap_remove(0).into_tensor();
        let shape: TVec<usize> = output.shape().into();
        let (kind, wanted) = (output.datum_type(), updates.shape());
        ensure!(kind == updates.datum_type() && given.shape() == wanted, "updates do not fit");
        let indices = given.cast_to::<i64>()?;
        let (at, from) = (indices.try_as_plain_ram()?, updates.try_as_plain_ram()?);
        let (axis, at) = (self.axis, at.as_slice()?);
        let mut view = output.try_as_plain_ram_mut()?;
        macro_rules! of {
            ($width:literal) => {{
                let (from, (to, _)) = (from.as_bytes(), view.as_bytes_mut().as_chunks_mut());
                let (from, _) = from.as_chunks::<$width>();
                pick::scatter(axis, &shape, wanted, to, at, from, |_, new| new)
            }};
        }
        let how = self.how;
        let done = match (kind, kind.size_of()) {
            (DatumType::F32, _) => {
                let (from, to) = (from.as_slice::<f32>()?, view.as_slice_mut::<f32>()?);
                // As the engine compares: what is no number is neither less nor more.
                pick::scatter(axis, &shape, wanted, to, at, from, move |old, new| match how {
                    ScatterReduction::None => new,
                    ScatterReduction::Add => old + new,
                    ScatterReduction::Mul => old * new,
                    ScatterReduction::Min if new < old => new,
                    ScatterReduction::Max if new > old => new,
                    ScatterReduction::Min | ScatterReduction::Max => old,
                })
            }
            (_, 1) => of!(1),
            (_, 4) => of!(4),
            (_, 8) => of!(8),
            (other, _) => bail!("updates of {other:?}"),
        };
        done.map_err(|misfit| told(self.check.as_ref(), &given, misfit))?;
        Ok(tvec!(output.into_tvalue()))
    }
}

/// What lies at each tuple of indices, behind so many axes of both.
pub(crate) struct ByTuple {
    pub(crate) before: usize,
    pub(crate) check: Option<CheckIndices>,
}

impl Work for ByTuple {
    fn name(&self) -> &'static str {
        "ElementsByTuple"
    }

    fn run(&self, inputs: TVec<TValue>, _facts: &[TypedFact]) -> TractResult<TVec<TValue>> {
        let (data, indices) = (&inputs[0], inputs[1].cast_to::<i64>()?);
        let (before, [.., depth]) = (self.before, indices.shape()) else {
            bail!("indices without axes");
        };
        let shape = data.shape();
        ensure!(before + depth <= shape.len() && before < indices.rank(), "no such axes");
        let (lengths, rest) = shape[before..].split_at(*depth);
        let mut wanted: TVec<usize> = indices.shape()[..indices.rank() - 1].into();
        wanted.extend_from_slice(rest);
        let mut output = reuse::tensor(data.datum_type(), &wanted)?;
        let inner = rest.iter().product::<usize>() * data.datum_type().size_of();
        let batches = shape[..before].iter().product();
        let (from, at) = (data.try_as_plain_ram()?, indices.try_as_plain_ram()?);
        let mut to = output.try_as_plain_ram_mut()?;
        let (from, to) = (from.as_bytes(), to.as_bytes_mut());
        pick::tuples(batches, lengths, inner, from, at.as_slice()?, to)
            .map_err(|misfit| told(self.check.as_ref(), &inputs[1], misfit))?;
        Ok(tvec!(output.into_tvalue()))
    }
}

/// Where elements are not zero: a row for each axis.
pub(crate) struct NotZero;

impl Work for NotZero {
    fn name(&self) -> &'static str {
        "NotZero"
    }

    fn run(&self, inputs: TVec<TValue>, _facts: &[TypedFact]) -> TractResult<TVec<TValue>> {
        let input = &inputs[0];
        let view = input.try_as_plain_ram()?;
        let elements = match input.datum_type() {
            DatumType::F32 => Elements::F32(view.as_slice()?),
            DatumType::I64 => Elements::I64(view.as_slice()?),
            DatumType::I32 => Elements::I32(view.as_slice()?),
            DatumType::Bool | DatumType::U8 | DatumType::I8 => Elements::Bytes(view.as_bytes()),
            other => bail!("the places of {other:?}"),
        };
        let places = pick::places(input.shape(), &elements)?;
        let rank = input.rank();
        let count = places.len().checked_div(rank).unwrap_or(0);
        // A number by itself has no place, but is counted.
        let count = if rank == 0 { usize::from(some(&elements)) } else { count };
        Ok(tvec!(Tensor::from_shape(&[rank, count], &places)?.into_tvalue()))
    }
}

/// Whether the only element is not zero.
fn some(elements: &Elements<'_>) -> bool {
    match elements {
        Elements::F32(x) => x.iter().any(|x| *x != 0.),
        Elements::I64(x) => x.iter().any(|x| *x != 0),
        Elements::I32(x) => x.iter().any(|x| *x != 0),
        Elements::Bytes(x) => x.iter().any(|x| *x != 0),
    }
}

/// The part of matrices on one side of a diagonal, in place where nobody else reads them.
pub(crate) struct Triangle {
    pub(crate) upper: bool,
}

impl Work for Triangle {
    fn name(&self) -> &'static str {
        "Triangle"
    }

    fn run(&self, mut inputs: TVec<TValue>, _facts: &[TypedFact]) -> TractResult<TVec<TValue>> {
        let k = inputs[1].number::<i64>()?;
        let mut x = inputs.swap_remove(0).into_tensor();
        let [.., rows, columns] = *x.shape() else { bail!("a matrix is needed") };
        let width = x.datum_type().size_of();
        let mut view = x.try_as_plain_ram_mut()?;
        pick::triangle([rows, columns], width, k, self.upper, view.as_bytes_mut())?;
        Ok(tvec!(x.into_tvalue()))
    }
}
