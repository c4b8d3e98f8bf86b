//! `OneHotEncoder`: each element as a row that is 1 at its category.
//!
//! In: elements of any type and the categories. Out: float32 with one more dimension. Numbers are cut
//! to integers before they are looked up.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Fact, Kernel, operator};
use super::lookup::Lookup;

#[derive(Debug)]
struct OneHotEncoder {
    categories: Lookup,
    /// An unknown element is all zeros; otherwise it is an error.
    zeros: bool,
}

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let ints: Vec<i64> = node.get_attr_opt_vec("cats_int64s")?.unwrap_or_default();
    let strings: Vec<String> = node.get_attr_opt_vec("cats_strings")?.unwrap_or_default();
    ensure!(ints.is_empty() != strings.is_empty(), "it wants cats_int64s or cats_strings");
    let categories = if ints.is_empty() { tensor1(&strings) } else { tensor1(&ints) };
    let zeros = node.get_attr_opt::<i64>("zeros")?.unwrap_or(1) != 0;
    operator(OneHotEncoder { categories: Lookup::new(&categories, true)?, zeros })
}

impl Kernel for OneHotEncoder {
    fn name(&self) -> &'static str {
        "OneHotEncoder"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let (datum_type, mut shape) = inputs[0].clone();
        let strings = self.categories.datum_type() == DatumType::String;
        ensure!(
            (datum_type == DatumType::String) == strings,
            "its categories are {:?}, its input is {datum_type:?}",
            self.categories.datum_type()
        );
        shape.push(self.categories.count().to_dim());
        Ok(tvec!((DatumType::F32, shape)))
    }

    fn eval(&self, inputs: &[TValue]) -> TractResult<TVec<Tensor>> {
        let elements = inputs[0].cast_to_dt(self.categories.datum_type())?;
        let (width, mut shape) = (self.categories.count(), inputs[0].shape().to_vec());
        shape.push(width);
        let mut output = Tensor::zero_dt(DatumType::F32, &shape)?;
        let mut view = output.try_as_plain_ram_mut()?;
        let rows = view.as_slice_mut::<f32>()?;
        for (at, position) in self.categories.positions(&elements)?.into_iter().enumerate() {
            if position < width {
                rows[at * width + position] = 1.0;
            } else {
                ensure!(self.zeros, "OneHotEncoder: an element is in no category, and zeros is 0");
            }
        }
        Ok(tvec!(output))
    }
}
