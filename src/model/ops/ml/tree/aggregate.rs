//! What the leaves of all trees add up to, for every row.
//!
//! In: an ensemble and a table. Out: a score for each row and target.
//!
//! Order matters: float32 sums of a random forest tie, and the order of adding breaks the tie. ONNX
//! Runtime adds tree after tree, but splits the trees among its threads when there are many rows;
//! so its own labels depend on the machine. We add as it does on two threads.

use std::ops::Range;

use nearside_kernels::trees::Forest;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::super::kernel::table;
use super::ensemble::Ensemble;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregate {
    Average,
    Sum,
    Min,
    Max,
}

/// What one row has of one target so far; `seen` tells a 0 from nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Score {
    pub(super) value: f64,
    pub(super) seen: bool,
}

/// A table to run trees on. `single`: sums are to be rounded to float32.
pub(super) struct Rows<'a> {
    pub(super) count: usize,
    columns: usize,
    /// float32, or float64 where sums are not rounded.
    values: Cow<'a, Tensor>,
    pub(super) single: bool,
}

/// Rows from which ONNX Runtime splits the trees, and trees from which it splits those of one row.
const MANY_ROWS: usize = 50;
const MANY_TREES: usize = 80;

/// How many scores are held at a time.
const BLOCK_SCORES: usize = 1 << 14;

impl<'a> Rows<'a> {
    pub(super) fn of(input: &'a Tensor) -> TractResult<Self> {
        let (count, columns) = table(input.shape())?;
        let single = input.datum_type() != DatumType::F64;
        // Integers are rounded to float32 before they are compared.
        let values = if single { input.cast_to::<f32>()? } else { Cow::Borrowed(input) };
        Ok(Self { count, columns, values, single })
    }

    /// As exact as the sums are kept.
    pub(super) fn round(&self, value: f64) -> f64 {
        if self.single { f64::from(value as f32) } else { value }
    }
}

impl Aggregate {
    pub(super) fn of(node: &NodeProto) -> TractResult<Self> {
        let name: Option<&str> = node.get_attr_opt("aggregate_function")?;
        Ok(match name.unwrap_or("SUM") {
            "AVERAGE" => Self::Average,
            "SUM" => Self::Sum,
            "MIN" => Self::Min,
            "MAX" => Self::Max,
            other => bail!("aggregate_function {other} is unknown"),
        })
    }

    /// By the numbers of the operator set 5.
    pub(super) fn of_number(number: i64) -> TractResult<Self> {
        let all = [Self::Average, Self::Sum, Self::Min, Self::Max];
        let at = usize::try_from(number).ok();
        at.and_then(|n| all.get(n).copied())
            .with_context(|| format!("aggregate_function {number} is unknown"))
    }

    fn add(self, score: &mut Score, value: f64, rows: &Rows) {
        score.value = match self {
            Self::Average | Self::Sum => rows.round(score.value + value),
            _ if !score.seen => value,
            Self::Min => score.value.min(value),
            Self::Max => score.value.max(value),
        };
        score.seen = true;
    }

    /// Gives `finish` the scores of every row, before base values: one for each target.
    pub(super) fn each_row(
        self,
        ensemble: &Ensemble,
        rows: &Rows,
        mut finish: impl FnMut(usize, &mut [Score]),
    ) -> TractResult<()> {
        if rows.columns == 0 {
            return Ok(());
        }
        // Tree after tree over a block of rows: a tree's nodes stay in the cache.
        let block = (BLOCK_SCORES / ensemble.targets).max(1);
        let mut done = |at: usize, mut total: Vec<Score>| {
            let rows = total.chunks_mut(ensemble.targets).enumerate();
            rows.for_each(|(row, scores)| finish(at * block + row, scores));
        };
        let forest = ensemble.forest.as_ref().filter(|forest| {
            let adds = matches!(self, Self::Average | Self::Sum);
            adds && rows.single && forest.features() <= rows.columns
        });
        let length = rows.columns.saturating_mul(block);
        if let Some(forest) = forest {
            let values = rows.values.try_as_plain_ram()?;
            for (at, values) in values.as_slice::<f32>()?.chunks(length).enumerate() {
                done(at, self.by_forest(ensemble, forest, rows, values)?);
            }
        } else {
            let values = rows.values.cast_to::<f64>()?;
            let values = values.try_as_plain_ram()?;
            for (at, values) in values.as_slice::<f64>()?.chunks(length).enumerate() {
                done(at, self.by_nodes(ensemble, rows, values));
            }
        }
        Ok(())
    }

    /// In float32.
    fn by_forest(
        self,
        ensemble: &Ensemble,
        forest: &Forest,
        rows: &Rows,
        block: &[f32],
    ) -> TractResult<Vec<Score>> {
        let scores = block.len() / rows.columns * ensemble.targets;
        let parts = ensemble.parts(rows.count).map(|trees| {
            let (mut sums, mut seen) = (vec![0.; scores], vec![false; scores]);
            forest.add(trees, block, rows.columns, &mut sums, &mut seen)?;
            let scores = sums.iter().zip(seen);
            Ok(scores.map(|(sum, seen)| Score { value: f64::from(*sum), seen }).collect())
        });
        let parts = parts.collect::<TractResult<Vec<_>>>()?;
        Ok(self.joined(parts.into_iter(), rows))
    }

    fn by_nodes(self, ensemble: &Ensemble, rows: &Rows, block: &[f64]) -> Vec<Score> {
        let scores = block.len() / rows.columns * ensemble.targets;
        let parts = ensemble.parts(rows.count).map(|trees| {
            let mut sums = vec![Score::default(); scores];
            for root in &ensemble.roots[trees] {
                self.add_tree(ensemble, *root, rows, block, &mut sums);
            }
            sums
        });
        self.joined(parts, rows)
    }

    fn joined(self, mut parts: impl Iterator<Item = Vec<Score>>, rows: &Rows) -> Vec<Score> {
        let mut total = parts.next().unwrap_or_default();
        for sums in parts {
            for (score, sum) in total.iter_mut().zip(sums).filter(|(_, sum)| sum.seen) {
                self.add(score, sum.value, rows);
            }
        }
        total
    }

    fn add_tree(
        self,
        ensemble: &Ensemble,
        root: u32,
        rows: &Rows,
        block: &[f64],
        sums: &mut [Score],
    ) {
        let block = block.chunks_exact(rows.columns);
        for (row, sums) in block.zip(sums.chunks_mut(ensemble.targets)) {
            for (target, weight) in ensemble.weights_of(ensemble.leaf(root, row)) {
                self.add(&mut sums[*target as usize], *weight, rows);
            }
        }
    }
}

impl Ensemble {
    /// The trees, in the parts whose sums are added apart.
    fn parts(&self, rows: usize) -> impl Iterator<Item = Range<usize>> {
        let trees = self.roots.len();
        let split = match (self.targets, rows) {
            (1, _) => rows > MANY_ROWS && trees > 2,
            (_, 1) => trees > MANY_TREES,
            _ => rows > MANY_ROWS && trees >= 2,
        };
        let part = trees.div_ceil(if split { 2 } else { 1 }).max(1);
        (0..trees).step_by(part).map(move |first| first..(first + part).min(trees))
    }
}
