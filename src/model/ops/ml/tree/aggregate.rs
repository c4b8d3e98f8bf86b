//! What the leaves of all trees add up to, for every row.
//!
//! In: an ensemble and a table. Out: a score for each row and target.
//!
//! Order matters: float32 sums of a random forest tie, and the order of adding breaks the tie. ONNX
//! Runtime adds tree after tree, but splits the trees among its threads when there are many rows;
//! so its own labels depend on the machine. We add as it does on two threads.

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
pub(super) struct Rows {
    pub(super) count: usize,
    columns: usize,
    values: Vec<f64>,
    pub(super) single: bool,
}

/// Rows from which ONNX Runtime splits the trees, and trees from which it splits those of one row.
const MANY_ROWS: usize = 50;
const MANY_TREES: usize = 80;

/// How many scores are held at a time.
const BLOCK_SCORES: usize = 1 << 14;

impl Rows {
    pub(super) fn of(input: &Tensor) -> TractResult<Self> {
        let (count, columns) = table(input.shape())?;
        let single = input.datum_type() != DatumType::F64;
        // Integers are rounded to float32 before they are compared.
        let near = if single { input.cast_to::<f32>()? } else { Cow::Borrowed(input) };
        let wide = near.cast_to::<f64>()?;
        let values = wide.try_as_plain_ram()?.as_slice::<f64>()?.to_vec();
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
    ) {
        let (targets, trees) = (ensemble.targets, ensemble.roots.len());
        let parts = if splits(ensemble, rows.count) { 2 } else { 1 };
        let part = trees.div_ceil(parts).max(1);
        // Tree after tree over a block of rows: a tree's nodes stay in the cache.
        let block = (BLOCK_SCORES / targets).max(1);
        let blocks = rows.values.chunks(rows.columns.max(1).saturating_mul(block));
        for (at, block_rows) in blocks.enumerate() {
            let count = block_rows.len() / rows.columns.max(1);
            let mut parts = ensemble.roots.chunks(part).map(|roots| {
                let mut sums = vec![Score::default(); count * targets];
                for root in roots {
                    self.add_tree(ensemble, *root, rows, block_rows, &mut sums);
                }
                sums
            });
            let mut total = parts.next().unwrap_or_default();
            for sums in parts {
                for (score, sum) in total.iter_mut().zip(sums).filter(|(_, sum)| sum.seen) {
                    self.add(score, sum.value, rows);
                }
            }
            total.chunks_mut(targets).enumerate().for_each(|(row, s)| finish(at * block + row, s));
        }
    }

    fn add_tree(
        self,
        ensemble: &Ensemble,
        root: u32,
        rows: &Rows,
        block: &[f64],
        sums: &mut [Score],
    ) {
        let block = block.chunks_exact(rows.columns.max(1));
        for (row, sums) in block.zip(sums.chunks_mut(ensemble.targets)) {
            let weights = ensemble.weights_of(ensemble.leaf(root, row));
            // Where there is one target, a leaf has one weight.
            let limit = if ensemble.targets == 1 { 1 } else { weights.len() };
            for (target, weight) in weights.iter().take(limit) {
                self.add(&mut sums[*target as usize], *weight, rows);
            }
        }
    }
}

fn splits(ensemble: &Ensemble, rows: usize) -> bool {
    let trees = ensemble.roots.len();
    match (ensemble.targets, rows) {
        (1, _) => rows > MANY_ROWS && trees > 2,
        (_, 1) => trees > MANY_TREES,
        _ => rows > MANY_ROWS && trees >= 2,
    }
}
