//! `SVMRegressor`: support vector regression, linear regression of that form, and one-class detection.
//!
//! In: a table. Out: [rows, 1]. ONNX Runtime applies no `post_transform` here, and neither do we.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Fact, Kernel, numeric, operator, table};
use super::svm_kernel::{SvmKernel, float_rows};

#[derive(Debug)]
struct SvmRegressor {
    kernel: SvmKernel,
    /// One after the other; a linear model has one, its coefficients.
    vectors: Vec<f32>,
    coefficients: Vec<f32>,
    features: usize,
    rho: f32,
    /// Give the side, 1 or -1.
    one_class: bool,
}

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let supports: usize = node.get_attr_opt("n_supports")?.unwrap_or(0);
    let coefficients: Vec<f32> = node.get_attr_vec("coefficients")?;
    let vectors: Vec<f32> = node.get_attr_opt_vec("support_vectors")?.unwrap_or_default();
    let rho = node.get_attr_opt_slice::<f32>("rho")?.and_then(|r| r.first().copied());
    let rho = rho.context("it has no rho")?;
    let one_class = node.get_attr_opt::<i64>("one_class")?.unwrap_or(0) != 0;
    if supports == 0 {
        ensure!(!coefficients.is_empty(), "it has no coefficients");
        let (kernel, features) = (SvmKernel::LINEAR, coefficients.len());
        let (vectors, coefficients) = (coefficients, vec![1.0]);
        return operator(SvmRegressor { kernel, vectors, coefficients, features, rho, one_class });
    }
    let features = vectors.len() / supports;
    ensure!(
        coefficients.len() == supports && features > 0 && vectors.len() == features * supports,
        "it has {supports} supports, {} coefficients and {} values of support vectors",
        coefficients.len(),
        vectors.len()
    );
    let kernel = SvmKernel::of(node)?;
    operator(SvmRegressor { kernel, vectors, coefficients, features, rho, one_class })
}

impl Kernel for SvmRegressor {
    fn name(&self) -> &'static str {
        "SVMRegressor"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        numeric(&inputs[0])?;
        let (rows, columns) = table(&inputs[0].1)?;
        ensure!(
            columns == self.features.to_dim(),
            "it was trained on {} columns, its input has {columns}",
            self.features
        );
        Ok(tvec!((DatumType::F32, tvec!(rows, 1.to_dim()))))
    }

    fn eval(&self, inputs: &[TValue]) -> TractResult<TVec<Tensor>> {
        let (rows, columns, table) = float_rows(&inputs[0])?;
        let view = table.try_as_plain_ram()?;
        let values = view.as_slice::<f32>()?.chunks_exact(columns).map(|row| {
            let vectors = self.vectors.chunks_exact(self.features);
            let score = vectors
                .zip(&self.coefficients)
                .map(|(vector, c)| c * self.kernel.apply(row, vector))
                .sum::<f32>()
                + self.rho;
            match self.one_class {
                true if score > 0.0 => 1.0,
                true => -1.0,
                false => score,
            }
        });
        Ok(tvec!(tensor1(&values.collect::<Vec<f32>>()).into_shape(&[rows, 1])?))
    }
}
