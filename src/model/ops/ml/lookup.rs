//! Keys -> positions: the map behind encoders.
//!
//! In: a tensor of keys. Out: for a tensor of the same type, the position of each element, or the
//! number of keys for one that is none. NaN is a key like any other; -0 is 0.

use std::collections::HashMap;

use tract_onnx::tract_hir::internal::*;

use super::kernel::{Fact, Kernel};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Int(i64),
    /// The bits of a float64.
    Float(u64),
    String(String),
}

/// Every element as a key.
fn keys(tensor: &Tensor) -> TractResult<Vec<Key>> {
    let dt = tensor.datum_type();
    Ok(if dt == DatumType::String {
        let view = tensor.try_as_plain_ram()?;
        view.as_slice::<String>()?.iter().cloned().map(Key::String).collect()
    } else if dt.is_float() {
        let floats = tensor.cast_to::<f64>()?;
        let bits = |x: &f64| match *x {
            x if x.is_nan() => f64::NAN.to_bits(),
            x => (x + 0.0).to_bits(),
        };
        let view = floats.try_as_plain_ram()?;
        view.as_slice::<f64>()?.iter().map(bits).map(Key::Float).collect()
    } else {
        let ints = tensor.cast_to::<i64>()?;
        let view = ints.try_as_plain_ram()?;
        view.as_slice::<i64>()?.iter().copied().map(Key::Int).collect()
    })
}

#[derive(Debug, Clone)]
pub(super) struct Lookup {
    datum_type: DatumType,
    positions: HashMap<Key, usize>,
    count: usize,
}

impl Lookup {
    /// Of keys that occur twice, `last_wins` says which counts.
    pub(super) fn new(tensor: &Tensor, last_wins: bool) -> TractResult<Self> {
        let mut positions = HashMap::new();
        let count = tensor.len();
        for (at, key) in keys(tensor)?.into_iter().enumerate() {
            if last_wins {
                positions.insert(key, at);
            } else {
                positions.entry(key).or_insert(at);
            }
        }
        Ok(Self { datum_type: tensor.datum_type(), positions, count })
    }

    pub(super) fn datum_type(&self) -> DatumType {
        self.datum_type
    }

    /// The number of keys, and the position of what is none.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn positions(&self, tensor: &Tensor) -> TractResult<Vec<usize>> {
        let found = |key: Key| self.positions.get(&key).copied().unwrap_or(self.count);
        Ok(keys(tensor)?.into_iter().map(found).collect())
    }
}

impl Kernel for Lookup {
    fn name(&self) -> &'static str {
        "Lookup"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let (datum_type, shape) = &inputs[0];
        ensure!(
            *datum_type == self.datum_type,
            "its keys are {:?}, its input is {datum_type:?}",
            self.datum_type
        );
        Ok(tvec!((DatumType::I64, shape.clone())))
    }

    fn eval(&self, inputs: &[TValue]) -> TractResult<TVec<Tensor>> {
        let positions: Vec<i64> =
            self.positions(&inputs[0])?.into_iter().map(|p| p as i64).collect();
        Ok(tvec!(tensor1(&positions).into_shape(inputs[0].shape())?))
    }
}
