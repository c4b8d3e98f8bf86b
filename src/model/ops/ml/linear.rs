//! `LinearClassifier` and `LinearRegressor`.
//!
//! In: a table. Out: for each row its product with the coefficients, transformed; and of a classifier
//! the label, which the untransformed scores decide. The product is the engine's, the rest a kernel.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::add;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Fact, Kernel, Wiring, numeric, operator, table};
use super::labels::{Labels, Pick};
use super::scores::PostTransform;

/// `x * coefficients + intercepts` for a number of targets.
#[derive(Debug)]
struct Product {
    /// [targets, features]
    coefficients: Tensor,
    intercepts: Option<Tensor>,
}

impl Product {
    fn of(node: &NodeProto, targets: usize) -> TractResult<Self> {
        let coefficients: Vec<f32> = node.get_attr_vec("coefficients")?;
        let intercepts: Vec<f32> = node.get_attr_opt_vec("intercepts")?.unwrap_or_default();
        ensure!(
            targets > 0 && !coefficients.is_empty() && coefficients.len().is_multiple_of(targets),
            "it has {} coefficients for {targets} targets",
            coefficients.len()
        );
        let features = coefficients.len() / targets;
        let intercepts = (intercepts.len() == targets).then(|| tensor1(&intercepts));
        Ok(Self {
            coefficients: tensor1(&coefficients).into_shape(&[targets, features])?,
            intercepts: intercepts.map(|i| i.into_shape(&[1, targets])).transpose()?,
        })
    }

    fn targets(&self) -> usize {
        self.coefficients.shape()[0]
    }

    /// The number of rows.
    fn check(&self, input: &Fact) -> TractResult<TDim> {
        numeric(input)?;
        let ((rows, columns), features) = (table(&input.1)?, self.coefficients.shape()[1]);
        ensure!(
            columns == features.to_dim(),
            "it has coefficients for {features} columns, its input has {columns}"
        );
        Ok(rows)
    }

    fn wire(&self, wiring: &mut Wiring, input: OutletId) -> TractResult<OutletId> {
        let mut x = wiring.cast(input, DatumType::F32)?;
        if wiring.fact(x)?.rank() == 1 {
            x = wiring.wire(AxisOp::Add(0), &[x])?;
        }
        let coefficients = wiring.constant(self.coefficients.clone())?;
        let product = EinSum::new("nf,tf->nt".parse()?, DatumType::F32);
        let scores = wiring.wire(product, &[x, coefficients])?;
        let Some(intercepts) = &self.intercepts else { return Ok(scores) };
        let intercepts = wiring.constant(intercepts.clone())?;
        wiring.wire(add(), &[scores, intercepts])
    }
}

#[derive(Debug)]
struct Regressor {
    product: Product,
    transform: PostTransform,
}

pub(in super::super) fn build_regressor(_: &ParsingContext, node: &NodeProto) -> Built {
    let targets = node.get_attr_opt("targets")?.unwrap_or(1);
    operator(Regressor {
        product: Product::of(node, targets)?,
        transform: PostTransform::of(node)?,
    })
}

impl Kernel for Regressor {
    fn name(&self) -> &'static str {
        "LinearRegressor"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let rows = self.product.check(&inputs[0])?;
        Ok(tvec!((DatumType::F32, tvec!(rows, self.product.targets().to_dim()))))
    }

    fn lower(
        &self,
        wiring: &mut Wiring,
        inputs: &[OutletId],
    ) -> TractResult<Option<TVec<OutletId>>> {
        let scores = self.product.wire(wiring, inputs[0])?;
        if self.transform == PostTransform::None {
            return Ok(Some(tvec!(scores)));
        }
        Ok(Some(wiring.kernel(Transform(self.transform), &[scores])?))
    }
}

/// A transform of every row. Of a single score only PROBIT means something, and ONNX Runtime
/// leaves it alone otherwise.
#[derive(Debug)]
struct Transform(PostTransform);

impl Kernel for Transform {
    fn name(&self) -> &'static str {
        "PostTransform"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        Ok(tvec!(inputs[0].clone()))
    }

    fn eval(&self, inputs: &[TValue]) -> TractResult<TVec<Tensor>> {
        let mut scores = inputs[0].clone().into_tensor();
        let width = scores.shape().last().copied().unwrap_or(1);
        if width > 1 || self.0 == PostTransform::Probit {
            let mut view = scores.try_as_plain_ram_mut()?;
            view.as_slice_mut::<f32>()?.chunks_mut(width.max(1)).for_each(|row| self.0.apply(row));
        }
        Ok(tvec!(scores))
    }
}

#[derive(Debug)]
struct Classifier {
    product: Product,
    decision: Decision,
}

pub(in super::super) fn build_classifier(_: &ParsingContext, node: &NodeProto) -> Built {
    let labels = Labels::of(node, "classlabels_ints", "classlabels_strings")?;
    let intercepts = node.get_attr_opt_slice::<f32>("intercepts")?.map_or(0, <[f32]>::len);
    // One model decides between two classes; without intercepts, multi_class says how many there are.
    let multi: i64 = node.get_attr_opt("multi_class")?.unwrap_or(0);
    let targets = match (intercepts, labels.len()) {
        (0, 0..=2) if multi == 0 => 1,
        (0, classes) => classes,
        (n, _) => n,
    };
    ensure!(
        targets == 1 || labels.len() >= targets,
        "it has {targets} classes and {} labels",
        labels.len()
    );
    let decision = Decision { labels, transform: PostTransform::of(node)? };
    operator(Classifier { product: Product::of(node, targets)?, decision })
}

impl Kernel for Classifier {
    fn name(&self) -> &'static str {
        "LinearClassifier"
    }

    fn outputs(&self) -> usize {
        2
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let (rows, targets) = (self.product.check(&inputs[0])?, self.product.targets());
        self.decision.facts(&[(DatumType::F32, tvec!(rows, targets.to_dim()))])
    }

    fn lower(
        &self,
        wiring: &mut Wiring,
        inputs: &[OutletId],
    ) -> TractResult<Option<TVec<OutletId>>> {
        let scores = self.product.wire(wiring, inputs[0])?;
        Ok(Some(wiring.kernel(self.decision.clone(), &[scores])?))
    }
}

/// Raw scores -> labels and reported scores.
#[derive(Debug, Clone)]
struct Decision {
    labels: Labels,
    transform: PostTransform,
}

impl Decision {
    /// Whether one score stands for two classes.
    fn second_class(&self, targets: usize) -> bool {
        targets == 1 && self.labels.len() == 2
    }

    fn pick(&self, row: &[f32]) -> Pick {
        match row {
            [score] if self.labels.len() == 2 => Pick::Class(usize::from(*score > 0.0)),
            [score] => Pick::Bit(*score > 0.0),
            _ => {
                let mut best = 0;
                for (at, score) in row.iter().enumerate() {
                    if *score > row[best] {
                        best = at;
                    }
                }
                Pick::Class(best)
            }
        }
    }
}

impl Kernel for Decision {
    fn name(&self) -> &'static str {
        "LinearDecision"
    }

    fn outputs(&self) -> usize {
        2
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let (rows, mut classes) = table(&inputs[0].1)?;
        if classes == 1.to_dim() && self.second_class(1) {
            classes = 2.to_dim();
        }
        Ok(tvec!(
            (self.labels.datum_type(), tvec!(rows.clone())),
            (DatumType::F32, tvec!(rows, classes))
        ))
    }

    fn eval(&self, inputs: &[TValue]) -> TractResult<TVec<Tensor>> {
        let (rows, targets) = table(inputs[0].shape())?;
        let mut scores = inputs[0].clone().into_tensor();
        let mut view = scores.try_as_plain_ram_mut()?;
        let raw = view.as_slice_mut::<f32>()?;
        let picks: Vec<Pick> = raw.chunks(targets.max(1)).map(|row| self.pick(row)).collect();
        let labels = self.labels.tensor(&picks)?;
        if targets > 1 || self.transform == PostTransform::Probit {
            raw.chunks_mut(targets.max(1)).for_each(|row| self.transform.apply(row));
        }
        if self.second_class(targets) {
            let both = raw.iter().flat_map(|s| self.transform.second_class(*s, true));
            let both: Vec<f32> = both.collect();
            scores = tensor1(&both).into_shape(&[rows, 2])?;
        }
        Ok(tvec!(labels, scores))
    }
}
