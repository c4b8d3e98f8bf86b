//! What makes two runs share a plan: the shapes, and the values of inputs that steer the graph.

#[cfg(feature = "gpu")]
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Dim, Published, Signature, StoredPlan};
use crate::tensor::{DType, Tensor, volume};
#[cfg(feature = "gpu")]
use crate::value::Value;

/// An input of at most this many elements may steer shapes or branches (a sample rate, a target size,
/// an axis), so that it can be bound by value.
const MAX_STEERING_ELEMENTS: usize = 16;

/// One input as the planner sees it.
#[derive(Clone, Debug)]
pub(crate) struct BoundInput {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    /// Set when the plan holds for this value only.
    pub(crate) value: Option<Tensor>,
}

impl BoundInput {
    fn of(tensor: &Tensor, binding: Binding) -> Self {
        Self {
            dtype: tensor.dtype(),
            shape: tensor.shape().to_vec(),
            value: binding.binds(tensor).then(|| tensor.clone()),
        }
    }
}

#[cfg(feature = "gpu")]
impl BoundInput {
    /// Whether both hold for every value, or both for the same.
    pub(super) fn binds_as(&self, other: &Self) -> bool {
        self.value.as_ref().map(Tensor::bytes) == other.value.as_ref().map(Tensor::bytes)
    }
}

/// The inputs of one run, in the signature's order.
#[derive(Clone, Debug)]
pub(crate) struct PlanKey {
    pub(crate) inputs: Vec<BoundInput>,
}

impl PlanKey {
    /// By shapes, and by the values of those inputs that `binding` names.
    pub(crate) fn of(inputs: &[Tensor], binding: Binding) -> Self {
        Self { inputs: inputs.iter().map(|tensor| BoundInput::of(tensor, binding)).collect() }
    }

    /// Whether it is that of these inputs; nothing is made for it.
    pub(crate) fn holds(&self, inputs: &[Tensor], binding: Binding) -> bool {
        let same = |bound: &BoundInput, input: &Tensor| {
            let value = bound.value.as_ref().map(Tensor::bytes);
            bound.dtype == input.dtype()
                && bound.shape == input.shape()
                && value == binding.binds(input).then(|| input.bytes())
        };
        self.inputs.len() == inputs.len()
            && self.inputs.iter().zip(inputs).all(|(bound, input)| same(bound, input))
    }

    /// The same with values of which some may lie on the GPU; those steer nothing.
    #[cfg(feature = "gpu")]
    pub(crate) fn of_values(inputs: &[Value], binding: Binding) -> Result<Self> {
        let bound = inputs.iter().map(|value| match value {
            Value::Tensor(tensor) => Ok(BoundInput::of(tensor, binding)),
            Value::Gpu(tensor) => Ok(BoundInput {
                dtype: tensor.dtype(),
                shape: tensor.shape().to_vec(),
                value: None,
            }),
            other => {
                let text = format!("{} is given where a tensor is needed", other.kind());
                Err(Error::new(ErrorKind::InvalidInput, text))
            }
        });
        Ok(Self { inputs: bound.collect::<Result<_>>()? })
    }

    /// The shapes of every run, where the model declares the size of each dimension.
    pub(crate) fn fixed(signature: &Signature) -> Option<Self> {
        let known = |d: &Dim| if let Dim::Known(n) = d { Some(*n) } else { None };
        let inputs = signature.inputs.iter().map(|input| {
            let shape = input.shape.iter().map(known).collect::<Option<Vec<_>>>()?;
            let plain = input.ranked && input.kind.is_tensor();
            plain.then_some(BoundInput { dtype: input.dtype, shape, value: None })
        });
        inputs.collect::<Option<_>>().map(|inputs| Self { inputs })
    }

    /// The published plan for these shapes; none holds for values.
    pub(crate) fn stored<'p>(&self, published: &'p Published) -> Option<&'p StoredPlan> {
        let free = self.inputs.iter().all(|input| input.value.is_none());
        let inputs = self.inputs.iter().map(|input| (input.dtype, &input.shape[..]));
        free.then(|| published.plan(inputs)).flatten()
    }

    /// Whether some [`Binding`] makes another plan for the same shapes.
    pub(crate) fn steers(&self) -> bool {
        self.inputs.iter().any(|i| may_steer(i.dtype, volume(&i.shape).unwrap_or(usize::MAX)))
    }
}

fn may_steer(dtype: DType, elements: usize) -> bool {
    elements <= MAX_STEERING_ELEMENTS && dtype != DType::String
}

/// Which inputs a plan takes as constants. A later one binds more, and is tried when those before it
/// do not suffice: a plan that holds for one value must be made again for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// None: the plan holds for every value.
    Shapes,
    /// Small integers, which steer shapes and branches.
    Integers,
    /// Everything small: scales of a resize, a fill value, the parameters of a quantisation.
    Small,
}

impl Binding {
    /// From the most general plan to the most special.
    pub(crate) const ALL: [Self; 3] = [Self::Shapes, Self::Integers, Self::Small];

    pub(crate) fn binds(self, tensor: &Tensor) -> bool {
        let float = matches!(tensor.dtype(), DType::Float16 | DType::Float32 | DType::Float64);
        let steers = may_steer(tensor.dtype(), tensor.len());
        match self {
            Self::Shapes => false,
            Self::Integers => steers && !float,
            Self::Small => steers,
        }
    }
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
    #[cfg(not(feature = "gpu"))]
    use crate::error::Result;

    #[test]
    fn values_count_only_for_small_integers() -> Result<()> {
        let rate = |n: i64| Tensor::try_from((&[][..], &[n][..]));
        let audio = |n: f32| Tensor::try_from((&[1usize, 2][..], &[n, n][..]));
        let shapes =
            |a, b| Ok::<_, crate::Error>(PlanKey::of(&[rate(a)?, audio(b)?], Binding::Shapes));
        let values =
            |a, b| Ok::<_, crate::Error>(PlanKey::of(&[rate(a)?, audio(b)?], Binding::Integers));
        assert_eq!(shapes(8000, 0.)?, shapes(16000, 1.)?);
        assert_eq!(values(8000, 0.)?, values(8000, 1.)?);
        assert_ne!(values(8000, 0.)?, values(16000, 0.)?);
        assert_ne!(values(8000, 0.)?, shapes(8000, 0.)?);
        Ok(())
    }
}
