//! What makes two runs share a plan: the shapes, and the values of inputs that steer the graph.

use crate::tensor::{DType, Tensor};

/// An integer or boolean input of at most this many elements may steer shapes or branches (a sample
/// rate, a target size, an axis), so that it can be bound by value.
const MAX_STEERING_ELEMENTS: usize = 16;

/// One input as the planner sees it.
#[derive(Clone, Debug)]
pub(crate) struct BoundInput {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    /// Set when the plan holds for this value only.
    pub(crate) value: Option<Tensor>,
}

/// The inputs of one run, in the signature's order.
#[derive(Clone, Debug)]
pub(crate) struct PlanKey {
    pub(crate) inputs: Vec<BoundInput>,
}

impl PlanKey {
    /// By shapes alone, or with `by_value` also by the values of steering inputs.
    pub(crate) fn of(inputs: &[Tensor], by_value: bool) -> Self {
        let bound = inputs.iter().map(|tensor| BoundInput {
            dtype: tensor.dtype(),
            shape: tensor.shape().to_vec(),
            value: (by_value && can_steer(tensor)).then(|| tensor.clone()),
        });
        Self { inputs: bound.collect() }
    }

    /// Whether binding by value would change anything.
    pub(crate) fn has_steering_inputs(inputs: &[Tensor]) -> bool {
        inputs.iter().any(can_steer)
    }
}

fn can_steer(tensor: &Tensor) -> bool {
    let integer = matches!(
        tensor.dtype(),
        DType::Int32 | DType::Int64 | DType::Uint8 | DType::Uint32 | DType::Uint64 | DType::Bool
    );
    integer && tensor.len() <= MAX_STEERING_ELEMENTS
}

impl PartialEq for PlanKey {
    fn eq(&self, other: &Self) -> bool {
        self.inputs.len() == other.inputs.len()
            && self.inputs.iter().zip(&other.inputs).all(|(a, b)| {
                a.dtype == b.dtype
                    && a.shape == b.shape
                    && a.value.as_ref().map(Tensor::bytes) == b.value.as_ref().map(Tensor::bytes)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;

    #[test]
    fn values_count_only_for_small_integers() -> Result<()> {
        let rate = |n: i64| Tensor::try_from((&[][..], &[n][..]));
        let audio = |n: f32| Tensor::try_from((&[1usize, 2][..], &[n, n][..]));
        let shapes = |a, b| Ok::<_, crate::Error>(PlanKey::of(&[rate(a)?, audio(b)?], false));
        let values = |a, b| Ok::<_, crate::Error>(PlanKey::of(&[rate(a)?, audio(b)?], true));
        assert_eq!(shapes(8000, 0.)?, shapes(16000, 1.)?);
        assert_eq!(values(8000, 0.)?, values(8000, 1.)?);
        assert_ne!(values(8000, 0.)?, values(16000, 0.)?);
        assert_ne!(values(8000, 0.)?, shapes(8000, 0.)?);
        Ok(())
    }
}
