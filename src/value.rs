//! What a graph passes between its nodes: mostly tensors, but also sequences of them, or nothing.
//!
//! In and out: the values of a run. An optional that holds something is that thing, as ONNX Runtime's
//! own API has it; one that holds nothing is [`Value::Absent`]. A tensor may lie on the GPU between runs.

use crate::tensor::Tensor;

/// A value of a graph.
#[derive(Clone, Debug)]
pub enum Value {
    /// A tensor.
    Tensor(Tensor),
    /// A sequence of tensors.
    Sequence(Vec<Tensor>),
    /// An optional that holds nothing.
    Absent,
    /// A tensor in the memory of a GPU.
    #[cfg(feature = "gpu")]
    Gpu(crate::GpuTensor),
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Self {
        Self::Tensor(tensor)
    }
}

impl Value {
    /// The word for what it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Tensor(_) => "a tensor",
            Self::Sequence(_) => "a sequence",
            Self::Absent => "an empty optional",
            #[cfg(feature = "gpu")]
            Self::Gpu(_) => "a tensor on the GPU",
        }
    }

    /// The tensor, if it is one.
    pub fn tensor(&self) -> Option<&Tensor> {
        match self {
            Self::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The tensor, fetched where it is on the GPU.
    #[cfg(feature = "gpu")]
    pub(crate) async fn into_tensor(self) -> crate::Result<Tensor> {
        match self {
            Self::Tensor(tensor) => Ok(tensor),
            Self::Gpu(tensor) => tensor.get().await,
            other => {
                let text = format!("{} is given where a tensor is needed", other.kind());
                Err(crate::Error::new(crate::ErrorKind::InvalidInput, text))
            }
        }
    }
}
