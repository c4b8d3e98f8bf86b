//! `nearside.Narrow`: numbers as those of a type that the engine lacks, in its carrier.
//!
//! In: any numbers. Out: the nearest ones of the type, as a cast of ONNX gives them: floats round and
//! saturate or overflow, integers keep their lowest bits. Behind arithmetic, what is no float stays.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{NodeProto, tensor_proto::DataType};
use tract_onnx::tract_hir::internal::*;

use super::super::narrow::{Narrow, Powers, narrow};
use super::lower::{Built, lowered};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ToNarrow {
    code: i32,
    saturate: bool,
    powers: Powers,
}

crate::codec::choices! { Powers { 0 => Up, 1 => Down, 2 => Nearest } }
crate::codec::fields! { ToNarrow { code, saturate, powers } }

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let flag = |name, default: i64| -> TractResult<bool> {
        Ok(node.get_attr_opt(name)?.unwrap_or(default) != 0)
    };
    let powers = match node.get_attr_opt("round_mode")?.unwrap_or("up") {
        "up" => Powers::Up,
        "down" => Powers::Down,
        "nearest" => Powers::Nearest,
        other => bail!("round_mode {other} is unknown"),
    };
    let code = node.get_attr("to")?;
    let op = ToNarrow { code, saturate: flag("saturate", 1)?, powers };
    let float = op.narrow()?.is_float();
    let behind = flag("behind", 0)?;
    lowered(node, move |g, inputs| {
        let x = inputs.need(0)?;
        if behind && float && !g.dtype(x)?.is_float() {
            return Ok(tvec!(x));
        }
        let x = g.cast(x, if float { DatumType::F32 } else { DatumType::I64 })?;
        Ok(tvec!(g.op(op.clone(), &[x])?))
    })
}

impl ToNarrow {
    /// What quantisation rounds with.
    pub(super) fn quantising(narrow: &Narrow, saturate: bool) -> Self {
        Self { code: narrow.code, saturate, powers: Powers::Nearest }
    }

    #[cfg(feature = "gpu")]
    pub(crate) fn saturate(&self) -> bool {
        self.saturate
    }

    #[cfg(feature = "gpu")]
    pub(crate) fn powers(&self) -> Powers {
        self.powers
    }

    pub(crate) fn narrow(&self) -> TractResult<&'static Narrow> {
        narrow(self.code).with_context(|| format!("{} is no narrow type", self.code))
    }
}

/// The engine's type that holds every value of `narrow`.
pub(super) fn carrier(narrow: &Narrow) -> DatumType {
    match narrow.carrier {
        DataType::Int8 => DatumType::I8,
        DataType::Uint8 => DatumType::U8,
        _ => DatumType::F32,
    }
}

impl Op for ToNarrow {
    fn name(&self) -> StaticName {
        "Narrow".into()
    }

    op_as_typed_op!();
}

impl EvalOp for ToNarrow {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, mut inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let narrow = self.narrow()?;
        let mut x = inputs.remove(0).into_tensor();
        let mut plain = x.try_as_plain_ram_mut()?;
        if narrow.is_float() {
            let round = |x: &mut f32| *x = narrow.round(*x, self.saturate, self.powers);
            plain.as_slice_mut::<f32>()?.iter_mut().for_each(round);
        } else {
            plain.as_slice_mut::<i64>()?.iter_mut().for_each(|x| *x = narrow.wrap(*x));
        }
        Ok(tvec!(x.cast_to_dt(carrier(narrow))?.into_owned().into_tvalue()))
    }
}

impl TypedOp for ToNarrow {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let narrow = self.narrow()?;
        let wanted = if narrow.is_float() { DatumType::F32 } else { DatumType::I64 };
        ensure!(inputs[0].datum_type == wanted, "rounding {:?}", inputs[0].datum_type);
        Ok(tvec!(carrier(narrow).fact(inputs[0].shape.clone())))
    }

    fn axes_mapping(
        &self,
        inputs: &[&TypedFact],
        outputs: &[&TypedFact],
    ) -> TractResult<AxesMapping> {
        AxesMapping::natural(inputs, outputs)
    }

    fn change_axes(
        &self,
        model: &TypedModel,
        node: &TypedNode,
        _io: InOut,
        change: &AxisOp,
    ) -> TractResult<Option<AxisChangeConsequence>> {
        Ok(Some(AxisChangeConsequence::new(model, node, None, change)))
    }

    as_op!();
}
