//! Convolution with all that surrounds it: bias, scale, activation, residual.
//!
//! In: a float32 image in NCHW (or NCW), and perhaps a residual of the output's shape. Out: the output. One
//! decision: the operator is its own peephole optimiser. As long as the graph is decluttered it takes in the
//! operators that follow it; when code is generated it picks a method and packs its weights for it, once.

use std::sync::Arc;

use nearside_kernels::conv::Geometry;
use nearside_kernels::{Activation, Epilogue};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::math::{Add, Max, Min, Mul, Sub};

use super::packed::Packed;
use super::round_trip::RoundTrip;
use super::{activation_of, check, floats, per_channel};
use crate::codec::{Field, choices};
use crate::reuse;

/// Where a second input is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Residual {
    BeforeActivation,
    AfterActivation,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Convolution {
    geometry: Geometry,
    /// Of the output.
    shape: TVec<usize>,
    /// In OIHW; once packed, none.
    weights: Arc<Tensor>,
    /// One value a channel.
    bias: Arc<Tensor>,
    activation: Activation,
    /// Instead of an activation: what each channel is multiplied by where negative. Found once nothing is stored any
    /// more.
    slopes: Option<Arc<Tensor>>,
    residual: Option<Residual>,
    packed: Option<Arc<Packed>>,
}

choices! { Residual { 0 => BeforeActivation, 1 => AfterActivation } }

/// Before its weights are packed.
impl Field for Convolution {
    #[cfg(feature = "native")]
    fn write(&self, to: &mut crate::codec::Writer) -> TractResult<()> {
        ensure!(self.packed.is_none(), "packed weights have no bytes");
        ensure!(self.slopes.is_none(), "slopes have no bytes");
        self.geometry.write(to)?;
        self.shape.write(to)?;
        self.weights.write(to)?;
        self.bias.write(to)?;
        self.activation.write(to)?;
        self.residual.write(to)
    }

    fn read(from: &mut crate::codec::Reader<'_>) -> TractResult<Self> {
        Ok(Self {
            geometry: Field::read(from)?,
            shape: Field::read(from)?,
            weights: Field::read(from)?,
            bias: Field::read(from)?,
            activation: Field::read(from)?,
            slopes: None,
            residual: Field::read(from)?,
            packed: None,
        })
    }
}

// Weights with NaN are merely never equal.
impl Eq for Convolution {}

impl Convolution {
    /// `weights` in OIHW; `bias` of one value or one a channel.
    pub(crate) fn new(
        geometry: Geometry,
        shape: &[usize],
        weights: Arc<Tensor>,
        bias: &Tensor,
    ) -> TractResult<Self> {
        let bias = per_channel::<f32>(bias, geometry.channels_out)?;
        Ok(Self {
            geometry,
            shape: shape.into(),
            weights,
            bias: Arc::new(tensor1(&bias)),
            activation: Activation::None,
            slopes: None,
            residual: None,
            packed: None,
        })
    }

    /// `x * scale + shift` for each channel, after all that there is so far.
    fn scaled(&self, scale: &[f32], shift: &[f32]) -> TractResult<Self> {
        let mut op = self.clone();
        if scale.iter().any(|s| *s != 1.) {
            let mut weights = self.weights.clone().into_tensor();
            {
                let mut view = weights.try_as_plain_ram_mut()?;
                let depth = self.geometry.depth();
                for (filter, scale) in
                    view.as_slice_mut::<f32>()?.chunks_exact_mut(depth).zip(scale)
                {
                    filter.iter_mut().for_each(|w| *w *= scale);
                }
            }
            op.weights = Arc::new(weights);
        }
        let bias = floats(&self.bias)?.iter().zip(scale).zip(shift);
        op.bias = Arc::new(tensor1(
            &bias.map(|((b, scale), shift)| b * scale + shift).collect::<Vec<_>>(),
        ));
        Ok(op)
    }

    fn is_plain(&self) -> bool {
        self.activation == Activation::None && self.residual.is_none()
    }

    /// This operator, with a slope for each channel of what it gives where that is negative.
    pub(crate) fn with_slopes(&self, slopes: Arc<Tensor>) -> Option<Self> {
        let free = self.activation == Activation::None
            && self.slopes.is_none()
            && self.residual != Some(Residual::AfterActivation);
        let fits = slopes.datum_type() == DatumType::F32
            && slopes.rank() == self.shape.len()
            && slopes.len() == self.geometry.channels_out
            && slopes.shape().get(1) == Some(&slopes.len());
        (free && fits).then(|| Self { slopes: Some(slopes), ..self.clone() })
    }

    /// This operator with `next`, which reads nothing else of the graph, taken in.
    fn with_unary(&self, next: &TypedNode) -> Option<Activation> {
        if let Some(trip) = next.op_as::<RoundTrip>() {
            return self.rounded(trip.activation());
        }
        activation_of(next).filter(|_| self.activation == Activation::None)
    }

    /// This operator's activation followed by a round trip: bounds that there are become bounds of the integers.
    fn rounded(&self, trip: Activation) -> Option<Activation> {
        let Activation::RoundTrip { scale, low, high, back } = trip else { return None };
        match self.activation {
            Activation::None => Some(trip),
            Activation::Clamp(least, most) if scale > 0. => {
                let (least, most) = (least / scale, most / scale);
                let (low, high) = (low.max(least.min(high)), high.min(most.max(low)));
                Some(Activation::RoundTrip { scale, low, high, back })
            }
            _ => None,
        }
    }

    /// This operator with a binary `next`, whose other operand is `konst`, taken in.
    fn with_constant(
        &self,
        next: &TypedBinOp,
        konst: &Tensor,
        first: bool,
    ) -> TractResult<Option<Self>> {
        let channels = self.geometry.channels_out;
        let mut axes = konst.shape().iter().enumerate().filter(|(_, n)| **n != 1);
        let by_channel = axes.next().is_none_or(|(axis, n)| axis == 1 && *n == channels)
            && axes.next().is_none();
        if !by_channel || konst.datum_type() != f32::datum_type() || next.1.is_some() {
            return Ok(None);
        }
        let values = per_channel::<f32>(konst, channels)?;
        let (ones, zeros) = (vec![1.; channels], vec![0.; channels]);
        let op = next.0.as_ref();
        let scaled = if !self.is_plain() {
            None
        } else if op.is::<Add>() {
            Some(self.scaled(&ones, &values)?)
        } else if op.is::<Mul>() {
            Some(self.scaled(&values, &zeros)?)
        } else if op.is::<Sub>() && !first {
            Some(self.scaled(&ones, &values.iter().map(|v| -v).collect::<Vec<_>>())?)
        } else {
            None
        };
        if scaled.is_some() || konst.len() != 1 || self.residual == Some(Residual::AfterActivation)
        {
            return Ok(scaled);
        }
        let bounds = match (self.activation, values.first()) {
            (Activation::None, Some(bound)) if op.is::<Max>() => (*bound, f32::INFINITY),
            (Activation::None, Some(bound)) if op.is::<Min>() => (f32::NEG_INFINITY, *bound),
            (Activation::Clamp(low, high), Some(bound)) if op.is::<Max>() && *bound <= high => {
                (low.max(*bound), high)
            }
            (Activation::Clamp(low, high), Some(bound)) if op.is::<Min>() && *bound >= low => {
                (low, high.min(*bound))
            }
            _ => return Ok(None),
        };
        Ok(Some(Self { activation: Activation::Clamp(bounds.0, bounds.1), ..self.clone() }))
    }

    fn with_residual(&self) -> Option<Self> {
        let residual = match self.activation {
            Activation::None => Residual::BeforeActivation,
            _ => Residual::AfterActivation,
        };
        self.residual.is_none().then(|| Self { residual: Some(residual), ..self.clone() })
    }

    pub(super) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// As it runs, for some images at a time.
    pub(super) fn ready(&self) -> Option<&Packed> {
        self.packed.as_deref()
    }

    /// What becomes of the sums; `residual` is the second input.
    pub(super) fn epilogue<'a>(&'a self, residual: Option<&'a [f32]>) -> TractResult<Epilogue<'a>> {
        Ok(Epilogue {
            bias: Some(floats(&self.bias)?),
            residual,
            residual_first: self.residual == Some(Residual::BeforeActivation),
            activation: self.activation,
            slopes: self.slopes.as_ref().map(|slopes| floats(slopes)).transpose()?,
        })
    }

    fn packed(&self) -> TractResult<Self> {
        self.packed_for(&self.geometry)
    }

    /// With weights packed for `geometry`, which has other images.
    pub(super) fn packed_for(&self, geometry: &Geometry) -> TractResult<Self> {
        let packed = Packed::new(geometry, floats(&self.weights)?)?;
        let weights = Arc::new(tensor1::<f32>(&[]));
        Ok(Self { weights, packed: Some(Arc::new(packed)), ..self.clone() })
    }
}

impl Convolution {
    /// This operator, as part of what `whole` makes of it, with what follows taken in.
    pub(super) fn taking_next(
        &self,
        model: &TypedModel,
        node: &TypedNode,
        whole: &dyn Fn(Self) -> Box<dyn TypedOp>,
    ) -> TractResult<Option<TypedModelPatch>> {
        let outlet = OutletId::new(node.id, 0);
        rule_if!(!model.outputs.contains(&outlet) && self.slopes.is_none());
        rule_if_some!(next = model.single_succ(node.id)?);
        rule_if!(model.outlet_fact(next.id.into())?.shape.as_concrete() == Some(&*self.shape));
        if let Some(activation) = self.with_unary(next) {
            rule_if!(self.residual != Some(Residual::AfterActivation));
            let op = whole(Self { activation, ..self.clone() });
            return TypedModelPatch::fuse_with_next(model, node, op).map(Some);
        }
        rule_if_some!(binary = next.op_as::<TypedBinOp>());
        let first = next.inputs[1] == outlet;
        let other = next.inputs[usize::from(!first)];
        let fact = model.outlet_fact(other)?;
        if let Some(konst) = &fact.konst {
            rule_if_some!(op = self.with_constant(binary, konst, first)?);
            return TypedModelPatch::fuse_with_next(model, node, whole(op)).map(Some);
        }
        let same =
            fact.datum_type == f32::datum_type() && fact.shape.as_concrete() == Some(&*self.shape);
        rule_if!(same && other != outlet && binary.0.is::<Add>() && binary.1.is_none());
        rule_if_some!(op = self.with_residual());
        let mut patch = TypedModelPatch::default();
        let inputs = patch.taps(model, &[node.inputs[0], other])?;
        let wire = patch.wire_node(&node.name, whole(op), &inputs)?;
        patch.shunt_outside(model, next.id.into(), wire[0])?;
        Ok(Some(patch))
    }
}

impl Op for Convolution {
    fn name(&self) -> StaticName {
        "Convolution".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        let method = self.packed.as_ref().map(|packed| packed.method());
        let function = match &self.slopes {
            Some(_) => "a slope for each channel".into(),
            None => format!("{:?}", self.activation),
        };
        Ok(vec![format!("{method:?} {function} {:?} {:?}", self.residual, self.geometry)])
    }

    op_as_typed_op!();
}

impl EvalOp for Convolution {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let Some(packed) = &self.packed else { return self.packed()?.eval(_ctx, inputs) };
        let residual = inputs.get(1).map(|r| floats(r)).transpose()?;
        let epilogue = self.epilogue(residual)?;
        let mut output = reuse::floats(&self.shape)?;
        {
            let mut view = output.try_as_plain_ram_mut()?;
            packed.run(&self.geometry, floats(&inputs[0])?, &epilogue, view.as_slice_mut()?)?;
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Convolution {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        check(&self.geometry, &self.shape, inputs)?;
        Ok(tvec!(f32::fact(&self.shape)))
    }

    fn declutter(
        &self,
        model: &TypedModel,
        node: &TypedNode,
    ) -> TractResult<Option<TypedModelPatch>> {
        self.taking_next(model, node, &|op| Box::new(op))
    }

    fn codegen(
        &self,
        model: &TypedModel,
        node: &TypedNode,
    ) -> TractResult<Option<TypedModelPatch>> {
        rule_if!(self.packed.is_none());
        TypedModelPatch::replace_single_op(model, node, &node.inputs, self.packed()?).map(Some)
    }

    as_op!();
}
