//! Where the values of a program come from.
//!
//! In: constants of the graph, as they are or in forms of kernels' own. Out: [`Value`]s. What is made of a constant is
//! made where it is not on the GPU yet.

use std::sync::Arc;

use tract_onnx::prelude::*;

use super::{Builder, Lowered, because};
use crate::gpu::transfer;
use crate::gpu::value::{View, bytes};

/// Where a value comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// The host writes it before the dispatches that read it.
    Upload,
    /// Written once, when the program is made.
    Constant(Arc<Tensor>),
    /// The same, in a form of a kernel's own.
    Derived(Derived),
    /// A dispatch writes it.
    Made,
}

impl Origin {
    /// Whether it is written once.
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_) | Self::Derived(_))
    }
}

/// Makes the bytes of another form of a constant.
type Make = dyn Fn(&Tensor) -> Vec<u8> + Send + Sync;

/// What a kernel reads of a constant in a form of its own. It is made where it is not on the GPU yet: not for a plan
/// that is only tried, and not again for the plans of other shapes.
#[derive(Clone)]
pub(crate) struct Derived {
    pub(crate) source: Arc<Tensor>,
    /// Tells apart what is made of one.
    pub(crate) way: String,
    pub(crate) make: Arc<Make>,
    /// Whether it has no other numbers than the source, but for zeros.
    pub(super) sorted: bool,
}

impl std::fmt::Debug for Derived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Derived({})", self.way)
    }
}

/// A dense value.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) len: usize,
    /// Whether its elements take 16 bits.
    pub(crate) half: bool,
    pub(crate) origin: Origin,
}

impl Value {
    pub(crate) fn bytes(&self) -> u64 {
        bytes(self.len, self.half)
    }
}

impl Builder<'_> {
    /// What `make` gives of a constant, as elements of `shape`; `way` tells apart what is made of one.
    pub(crate) fn derived(
        &mut self,
        source: Arc<Tensor>,
        way: impl Into<String>,
        (datum, shape): (DatumType, &[usize]),
        make: impl Fn(&Tensor) -> Vec<u8> + Send + Sync + 'static,
    ) -> Lowered<View> {
        let (way, make) = (way.into(), Arc::new(make));
        let derived = Derived { source, way, make, sorted: false };
        self.value(datum, shape, Origin::Derived(derived))
    }

    /// `count` floats that `make` gives of a constant's; `sorted`: they are the same, or zeros.
    pub(crate) fn packed(
        &mut self,
        source: Arc<Tensor>,
        way: String,
        (count, sorted): (usize, bool),
        make: impl Fn(&[f32]) -> Vec<f32> + Send + Sync + 'static,
    ) -> Lowered<View> {
        if transfer::floats_of(&source).is_none() {
            return because("weights that are no float32");
        }
        let bytes = move |source: &Tensor| {
            let packed = make(transfer::floats_of(source).unwrap_or_default());
            packed.iter().flat_map(|x| x.to_le_bytes()).collect()
        };
        let derived = Derived { source, way, make: Arc::new(bytes), sorted };
        self.value(DatumType::F32, &[count], Origin::Derived(derived))
    }
}
