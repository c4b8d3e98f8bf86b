//! `Det`: determinants of square matrices.
//!
//! In: `[…, n, n]`. Out: `[…]`.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct Det;

pub(super) fn build(_ctx: &ParsingContext, node: &NodeProto) -> Built {
    host(node, Det)
}

/// By elimination with the largest pivot.
fn det(m: &mut [f64], n: usize) -> f64 {
    let mut product = 1.0;
    for column in 0..n {
        let size = |row: &usize| m[row * n + column].abs();
        let pivot = (column..n).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(column);
        if m[pivot * n + column] == 0.0 {
            return 0.0;
        }
        if pivot != column {
            (0..n).for_each(|i| m.swap(pivot * n + i, column * n + i));
            product = -product;
        }
        let value = m[column * n + column];
        product *= value;
        for row in column + 1..n {
            let factor = m[row * n + column] / value;
            (column..n).for_each(|i| m[row * n + i] -= factor * m[column * n + i]);
        }
    }
    product
}

impl Host for Det {
    fn name(&self) -> &'static str {
        "Det"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let input = need(inputs, 0)?;
        let rank = input.rank();
        ensure!(rank >= 2 && input.shape[rank - 1] == input.shape[rank - 2], "no square matrices");
        Ok(tvec!(input.datum_type.fact(&input.shape[..rank - 2])))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let input = need(inputs, 0)?;
        let (outer, matrix) = input.shape().split_at(input.rank().saturating_sub(2));
        ensure!(matrix.len() == 2 && matrix[0] == matrix[1], "no square matrices");
        let (mut values, n) = (f64s(input)?, matrix[0]);
        let dets: Vec<f64> = match n {
            0 => vec![1.0; volume(outer)?],
            _ => values.chunks_exact_mut(n * n).map(|m| det(m, n)).collect(),
        };
        Ok(tvec!(from_f64(outer, &dets, input.datum_type())?))
    }
}
