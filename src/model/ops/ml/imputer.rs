//! `Imputer`: another value in the place of the one that stands for "missing".
//!
//! In: a table of floats or integers. Out: the same with the missing values filled, by column or all
//! alike. NaN as the missing value matches every NaN.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::{Iff, comp_eq, comp_ne};
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Fact, Kernel, Wiring, operator, per_column, table};

#[derive(Debug)]
enum Imputer {
    Floats { missing: f32, values: Vec<f32> },
    Ints { missing: i64, values: Vec<i64> },
}

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let floats: Vec<f32> = node.get_attr_opt_vec("imputed_value_floats")?.unwrap_or_default();
    let ints: Vec<i64> = node.get_attr_opt_vec("imputed_value_int64s")?.unwrap_or_default();
    ensure!(
        floats.is_empty() != ints.is_empty(),
        "it wants imputed_value_floats or imputed_value_int64s"
    );
    operator(if ints.is_empty() {
        let missing = node.get_attr_opt("replaced_value_float")?.unwrap_or(0.0);
        Imputer::Floats { missing, values: floats }
    } else {
        let missing = node.get_attr_opt("replaced_value_int64")?.unwrap_or(0);
        Imputer::Ints { missing, values: ints }
    })
}

impl Imputer {
    /// What stands for a missing value and what replaces it, for an input of this type.
    fn constants(&self, dt: DatumType, shape: &[TDim]) -> TractResult<[Tensor; 2]> {
        fn both<T: Datum + Copy>(
            missing: T,
            values: &[T],
            shape: &[TDim],
        ) -> TractResult<[Tensor; 2]> {
            // Values that are not one for each column: the first is for all.
            let columns = table(shape)?.1;
            let fits = columns == values.len().to_dim();
            let values = if fits { values } else { &values[..1] };
            Ok([per_column(&[missing], shape)?, per_column(values, shape)?])
        }
        let [missing, values] = match self {
            Self::Floats { missing, values } if dt.is_float() => both(*missing, values, shape)?,
            Self::Ints { missing, values } if dt.is_integer() => both(*missing, values, shape)?,
            _ => bail!("its values do not fit an input of {dt:?}"),
        };
        Ok([missing.cast_to_dt(dt)?.into_owned(), values.cast_to_dt(dt)?.into_owned()])
    }

    fn missing_is_nan(&self) -> bool {
        matches!(self, Self::Floats { missing, .. } if missing.is_nan())
    }
}

impl Kernel for Imputer {
    fn name(&self) -> &'static str {
        "Imputer"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        self.constants(inputs[0].0, &inputs[0].1)?;
        Ok(tvec!(inputs[0].clone()))
    }

    fn lower(
        &self,
        wiring: &mut Wiring,
        inputs: &[OutletId],
    ) -> TractResult<Option<TVec<OutletId>>> {
        let (x, fact) = (inputs[0], wiring.fact(inputs[0])?.clone());
        let [missing, values] = self.constants(fact.datum_type, &fact.shape)?;
        let values = wiring.constant(values)?;
        let hit = if self.missing_is_nan() {
            wiring.wire(TypedBinOp(comp_ne(), None), &[x, x])?
        } else {
            let missing = wiring.constant(missing)?;
            wiring.wire(TypedBinOp(comp_eq(), None), &[x, missing])?
        };
        Ok(Some(tvec!(wiring.wire(Iff, &[hit, values, x])?)))
    }
}
