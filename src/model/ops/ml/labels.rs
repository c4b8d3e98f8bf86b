//! The labels of a classifier: integers or strings.
//!
//! In: two attributes, of which a node sets one. Out: the labels, and the tensor of those picked.

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

#[derive(Debug, Clone)]
pub(super) enum Labels {
    Ints(Vec<i64>),
    Strings(Vec<String>),
}

/// What a classifier decides for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    /// The class at this position.
    Class(usize),
    /// A yes or no without reference to the labels: 1 or 0.
    Bit(bool),
}

impl Labels {
    pub(super) fn of(node: &NodeProto, ints: &str, strings: &str) -> TractResult<Self> {
        let strings: Vec<String> = node.get_attr_opt_vec(strings)?.unwrap_or_default();
        if !strings.is_empty() {
            return Ok(Self::Strings(strings));
        }
        Ok(Self::Ints(node.get_attr_opt_vec(ints)?.unwrap_or_default()))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ints(v) => v.len(),
            Self::Strings(v) => v.len(),
        }
    }

    pub(super) fn datum_type(&self) -> DatumType {
        match self {
            Self::Ints(_) => DatumType::I64,
            Self::Strings(_) => DatumType::String,
        }
    }

    pub(super) fn tensor(&self, picks: &[Pick]) -> TractResult<Tensor> {
        fn each<T: Clone>(
            labels: &[T],
            picks: &[Pick],
            bit: impl Fn(bool) -> T,
        ) -> TractResult<Vec<T>> {
            let one = |pick: &Pick| match pick {
                Pick::Class(at) => labels.get(*at).cloned().context("a class without label"),
                Pick::Bit(b) => Ok(bit(*b)),
            };
            picks.iter().map(one).collect()
        }
        Ok(match self {
            Self::Ints(labels) => tensor1(&each(labels, picks, i64::from)?),
            Self::Strings(labels) => tensor1(&each(labels, picks, |b| u8::from(b).to_string())?),
        })
    }
}
