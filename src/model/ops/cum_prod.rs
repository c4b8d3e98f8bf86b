//! `CumProd`: running products along an axis.
//!
//! In: a tensor and an axis. Out: the same shape.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct CumProd {
    exclusive: bool,
    reverse: bool,
}

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    let flag = |name| Ok::<_, TractError>(node.get_attr_opt::<i64>(name)?.unwrap_or(0) != 0);
    host(node, CumProd { exclusive: flag("exclusive")?, reverse: flag("reverse")? })
}

impl CumProd {
    fn run<T: Copy>(
        &self,
        shape: &[usize],
        axis: usize,
        values: &mut [T],
        one: T,
        mul: fn(T, T) -> T,
    ) {
        let (before, along, behind) = around(shape, axis);
        for line in 0..before * behind {
            let mut product = one;
            for step in 0..along {
                let at = if self.reverse { along - 1 - step } else { step };
                let value = &mut values[(line / behind * along + at) * behind + line % behind];
                let next = mul(product, *value);
                *value = if self.exclusive { product } else { next };
                product = next;
            }
        }
    }
}

impl Host for CumProd {
    fn name(&self) -> &'static str {
        "CumProd"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let input = need(inputs, 0)?;
        Ok(tvec!(input.datum_type.fact(input.shape.clone())))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (input, axis) = (need(inputs, 0)?, i64s(need(inputs, 1)?)?);
        let axis = axis_of(*axis.first().context("no axis")?, input.rank())?;
        let (shape, dt) = (input.shape(), input.datum_type());
        if dt.is_float() {
            let mut values = f64s(input)?;
            self.run(shape, axis, &mut values, 1.0, |a, b| a * b);
            return Ok(tvec!(from_f64(shape, &values, dt)?));
        }
        let mut values = i64s(input)?;
        self.run(shape, axis, &mut values, 1, i64::wrapping_mul);
        Ok(tvec!(Tensor::from_shape(shape, &values)?.cast_to_dt(dt)?.into_owned()))
    }
}
