//! `TreeEnsembleRegressor`, and what `TreeEnsemble` shares with it: sums -> values.
//!
//! In: a table. Out: [rows, targets].

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::super::kernel::{Built, Fact, Kernel, numeric, operator, table};
use super::super::scores::PostTransform;
use super::aggregate::{Aggregate, Rows, Score};
use super::ensemble::Ensemble;
use super::flat;

#[derive(Debug)]
pub(super) struct Regressor {
    pub(super) name: &'static str,
    pub(super) ensemble: Ensemble,
    pub(super) aggregate: Aggregate,
    pub(super) transform: PostTransform,
    /// One for each target, or none.
    pub(super) base: Vec<f64>,
    /// The output has the input's type; otherwise it is float32.
    pub(super) keep_type: bool,
}

pub(in super::super::super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let targets: usize = node.get_attr_opt("n_targets")?.unwrap_or(0);
    let base = flat::reals(ctx, node, "base_values")?;
    ensure!(
        base.is_empty() || base.len() == targets,
        "it has {} base_values for {targets} targets",
        base.len()
    );
    operator(Regressor {
        name: "TreeEnsembleRegressor",
        ensemble: flat::ensemble(ctx, node, "target", targets)?,
        aggregate: Aggregate::of(node)?,
        transform: PostTransform::of(node)?,
        base,
        keep_type: false,
    })
}

/// The number of rows of a table that has the columns that the trees ask for.
pub(super) fn check(ensemble: &Ensemble, input: &Fact) -> TractResult<TDim> {
    numeric(input)?;
    let (rows, columns) = table(&input.1)?;
    if let Ok(columns) = columns.to_usize() {
        ensure!(
            ensemble.features <= columns,
            "its trees ask for {} columns, its input has {columns}",
            ensemble.features
        );
    }
    Ok(rows)
}

impl Kernel for Regressor {
    fn name(&self) -> &'static str {
        self.name
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let rows = check(&self.ensemble, &inputs[0])?;
        let dt = if self.keep_type { inputs[0].0 } else { DatumType::F32 };
        Ok(tvec!((dt, tvec!(rows, self.ensemble.targets.to_dim()))))
    }

    fn eval(&self, inputs: &[TValue]) -> TractResult<TVec<Tensor>> {
        let rows = Rows::of(&inputs[0])?;
        let targets = self.ensemble.targets;
        let trees = self.ensemble.roots.len() as f64;
        let value = |(score, base): (&Score, &f64)| {
            // A target that no leaf spoke of is 0, whatever its base value.
            if !score.seen {
                return 0.0;
            }
            let average = self.aggregate == Aggregate::Average;
            let value = if average { rows.round(score.value / trees) } else { score.value };
            rows.round(value + base)
        };
        let base = if self.base.is_empty() { vec![0.0; targets] } else { self.base.clone() };
        let mut values = vec![0f64; rows.count * targets];
        self.aggregate.each_row(&self.ensemble, &rows, |row, scores| {
            let scores = scores.iter().zip(&base).map(value);
            values[row * targets..][..targets].iter_mut().zip(scores).for_each(|(v, s)| *v = s);
        })?;
        // Transforms are of float32. Of a single target ONNX Runtime knows PROBIT only.
        let transforms = self.transform != PostTransform::None
            && (targets > 1 || self.transform == PostTransform::Probit);
        if transforms {
            let mut singles: Vec<f32> = values.iter().map(|v| *v as f32).collect();
            singles.chunks_mut(targets).for_each(|row| self.transform.apply(row));
            values = singles.into_iter().map(f64::from).collect();
        }
        let dt = if self.keep_type { inputs[0].datum_type() } else { DatumType::F32 };
        let output = tensor1(&values).into_shape(&[rows.count, targets])?;
        Ok(tvec!(output.cast_to_dt(dt)?.into_owned()))
    }
}
