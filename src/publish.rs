//! A model file -> its published form, which loads without importing.
//!
//! In: a decoded file, and the shapes that it will be run with. Out: the form's bytes, and which plans are in it. The
//! one decision: the model itself is always in it as well, without its constants twice, so that other shapes, other
//! devices and other versions of the engine find what they need.

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Builder, Dim, Model, ModelFile, Onnx, Signature, Source, ValueInfo};
use crate::plan::{BoundInput, PlanKey};

/// The shape of each input, by name.
pub type Shapes = Vec<(String, Vec<usize>)>;

/// A published form.
pub struct Publication {
    /// The file.
    pub bytes: Vec<u8>,
    /// What it was to be planned for, and why it was not where it has no plan for that.
    pub plans: Vec<(Shapes, Option<Error>)>,
}

/// The shape of an input that nobody names: the one that it declares, where an open first dimension, the batch, is 1.
/// None where another one is open, or where it is no tensor.
pub fn usual_shape(input: &ValueInfo) -> Option<Vec<usize>> {
    let size = |(at, d): (usize, &Dim)| match d {
        Dim::Known(n) => Some(*n),
        _ => (at == 0).then_some(1),
    };
    let plain = input.ranked && input.kind.is_tensor();
    plain.then(|| input.shape.iter().enumerate().map(size).collect()).flatten()
}

/// What a page can address: no tensor there is larger.
const MOST_BYTES: u64 = 1 << 32;

/// Publishes a model for these sets of shapes; with `plans_only` the model itself is left out, which is smaller where
/// plans have other weights than the model.
///
/// # Errors
/// Those of loading it; `InvalidInput` and `ShapeMismatch` for shapes that are not the model's; `CannotPlan` when plans
/// alone would be nothing.
pub fn publish(file: ModelFile, sets: &[Shapes], plans_only: bool) -> Result<Publication> {
    let (proto, inspection) = file.parts()?;
    let Model { program, segments, .. } = Model::of_parts(proto.clone(), inspection.clone())?;
    let mut form = Builder::default();
    let mut plans = vec![];
    let whole = !program.is_one_segment();
    for shapes in sets {
        let key = key(&inspection.signature, shapes)?;
        let left_out = match &segments[..] {
            [Source::Graph(graph)] if !whole => {
                let failed = crate::plan::publish(graph.clone(), &key, MOST_BYTES, &mut form).err();
                failed.map(|e| if key.steers() { of_values(e) } else { e })
            }
            _ => Some(Error::new(
                ErrorKind::CannotPlan,
                "it has loops, branches or sequences, which decide in a run what is planned",
            )),
        };
        plans.push((shapes.clone(), left_out));
    }
    let onnx = match plans_only {
        true => Onnx::Without,
        false if whole => Onnx::Whole,
        false => Onnx::Beside,
    };
    if plans_only && plans.iter().all(|(_, left_out)| left_out.is_some()) {
        let reason = plans.into_iter().find_map(|(_, left_out)| left_out);
        let none = || Error::new(ErrorKind::InvalidInput, "no shapes are named to plan for");
        return Err(reason.unwrap_or_else(none));
    }
    Ok(Publication { bytes: form.finish(proto, inspection, onnx)?, plans })
}

/// What fails for shapes may do for values.
fn of_values(error: Error) -> Error {
    let text = "what it computes depends on the values of small inputs, or fails for these shapes";
    Error::new(error.kind().clone(), text).with_source(error)
}

fn key(signature: &Signature, shapes: &Shapes) -> Result<PlanKey> {
    if let Some((name, _)) =
        shapes.iter().find(|(name, _)| !signature.inputs.iter().any(|i| i.name == *name))
    {
        let names: Vec<_> = signature.inputs.iter().map(|i| i.name.as_str()).collect();
        let text = format!("unknown input `{name}`; the inputs are: {}", names.join(", "));
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    let inputs = signature.inputs.iter().map(|input| {
        let given = shapes.iter().find(|(name, _)| *name == input.name);
        let (_, shape) = given.ok_or_else(|| {
            let text = format!("the shape of input `{}` is missing", input.name);
            Error::new(ErrorKind::InvalidInput, text)
        })?;
        let fits = !input.ranked
            || input.shape.len() == shape.len()
                && input
                    .shape
                    .iter()
                    .zip(shape)
                    .all(|(d, n)| !matches!(d, Dim::Known(k) if k != n));
        if !fits {
            let text = format!("input `{}` cannot have the shape {shape:?}", input.name);
            return Err(Error::new(ErrorKind::ShapeMismatch, text));
        }
        Ok(BoundInput { dtype: input.dtype, shape: shape.clone(), value: None })
    });
    Ok(PlanKey { inputs: inputs.collect::<Result<_>>()? })
}
