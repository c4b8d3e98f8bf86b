//! `CastMap`: a map from whole numbers, which ONNX turns into a row of another type.
//!
//! In: that row already, since the engine has tensors only: a dense map is its values in the order of the keys, a
//! sparse one has a column for each key up to a bound, 0 or an empty text where the map has nothing. Out: the same,
//! as float32, int64 or text, written as ONNX Runtime writes them.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Fact, Kernel, operator, table};

#[derive(Debug)]
struct CastMap {
    to: DatumType,
    /// Of a sparse map.
    columns: Option<usize>,
}

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let to = match node.get_attr_opt("cast_to")?.unwrap_or("TO_FLOAT") {
        "TO_FLOAT" => DatumType::F32,
        "TO_INT64" => DatumType::I64,
        "TO_STRING" => DatumType::String,
        other => bail!("cast_to {other} is unknown"),
    };
    let columns = match node.get_attr_opt("map_form")?.unwrap_or("DENSE") {
        "DENSE" => None,
        "SPARSE" => Some(node.get_attr_opt("max_map")?.unwrap_or(1)),
        other => bail!("map_form {other} is unknown"),
    };
    operator(CastMap { to, columns })
}

/// What a text of the map says; nothing is 0.
fn number(text: &str) -> TractResult<f32> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(0.);
    }
    text.parse().with_context(|| format!("`{text}` is no number"))
}

fn text(value: &f32) -> String {
    if *value == 0. { "0.f".to_owned() } else { format!("{value:.6}") }
}

impl Kernel for CastMap {
    fn name(&self) -> &'static str {
        "CastMap"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let (from, shape) = &inputs[0];
        ensure!([DatumType::F32, DatumType::String].contains(from), "wants numbers or texts");
        let (rows, columns) = table(shape)?;
        if let Some(wanted) = self.columns {
            ensure!(
                columns == wanted.to_dim(),
                "its keys are below {wanted}, its input has {columns} columns"
            );
        }
        Ok(tvec!((self.to, tvec!(rows, columns))))
    }

    fn eval(&self, inputs: &[TValue]) -> TractResult<TVec<Tensor>> {
        let input = &inputs[0];
        let (rows, columns) = table(input.shape())?;
        let shape = [rows, columns];
        let plain = input.try_as_plain_ram()?;
        if input.datum_type() == DatumType::String {
            let texts = plain.as_slice::<String>()?;
            if self.to == DatumType::String {
                let each = |t: &String| if t.is_empty() { text(&0.) } else { t.clone() };
                let texts = texts.iter().map(each).collect();
                return Ok(tvec!(tract_ndarray::ArrayD::from_shape_vec(&shape[..], texts)?.into()));
            }
            let values = texts.iter().map(|t| number(t)).collect::<TractResult<Vec<_>>>()?;
            let values = Tensor::from_shape(&shape, &values)?;
            return Ok(tvec!(values.cast_to_dt(self.to)?.into_owned()));
        }
        let values = plain.as_slice::<f32>()?;
        if self.to == DatumType::String {
            let texts = values.iter().map(text).collect();
            return Ok(tvec!(tract_ndarray::ArrayD::from_shape_vec(&shape[..], texts)?.into()));
        }
        let values = Tensor::from_shape(&shape, values)?;
        Ok(tvec!(values.cast_to_dt(self.to)?.into_owned()))
    }
}
