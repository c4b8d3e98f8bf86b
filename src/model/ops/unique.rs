//! `Unique`: the distinct elements, or slices along an axis.
//!
//! In: a tensor. Out: what is distinct in it, where each first occurs, which one each element is, and how
//! often each occurs. How many there are depends on data.

use std::collections::BTreeMap;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct Unique {
    axis: Option<i64>,
    sorted: bool,
    count: Symbol,
    /// Whether the first places are an output.
    places: bool,
}

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let axis = node.get_attr_opt("axis")?;
    let sorted = node.get_attr_opt("sorted")?.unwrap_or(true);
    host(
        node,
        Unique { axis, sorted, count: ctx.template.symbols.new_with_prefix("x"), places: true },
    )
}

/// com.microsoft's: in the order in which they first occur.
pub(super) fn in_order(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let count = ctx.template.symbols.new_with_prefix("x");
    host(node, Unique { axis: None, sorted: false, count, places: false })
}

/// Integers in the order of the elements; equal for equal ones.
fn keys(input: &Tensor) -> TractResult<Vec<u64>> {
    const TOP: u64 = 1 << 63;
    let dt = input.datum_type();
    if dt == String::datum_type() {
        let values = strings(input)?;
        let mut ranks: BTreeMap<&String, u64> = values.iter().map(|v| (v, 0)).collect();
        ranks.values_mut().zip(0..).for_each(|(rank, at)| *rank = at);
        return Ok(values.iter().map(|v| ranks[v]).collect());
    }
    if dt.is_float() {
        // Adding zero makes one of the two zeros; the bits of negative ones run backwards.
        let key = |v: f64| match (v + 0.0).to_bits() {
            bits if bits & TOP == 0 => bits | TOP,
            bits => !bits,
        };
        return Ok(f64s(input)?.into_iter().map(key).collect());
    }
    if dt == u64::datum_type() {
        return Ok(input.try_as_plain_ram()?.as_slice::<u64>()?.to_vec());
    }
    Ok(i64s(input)?.into_iter().map(|v| v.cast_unsigned() ^ TOP).collect())
}

impl Host for Unique {
    fn name(&self) -> &'static str {
        "Unique"
    }

    fn mints(&self) -> bool {
        true
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let input = need(inputs, 0)?;
        let shape = dims(input)?;
        let (mut out, all) = match self.axis {
            None => (tvec!(TDim::Val(1)), volume(&shape)?),
            Some(axis) => {
                let axis = axis_of(axis, shape.len())?;
                (shape.iter().map(|d| d.to_dim()).collect(), shape[axis])
            }
        };
        let along = self.axis.map_or(Ok(0), |a| axis_of(a, shape.len()))?;
        let count = TDim::Sym(self.count.clone());
        out[along] = count.clone();
        let (some, each) = (i64::fact([count]), i64::fact([all]));
        let mut facts = tvec!(input.datum_type.fact(out), some.clone(), each, some);
        if !self.places {
            facts.remove(1);
        }
        Ok(facts)
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let input = need(inputs, 0)?;
        let shape = match self.axis {
            None => vec![input.len()],
            Some(_) => input.shape().to_vec(),
        };
        let axis = self.axis.map_or(Ok(0), |a| axis_of(a, shape.len()))?;
        let (before, along, behind) = around(&shape, axis);
        let keys = keys(input)?;
        let slice = |at: usize| -> Vec<u64> {
            let at = |b: usize| (0..behind).map(move |i| (b * along + at) * behind + i);
            (0..before).flat_map(at).map(|i| keys[i]).collect()
        };
        let mut found: BTreeMap<Vec<u64>, Vec<usize>> = BTreeMap::new();
        (0..along).for_each(|at| found.entry(slice(at)).or_default().push(at));
        let mut groups: Vec<Vec<usize>> = found.into_values().collect();
        if !self.sorted {
            groups.sort_by_key(|g| g[0]);
        }
        let mut inverse = vec![0i64; along];
        for (group, at) in groups.iter().zip(0i64..) {
            group.iter().for_each(|i| inverse[*i] = at);
        }
        let mut out = shape.clone();
        out[axis] = groups.len();
        let index: Vec<Option<usize>> = coordinates(&out)
            .map(|mut at| {
                at[axis] = groups[at[axis]][0];
                Some(flat(&at, &shape))
            })
            .collect();
        let first: Vec<i64> = groups.iter().map(|g| g[0] as i64).collect();
        let counts: Vec<i64> = groups.iter().map(|g| g.len() as i64).collect();
        let (first, inverse) = (tensor1(&first), tensor1(&inverse));
        let mut all = tvec!(take(input, &out, &index)?, first, inverse, tensor1(&counts));
        if !self.places {
            all.remove(1);
        }
        Ok(all)
    }
}
