//! A plan for shapes that grow from run to run, as those of a decoder's caches do.
//!
//! In: shapes of which some extents move together, by whatever. Out: [`Template`], the graph simplified once with a
//! symbol for what moves, and from it the graph of any such shapes, in a fraction of the time. Its constants are the
//! same tensors for all of them, so that weights which planning changed are on the GPU once too.
//! The one decision: a graph that was simplified with symbols is an engine's weakest spot, so a template counts only
//! once the program made from it gave what the plan of those shapes alone gave.

use std::collections::HashMap;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::hybrid::prepare;
use super::typed::concrete;
use super::{PlanKey, check_size, specialise_as};
use crate::limit;
use crate::model::Graph;
use crate::optimize::{self, Target};
use crate::tensor::DType;

/// What moves between two keys that are else the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Growth {
    /// By input and axis: how far the extent is above the number that moves; nothing where it stays.
    above: Vec<Vec<Option<usize>>>,
}

impl Growth {
    /// How `b` differs from `a`: in extents alone, and in all of those by the same.
    pub(super) fn between(a: &PlanKey, b: &PlanKey) -> Option<Self> {
        let mut moved = None;
        let mut least = usize::MAX;
        if a.inputs.len() != b.inputs.len() {
            return None;
        }
        for (a, b) in a.inputs.iter().zip(&b.inputs) {
            if a.dtype != b.dtype || a.shape.len() != b.shape.len() || !a.binds_as(b) {
                return None;
            }
            for (a, b) in a.shape.iter().zip(&b.shape).filter(|(a, b)| a != b) {
                let by = b.wrapping_sub(*a);
                if *moved.get_or_insert(by) != by {
                    return None;
                }
                least = least.min(*a);
            }
        }
        moved?;
        let above = a.inputs.iter().zip(&b.inputs).map(|(a, b)| {
            let axes = a.shape.iter().zip(&b.shape);
            axes.map(|(a, b)| (a != b).then(|| a - least)).collect()
        });
        Some(Self { above: above.collect() })
    }

    /// The number that makes `of` into `key`.
    fn number(&self, of: &PlanKey, key: &PlanKey) -> Option<usize> {
        match Self::between(of, key) {
            Some(growth) if growth == *self => self.smallest(key),
            // Nothing moved.
            None if of == key => self.smallest(key),
            _ => None,
        }
    }

    fn smallest(&self, key: &PlanKey) -> Option<usize> {
        let extents = self.above.iter().zip(&key.inputs).flat_map(|(above, input)| {
            above.iter().zip(&input.shape).filter_map(|(above, n)| above.map(|_| *n))
        });
        extents.min()
    }
}

/// A graph for all the shapes of a [`Growth`].
pub(super) struct Template {
    growth: Growth,
    key: PlanKey,
    symbol: Symbol,
    /// From this on it is what was compared.
    least: usize,
    model: TypedModel,
    outputs: Vec<DType>,
}

impl Template {
    /// Plans for `key` and what it grows into.
    pub(super) fn build(
        source: Graph,
        key: &PlanKey,
        growth: Growth,
        (max_bytes, wide): (u64, bool),
    ) -> TractResult<Self> {
        let least = growth.smallest(key).context("nothing moves")?;
        // 0 and 1 mean other graphs: nothing at all, and what is broadcast.
        ensure!(least > 1);
        let scope = source.graph.symbols.clone();
        let symbol = scope.new_with_prefix("moving");
        scope.add_assertion(format!("{symbol}>=2"))?;
        let dims = |ix: usize| -> TVec<TDim> {
            let above = growth.above.get(ix).into_iter().flatten();
            let extents = key.inputs.get(ix).into_iter().flat_map(|i| &i.shape);
            let dim = |(above, n): (&Option<usize>, &usize)| match above {
                Some(above) => symbol.to_dim() + *above,
                None => n.to_dim(),
            };
            above.zip(extents).map(dim).collect()
        };
        let (mut model, outputs) = specialise_as(source, key, dims, max_bytes, Target::Gpu)?;
        if wide {
            optimize::forget_halves(&mut model);
        }
        // What needs numbers for that is prepared again once there are some.
        let model = prepare(model.clone()).unwrap_or(model);
        Ok(Self { growth, key: key.clone(), symbol, least, model, outputs })
    }

    /// The graph for `key`, if it is one of those.
    pub(super) fn at(
        &self,
        key: &PlanKey,
        max_bytes: u64,
    ) -> Option<TractResult<(TypedModel, Vec<DType>)>> {
        let number = self.growth.number(&self.key, key).filter(|n| *n >= self.least)?;
        let made = limit::within(max_bytes, || self.concrete(number));
        Some(made.map(|model| (model, self.outputs.clone())))
    }

    fn concrete(&self, number: usize) -> TractResult<TypedModel> {
        let numbers = HashMap::from([(self.symbol.clone(), number.to_dim())]);
        let mut model = concrete(&self.model, &numbers)?;
        check_size(&model)?;
        optimize::fold(&mut model)?;
        let left = |fact: &TypedFact| fact.shape.iter().any(|d| d.symbols().contains(&self.symbol));
        let facts = model.nodes().iter().flat_map(|node| &node.outputs).map(|o| &o.fact);
        // An operator that does not know how to take the number.
        ensure!(!facts.into_iter().any(left));
        prepare(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::BoundInput;

    fn key(shapes: &[&[usize]]) -> PlanKey {
        let input = |shape: &&[usize]| BoundInput {
            dtype: DType::Float32,
            shape: shape.to_vec(),
            value: None,
        };
        PlanKey { inputs: shapes.iter().map(input).collect() }
    }

    #[test]
    fn what_moves_together_is_growth() {
        let at = |n: usize| key(&[&[1, 1], &[1, n + 1], &[1, 4, n, 16]]);
        let growth = Growth::between(&at(5), &at(6)).unwrap();
        assert_eq!(
            growth.above,
            [vec![None; 2], vec![None, Some(1)], vec![None, None, Some(0), None]]
        );
        assert_eq!(Growth::between(&at(7), &at(9)).unwrap(), growth);
        assert_eq!(growth.number(&at(5), &at(40)), Some(40));
        assert_eq!(growth.number(&at(5), &at(5)), Some(5));
    }

    #[test]
    fn what_moves_apart_is_none() {
        let some = key(&[&[1, 1], &[1, 6]]);
        assert!(Growth::between(&some, &some).is_none());
        assert!(Growth::between(&some, &key(&[&[1, 2], &[1, 8]])).is_none());
        assert!(Growth::between(&some, &key(&[&[1, 1]])).is_none());
        assert!(Growth::between(&some, &key(&[&[1, 1], &[1, 6, 1]])).is_none());
        let growth = Growth::between(&some, &key(&[&[1, 1], &[1, 7]])).unwrap();
        assert_eq!(growth.number(&some, &key(&[&[2, 2], &[1, 6]])), None);
    }
}
