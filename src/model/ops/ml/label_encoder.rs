//! `LabelEncoder` (all its operator sets) and `CategoryMapper`: each element by a table.
//!
//! In: keys, values and a default, as lists or tensors. Out: positions by [`Lookup`], then a gather
//! from the values, whose last is the default. The old forms have one table for each direction, and
//! the input's type picks.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{NodeProto, TensorProto};
use tract_onnx::tensor::load_tensor;
use tract_onnx::tract_core::ops::array::Gather;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Fact, Kernel, Wiring, operator};
use super::lookup::Lookup;

#[derive(Debug)]
struct Table {
    keys: Lookup,
    /// One for each key, then the default.
    values: Tensor,
}

impl Table {
    fn new(keys: &Tensor, values: Tensor, default: Tensor, last_wins: bool) -> TractResult<Self> {
        ensure!(
            keys.len() == values.len(),
            "it has {} keys and {} values",
            keys.len(),
            values.len()
        );
        let (count, wanted) = (values.len(), values.datum_type());
        ensure!(
            default.datum_type() == wanted && default.len() == 1,
            "its default is not one {wanted:?}"
        );
        let parts = [values.into_shape(&[count])?, default.into_shape(&[1])?];
        Ok(Self { keys: Lookup::new(keys, last_wins)?, values: Tensor::stack_tensors(0, &parts)? })
    }
}

#[derive(Debug)]
struct Encoder {
    name: &'static str,
    tables: Vec<Table>,
}

impl Encoder {
    fn table(&self, input: DatumType) -> TractResult<&Table> {
        let fits = |t: &&Table| t.keys.datum_type() == input;
        self.tables.iter().find(fits).with_context(|| format!("it has no keys of type {input:?}"))
    }
}

impl Kernel for Encoder {
    fn name(&self) -> &'static str {
        self.name
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let (datum_type, shape) = &inputs[0];
        Ok(tvec!((self.table(*datum_type)?.values.datum_type(), shape.clone())))
    }

    fn lower(
        &self,
        wiring: &mut Wiring,
        inputs: &[OutletId],
    ) -> TractResult<Option<TVec<OutletId>>> {
        let table = self.table(wiring.fact(inputs[0])?.datum_type)?;
        let positions = wiring.kernel(table.keys.clone(), inputs)?[0];
        let values = wiring.constant(table.values.clone())?;
        Ok(Some(tvec!(wiring.wire(Gather::new(0), &[values, positions])?)))
    }
}

/// Both directions between strings and integers, as the oldest forms have it.
fn both_ways(node: &NodeProto, name: &'static str, strings: &[String], ints: &[i64]) -> Built {
    let default_string: Option<String> = node.get_attr_opt("default_string")?;
    let default_int: Option<i64> = node.get_attr_opt("default_int64")?;
    let (strings, ints) = (tensor1(strings), tensor1(ints));
    let default_string = tensor0(default_string.unwrap_or_else(|| "_Unused".to_owned()));
    let default_int = tensor0(default_int.unwrap_or(-1));
    let tables = vec![
        Table::new(&strings, ints.clone(), default_int, true)?,
        Table::new(&ints, strings, default_string, true)?,
    ];
    operator(Encoder { name, tables })
}

pub(in super::super) fn build_category_mapper(_: &ParsingContext, node: &NodeProto) -> Built {
    let strings: Vec<String> = node.get_attr_opt_vec("cats_strings")?.unwrap_or_default();
    let ints: Vec<i64> = node.get_attr_opt_vec("cats_int64s")?.unwrap_or_default();
    ensure!(!ints.is_empty() && ints.len() == strings.len(), "it names no categories");
    both_ways(node, "CategoryMapper", &strings, &ints)
}

pub(in super::super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    if let Some(classes) = node.get_attr_opt_vec::<String>("classes_strings")? {
        let positions: Vec<i64> = (0..classes.len() as i64).collect();
        return both_ways(node, "LabelEncoder", &classes, &positions);
    }
    let keys = list(ctx, node, "keys")?;
    let values = list(ctx, node, "values")?;
    let default = match tensor(ctx, node, "default_tensor")? {
        Some(default) => default,
        None => match values.datum_type() {
            DatumType::String => {
                let default: Option<String> = node.get_attr_opt("default_string")?;
                tensor0(default.unwrap_or_else(|| "_Unused".to_owned()))
            }
            dt if dt.is_float() => {
                let default: Option<f32> = node.get_attr_opt("default_float")?;
                tensor0(default.unwrap_or(-0.0)).cast_to_dt(dt)?.into_owned()
            }
            dt => {
                let default: Option<i64> = node.get_attr_opt("default_int64")?;
                tensor0(default.unwrap_or(-1)).cast_to_dt(dt)?.into_owned()
            }
        },
    };
    let tables = vec![Table::new(&keys, values, default, false)?];
    operator(Encoder { name: "LabelEncoder", tables })
}

fn tensor(ctx: &ParsingContext, node: &NodeProto, name: &str) -> TractResult<Option<Tensor>> {
    let tensor: Option<&TensorProto> = node.get_attr_opt(name)?;
    // An attribute that is there but empty stands for none.
    let tensor = tensor.filter(|t| t.data_type != 0);
    tensor.map(|t| load_tensor(&*ctx.framework.provider, t, None)).transpose()
}

/// The attribute `<what>_strings`, `_int64s`, `_floats` or `_tensor`.
fn list(ctx: &ParsingContext, node: &NodeProto, what: &str) -> TractResult<Tensor> {
    if let Some(strings) = node.get_attr_opt_vec::<String>(&format!("{what}_strings"))? {
        return Ok(tensor1(&strings));
    }
    if let Some(ints) = node.get_attr_opt_slice::<i64>(&format!("{what}_int64s"))? {
        return Ok(tensor1(ints));
    }
    if let Some(floats) = node.get_attr_opt_slice::<f32>(&format!("{what}_floats"))? {
        return Ok(tensor1(floats));
    }
    let found = tensor(ctx, node, &format!("{what}_tensor"))?;
    found.with_context(|| format!("it has no {what}"))
}
